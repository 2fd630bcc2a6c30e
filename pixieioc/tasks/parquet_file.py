"""Events in a Parquet file."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence
from math import inf
from pathlib import Path
from typing import Any

import numpy as np

from pixieioc.checksums import SHA256
from pixieioc.listmode import events as ev
from pixieioc.listmode.events import Column, Events
from pixieioc.pipeline import Error
from pixieioc.tasks import event_files
from pixieioc.tasks.arrow_columns import ArrowColumns
from pixieioc.tasks.complete_files import CompleteFile
from pixieioc.tasks.event_files import (
    ALWAYS,
    KEV,
    PART_OF,
    TRACE,
    Counted,
    bytes_before,
    columns_with_values,
    described,
    import_pyarrow,
    merged,
    pieces,
    too_late,
)
from pixieioc.tasks.event_sidecar import EventSidecar, sidecar_of
from pixieioc.tasks.names import to_json
from pixieioc.tasks.part_file import PartFile, naming, publish, refuse_existing
from pixieioc.tasks.reserved_file import ReservedFile

_SAMPLES = "trace.list.element"
#: How values are laid out: as differences of neighbours, or first bytes, second bytes, ... apart.
_LAYOUTS = {
    **dict.fromkeys(("time", "ets"), "DELTA_BINARY_PACKED"),
    **dict.fromkeys((ev.CHUNK_COLUMN.name, KEV.name, _SAMPLES), "BYTE_STREAM_SPLIT"),
}


#: Bytes of the end of a file, beside its metadata: its schema, and what is told of each column of each row group.
_SCHEMA, _PER_COLUMN = 48 * 1024, 400
#: How long a slow disk takes for a row group, in seconds; what the end usually tells of each column of one.
_MOMENT, _TOLD_OF_A_COLUMN = 0.5, 150


class ParquetFile(Counted):
    """All columns in one Parquet file; what an event does not have is null. `about` is the metadata `pixieioc`.

    It is in the sidecar, too, with the size and the checksum of the file.

    The end of the file tells where everything is. Before a row group is written, the disk has to keep room for it and
    for this end: on a disk that is full the file is complete with the row groups that there are.
    """

    def __init__(
        self, path: Path, about: dict[str, Any], too_slow: Callable[[], bool] = lambda: False,
        columns: Sequence[Column] = (),
    ) -> None:  # fmt: skip
        super().__init__()
        self._too_slow = too_slow
        self._pa, self._arrow = import_pyarrow(), ArrowColumns()
        self.path = path
        refuse_existing(sidecar_of(path))
        self._file = PartFile(path)
        self._columns = merged(list(ALWAYS), list(columns))
        self._held: list[Events] = []  # what was written and is not in the file
        self._rows = self._samples = self._bytes = self._groups = 0
        self._metadata = 2 * len(to_json(about))
        self._sound, self._removed = True, False
        self._shrinks = 1.0  # how many times larger the last row group was in memory than in the file
        self.complete: list[CompleteFile] = []
        self._writer: Any = None  # there is none until the first row group tells which columns there are
        with contextlib.ExitStack() as undo, naming(path):
            undo.callback(self._file.discard)
            self._sink = ReservedFile(self._file.part, too_slow)  # which says that the task is at it
            undo.callback(self._sink.close)
            self._sink.reserve(self._end)
            self._sidecar = EventSidecar(path, {**about, "columns": described(self.columns)})
            undo.pop_all()

    @property
    def size(self) -> int:
        """Bytes written so far."""
        return 0 if self._removed else self._sink.size

    @property
    def given(self) -> int:
        """Bytes written, and those of the events that wait in memory: in the file they will be fewer."""
        return self._sink.size + self._bytes

    @property
    def columns(self) -> list[Column]:
        """The columns that the file has so far."""
        shown = [column for column in self._columns if column.name != "trace_start"]
        return [*shown, TRACE] if len(shown) < len(self._columns) else shown

    def rewritten_for(self, events: Events) -> int:
        """All row groups, if there are any."""
        has = self._writer is None or merged(self._columns, columns_with_values(events)) == self._columns
        return 0 if has else self._sink.size

    @property
    def _end(self) -> int:
        """The most that the end of the file may take, after one more row group."""
        return self._metadata + _SCHEMA + _PER_COLUMN * len(self._columns) * (self._groups + 1)

    def write(self, events: Events) -> None:
        """Takes events; a row group is written when there are enough."""
        for piece in pieces(events):
            self._hold(piece)
        while self._is_enough:
            self._write_group()

    @property
    def _is_enough(self) -> bool:
        """Whether what is held makes a row group."""
        rows, samples = event_files.GROUP_EVENTS, event_files.GROUP_SAMPLES
        return self._rows >= rows or self._samples >= samples or self._bytes >= self._at_once

    @property
    def _at_once(self) -> float:
        """Bytes of events that a slow disk takes in a moment: a row group cannot be given up when the run has to end.

        Only as long as the end of the file, which tells of each row group, is written in such a moment, too.
        """
        in_a_moment = self._sink.rate * _MOMENT
        ends = len(self._columns) * self._groups * _TOLD_OF_A_COLUMN
        return in_a_moment * self._shrinks if ends < in_a_moment else inf

    def flush(self) -> None:
        """Writes what there is as row groups."""
        while self._held:
            self._write_group()

    def check(self) -> None:
        """It is known at once."""

    def check_in_place(self) -> None:
        """Error unless the file can be found where it is being written."""
        self._file.check_in_place(self._sink.size)

    def finish(self, about: dict[str, Any]) -> None:
        """Writes the last row group and the metadata."""
        self.flush()
        self.check_in_place()
        with naming(self.path):
            about = {**about, "columns": described(self.columns)}
            writer = self._writer or self._open()
            self._sound = False
            writer.add_key_value_metadata({"pixieioc": to_json(about)})
            self._close()
        self._sidecar.describe({"file": self.path.name, **about, "bytes": self.size, SHA256: self._sink.sha256})
        publish(self._sidecar, self._file)
        self._sound = True
        self.complete = [CompleteFile(self.path, self.size, self._sink.sha256)]

    def rescue(self, about: Callable[[], dict[str, Any]]) -> list[Events]:
        """Completes the file with the row groups that are in it."""
        with contextlib.suppress(Error):  # it may be that the error was another one than that of this disk
            self.flush()
        rest, self._held = self._held, []
        if self.events and self._sound:
            with contextlib.suppress(Error):  # it is `*.part`, of which the end is missing
                self.finish(about())
        if not self._sound or not self._sink.closed:
            self._give_up()
        return rest

    def _give_up(self) -> None:
        """Leaves the file as it is, or removes it if there is nothing in it."""
        if self._writer is not None:
            self._writer.is_open = False  # otherwise it would still write its end, when it is collected
        with contextlib.suppress(OSError):  # it is of no use any more
            self._sink.close()
        if not self.events:
            self._removed = True
            self._sidecar.discard()
            self._file.discard()
        self.events = 0

    def _hold(self, piece: Events) -> None:
        self._held.append(piece)
        self._rows += ev.size(piece)
        self._samples += len(piece.get(ev.TRACES, ()))
        self._bytes += int(bytes_before(piece)[-1])

    def _next_group(self) -> int:
        """How many of the pieces that are held make the next row group."""
        rows = np.cumsum([ev.size(piece) for piece in self._held])
        samples = np.cumsum([len(piece.get(ev.TRACES, ())) for piece in self._held])
        sizes = np.cumsum([float(bytes_before(piece)[-1]) for piece in self._held])
        enough = (rows >= event_files.GROUP_EVENTS) | (samples >= event_files.GROUP_SAMPLES)
        enough |= sizes >= self._at_once
        return int(np.argmax(enough)) + 1 if enough.any() else len(enough)

    def _write_group(self) -> None:
        """All or nothing, unless the disk does not keep what it has promised: then the file cannot be completed."""
        count = self._next_group()
        joined = ev.concatenate(self._held[:count])
        wanted = merged(self._columns, columns_with_values(joined))
        if not self._sound:
            raise Error(f"cannot write {self.path}: a write has failed before")
        if self._sink.is_slow and self._too_slow():
            raise too_late(self.path, self.events)
        with naming(self.path):
            if self._writer is None:
                self._columns = wanted
                self._open()
            elif wanted != self._columns:
                self._widen(wanted)
            assert self._writer is not None
            table = self._table(joined)
            self._sink.reserve(_bound(table) + self._end)
            self._sound, before = False, self._sink.size
            self._writer.write_table(table, row_group_size=ev.size(joined))
            self._sound = True
            self._shrinks = table.nbytes / max(1, self._sink.size - before)
        self._groups += 1
        self.count(joined)
        rest, self._held = self._held[count:], []
        self._rows = self._samples = self._bytes = 0
        for piece in rest:
            self._hold(piece)

    def _widen(self, wanted: list[Column]) -> None:
        """Rewrites all that is in the file, a row group at a time, with more columns: of nulls."""
        new = ReservedFile(self._file.wider, self._too_slow)
        try:
            new.reserve(self._sink.size + self._end + _PER_COLUMN * len(wanted) * (self._groups + 1))
        except OSError:
            new.close()
            self._file.wider.unlink()
            raise
        self._sound = False
        self._close()
        self._columns, self._sink = wanted, new
        schema = self._open().schema
        with self._pa.OSFile(os.fsencode(self._file.part)) as part, self._pa.parquet.ParquetFile(part) as old:
            for number in range(old.num_row_groups):
                there = old.read_row_group(number)
                arrays = [
                    there[field.name] if field.name in there.column_names else self._pa.nulls(len(there), field.type)
                    for field in schema
                ]
                self._writer.write_table(self._pa.Table.from_arrays(arrays, schema=schema), row_group_size=len(there))
        self._file.replace()
        self._sound = True

    def _open(self) -> Any:
        """Begins the file with the columns that there are now, and returns its writer."""
        names = [column.name for column in self.columns if column is not TRACE]
        paths = [f"{c.name}.list.element" if c is TRACE or c.width else c.name for c in self.columns]
        self._writer = self._pa.parquet.ParquetWriter(
            self._pa.PythonFile(self._sink, "w"),
            self._arrow.schema(self.columns),
            # Of samples there are so many that only what is fast will do.
            compression={path: "lz4" if path == _SAMPLES else "zstd" for path in paths},
            compression_level={path: 1 for path in paths if path != _SAMPLES},
            use_dictionary=[name for name in names if name not in _LAYOUTS and name not in PART_OF],
            column_encoding={path: _LAYOUTS[path] for path in paths if path in _LAYOUTS},
            write_statistics=names,
        )
        return self._writer

    def _close(self) -> None:
        self._writer.close()
        self._sink.close()
        self._pa.default_memory_pool().release_unused()  # the process goes on, perhaps for months, with small files

    def _table(self, events: Events) -> Any:
        return self._pa.Table.from_arrays(self._arrow.arrays(self.columns, events), schema=self._writer.schema)


def _bound(table: Any) -> int:
    """The most bytes that a row group of these columns may take: what cannot be compressed, and heads of pages."""
    return table.nbytes * 5 // 4 + 4096 * table.num_columns
