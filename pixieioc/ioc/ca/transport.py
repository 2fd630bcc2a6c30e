"""A connection's bytes, in and out: a socket that is read and written as soon as it can be.

asyncio's own transport does the same for everybody; between a request and its answer it costs more than the answer. So
what comes is read into one buffer and handled in the same step, and what leaves goes to the kernel in the same step.
What the kernel does not take waits here, and is told when it is too much (`full`) and when it has gone (`drained`).
"""

from __future__ import annotations

import asyncio
import socket
from typing import Protocol

from pixieioc.ioc.records import faults

#: Bytes that may wait in the program for the kernel before a connection is full.
FULL = 64 * 1024


class User(Protocol):
    """Who is told what happens to a connection. An exception of `received` or `drained` ends the connection."""

    def received(self, size: int) -> None:
        """This many bytes have come: they are at the beginning of the inbox, until this returns."""

    def full(self) -> None:
        """More than `FULL` bytes wait: what is written now waits, too."""

    def drained(self) -> None:
        """All that waited has left, after it was too much."""

    def lost(self, error: OSError | None) -> None:
        """The connection has ended, by an error or because one side wanted so. Told once; nothing is told after it."""


class Transport:
    """A connected socket, which is closed at the end; what comes is put into `inbox`, which others may share."""

    __slots__ = ("_full", "_inbox", "_loop", "_receive", "_send", "_user", "_waiting", "closing", "reading", "socket")

    def __init__(self, sock: socket.socket, inbox: memoryview, user: User) -> None:
        sock.setblocking(False)
        self._loop = asyncio.get_running_loop()
        self.socket = sock
        self._inbox = inbox
        self._user = user
        self._receive, self._send = sock.recv_into, sock.send
        self._waiting = bytearray()
        self._full = False
        self.closing = False  #: it has ended, or will when all that waits has left; nothing may be written
        self.reading = False  #: what comes is taken
        self.resume_reading()

    @property
    def waiting(self) -> int:
        """Bytes that the kernel has not taken yet."""
        return len(self._waiting)

    # -- in -----------------------------------------------------------------------------------------------------------

    def pause_reading(self) -> None:
        """Takes nothing more from the peer until `resume_reading`."""
        if self.reading:
            self.reading = False
            self._loop.remove_reader(self.socket)

    def resume_reading(self) -> None:
        """Takes again what comes."""
        if not self.reading and not self.closing:
            self.reading = True
            self._loop.add_reader(self.socket, self._read)

    def _read(self) -> None:
        try:
            size = self._receive(self._inbox)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._end(error)
            return
        if not size:
            self.close()
            return
        try:
            self._user.received(size)
        except Exception as error:  # a fault of ours costs this connection, and no other
            faults.report("a connection's data could not be handled", error)
            self._end(None)

    # -- out ----------------------------------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Sends, at once if the kernel takes it, and in any case in order."""
        if self.closing:
            return
        sent = 0
        if not self._waiting:
            try:
                sent = self._send(data)
            except (BlockingIOError, InterruptedError):
                pass
            except OSError as error:
                self._end(error)
                return
            if sent == len(data):
                return
            self._loop.add_writer(self.socket, self._go_on)
        self._waiting += memoryview(data)[sent:]
        if not self._full and len(self._waiting) > FULL:
            self._full = True
            self._user.full()

    def _go_on(self) -> None:
        """Sends of what waits as much as the kernel takes now."""
        try:
            sent = self._send(self._waiting)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._end(error)
            return
        del self._waiting[:sent]
        if self._waiting:
            return
        self._loop.remove_writer(self.socket)
        if self.closing:
            self._end(None)
        elif self._full:
            self._full = False
            try:
                self._user.drained()
            except Exception as error:
                faults.report("a connection could not go on", error)
                self._end(None)

    # -- the end ------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Takes nothing more; the connection ends when all that waits has left."""
        self.pause_reading()
        if not self._waiting:
            self._end(None)
        self.closing = True

    def abort(self) -> None:
        """Ends the connection now; what waits is lost."""
        self._end(None)

    def _end(self, error: OSError | None) -> None:
        if self.socket.fileno() < 0:
            return
        self.pause_reading()
        self._loop.remove_writer(self.socket)
        self._waiting.clear()
        self.closing = True
        self.socket.close()
        # Later: whoever has made it end may be in the middle of something.
        self._loop.call_soon(self._user.lost, error)
