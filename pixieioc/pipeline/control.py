"""The control plane as a task sees it: one DEALER to the pipeline, and what it prints on its way there."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import Any

import zmq

from pixieioc.pipeline.frames import Packet, pack, unpack
from pixieioc.pipeline.payloads import clean

#: Where the socket hears what the task's own process says.
OWN_ADDRESS = "inproc://own"

#: Lines of one PRINT message, and lines that wait for the pipeline before the oldest are dropped (and counted).
_LINES_AT_ONCE, _LINES_KEPT = 100, 1000
#: Lines are sent at most once in this many seconds; a longer line is cut, at this many characters.
_PRINT_INTERVAL, _LONGEST_LINE = 0.1, 4096


@dataclass(frozen=True)
class Wiring:
    """Where a task's process finds its pipeline and what it is called there."""

    control: str  #: the pipeline's control socket
    identity: str  #: unique a process: name and generation
    endpoint: str  #: where this task's sender is bound


class ControlLine:
    """Sends what a task has to say without ever blocking, in order; listens for what the pipeline says."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], wiring: Wiring) -> None:
        self.socket = context.socket(zmq.DEALER)
        self.socket.set(zmq.IDENTITY, wiring.identity.encode())
        self.socket.set(zmq.LINGER, 1000)
        self.socket.connect(wiring.control)
        self.socket.bind(OWN_ADDRESS)
        self._outbox: deque[list[Any]] = deque()

    def send(self, kind: str, payload: Any, run: int) -> None:
        """Sends a message, after those that have not left yet."""
        self._outbox.append(pack(Packet(kind, run, 0, payload)))
        self.flush()

    def flush(self) -> None:
        """Sends what waits, as far as the socket takes it."""
        while self._outbox:
            try:
                self.socket.send_multipart(self._outbox[0], zmq.DONTWAIT)
            except zmq.Again:
                return
            self._outbox.popleft()

    def receive(self) -> Packet | None:
        """The next message from the pipeline, or None if there is none."""
        try:
            return unpack(self.socket.recv_multipart(zmq.DONTWAIT))
        except zmq.Again:
            return None

    def close(self, *, nobody_listens: bool = False) -> None:
        """Closes the socket; what was sent is still delivered, if somebody listens."""
        self.flush()
        self.socket.close(linger=0 if nobody_listens else None)


class Printer:
    """Stands in for `sys.stdout` in a task: whole lines become PRINT messages. Any thread may print."""

    encoding = "utf-8"
    errors = "backslashreplace"

    def __init__(self) -> None:
        self._begun = ""
        self._lines: deque[str] = deque()
        self._dropped = 0
        self._next = 0.0
        self._lock = threading.Lock()

    def write(self, text: str) -> int:
        """Takes text as a file would."""
        with self._lock:
            *lines, begun = (self._begun + text).split("\n")
            for line in lines:
                self._keep(line)
            if len(begun) > _LONGEST_LINE:  # a line that never ends is shown as far as it goes
                self._keep(begun)
                begun = ""
            self._begun = begun
        return len(text)

    def _keep(self, line: str) -> None:
        if len(self._lines) == _LINES_KEPT:
            self._lines.popleft()
            self._dropped += 1
        self._lines.append(clean(line, _LONGEST_LINE))

    def flush(self) -> None:
        """Does nothing: lines leave when the task comes around to it."""

    def writable(self) -> bool:
        """Always."""
        return True

    def isatty(self) -> bool:
        """Never a terminal."""
        return False

    def take(self, *, last: bool = False) -> str | None:
        """The next lines to be sent, or None; with `last`, a line that was not ended too, and at once.

        A few messages a second at most: a task that prints without end must not keep the pipeline from its work.
        """
        with self._lock:
            if last and self._begun:
                self._keep(self._begun)
                self._begun = ""
            if not self._lines or (not last and time.monotonic() < self._next):
                return None
            self._next = time.monotonic() + _PRINT_INTERVAL
            if self._dropped:
                self._lines.appendleft(f"[{self._dropped} lines dropped here: printed faster than they can be shown]")
                self._dropped = 0
            return "\n".join(self._lines.popleft() for _ in range(min(len(self._lines), _LINES_AT_ONCE)))

    @property
    def due_in(self) -> float:
        """Seconds until the next lines may leave; infinite if there are none."""
        return self._next - time.monotonic() if self._lines else float("inf")
