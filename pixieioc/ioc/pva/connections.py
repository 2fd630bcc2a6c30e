"""Connections at PVAccess' port: pvxs takes any number, also of those that never ask for a process variable.

Each is a file descriptor of the process, which needs some for its files, too.
"""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import socket
import stat
import threading
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

#: What is no connection: it listens, its client has just gone, it is no socket any more, or its path only (O_PATH).
_NOT_CONNECTED = (errno.ENOTCONN, errno.EINVAL, errno.ENOTSOCK, errno.EBADF)
#: No more descriptors are looked at, where they cannot be listed.
_MOST = 65536
#: Descriptors that are kept for the files of the process when clients have got all others.
_KEPT = 8


def surplus(since: Mapping[str, float], clients: Collection[str], most: int) -> list[str]:
    """Whom to end of all connections (by the other end, with the time since which each is known): the oldest first.

    Those of clients stay.
    """
    others = sorted((peer for peer in since if peer not in clients), key=since.__getitem__)
    return others[: max(0, len(since) - most)]


class Connections:
    """All connections at a port of this process, looked at and ended in any thread."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._since: dict[str, float] = {}
        self._lock = threading.Lock()
        self._null = os.open(os.devnull, os.O_RDONLY)
        #: A descriptor for looking at others: there may be no further one, and another thread may close what is seen.
        self._slot = os.dup(self._null)
        self._kept: list[int] = []
        self.keep()

    def close(self) -> None:
        """It cannot be used any more."""
        self.give_way()
        os.close(self._slot)
        os.close(self._null)

    def keep(self) -> None:
        """Keeps descriptors for files, as many as there may be."""
        with self._lock, contextlib.suppress(OSError):
            while len(self._kept) < _KEPT:
                self._kept.append(os.dup(self._null))

    def give_way(self) -> None:
        """Files may have them."""
        with self._lock:
            while self._kept:
                os.close(self._kept.pop())

    def may_be_more_than(self, most: int) -> bool:
        """Whether so many descriptors are open at all, which the lowest free one tells at once."""
        try:
            lowest = os.dup(self._null)
        except OSError:
            return True
        os.close(lowest)
        return lowest > most

    def end_surplus(self, clients: Collection[str], most: int) -> int:
        """Ends connections beyond so many, unless they are clients'; returns how many."""
        with self._lock:
            now = time.monotonic()
            self._since = {peer: self._since.get(peer, now) for peer in self._each()}
            unwanted = surplus(self._since, clients, most)
            return sum(1 for _ in self._each(unwanted)) if unwanted else 0

    def _each(self, unwanted: Collection[str] = ()) -> Iterator[str]:
        """The other ends of all connections; with `unwanted` of those only, which are ended."""
        for descriptor in _sockets():
            try:
                os.dup2(descriptor, self._slot, inheritable=False)
            except OSError:  # it has just been closed
                continue
            peer = self._seen(unwanted)
            if peer:
                yield peer
        os.dup2(self._null, self._slot, inheritable=False)

    def _seen(self, unwanted: Collection[str]) -> str:
        """What is in the slot."""
        try:
            found = socket.socket(fileno=self._slot)
            try:
                peer = self._peer(found)
                if peer in unwanted:
                    found.shutdown(socket.SHUT_RDWR)  # pvxs learns that its client has gone
            finally:
                found.detach()
        except OSError as error:
            if error.errno not in _NOT_CONNECTED:
                raise
            return ""
        return peer if not unwanted or peer in unwanted else ""

    def _peer(self, found: socket.socket) -> str:
        """The other end, as pvxs calls it; empty if it is not connected to our port."""
        if found.type != socket.SOCK_STREAM or found.family not in (socket.AF_INET, socket.AF_INET6):
            return ""
        if found.getsockname()[1] != self._port:
            return ""
        host, port = found.getpeername()[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _sockets() -> Iterator[int]:
    """All descriptors of this process that are sockets."""
    for descriptor in _descriptors():
        try:
            mode = os.fstat(descriptor).st_mode
        except OSError:
            continue
        if stat.S_ISSOCK(mode):
            yield descriptor


def _descriptors() -> Iterable[int]:
    try:
        return [int(each.name) for each in Path("/proc/self/fd").iterdir()]
    except OSError:  # to list them would take one more, or this is not Linux
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        return range(_MOST if soft == resource.RLIM_INFINITY else min(soft, _MOST))
