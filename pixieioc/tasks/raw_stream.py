"""The files of one module, one behind the other, as words."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pixieioc.listmode import events as ev
from pixieioc.listmode.events import Memory
from pixieioc.tasks.names import shown
from pixieioc.tasks.raw_input import Damaged, Input, is_plain, open_input, size_of
from pixieioc.tasks.raw_sources import read_sidecar


class RawStream:
    """A word or a record may begin in one file and end in the next."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._files = deque((path, size_of(path)) for path in paths)
        sizes = [size for _, size in self._files]
        #: Bytes on the disk, None if there is a pipe among the files.
        self.size = None if None in sizes else sum(size or 0 for size in sizes)
        self.bytes = 0  #: raw bytes that were read
        self.rest = b""  #: the part of a word that has been read
        #: What could not be read, and which files are not as long as those who have written them say.
        self.damage = [text for path, size in self._files if is_plain(path) and (text := _not_as_written(path, size))]
        self._plain = all(map(is_plain, paths))
        self._open: Input | None = None
        self._came = 0  # bytes of it that were read
        self._behind = 0  # bytes on the disk of files that have been read

    @property
    def position(self) -> int:
        """How many of the bytes on the disk have been read."""
        return self._behind + (self._open.position if self._open is not None else 0)

    @property
    def ended(self) -> bool:
        """True if all has been read."""
        return self.position == self.size if self._plain else not self._files and self._open is None

    @property
    def current_file(self) -> str:
        """The file that is being read, as it can be printed."""
        return shown(self._open.path) if self._open is not None else ""

    def read(self, position: int, most: int, memory: Memory) -> NDArray[np.uint32]:
        """The next whole words, in `memory`: up to `position` on the disk, and of about `most` bytes.

        There may be fewer: at the end, if a pipe has no more yet, and if what is compressed becomes longer than that.
        """
        if self._plain:
            buffer = memory(len(self.rest) + max(0, position - self.position))
            return buffer[: self._read(buffer, position)].view("<u4")
        scratch = ev.heap(len(self.rest) + most)
        count = self._read(scratch, position)
        buffer = memory(count)
        buffer[:] = scratch[:count]
        return buffer.view("<u4")

    def close(self) -> None:
        """Closes the file that is open."""
        if self._open is not None:
            self._open.close()
            self._open = None

    def _read(self, buffer: NDArray[np.uint8], position: int) -> int:
        """Fills `buffer` and returns how many bytes of it are whole words."""
        view = buffer.data
        filled = len(self.rest)
        view[:filled] = self.rest
        # What a compressed file still holds when all of it was read is not seen in its position.
        while filled < len(buffer) and not self.ended and (self.position < position or position == self.size):
            count = self._fill(view[filled:])
            if count is None:
                break
            filled += count
            self.bytes += count
        whole = filled - filled % 4
        self.rest = bytes(view[whole:filled])
        return whole

    def _fill(self, view: memoryview) -> int | None:
        """Reads once, from the next file if there is none open; 0 at the end of one, None if there is nothing yet."""
        if self._open is None:
            self._open, self._came = open_input(*self._files.popleft()), 0
        try:
            count = self._open.readinto(view)
            self._came += count or 0
            if count == 0 and not is_plain(self._open.path) and (text := _not_as_written(self._open.path, self._came)):
                self.damage.append(text)
        except Damaged as error:
            self.damage.append(str(error))
            count = 0
        if count == 0:
            self._behind += self._open.position if self._open.size is None else self._open.size
            self.close()
        return count


def _not_as_written(path: Path, size: int | None) -> str:
    """That a file has other bytes than the one beside it says, which was written with it; empty if it has not."""
    written = read_sidecar(path).get("bytes")
    if size is None or type(written) is not int or size == written:
        return ""
    what = f"{written - size} are missing" if size < written else f"{size - written} are too many"
    return f"{shown(path)} has {size} bytes, and had {written} when it was written: {what}"
