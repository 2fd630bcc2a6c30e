"""Files of events: which columns they have, and in which formats of data analysis they can be written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from pixieioc.listmode import events as ev
from pixieioc.listmode.events import Array, Column, Events
from pixieioc.listmode.variant import PART_ESUM, PART_ETS, PART_QDC
from pixieioc.pipeline import Error
from pixieioc.tasks.file_series import DataFile

#: Columns that every event has, those that SortEvents adds, and those of the optional blocks, in the files' order.
ALWAYS = ev.BASE_COLUMNS
SORTED = (ev.PERIOD_COLUMN, ev.CHUNK_COLUMN)
OPTIONAL = ev.EXTRA_COLUMNS
#: Parquet has the samples themselves in a column, npy has a file of all samples, into which `trace_start` points.
TRACE = Column("trace", "<u2", "", "Samples of the event's trace, ADC units.")
#: Recorded data may be of several runs.
RUN = ev.RUN_COLUMN
#: Energies in keV, by the one calibration of a file.
KEV = ev.KEV_COLUMN
#: Columns that come before those of the optional blocks.
_FIRST = (*ALWAYS, KEV, *SORTED, RUN)
#: What an event does not have in these columns is NaN where there is no null.
NAN = (ev.CHUNK_COLUMN, KEV)
#: Which bit of `parts` says that an event has a value in these columns.
PART_OF = {"ets": PART_ETS, "esum": PART_ESUM, "baseline": PART_ESUM, "qdc": PART_QDC}
OF_TRACES = ("trace_start", "trace_length")
#: Events, and samples of traces, that are written at a time at most.
GROUP_EVENTS, GROUP_SAMPLES = 1 << 18, 1 << 22


class EventFile(DataFile[Events], Protocol):
    """A file, or several that belong together, that events are written to.

    It has the columns that its events have: when later ones have more, what is there already is rewritten with them.
    Who cannot wait for that begins the next file.
    """

    events: int  #: in the file
    first_time: int | None  #: `time` of the first of them
    last_time: int | None

    @property
    def columns(self) -> list[Column]:
        """The columns that the file has so far."""
        ...

    def rewritten_for(self, events: Events, /) -> int:
        """How many bytes would be written again, before these events, with their columns; 0 if it has those."""
        ...


class Counted:
    """What is known of the events that are in a file."""

    def __init__(self) -> None:
        self.events = 0
        self.first_time: int | None = None
        self.last_time: int | None = None

    def count(self, events: Events) -> None:
        """These are in the file now."""
        if count := ev.size(events):
            self.events += count
            self.last_time = int(events["time"][-1])
            self.first_time = int(events["time"][0]) if self.first_time is None else self.first_time


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


def prepare_pyarrow() -> None:
    """Writes a table to memory: the first of a process takes 0.3 s of work, for which no run's end should wait."""
    pa = import_pyarrow()
    pa.set_memory_pool(pa.system_memory_pool())  # which really gives back what is released
    pa.parquet.write_table(pa.table({"nothing": np.zeros(1)}), pa.BufferOutputStream(), compression="zstd")


def columns_with_values(events: Events) -> list[Column]:
    """The columns in which at least one of `events` has a value, in the order of the files."""
    parts = int(np.bitwise_or.reduce(events["parts"])) if ev.size(events) and "parts" in events else 0
    traces = ev.TRACES in events and bool(events["trace_length"].any())
    has = {"parts": parts > 0, **{name: parts & bit > 0 for name, bit in PART_OF.items()}}
    has |= dict.fromkeys(OF_TRACES, traces)
    return [c for c in (*_FIRST, *OPTIONAL) if c.name in events and has.get(c.name, True)]


def merged(some: list[Column], more: list[Column]) -> list[Column]:
    """The columns of both, in the order of the files."""
    names = {column.name for column in (*some, *more)}
    return [column for column in (*_FIRST, *OPTIONAL) if column.name in names]


def inherited(columns: list[Column]) -> list[Column]:
    """The columns of a file with which the next one of its run begins: keV follow from the calibration of each."""
    starts = [column for column in OPTIONAL if column.name == "trace_start" and TRACE in columns]
    return merged([column for column in columns if column != KEV], starts)


def described(columns: list[Column]) -> dict[str, Any]:
    """What the metadata tell about columns."""
    return {c.name: {"type": np.dtype(c.dtype).name, "unit": c.unit, "meaning": c.doc} for c in columns}


def pieces(events: Events) -> Iterator[Events]:
    """`events` in pieces that are not too large, with `traces` that hold their own samples only."""
    count = ev.size(events)
    samples = np.cumsum(events["trace_length"], dtype=np.int64) if ev.TRACES in events else np.zeros(count, np.int64)
    begin = 0
    while begin < count:
        before = int(samples[begin - 1]) if begin else 0
        end = int(np.searchsorted(samples, before + GROUP_SAMPLES, "right"))
        end = min(max(end, begin + 1), begin + GROUP_EVENTS)
        yield ev.compact(ev.take(events, slice(begin, end)))
        begin = end


def too_late(path: Path, events: int) -> Error:
    """What is said of a file that is given up since its disk is slow and its run has to end."""
    return Error(
        f"the disk is too slow: {path} had {events} events when the run had to end, those that came behind them are "
        "not in it"
    )


def absent(column: Column, count: int) -> Array:
    """What a column has for events that do not have it: NaN for Unix times and keV, which can be 0, and 0 otherwise."""
    shape = (count, column.width) if column.width else (count,)
    return np.full(shape, np.nan if column in NAN else 0, column.dtype)


def bytes_before(events: Events) -> Array:
    """How many bytes the events before each one take, and all of them together."""
    count = ev.size(events)
    row = sum(column.nbytes for name, column in events.items() if name != ev.TRACES) / max(1, count)
    before = np.arange(count + 1) * row
    if ev.TRACES in events:
        before[1:] += 2 * np.cumsum(events["trace_length"], dtype=np.int64)
    return before
