"""The control plane as a task sees it: one DEALER to the pipeline, and what it prints and reports on its way there."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from typing import Any

import zmq

from pixieioc.pipeline.frames import Packet, pack, unpack

#: Lines of one PRINT message, and lines that wait for the pipeline before the oldest are dropped (and counted).
_LINES_AT_ONCE, _LINES_KEPT = 100, 1000
#: A report leaves at most every so many seconds; values wait, the newest wins.
REPORT_INTERVAL = 0.5


@dataclass(frozen=True)
class Wiring:
    """Where a task's process finds its pipeline and what it is called there."""

    control: str  #: the pipeline's control socket
    identity: str  #: unique a process: name and generation
    endpoint: str  #: where this task's outlet is bound


class ControlLine:
    """Sends what a task has to say without ever blocking, in order; listens for what the pipeline says."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], wiring: Wiring) -> None:
        self.socket = context.socket(zmq.DEALER)
        self.socket.set(zmq.IDENTITY, wiring.identity.encode())
        self.socket.set(zmq.LINGER, 1000)
        self.socket.connect(wiring.control)
        self._outbox: deque[list[Any]] = deque()

    def say(self, kind: str, payload: Any, run: int) -> None:
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

    def hear(self) -> Packet | None:
        """The next message from the pipeline, or None if there is none."""
        try:
            return unpack(self.socket.recv_multipart(zmq.DONTWAIT))
        except zmq.Again:
            return None

    def close(self) -> None:
        """Closes the socket; what was said is still delivered."""
        self.flush()
        self.socket.close()


class Reports:
    """Values on their way to the pipeline: merged, the newest wins, at most two messages a second unless forced."""

    def __init__(self) -> None:
        self._values: dict[str, Any] = {}
        self._last = 0.0

    def add(self, values: dict[str, Any]) -> None:
        """Puts values into the next report."""
        self._values.update(values)

    @property
    def empty(self) -> bool:
        """True if no value waits."""
        return not self._values

    @property
    def due_in(self) -> float:
        """Seconds until the next report may leave."""
        return self._last + REPORT_INTERVAL - time.monotonic()

    def take(self) -> dict[str, Any]:
        """The values that wait; they count as reported now."""
        values, self._values = self._values, {}
        self._last = time.monotonic()
        return values


class Printer:
    """Stands in for `sys.stdout` in a task: whole lines become PRINT messages."""

    encoding = "utf-8"

    def __init__(self) -> None:
        self._begun = ""
        self._lines: deque[str] = deque()
        self._dropped = 0

    def write(self, text: str) -> int:
        """Takes text as a file would."""
        *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            if len(self._lines) == _LINES_KEPT:
                self._lines.popleft()
                self._dropped += 1
            self._lines.append(line)
        return len(text)

    def flush(self) -> None:
        """Does nothing: lines leave when the task comes around to it."""

    def isatty(self) -> bool:
        """Never a terminal."""
        return False

    def take(self, *, last: bool = False) -> str | None:
        """The next lines to be sent, or None; with `last`, a line that was not ended too."""
        if last and self._begun:
            self.write("\n")
        if self._dropped:
            self._lines.appendleft(f"[{self._dropped} lines dropped here: printed faster than they can be shown]")
            self._dropped = 0
        if not self._lines:
            return None
        return "\n".join(self._lines.popleft() for _ in range(min(len(self._lines), _LINES_AT_ONCE)))
