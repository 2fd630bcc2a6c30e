"""Events in numpy's own files."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pixieioc.checksums import HEADER_LAST
from pixieioc.listmode import events as ev
from pixieioc.listmode.events import Column, Events
from pixieioc.pipeline import Error
from pixieioc.tasks.complete_files import CompleteFile
from pixieioc.tasks.event_files import (
    ALWAYS,
    OPTIONAL,
    TRACE,
    Counted,
    columns_with_values,
    described,
    merged,
    pieces,
    too_late,
)
from pixieioc.tasks.event_sidecar import EventSidecar, sidecar_of
from pixieioc.tasks.npy_file import NpyFile, TableFile
from pixieioc.tasks.part_file import publish, refuse_existing


class NpyFiles(Counted):
    """Events as structured arrays: `<name>.npy` has what every event has; `<name>.extra.npy`, row by row, the optional
    blocks and `<name>.traces.npy` the samples of all traces, where there are any; `about` is in `<name>.npy.json`."""

    def __init__(
        self, path: Path, about: dict[str, Any], too_slow: Callable[[], bool] = lambda: False,
        columns: Sequence[Column] = (),
    ) -> None:  # fmt: skip
        super().__init__()
        of_all, of_some = _apart(columns)
        self.path, self._too_slow = path, too_slow
        _, *others = files_of(path)
        refuse_existing(*others)
        self._extra: TableFile | None = None
        self._traces: NpyFile | None = None
        self.complete: list[CompleteFile] = []
        self._samples = 0  # in the traces of `events`
        self._left: list[Events] = []  # what was written and is not in the files
        self._ending = self._ended = self._removed = False
        with contextlib.ExitStack() as undo:
            self._main = TableFile(path, merged(list(ALWAYS), of_all), self._progress)
            undo.callback(self._main.discard)
            if of_some:
                self._extra = TableFile(_sibling(path, ".extra.npy"), of_some, self._progress)
                undo.callback(self._extra.discard)
            self._sidecar = EventSidecar(path, self._described(about))
            undo.callback(self._sidecar.discard)
            undo.pop_all()

    @property
    def size(self) -> int:
        """Bytes written so far, of all files."""
        return 0 if self._removed else sum(file.size for file in self._files)

    @property
    def given(self) -> int:
        """As much, but for headers without data."""
        return self.size if self.events else 0

    @property
    def columns(self) -> list[Column]:
        """The columns that the files have so far."""
        extra = self._extra.columns if self._extra is not None else []
        return [*self._main.columns, *extra, *([TRACE] if self._traces is not None else [])]

    def rewritten_for(self, events: Events) -> int:
        """The tables that lack a column; one that is not there yet has zeros for all events, which are hashed."""
        main, extra = _apart(columns_with_values(events))
        wanted = (self._main, main), (self._extra, extra)
        return sum(self.events * _row(both) for table, more in wanted if (both := _added(table, more)))

    @property
    def _files(self) -> list[NpyFile]:
        return [file for file in (self._traces, self._extra, self._main) if file is not None]

    def write(self, events: Events) -> None:
        """Writes events at once."""
        self._left += pieces(events)
        self.flush()

    def flush(self) -> None:
        """Writes what the disk has not taken before."""
        while self._left:
            self._write(self._left[0])
            self.count(self._left.pop(0))
            self._samples = self._traces.count if self._traces is not None else 0

    def check(self) -> None:
        """It is known at once."""

    def check_in_place(self) -> None:
        """Error unless all files can be found where they are being written."""
        for file in self._files:
            file.check_in_place(file.size)

    def _write(self, piece: Events) -> None:
        columns = columns_with_values(piece)
        main, extra = _apart(columns)
        if extra and self._extra is None:
            self._extra = TableFile(_sibling(self.path, ".extra.npy"), [], self._progress)
        if self._extra is not None:
            # Zeros for the events since the last one with an optional block: a hole in the file.
            self._extra.resize(self.events)
        if self._extra is not None and extra:
            self._extra.add(self._with_samples(piece), extra)
        self._main.add(piece, main)

    def _with_samples(self, piece: Events) -> Events:
        """Writes the traces of `piece`; its `trace_start` counts from the first sample in the file then."""
        samples = piece.get(ev.TRACES, ())
        if not len(samples):
            return piece
        if self._traces is None:
            self._traces = NpyFile(_sibling(self.path, ".traces.npy"), np.dtype(TRACE.dtype), self._progress)
        self._traces.resize(self._samples)
        self._traces.append(piece[ev.TRACES])
        return {**piece, "trace_start": piece["trace_start"] + self._samples}

    def finish(self, about: dict[str, Any]) -> None:
        """Completes all files; the one with the name itself appears last."""
        self.flush()
        self.check_in_place()
        self._ending = True
        if self._extra is not None:
            self._extra.resize(self.events)
        if self._traces is not None:
            self._traces.resize(self._samples)
        for file in self._files:
            file.complete()
        files = {file.path: (file.size, file.checksum) for file in reversed(self._files)}
        self._sidecar.describe(with_files(self._described(about), files))
        publish(self._sidecar, *self._files)
        self._ended = True
        self.complete = [
            CompleteFile(file.path, file.size, file.checksum, header_last=True) for file in reversed(self._files)
        ]

    def rescue(self, about: Callable[[], dict[str, Any]]) -> list[Events]:
        """Completes the files with the events that are in all of them."""
        rest, self._left = self._left, []
        if self.events:
            if not self._ending:
                with contextlib.suppress(Error):  # they are `*.part`, which can be recovered
                    self.finish(about())
            self.events *= self._ended
            for file in self._files:
                file.close()
        else:
            self._removed = True
            for file in (self._sidecar, *self._files):
                file.discard()
        return rest

    def _progress(self) -> None:
        """A disk that is waited for has taken something."""
        if self._too_slow():
            raise too_late(self.path, self.events)

    def _described(self, about: dict[str, Any]) -> dict[str, Any]:
        return {**about, "columns": described(self.columns)}


def _apart(columns: Sequence[Column]) -> tuple[list[Column], list[Column]]:
    """Those of the array of all events, and those of the one of optional blocks."""
    return [each for each in columns if each not in OPTIONAL], [each for each in columns if each in OPTIONAL]


def _added(table: TableFile | None, more: list[Column]) -> list[Column]:
    """The columns of a table with more, none if it has them."""
    there = table.columns if table is not None else []
    both = merged(there, more)
    return both if both != there else []


def _row(columns: list[Column]) -> int:
    """Bytes of an event in these columns."""
    return sum(np.dtype(column.dtype).itemsize * max(1, column.width) for column in columns)


def with_files(about: dict[str, Any], files: Mapping[Path, tuple[int, str]]) -> dict[str, Any]:
    """The metadata with size and checksum of each file, the one with the name itself first."""
    told = {path.name: {"bytes": size, HEADER_LAST: checksum} for path, (size, checksum) in files.items()}
    (name, main), *others = told.items()
    return {"file": name, **about, **main, "files": dict(others)}


def files_of(path: Path) -> list[Path]:
    """The file of this name and all that may come with it: optional blocks, traces, metadata."""
    return [path, *(_sibling(path, ending) for ending in (".extra.npy", ".traces.npy")), sidecar_of(path)]


def _sibling(path: Path, ending: str) -> Path:
    return path.with_name(path.name.removesuffix(".npy") + ending)
