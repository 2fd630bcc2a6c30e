"""Memory that both ends of a link have: what lies there is not copied on its way.

The receiving end makes it, a `Store`, and can only read it; the sending end opens it, a `Space`, and decides what lies
where. It has no name that could stay behind: it is gone with the last process that has it, however that ends.
"""

from __future__ import annotations

import bisect
import mmap
import os
import weakref
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
#: Every piece begins at a multiple of this number of bytes: a page of memory.
_PAGE = 4096


class Store:
    """The receiver's end: memory that the sender fills."""

    def __init__(self, size: int) -> None:
        """Memory of `size` bytes, all of which are taken from the system now; OSError if there are none.

        A process that is given a page only when it first writes there cannot be told that there is none: it is killed.
        """
        if not hasattr(os, "memfd_create"):
            raise OSError("this system has no anonymous shared memory")
        self.descriptor = os.memfd_create("pixieioc", os.MFD_CLOEXEC)
        weakref.finalize(self, os.close, self.descriptor).atexit = False
        os.posix_fallocate(self.descriptor, 0, size)
        self.size = size
        self._memory = _mapped(self.descriptor, size, mmap.PROT_READ)

    def view(self, begin: int, size: int, done: Callable[[], None]) -> memoryview:
        """The bytes from `begin` on; `done` is called, in any thread, when nobody looks at them any more.

        Raises ValueError unless they are in the store.
        """
        if size <= 0 or begin < 0 or begin + size > self.size:
            raise ValueError(f"bytes {begin} to {begin + size} of a shared memory of {self.size}")
        piece = np.frombuffer(self._memory, np.uint8, size, begin)
        weakref.finalize(piece, done).atexit = False
        return piece.data


@dataclass(eq=False)
class Extent:
    """A piece of a Space in use, and by how many."""

    begin: int
    end: int
    users: int = 1


class Space:
    """The sender's end of a Store in another process of the same user: who has which part of it."""

    def __init__(self, process: int, descriptor: int) -> None:
        """Opens what is `descriptor` in that process; OSError if that is impossible."""
        opened = os.open(f"/proc/{process}/fd/{descriptor}", os.O_RDWR | os.O_CLOEXEC)
        try:
            self._memory = _mapped(opened, 0, mmap.PROT_READ | mmap.PROT_WRITE)
        finally:
            os.close(opened)
        self.size = len(self._memory)
        self._address = _address(self._memory)
        self._extents: list[Extent] = []  # in order of their places
        self._left: deque[Extent] = deque()  # by arrays of this process, which may end in any thread

    @property
    def used(self) -> int:
        """Bytes in use."""
        self._settle()
        return sum(extent.end - extent.begin for extent in self._extents)

    def take(self, size: int) -> Extent | None:
        """The first piece with room for `size` bytes; None if there is none."""
        self._settle()
        size += -size % _PAGE
        begins = [0, *(extent.end for extent in self._extents)]
        ends = [*(extent.begin for extent in self._extents), self.size]
        for at, (begin, end) in enumerate(zip(begins, ends, strict=True)):
            if end - begin >= size:
                extent = Extent(begin, begin + size)
                self._extents.insert(at, extent)
                return extent
        return None

    def leave(self, extent: Extent) -> None:
        """One less uses a piece; it is free when nobody does."""
        extent.users -= 1
        if not extent.users:
            self._extents.remove(extent)

    def array(self, extent: Extent, size: int) -> Bytes:
        """The first `size` bytes of a piece, which is left when nobody looks at them any more."""
        array = np.frombuffer(self._memory, np.uint8, size, extent.begin)
        weakref.finalize(array, self._left.append, extent).atexit = False
        return array

    def copy(self, data: memoryview | bytes, extent: Extent) -> None:
        """Copies `data` to the beginning of a piece."""
        size = len(data)
        np.frombuffer(self._memory, np.uint8, size, extent.begin)[:] = np.frombuffer(data, np.uint8)

    def find(self, data: memoryview | bytes) -> tuple[Extent, int] | None:
        """The piece in which `data` lies, and where in the space that is; None if it is somewhere else."""
        begin = _address(data) - self._address
        at = bisect.bisect_right(self._extents, begin, key=lambda extent: extent.begin) - 1
        if at < 0 or begin + len(data) > self._extents[at].end:
            return None
        return self._extents[at], begin

    def _settle(self) -> None:
        while self._left:
            self.leave(self._left.popleft())


def _mapped(descriptor: int, size: int, access: int) -> mmap.mmap:
    """Memory whose pages are all at hand, so that none has to be found in a run."""
    return mmap.mmap(descriptor, size, mmap.MAP_SHARED | mmap.MAP_POPULATE, access)


def _address(data: memoryview | bytes | mmap.mmap) -> int:
    return np.frombuffer(data, np.uint8).__array_interface__["data"][0]
