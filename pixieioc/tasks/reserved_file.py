"""A file that has room on the disk before it is written, so that what completes it fits on a disk that is full."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pixieioc.tasks.digest import Digest
from pixieioc.tasks.growing_file import lock
from pixieioc.tasks.writeback import Writeback


class ReservedFile:
    """An existing file that is written from its beginning on; it is as long as what was written once it is closed.

    It has what pyarrow needs of a Python file, and is locked as long as it is open.
    """

    def __init__(self, path: Path, progress: Callable[[], object] = lambda: None) -> None:
        """`progress` is called while a slow disk is waited for, see `Writeback`."""
        self.size = 0  #: bytes written
        self._reserved = 0
        self.sha256 = ""  #: checksum of all that was written, once it is closed
        self._digest = Digest()
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        lock(self._descriptor)
        self._writeback = Writeback(self._descriptor, progress)
        self.closed = False

    @property
    def rate(self) -> float:
        """Bytes per second that the disk takes, as far as that shows."""
        return self._writeback.rate

    @property
    def is_slow(self) -> bool:
        """Whether the disk takes its time."""
        return self._writeback.is_slow

    def reserve(self, size: int) -> None:
        """Has the disk keep room for this many bytes behind what is there; OSError, and no change, if it has none."""
        end = self.size + size
        if end > self._reserved:
            os.posix_fallocate(self._descriptor, self._reserved, end - self._reserved)
            self._reserved = end

    def write(self, data: Any) -> int:
        """All of `data`; ValueError once it is closed: a writer that was given up writes again when it is collected."""
        if self.closed:
            raise ValueError("the file is closed")
        view = memoryview(data).cast("B")
        rest = view
        self._digest.add(view)
        while rest:
            written = os.pwrite(self._descriptor, rest[: self._writeback.room], self.size)
            self.size += written
            rest = rest[written:]
            self._writeback.wrote(written)
        return len(view)

    def tell(self) -> int:
        """Bytes written."""
        return self.size

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """Gives back the room that was not needed."""
        if not self.closed:
            self.closed = True
            self.sha256 = self._digest.end()
            try:
                self._writeback.settle()
                os.ftruncate(self._descriptor, self.size)
            finally:
                self._writeback.close()
                os.close(self._descriptor)
