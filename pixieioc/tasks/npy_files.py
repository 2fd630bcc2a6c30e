"""Events in numpy's own files."""

from __future__ import annotations

from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from pixieioc.listmode import events as ev
from pixieioc.listmode.events import Array, Column, Events
from pixieioc.tasks.event_files import ALWAYS, OPTIONAL, TRACE, absent, columns_with_values, described, merged, pieces
from pixieioc.tasks.names import to_json
from pixieioc.tasks.part_file import PartFile, naming, refuse_existing

#: Rows that are written anew at a time when there are more columns than before.
_ROWS = 1 << 16


class NpyFiles:
    """Events as structured arrays: `<name>.npy` has what every event has; `<name>.extra.npy`, row by row, the optional
    blocks and `<name>.traces.npy` the samples of all traces, where there are any; `about` is in `<name>.npy.json`."""

    def __init__(self, path: Path) -> None:
        self.path, self.events = path, 0
        _, *others = files_of(path)
        self._sidecar = others[-1]
        refuse_existing(*others)
        self._main = _TableFile(path, list(ALWAYS))
        self._extra: _TableFile | None = None
        self._traces: _NpyFile | None = None

    @property
    def bytes(self) -> int:
        """Bytes written so far, of all files."""
        return sum(file.bytes for file in self._files)

    @property
    def columns(self) -> list[Column]:
        """The columns that the files have so far."""
        extra = self._extra.columns if self._extra is not None else []
        return [*self._main.columns, *extra, *([TRACE] if self._traces is not None else [])]

    @property
    def _files(self) -> list[_NpyFile]:
        return [file for file in (self._traces, self._extra, self._main) if file is not None]

    def append(self, events: Events) -> None:
        """Writes events at once."""
        for piece in pieces(events):
            columns = columns_with_values(piece)
            if extra := [column for column in columns if column in OPTIONAL]:
                if self._extra is None:
                    self._extra = _TableFile(_sibling(self.path, ".extra.npy"), [])
                # Zeros for the events since the last one with an optional block: a hole in the file.
                self._extra.count = self.events
                self._extra.add(self._with_samples(piece), extra)
            self._main.add(piece, [column for column in columns if column not in OPTIONAL])
            self.events += ev.size(piece)

    def _with_samples(self, piece: Events) -> Events:
        """Writes the traces of `piece`; its `trace_start` counts from the first sample in the file then."""
        samples = piece.get(ev.TRACES, ())
        if not len(samples):
            return piece
        self._traces = self._traces or _NpyFile(_sibling(self.path, ".traces.npy"), np.dtype(TRACE.dtype))
        start = self._traces.count
        self._traces.append(piece[ev.TRACES])
        return {**piece, "trace_start": piece["trace_start"] + start}

    def finish(self, about: dict[str, Any]) -> None:
        """Completes all files; the one with the name itself appears last."""
        if self._extra is not None:
            self._extra.count = self.events
        sidecar = PartFile(self._sidecar)
        content = to_json({**about, "columns": described(self.columns)}, indent=2)
        with naming(self._sidecar):
            sidecar.part.write_text(content + "\n")
        for file in self._files:
            file.complete()
        sidecar.publish()
        for file in self._files:
            file.publish()

    def discard(self) -> None:
        """Removes all files."""
        for file in self._files:
            file.discard()


class _NpyFile(PartFile):
    """A one-dimensional array that grows; its header says how long it is once it is complete."""

    def __init__(self, path: Path, dtype: np.dtype[Any]) -> None:
        super().__init__(path)
        self._dtype = dtype
        self.count = 0  #: elements before the next one; to be set higher leaves zeros
        with naming(path):
            self._file: BinaryIO = self.part.open("wb", buffering=0)
            self._write_header()
            self._begin = self._file.tell()

    @property
    def bytes(self) -> int:
        """Bytes of header and data."""
        return self._begin + self.count * self._dtype.itemsize

    def append(self, rows: Array) -> None:
        """Writes elements behind the others."""
        with naming(self.path):
            self._file.seek(self.bytes)
            view = np.ascontiguousarray(rows, self._dtype).view(np.uint8).data
            while view:
                view = view[self._file.write(view) :]
        self.count += len(rows)

    def complete(self) -> None:
        """Writes the length; nothing can be appended any more."""
        with naming(self.path):
            self._file.truncate(self.bytes)
            self._file.seek(0)
            self._write_header()
            assert self._file.tell() == self._begin, "numpy leaves room for a longer length"
            self._file.close()

    def discard(self) -> None:
        """Removes the file."""
        self._file.close()
        super().discard()

    def _write_header(self) -> None:
        description = np.lib.format.dtype_to_descr(self._dtype)
        header = {"descr": description, "fortran_order": False, "shape": (self.count,)}
        np.lib.format.write_array_header_1_0(self._file, header)


class _TableFile(_NpyFile):
    """A structured array that may get more columns."""

    def __init__(self, path: Path, columns: list[Column]) -> None:
        super().__init__(path, _dtype(columns))
        self.columns = columns

    def add(self, events: Events, columns: list[Column]) -> None:
        """Writes these columns of `events`; what there is already is written anew if it lacks one of them."""
        if (wanted := merged(self.columns, columns)) != self.columns:
            with naming(self.path):
                self._widen(wanted)
        rows = np.zeros(ev.size(events), self._dtype)
        for column in self.columns:
            rows[column.name] = events[column.name] if column.name in events else absent(column, len(rows))
        self.append(rows)

    def _widen(self, wanted: list[Column]) -> None:
        before, old, begin, count = self.columns, self._dtype, self._begin, self.count
        self._file.truncate(self.bytes)
        self._file.close()
        self.columns, self._dtype, self.count = wanted, _dtype(wanted), 0
        self._file = self.wider.open("wb", buffering=0)
        self._write_header()
        self._begin = self._file.tell()
        with self.part.open("rb") as there:
            there.seek(begin)
            while self.count < count:
                rows = np.zeros(min(_ROWS, count - self.count), self._dtype)
                if before:
                    rows_before = np.fromfile(there, old, len(rows))
                    for column in before:
                        rows[column.name] = rows_before[column.name]
                for column in wanted:
                    if column not in before:
                        rows[column.name] = absent(column, len(rows))
                self.append(rows)
        self.replace()


def _dtype(columns: list[Column]) -> np.dtype[Any]:
    return np.dtype([(c.name, c.dtype, (c.width,)) if c.width else (c.name, c.dtype) for c in columns])


def files_of(path: Path) -> list[Path]:
    """The file of this name and all that may come with it: optional blocks, traces, metadata."""
    return [path, *(_sibling(path, ending) for ending in (".extra.npy", ".traces.npy", ".json"))]


def _sibling(path: Path, ending: str) -> Path:
    stem = path.name if ending == ".json" else path.name.removesuffix(".npy")
    return path.with_name(stem + ending)
