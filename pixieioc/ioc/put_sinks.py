"""Where lines go: a file that is rotated, or a collector over TCP or UDP, each in a thread of its own.

A line is handed over without waiting for anything. What the other side does not take is held as long as there is room;
what comes then is lost, and counted.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from pathlib import Path

from pixieioc.ioc.logs import NO_ANSWER

#: Lines are collected for so long before they are written together, in seconds.
_COLLECT = 0.05
#: Seconds between attempts after a failure, and seconds that a collector may take for one step.
_RETRY, _PATIENCE = 2.0, 5.0
#: How long a write may take, in seconds, before it is told of. Longer than a step that gives up by itself.
_SILENT = 6.0
#: Most bytes of a datagram that any network takes.
_DATAGRAM = 1400


class Sink(ABC):
    """What lines are written to; at most `room` of them wait."""

    def __init__(self, name: str, room: int) -> None:
        self.name = name
        self.lost = 0
        self._failure = ""
        self._began: float | None = None  # a write
        self._room = room
        self._lines: deque[bytes] = deque()
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name=f"pixieioc {name}", daemon=True)

    @property
    def problem(self) -> str:
        """Why nothing can be written at present; empty: it can."""
        began = self._began
        silent = began is not None and time.monotonic() - began > _SILENT
        return f"{self.name}: {NO_ANSWER}" if silent else self._failure

    def start(self) -> None:
        """Writes from now on what is put."""
        self._thread.start()

    def put(self, line: bytes) -> None:
        """Takes a line; the newest are lost if too many wait."""
        if len(self._lines) >= self._room:
            self.lost += 1
            return
        self._lines.append(line)
        self._wake.set()

    @property
    def waiting(self) -> int:
        """Lines that are not written yet."""
        return len(self._lines)

    def close(self, seconds: float) -> None:
        """Ends it; what waits is still written if that takes no longer than this."""
        self._closing.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(seconds)

    def _work(self) -> None:
        while not (self._closing.is_set() and (self._failure or not self._lines)):
            self._wake.wait()
            self._wake.clear()
            self._closing.wait(_COLLECT)
            while self._lines and self._try():
                pass
            if self._lines and not self._closing.is_set():
                self._closing.wait(_RETRY)
                self._wake.set()
        self._shut()

    def _try(self) -> bool:
        """Writes lines that wait; whether that could be done."""
        self._began = time.monotonic()
        try:
            self._write()
        except (OSError, UnicodeError) as error:
            self._failure = f"{self.name}: {getattr(error, 'strerror', None) or error}"
            self._shut()
            return False
        finally:
            self._began = None
        self._failure = ""
        return True

    @abstractmethod
    def _write(self) -> None:
        """Writes some of the lines that wait, those of `_waiting`; OSError or UnicodeError if that is impossible."""

    @abstractmethod
    def _shut(self) -> None:
        """Closes what is open."""

    def _waiting(self) -> bytes:
        """The lines that wait at present; they are forgotten once `_done` says so."""
        lines = list(self._lines)
        self._taken = len(lines)
        return b"".join(lines)

    def _done(self) -> None:
        for _ in range(self._taken):
            self._lines.popleft()


class FileSink(Sink):
    """A file, of which `keep` older ones are kept: `NAME.1` is the newest of them. It may be moved away by others."""

    def __init__(self, file: Path, size: int, keep: int, room: int) -> None:
        super().__init__(str(file), room)
        self._file = file
        self._size = size
        self._keep = keep
        self._open: int | None = None
        self._rest = b""  # of lines that could be written in part only

    def _write(self) -> None:
        if not self._rest:
            self._rest = self._waiting()
        descriptor = self._opened()
        while self._rest:
            self._rest = self._rest[os.write(descriptor, self._rest) :]
        self._done()

    def _opened(self) -> int:
        """The file, a new one if it is full or has been moved away."""
        if self._open is not None and not self._is_there():
            self._shut()
        if self._open is None:
            self._open = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
        if os.fstat(self._open).st_size >= self._size:
            self._shut()
            self._rotate()
            self._open = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
        return self._open

    def _is_there(self) -> bool:
        assert self._open is not None
        try:
            return os.path.samestat(os.fstat(self._open), self._file.stat())
        except FileNotFoundError:
            return False

    def _rotate(self) -> None:
        for number in range(self._keep, 0, -1):
            older = self._file.with_name(f"{self._file.name}.{number}")
            newer = self._file.with_name(f"{self._file.name}.{number - 1}") if number > 1 else self._file
            with contextlib.suppress(FileNotFoundError):
                newer.replace(older)
        if not self._keep:
            self._file.unlink(missing_ok=True)

    def _shut(self) -> None:
        if self._open is not None:
            os.close(self._open)
            self._open = None


class TcpSink(Sink):
    """A collector that takes a stream, as EPICS' iocLogServer and logstash do. What it may not have got is repeated."""

    def __init__(self, name: str, host: str, port: int, room: int) -> None:
        super().__init__(name, room)
        self._address = (host, port)
        self._socket: socket.socket | None = None

    def _write(self) -> None:
        if self._socket is not None and _has_gone(self._socket):
            self._shut()
        if self._socket is None:
            self._socket = socket.create_connection(self._address, _PATIENCE)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._socket.sendall(self._waiting())
        self._done()

    def _shut(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


class UdpSink(Sink):
    """A collector that takes datagrams, of one or more whole lines; nobody knows which of them arrive."""

    def __init__(self, name: str, host: str, port: int, room: int) -> None:
        super().__init__(name, room)
        self._address = (host, port)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._known: tuple[float, str] = (0.0, "")  # the collector's address, and until when it is used

    def _write(self) -> None:
        until, host = self._known
        if time.monotonic() >= until:
            host = socket.gethostbyname(self._address[0])
            self._known = (time.monotonic() + 60.0, host)
        size, datagram = 0, list[bytes]()
        for line in list(self._lines):
            if datagram and size + len(line) > _DATAGRAM:
                break
            size += len(line)
            datagram.append(line)
        self._socket.sendto(b"".join(datagram), (host, self._address[1]))
        self._taken = len(datagram)
        self._done()

    def _shut(self) -> None:
        if self._closing.is_set():
            self._socket.close()


def _has_gone(connection: socket.socket) -> bool:
    """Whether the other side has closed a connection; what it may say is of no interest."""
    connection.settimeout(0.0)  # with a timeout, recv waits for it in spite of MSG_DONTWAIT
    try:
        return not connection.recv(4096)
    except BlockingIOError:
        return False
    except OSError:
        return True
    finally:
        connection.settimeout(_PATIENCE)
