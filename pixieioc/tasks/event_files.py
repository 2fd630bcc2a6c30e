"""Files of events on their way to disk, in the formats of data analysis; `*.part` until they are complete and safe."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np

from pixieioc.listmode import events as ev
from pixieioc.listmode.events import Array, Column, Events
from pixieioc.listmode.variant import PART_ESUM, PART_ETS, PART_QDC
from pixieioc.pipeline import Error
from pixieioc.tasks.disk import sync

#: Columns that every event has, and those of the optional blocks, in the order of the files.
ALWAYS = (*ev.BASE_COLUMNS, ev.CHUNK_COLUMN)
OPTIONAL = ev.EXTRA_COLUMNS
#: Parquet has the samples themselves in a column, npy has a file of all samples, into which `trace_start` points.
TRACE = Column("trace", "<u2", "", "Samples of the event's trace, ADC units.")
#: Which bit of `parts` says that an event has a value in these columns.
_PART = {"ets": PART_ETS, "esum": PART_ESUM, "baseline": PART_ESUM, "qdc": PART_QDC}
#: A row group of a Parquet file is written when it has so many events, or so many samples of traces.
_GROUP_EVENTS, _GROUP_SAMPLES = 1 << 18, 1 << 22


class EventFile(Protocol):
    """A file, or several that belong together, that events are appended to."""

    events: int

    @property
    def bytes(self) -> int:
        """Bytes written so far."""
        ...

    def append(self, events: Events) -> None:
        """Takes events, which are on disk when the file is finished. Error if the disk does not take them."""
        ...

    def finish(self, about: dict[str, Any]) -> None:
        """Makes everything safe on disk, with `about` as metadata, and gives the files their names."""
        ...

    def discard(self) -> None:
        """Removes what there is."""
        ...


def new_file(path: Path, form: str) -> EventFile:
    """A new file in the format `form` ("parquet" or "npy"); Error if there is one already, or it cannot be made."""
    match form:
        case "parquet":
            return ParquetFile(path)
        case "npy":
            return NpyFiles(path)
        case _:
            raise ValueError(f"no format {form!r} of event files")


def import_pyarrow() -> Any:
    """The package that writes Parquet; Error that says how to get it."""
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise Error(
            "Parquet files need the package pyarrow: pip install 'pixieioc[analysis]', or take the format npy, "
            f"which needs nothing more ({error})"
        ) from error
    return pyarrow


class ParquetFile:
    """All columns in one Parquet file; what an event does not have is null. `about` is the metadata `pixieioc`."""

    def __init__(self, path: Path) -> None:
        self._pa = import_pyarrow()
        self.path, self.events = path, 0
        self._file = _PartFile(path)
        self._group: list[Events] = []
        self._rows = self._samples = 0
        with _naming(path):
            self._sink = self._pa.OSFile(str(self._file.part), "wb")
            self._writer = self._open_writer()

    @property
    def bytes(self) -> int:
        """Bytes written so far."""
        return self._file.size

    def append(self, events: Events) -> None:
        """Takes events; a row group is written when there are enough."""
        for piece in _pieces(events):
            self._group.append(piece)
            self._rows += ev.size(piece)
            self._samples += len(piece.get(ev.TRACES, ()))
            self.events += ev.size(piece)
            if self._rows >= _GROUP_EVENTS or self._samples >= _GROUP_SAMPLES:
                self._write_group()

    def finish(self, about: dict[str, Any]) -> None:
        """Writes the last row group and the metadata."""
        if self._group:
            self._write_group()
        with _naming(self.path):
            self._writer.add_key_value_metadata({"pixieioc": json.dumps(about, ensure_ascii=False)})
            self._writer.close()
            self._sink.close()
        self._file.publish()

    def discard(self) -> None:
        """Removes the file."""
        self._writer.is_open = False  # otherwise it would still write its end, when it is collected
        with contextlib.suppress(OSError):  # it is of no use any more, whether its end can be written or not
            self._sink.close()
        self._file.discard()

    def _open_writer(self) -> Any:
        delta = ("time", "ets", "trace.list.element")
        encoding = {**dict.fromkeys(delta, "DELTA_BINARY_PACKED"), ev.CHUNK_COLUMN.name: "BYTE_STREAM_SPLIT"}
        few_values = [c.name for c in (*ALWAYS, *OPTIONAL) if c.name not in encoding and c.name not in _PART]
        return self._pa.parquet.ParquetWriter(
            self._sink,
            self._schema(),
            compression="zstd",
            compression_level=1,
            use_dictionary=few_values,
            column_encoding=encoding,
        )

    def _schema(self) -> Any:
        fields = []
        for column in (*ALWAYS, *OPTIONAL, TRACE):
            if column.name == "trace_start":
                continue
            about = {"unit": column.unit, "meaning": column.doc}
            nullable = column is TRACE or column.name in _PART
            fields.append(self._pa.field(column.name, self._type(column), nullable=nullable, metadata=about))
        return self._pa.schema(fields)

    def _type(self, column: Column) -> Any:
        item = self._pa.from_numpy_dtype(np.dtype(column.dtype))
        if column is TRACE:
            return self._pa.list_(item)
        return self._pa.list_(item, column.width) if column.width else item

    def _write_group(self) -> None:
        pa, joined, count = self._pa, ev.concatenate(self._group), self._rows
        self._group, self._rows, self._samples = [], 0, 0
        arrays: list[Any] = []
        for column in (*ALWAYS, *OPTIONAL):
            if column.name == "trace_start":
                continue
            given = joined.get(column.name)
            if given is None and column.name in _PART:
                arrays.append(pa.nulls(count, self._type(column)))
                continue
            values = given if given is not None else ev.allocate([column], count, zero=True)[column.name]
            absent = joined["parts"] & _PART[column.name] == 0 if column.name in _PART else None
            if column.width:
                flat = pa.array(values.ravel())
                arrays.append(pa.FixedSizeListArray.from_arrays(flat, column.width, mask=pa.array(absent)))
            else:
                arrays.append(pa.array(values, mask=absent))
        arrays.append(self._traces(joined, count))
        with _naming(self.path):
            self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._writer.schema), row_group_size=count)

    def _traces(self, joined: Events, count: int) -> Any:
        if ev.TRACES not in joined:
            return self._pa.nulls(count, self._type(TRACE))
        lengths = joined["trace_length"].astype(np.int32)
        ends = np.concatenate([[0], np.cumsum(lengths, dtype=np.int32)])
        mask = self._pa.array(lengths == 0)
        return self._pa.ListArray.from_arrays(self._pa.array(ends), self._pa.array(joined[ev.TRACES]), mask=mask)


class NpyFiles:
    """Events as structured arrays: `<name>.npy` has what every event has; `<name>.extra.npy`, row by row, the optional
    blocks and `<name>.traces.npy` the samples of all traces, where there are any; `about` is in `<name>.npy.json`."""

    def __init__(self, path: Path) -> None:
        self.path, self.events = path, 0
        self._sidecar = _sibling(path, ".json")
        _refuse_existing(_sibling(path, ".extra.npy"), _sibling(path, ".traces.npy"), self._sidecar)
        self._main = _NpyFile(path, _dtype(ALWAYS))
        self._extra: _NpyFile | None = None
        self._traces: _NpyFile | None = None

    @property
    def bytes(self) -> int:
        """Bytes written so far, of all files."""
        return sum(file.bytes for file in self._files)

    @property
    def _files(self) -> list[_NpyFile]:
        return [file for file in (self._traces, self._extra, self._main) if file is not None]

    def append(self, events: Events) -> None:
        """Writes events at once."""
        for piece in _pieces(events):
            if ev.TRACES in piece:
                self._extra = self._extra or _NpyFile(_sibling(self.path, ".extra.npy"), _dtype(OPTIONAL))
                # Zeros for the events since the last one with an optional block: a hole in the file.
                self._extra.count = self.events
                self._extra.append(_rows(OPTIONAL, self._with_samples(piece)))
            self._main.append(_rows(ALWAYS, piece))
            self.events += ev.size(piece)

    def _with_samples(self, piece: Events) -> Events:
        """Writes the traces of `piece`; its `trace_start` counts from the first sample in the file then."""
        if not len(samples := piece[ev.TRACES]):
            return piece
        self._traces = self._traces or _NpyFile(_sibling(self.path, ".traces.npy"), np.dtype(TRACE.dtype))
        start = self._traces.count
        self._traces.append(samples)
        return {**piece, "trace_start": piece["trace_start"] + start}

    def finish(self, about: dict[str, Any]) -> None:
        """Completes all files; the one with the name itself appears last."""
        if self._extra is not None:
            self._extra.count = self.events
        sidecar = _PartFile(self._sidecar)
        with _naming(self._sidecar):
            sidecar.part.write_text(json.dumps(about, indent=2, ensure_ascii=False) + "\n")
        for file in self._files:
            file.complete()
        sidecar.publish()
        for file in self._files:
            file.publish()

    def discard(self) -> None:
        """Removes all files."""
        for file in self._files:
            file.discard()


class _PartFile:
    """A new file that is called `<path>.part` until it is complete and safe on disk."""

    def __init__(self, path: Path) -> None:
        self.path, self.part = path, path.with_name(path.name + ".part")
        _refuse_existing(path)
        try:
            os.close(os.open(self.part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644))
        except FileExistsError:
            raise Error(f"{self.part} exists already: another program writes it, or was killed while it did") from None
        except OSError as error:
            raise Error(f"cannot make {self.part}: {error.strerror}") from error

    @property
    def size(self) -> int:
        """Bytes in the file."""
        return (self.part if self.part.exists() else self.path).stat().st_size

    def publish(self) -> None:
        """Gives the file its name, once it is on the disk."""
        with _naming(self.path):
            sync(self.part)
            _refuse_existing(self.path)
            self.part.rename(self.path)
            sync(self.path.parent)

    def discard(self) -> None:
        """Removes the file."""
        self.part.unlink(missing_ok=True)


class _NpyFile(_PartFile):
    """A one-dimensional array that grows; its header says how long it is once it is complete."""

    def __init__(self, path: Path, dtype: np.dtype[Any]) -> None:
        super().__init__(path)
        self._dtype = dtype
        self.count = 0  #: elements before the next one; to be set higher leaves zeros
        self._file: BinaryIO = self.part.open("wb", buffering=0)
        with _naming(path):
            self._write_header()
            self._begin = self._file.tell()

    @property
    def bytes(self) -> int:
        """Bytes of header and data."""
        return self._begin + self.count * self._dtype.itemsize

    def append(self, rows: Array) -> None:
        """Writes elements behind the others."""
        with _naming(self.path):
            self._file.seek(self.bytes)
            view = np.ascontiguousarray(rows, self._dtype).view(np.uint8).data
            while view:
                view = view[self._file.write(view) :]
        self.count += len(rows)

    def complete(self) -> None:
        """Writes the length; nothing can be appended any more."""
        with _naming(self.path):
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


def _pieces(events: Events) -> Iterator[Events]:
    """`events` in pieces that are not too large, with `traces` that hold their own samples only."""
    count = ev.size(events)
    samples = np.cumsum(events["trace_length"], dtype=np.int64) if ev.TRACES in events else np.zeros(count, np.int64)
    begin = 0
    while begin < count:
        before = int(samples[begin - 1]) if begin else 0
        end = int(np.searchsorted(samples, before + _GROUP_SAMPLES, "right"))
        end = min(max(end, begin + 1), begin + _GROUP_EVENTS)
        yield ev.compact(ev.take(events, slice(begin, end)))
        begin = end


def _dtype(columns: tuple[Column, ...]) -> np.dtype[Any]:
    return np.dtype([(c.name, c.dtype, (c.width,)) if c.width else (c.name, c.dtype) for c in columns])


def _rows(columns: tuple[Column, ...], events: Events) -> Array:
    rows = np.zeros(ev.size(events), _dtype(columns))
    for column in columns:
        if column.name in events:
            rows[column.name] = events[column.name]
    return rows


def _sibling(path: Path, ending: str) -> Path:
    stem = path.name if ending == ".json" else path.name.removesuffix(".npy")
    return path.with_name(stem + ending)


def _refuse_existing(*paths: Path) -> None:
    for path in paths:
        if path.exists():
            raise Error(f"{path} exists already; nothing is overwritten")


@contextlib.contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Says which file it was that could not be written."""
    try:
        yield
    except OSError as error:
        raise Error(f"cannot write {path}: {error.strerror or error}") from error
