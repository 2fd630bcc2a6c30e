"""The way back along a link: a named pipe on which the receiver tells the sender how far it is.

Each record is written and read in one piece, and few are on their way at a time: the pipe holds thousands.
"""

from __future__ import annotations

import contextlib
import functools
import os
import select
import struct
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

#: What is told: the run and how many of its items were taken; a ticket that is given back; a receiver has come, and
#: the process and descriptor of its memory.
TAKEN, RETURNED, JOINED = range(1, 4)
_RECORD = struct.Struct("<3Q")
_MOST = _RECORD.size * 1024


def path_of(address: str) -> Path:
    """The pipe of the link at an `ipc://` address."""
    return Path(address.removeprefix("ipc://") + ".credits")


class Reader:
    """The sender's end."""

    def __init__(self, address: str) -> None:
        os.mkfifo(path_of(address), 0o600)
        # For reading and writing: so the pipe has no end when a receiver goes.
        self._descriptor = os.open(path_of(address), os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)

    def fileno(self) -> int:
        """What can be waited on until something is told."""
        return self._descriptor

    def read(self) -> Iterator[tuple[int, int, int]]:
        """What has been told and not been read yet."""
        with contextlib.suppress(BlockingIOError):
            while True:
                yield from _RECORD.iter_unpack(os.read(self._descriptor, _MOST))

    def close(self) -> None:
        """Closes this end; whoever tells something then tells nobody."""
        os.close(self._descriptor)


class Writer:
    """The receiver's end. It stays open until the last ticket has been given back."""

    def __init__(self, address: str) -> None:
        self._descriptor = os.open(path_of(address), os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        weakref.finalize(self, os.close, self._descriptor).atexit = False

    def write(self, what: int, a: int, b: int = 0) -> None:
        """Tells the sender something."""
        # The sender may be gone. A pipe that is full has a sender that has stopped: it sends nothing any more.
        with contextlib.suppress(BrokenPipeError, BlockingIOError):
            os.write(self._descriptor, _RECORD.pack(what, a, b))

    @property
    def nobody_reads(self) -> bool:
        """Whether the sender is gone."""
        poll = select.poll()
        poll.register(self._descriptor, 0)
        return any(event & select.POLLERR for _, event in poll.poll(0))

    def returner(self, ticket: int) -> Callable[[], None]:
        """A function that gives a ticket back."""
        return functools.partial(self.write, RETURNED, ticket)
