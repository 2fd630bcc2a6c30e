"""An array in numpy's own file, which grows while it is written."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from pixieioc.listmode import events as ev
from pixieioc.listmode.events import Array, Column, Events
from pixieioc.tasks.digest import Digest
from pixieioc.tasks.event_files import absent, merged
from pixieioc.tasks.growing_file import lock
from pixieioc.tasks.part_file import PartFile, naming
from pixieioc.tasks.writeback import Writeback

#: Rows that are rewritten at a time when there are more columns than before.
_ROWS = 1 << 16


class NpyFile(PartFile):
    """A one-dimensional array that grows; its header says how long it is once it is complete. Locked until then.

    Its checksum is that of the array, then of the header.
    """

    def __init__(self, path: Path, dtype: np.dtype[Any], progress: Callable[[], object] = lambda: None) -> None:
        """`progress` is called while a slow disk is waited for, see `Writeback`."""
        super().__init__(path)
        self._dtype = dtype
        self.count = 0  #: elements before the next one, see `resize`
        self.checksum = ""  #: once it is complete
        self._digest = Digest()
        self._before = 0, self._digest.mark()  # how many there were before the last ones, and the checksum of those
        with naming(path):
            self._file: BinaryIO = self.part.open("r+b", buffering=0)
            lock(self._file.fileno())
            self._progress, self._writeback = progress, Writeback(self._file.fileno(), progress)
            try:
                self._begin = write_header(self._file, dtype, 0)
            except OSError:
                self.discard()
                raise

    @property
    def size(self) -> int:
        """Bytes of header and data."""
        return self._begin + self.count * self._dtype.itemsize

    def append(self, rows: Array) -> None:
        """Writes elements behind the others."""
        rows = np.ascontiguousarray(rows, self._dtype)
        with naming(self.path):
            _append(self._file, self.size, rows, self._writeback)
        self._before = self.count, self._digest.mark()
        self._digest.add(rows.view(np.uint8).data)
        self.count += len(rows)

    def resize(self, count: int) -> None:
        """Leaves zeros behind the elements that there are, or gives up those that were appended last."""
        if count < self.count:
            before, mark = self._before
            assert count == before, "what was appended last is given up as a whole"
            self._digest.go_back(mark)
        self._digest.add_zeros((count - self.count) * self._dtype.itemsize)
        self.count = count

    def complete(self) -> None:
        """Writes the length; nothing can be appended any more."""
        with naming(self.path):
            self._writeback.settle()
            self._file.truncate(self.size)
            begin = write_header(self._file, self._dtype, self.count)
            assert begin == self._begin, "numpy leaves room for a longer length"
            self._digest.add(os.pread(self._file.fileno(), begin, 0))
            self._writeback.close()
            self._file.close()
        self.checksum = self._digest.end()

    def close(self) -> None:
        """Leaves the file as it is."""
        self._writeback.close()
        self._file.close()
        self._digest.end()

    def discard(self) -> None:
        """Removes the file."""
        self.close()
        super().discard()


class TableFile(NpyFile):
    """A structured array that may get more columns."""

    def __init__(self, path: Path, columns: list[Column], progress: Callable[[], object] = lambda: None) -> None:
        super().__init__(path, _dtype(columns), progress)
        self.columns = columns

    def add(self, events: Events, columns: list[Column]) -> None:
        """Writes these columns of `events`; what there is already is rewritten if it lacks one of them."""
        if (wanted := merged(self.columns, columns)) != self.columns:
            with naming(self.path):
                self._widen(wanted)
        rows = np.zeros(ev.size(events), self._dtype)
        for column in self.columns:
            rows[column.name] = events[column.name] if column.name in events else absent(column, len(rows))
        self.append(rows)

    def _widen(self, wanted: list[Column]) -> None:
        """All or nothing: if the disk does not take it, the file is as it was."""
        dtype, digest = _dtype(wanted), Digest()
        self._file.truncate(self.size)
        new = self.wider.open("x+b", buffering=0)
        lock(new.fileno())
        try:
            begin = self._copy(new, wanted, dtype, digest)
            self.replace()
        except BaseException:  # whatever it is, it goes on from here, and the half-made file must not stay
            new.close()
            digest.end()
            self.wider.unlink(missing_ok=True)
            raise
        self.close()
        self._file, self.columns, self._dtype, self._begin = new, wanted, dtype, begin
        self._digest, self._before = digest, (self.count, digest.mark())
        self._writeback = Writeback(new.fileno(), self._progress)

    def _copy(self, new: BinaryIO, wanted: list[Column], dtype: np.dtype[Any], digest: Digest) -> int:
        """Writes the rows that there are with more columns; returns where they begin."""
        begin, done, writeback = write_header(new, dtype, 0), 0, Writeback(new.fileno())
        with contextlib.closing(writeback), self.part.open("rb") as there:
            there.seek(self._begin)
            while done < self.count:
                rows = np.zeros(min(_ROWS, self.count - done), dtype)
                if self.columns:
                    rows_before = np.fromfile(there, self._dtype, len(rows))
                    for column in self.columns:
                        rows[column.name] = rows_before[column.name]
                for column in wanted:
                    if column not in self.columns:
                        rows[column.name] = absent(column, len(rows))
                _append(new, begin + done * dtype.itemsize, rows, writeback)
                digest.add(rows.view(np.uint8).data)
                done += len(rows)
        return begin


def write_header(file: BinaryIO, dtype: np.dtype[Any], count: int) -> int:
    """Writes what an array of this many elements begins with to the beginning of a file; returns where they begin."""
    file.seek(0)
    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": (count,)}
    np.lib.format.write_array_header_1_0(file, header)
    return file.tell()


def _append(file: BinaryIO, place: int, rows: Array, writeback: Writeback) -> None:
    view = rows.view(np.uint8).data
    while view:
        written = os.pwrite(file.fileno(), view[: writeback.room], place)
        view, place = view[written:], place + written
        writeback.wrote(written)


def _dtype(columns: list[Column]) -> np.dtype[Any]:
    return np.dtype([(c.name, c.dtype, (c.width,)) if c.width else (c.name, c.dtype) for c in columns])
