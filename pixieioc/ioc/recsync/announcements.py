"""The sockets on which recceivers announce themselves; a flood costs no more than a few datagrams a second."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Self

from pixieioc.ioc.broadcast import listening_udp

#: Bytes that may wait in the system, and those that are read of a datagram.
_ROOM, _READ = 16 * 1024, 64
#: Datagrams that are read together at most, and the pause afterwards, in seconds: what has no room meanwhile is lost.
_TOGETHER, _PAUSE = 8, 0.1


class Announcements:
    """Hands each datagram, with its sender's address, to `take`; a context manager. OSError if it cannot listen."""

    def __init__(self, interfaces: list[str], port: int, take: Callable[[bytes, str], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._take = take
        self._sockets = listening_udp(interfaces, port, _ROOM, "announcements of recceivers")
        self._timers: dict[socket.socket, asyncio.TimerHandle] = {}
        for sock in self._sockets:
            self._resume(sock)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for timer in self._timers.values():
            timer.cancel()
        for sock in self._sockets:
            self._loop.remove_reader(sock)
            sock.close()

    def _resume(self, sock: socket.socket) -> None:
        self._timers.pop(sock, None)
        self._loop.add_reader(sock, self._read, sock)

    def _read(self, sock: socket.socket) -> None:
        with contextlib.suppress(BlockingIOError, InterruptedError):
            for _ in range(_TOGETHER):
                datagram, (host, _) = sock.recvfrom(_READ)
                self._take(datagram, host)
        self._loop.remove_reader(sock)
        self._timers[sock] = self._loop.call_later(_PAUSE, self._resume, sock)
