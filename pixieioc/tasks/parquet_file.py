"""Events in a Parquet file."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

import numpy as np

from pixieioc.listmode import events as ev
from pixieioc.listmode.events import Array, Column, Events
from pixieioc.tasks import event_files
from pixieioc.tasks.event_files import (
    ALWAYS,
    OPTIONAL,
    PART_OF,
    TRACE,
    columns_with_values,
    described,
    import_pyarrow,
    merged,
    pieces,
)
from pixieioc.tasks.names import to_json
from pixieioc.tasks.part_file import PartFile, naming

_SAMPLES = "trace.list.element"
#: How values are laid out: as differences of neighbours, or first bytes, second bytes, ... apart.
_LAYOUTS = {
    **dict.fromkeys(("time", "ets"), "DELTA_BINARY_PACKED"),
    **dict.fromkeys((ev.CHUNK_COLUMN.name, _SAMPLES), "BYTE_STREAM_SPLIT"),
}


class ParquetFile:
    """All columns in one Parquet file; what an event does not have is null. `about` is the metadata `pixieioc`."""

    def __init__(self, path: Path) -> None:
        self._pa = import_pyarrow()
        self.path, self.events = path, 0
        self._file = PartFile(path)
        self._columns = list(ALWAYS)
        self._group: list[Events] = []
        self._rows = self._samples = 0
        self._sink: Any = None
        self._writer: Any = None  # there is none until the first row group tells which columns there are

    @property
    def bytes(self) -> int:
        """Bytes written so far."""
        return self._file.size

    @property
    def columns(self) -> list[Column]:
        """The columns that the file has so far."""
        shown = [column for column in self._columns if column.name != "trace_start"]
        return [*shown, TRACE] if len(shown) < len(self._columns) else shown

    def append(self, events: Events) -> None:
        """Takes events; a row group is written when there are enough."""
        for piece in pieces(events):
            self._group.append(piece)
            self._rows += ev.size(piece)
            self._samples += len(piece.get(ev.TRACES, ()))
            self.events += ev.size(piece)
            if self._rows >= event_files.GROUP_EVENTS or self._samples >= event_files.GROUP_SAMPLES:
                self._write_group()

    def finish(self, about: dict[str, Any]) -> None:
        """Writes the last row group and the metadata."""
        if self._group:
            self._write_group()
        with naming(self.path):
            content = to_json({**about, "columns": described(self.columns)})
            writer = self._writer or self._open(self._file.part)
            writer.add_key_value_metadata({"pixieioc": content})
            self._close()
        self._file.publish()

    def discard(self) -> None:
        """Removes the file."""
        if self._writer is not None:
            self._writer.is_open = False  # otherwise it would still write its end, when it is collected
            with contextlib.suppress(OSError):  # it is of no use any more, whether its end can be written or not
                self._sink.close()
        self._file.discard()

    def _write_group(self) -> None:
        joined = ev.concatenate(self._group)
        self._group, self._rows, self._samples = [], 0, 0
        wanted = merged(self._columns, columns_with_values(joined))
        with naming(self.path):
            if self._writer is None:
                self._columns = wanted
                self._open(self._file.part)
            elif wanted != self._columns:
                self._widen(wanted)
            assert self._writer is not None
            self._writer.write_table(self._table(joined), row_group_size=ev.size(joined))

    def _widen(self, wanted: list[Column]) -> None:
        """Writes all that is in the file anew, a row group at a time, with more columns: of nulls."""
        self._close()
        self._columns = wanted
        self._open(self._file.wider)
        schema = self._writer.schema
        with self._pa.OSFile(os.fsencode(self._file.part)) as part, self._pa.parquet.ParquetFile(part) as old:
            for number in range(old.num_row_groups):
                there = old.read_row_group(number)
                arrays = [
                    there[field.name] if field.name in there.column_names else self._pa.nulls(len(there), field.type)
                    for field in schema
                ]
                self._writer.write_table(self._pa.Table.from_arrays(arrays, schema=schema), row_group_size=len(there))
        self._file.replace()

    def _open(self, path: Path) -> Any:
        """Opens the file for the columns that there are now, and returns its writer."""
        names = [column.name for column in self.columns if column is not TRACE]
        paths = [f"{c.name}.list.element" if c is TRACE or c.width else c.name for c in self.columns]
        self._sink = self._pa.OSFile(os.fsencode(path), "wb")
        self._writer = self._pa.parquet.ParquetWriter(
            self._sink,
            self._schema(),
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

    def _schema(self) -> Any:
        fields = []
        for column in self.columns:
            about = {"unit": column.unit, "meaning": column.doc}
            fields.append(self._pa.field(column.name, self._type(column), column not in ALWAYS, about))
        return self._pa.schema(fields)

    def _type(self, column: Column) -> Any:
        item = self._pa.from_numpy_dtype(np.dtype(column.dtype))
        if column is TRACE:
            return self._pa.list_(item)
        return self._pa.list_(item, column.width) if column.width else item

    def _table(self, events: Events) -> Any:
        arrays = [self._traces(events) if c is TRACE else self._array(c, events) for c in self.columns]
        return self._pa.Table.from_arrays(arrays, schema=self._writer.schema)

    def _array(self, column: Column, events: Events) -> Any:
        pa, values = self._pa, events.get(column.name)
        if values is None:
            zeros = column in OPTIONAL and column.name not in PART_OF  # no blocks, no samples: that is known
            return pa.array(np.zeros(ev.size(events), column.dtype)) if zeros else self._nulls(column, events)
        mask: Array | None = None
        if column.name in PART_OF:
            mask = events["parts"] & PART_OF[column.name] == 0
        if column.width:
            return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), column.width, mask=pa.array(mask))
        return pa.array(values, mask=mask)

    def _nulls(self, column: Column, events: Events) -> Any:
        return self._pa.nulls(ev.size(events), self._type(column))

    def _traces(self, events: Events) -> Any:
        """The samples as they lie in memory, and where each trace ends."""
        if ev.TRACES not in events:
            return self._nulls(TRACE, events)
        lengths = events["trace_length"].astype(np.int32)
        ends = np.concatenate([[0], np.cumsum(lengths, dtype=np.int32)])
        mask = self._pa.array(lengths == 0)
        return self._pa.ListArray.from_arrays(self._pa.array(ends), self._pa.array(events[ev.TRACES]), mask=mask)
