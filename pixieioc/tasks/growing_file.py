"""A file that grows at its end, past the page cache where that is possible.

The page cache costs a copy of every byte and more work when its pages go to the disk, and it fills memory with what
nobody reads soon. Direct I/O (`O_DIRECT`, see open(2)) costs nothing of this, but takes whole pages from page-aligned
memory only, and not every file system has it. So large data go directly; small data, and what is left of a page, go
through the cache. The kernel keeps the two coherent: a reader always sees all that was written.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import mmap
import os
from pathlib import Path

import numpy as np

from pixieioc.tasks.disk import is_in_place

_PAGE = mmap.PAGESIZE
#: From this many bytes on, waiting for the disk is cheaper than the page cache.
_LEAST = 64 * 1024
#: Data that do not lie as the disk needs them are copied, this much at a time.
_STAGE = 1024**2


class GrowingFile:
    """A new file, of which everything that was appended can be read at once; on the disk it is safe after `sync`.

    It is locked as long as it is open.
    """

    def __init__(self, path: Path) -> None:
        """Makes the file; OSError if that is impossible, or it is there already."""
        self.size = 0
        self._path = path
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        lock(self._descriptor)
        self._direct: int | None = None
        self._stage: mmap.mmap | None = None
        try:
            self._direct = os.open(path, os.O_WRONLY | os.O_DIRECT | os.O_CLOEXEC)
        except (OSError, AttributeError) as error:  # a system, or a file system, that has no direct I/O
            if isinstance(error, OSError) and error.errno != errno.EINVAL:
                os.close(self._descriptor)
                raise

    def append(self, data: memoryview) -> None:
        """Writes all bytes of `data`; OSError if the disk does not take them, `size` then tells how many it took."""
        while data:
            written = self._write_some(data)
            self.size += written
            data = data[written:]

    def truncate(self, size: int) -> None:
        """Gives up what is behind the first `size` bytes."""
        os.ftruncate(self._descriptor, size)
        self.size = size

    def is_in_place(self) -> bool:
        """Whether the file is still to be found by its name."""
        return is_in_place(self._path, os.fstat(self._descriptor), self.size)

    def sync(self) -> None:
        """Has the disk take all that was appended; may be called in another thread."""
        os.fdatasync(self._descriptor)

    def close(self) -> None:
        """Closes the file."""
        os.close(self._descriptor)
        if self._direct is not None:
            os.close(self._direct)

    def _write_some(self, data: memoryview) -> int:
        """Writes the beginning of `data` and returns how much: to the end of a page, or whole pages, or the rest."""
        begun = self.size % _PAGE
        if self._direct is None or len(data) < _LEAST:
            return os.pwrite(self._descriptor, data, self.size)
        if begun:
            return os.pwrite(self._descriptor, data[: _PAGE - begun], self.size)
        try:
            return os.pwrite(self._direct, self._aligned(data), self.size)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            # The file system wants more than page alignment, or has promised what it cannot do.
            os.close(self._direct)
            self._direct = None
            return 0

    def _aligned(self, data: memoryview) -> memoryview:
        """Whole pages from the start of `data`, in memory that begins with a page: all of them, or a copy of some."""
        if np.frombuffer(data, np.uint8).ctypes.data % _PAGE == 0:
            return data[: len(data) - len(data) % _PAGE]
        if self._stage is None:
            self._stage = mmap.mmap(-1, _STAGE)
        size = min(len(data) - len(data) % _PAGE, _STAGE)
        self._stage[:size] = data[:size]
        return memoryview(self._stage)[:size]


def lock(descriptor: int) -> None:
    """Locks a file as long as it is open, where the file system has locks: see `is_open`."""
    with contextlib.suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def is_open(path: Path) -> bool:
    """Whether a file is still being written at `path`, by any process, as far as locks tell; OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno == errno.EWOULDBLOCK
    finally:
        os.close(descriptor)
    return False
