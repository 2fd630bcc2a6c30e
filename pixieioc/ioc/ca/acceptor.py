"""New connections: taken as they come; while the process can have no more of them, they wait in the kernel."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Callable

from pixieioc.ioc.records import faults

log = logging.getLogger(__name__)

#: Seconds after which it is tried again when the process has no file descriptor left, or the system no memory.
_PAUSE = 1.0
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class Acceptor:
    """Gives the connections that a listening socket gets, with the address that each comes from, to `take`."""

    def __init__(self, listening: socket.socket, take: Callable[[socket.socket, tuple[str, int]], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._listening = listening
        self._take = take
        self._timer: asyncio.TimerHandle | None = None
        self._resume()

    def close(self) -> None:
        """Takes no more, and closes the socket."""
        if self._timer is not None:
            self._timer.cancel()
        self._loop.remove_reader(self._listening)
        self._listening.close()

    def _resume(self) -> None:
        self._timer = None
        self._loop.add_reader(self._listening, self._accept)

    def _accept(self) -> None:
        try:
            sock, address = self._listening.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError as error:
            if error.errno not in _EXHAUSTED:  # the connection has gone before it was taken
                return
            log.error("new clients must wait for %g s: %s", _PAUSE, error.strerror)
            self._loop.remove_reader(self._listening)  # it would be told again at once
            self._timer = self._loop.call_later(_PAUSE, self._resume)
            return
        try:
            self._take(sock, address)
        except Exception as error:
            sock.close()
            faults.report(f"the connection from {address[0]} could not be taken", error)
