"""Events as columns: one numpy array a field, all of one length; never one Python object an event."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixieioc.listmode.fill import copy_traces

Array = NDArray[Any]
#: Column name to array; all columns have the same length (that of `time`), `traces` excepted.
Events = dict[str, Array]
#: Gives memory of a size in bytes, uninitialised, for columns.
Memory = Callable[[int], NDArray[np.uint8]]


@dataclass(frozen=True)
class Column:
    """What one column holds; `width` is the number of values an event (0: one, the column is one-dimensional)."""

    name: str
    dtype: str
    unit: str
    doc: str
    width: int = 0


BASE_COLUMNS = (
    Column("time", "<i8", "ns", "Time tick of the record times the length of a tick; exact."),
    Column("cfd", "<f4", "ns", "CFD time to be added to `time`; exact (a multiple of 1/32768 ns); 0 without CFD."),
    Column("energy", "<u2", "", "Energy of the on-board filter, ADC units."),
    Column("channel", "u1", "", "Channel of the module."),
    Column("slot", "u1", "", "Slot of the crate."),
    Column("crate", "u1", "", "Crate number."),
    Column("module", "u1", "", "Module number in the pipeline, from 0."),
    Column(
        "flags",
        "u1",
        "",
        "Sum of 1 pileup, 2 trace out of range, 4 CFD forced, failed or off, 8 out of the order of time.",
    ),
)
EXTRA_COLUMNS = (
    Column("parts", "u1", "", "Which blocks the record has: sum of 1 ETS, 2 ESUM, 4 QDC."),
    Column("ets", "<u8", "", "External time stamp, 48 bits, in ticks of the external clock; 0 without ETS."),
    Column("esum", "<u4", "", "Energy sums: trailing, leading, gap; 0 without ESUM.", 3),
    Column("baseline", "<f4", "", "Baseline that belongs to the energy sums; 0 without ESUM."),
    Column("qdc", "<u4", "", "The eight QDC sums; 0 without QDC.", 8),
    Column("trace_start", "<i8", "samples", "Where the event's trace begins in `traces`."),
    Column("trace_length", "<u2", "samples", "Samples of the event's trace; 0 without a trace."),
)
PERIOD_COLUMN = Column(
    "period", "<u4", "", "Period of the module's counter, from 0: times of different periods cannot be compared."
)
RUN_COLUMN = Column("run_id", "<u8", "", "Number of the run that the event is of.")
CHUNK_COLUMN = Column("chunk_timestamp", "<f8", "s", "Unix time of the event, from the start of its counter period.")
KEV_COLUMN = Column(
    "energy_kev", "<f4", "keV", "Energy by the calibration in the file's metadata; none of a channel without one."
)
COLUMNS: Mapping[str, Column] = {
    c.name: c for c in (*BASE_COLUMNS, *EXTRA_COLUMNS, PERIOD_COLUMN, RUN_COLUMN, CHUNK_COLUMN, KEV_COLUMN)
}
#: Bytes of a line of the processor's cache.
_LINE = 64
#: It takes some microseconds, and saves ten times as many for each column when events are sent.
_WORTH_LAYING_OUT = 4096
#: Not a column an event: the samples of all traces, 16 bits each.
TRACES = "traces"


def size(events: Events) -> int:
    """The number of events."""
    return len(events["time"])


def heap(size: int) -> NDArray[np.uint8]:
    """Memory of this process."""
    return np.empty(size, np.uint8)


def allocate(columns: Iterable[Column], count: int, memory: Memory = heap, *, zero: bool = False) -> Events:
    """Columns for `count` events, uninitialised unless `zero`."""
    columns_made = lay_out([(c.name, np.dtype(c.dtype), c.width) for c in columns], count, memory)
    if zero:
        for column in columns_made.values():
            column.fill(0)
    return columns_made


def lay_out(columns: Sequence[tuple[str, np.dtype[Any], int]], count: int, memory: Memory = heap) -> Events:
    """Columns (name, type, width) for `count` events, side by side in one piece of `memory`: so they travel as one.

    Each begins where a line of the processor's cache does. Few events are not worth that: their columns are apart.
    """
    if count < _WORTH_LAYING_OUT:
        return {name: np.empty((count, width) if width else count, kind) for name, kind, width in columns}
    places: list[int] = [0]
    for _, kind, width in columns:
        size = count * max(1, width) * kind.itemsize
        places.append(places[-1] + size + -size % _LINE)
    arena = memory(places[-1])
    return {
        name: np.ndarray((count, width) if width else (count,), kind, arena, place)
        for (name, kind, width), place in zip(columns, places, strict=False)
    }


def repeated(value: np.generic[Any], count: int) -> Array:
    """A column of one value, which takes no memory, neither here nor when it is sent."""
    return np.ndarray(count, value.dtype, value.tobytes(), 0, (0,))


def is_repeated(column: Array) -> bool:
    """True for a column of one value that takes no memory."""
    return column.strides == (0,) and len(column) > 0


def repeated_if_same(column: Array) -> Array:
    """A column, or what takes no memory instead of it if it has one value only."""
    if not len(column) or column[0] != column[-1] or column.min() != column[0] or column.max() != column[0]:
        return column
    return repeated(column[0], len(column))


def empty() -> Events:
    """No events, with the base columns."""
    return allocate(BASE_COLUMNS, 0)


def take(events: Events, index: Array | slice) -> Events:
    """The events that `index` selects; traces are shared, not copied."""
    return {name: column if name == TRACES else column[index] for name, column in events.items()}


def concatenate(chunks: list[Events], memory: Memory = heap) -> Events:
    """All events of `chunks` in that order, in `memory`; a column that only some of them have is 0 for the others."""
    chunks = [chunk for chunk in chunks if size(chunk)]
    if not chunks:
        return empty()
    if len(chunks) == 1:
        return chunks[0]
    names = {name: None for chunk in chunks for name in chunk}
    count = sum(map(size, chunks))
    same = {name: repeated(value, count) for name in names if (value := _value_of(chunks, name)) is not None}
    joined = allocate([COLUMNS[name] for name in names if name != TRACES and name not in same], count, memory)
    for name, column in joined.items():
        parts = [chunk[name] if name in chunk else _zeros(name, size(chunk)) for chunk in chunks]
        if name == "trace_start":
            starts = np.cumsum([0, *(len(chunk.get(TRACES, ())) for chunk in chunks)])
            parts = [part + start for part, start in zip(parts, starts, strict=False)]
        np.concatenate(parts, out=column)
    if TRACES in names:
        traces = [chunk[TRACES] for chunk in chunks if TRACES in chunk]
        joined[TRACES] = memory(sum(part.nbytes for part in traces)).view(traces[0].dtype)
        np.concatenate(traces, out=joined[TRACES])
    return joined | same


def _value_of(chunks: list[Events], name: str) -> np.generic[Any] | None:
    """What a column has in all chunks if that is one value that takes no memory."""
    column = chunks[0].get(name)
    if column is None or not is_repeated(column):
        return None
    others = (chunk.get(name) for chunk in chunks[1:])
    same = all(other is not None and is_repeated(other) and other[0] == column[0] for other in others)
    return column[0] if same else None


def compact(events: Events) -> Events:
    """The same events with `traces` that hold no other samples; without traces, the events as they are."""
    if TRACES not in events:
        return events
    begins, lengths = constant(events["trace_start"]), constant(events["trace_length"])
    starts = np.empty(len(lengths), np.int64)
    samples = np.empty(int(lengths.sum(dtype=np.int64)), events[TRACES].dtype)
    none = constant(samples[:0])
    copy_traces(none, constant(events[TRACES]), begins, lengths, samples, starts)
    return {**events, "trace_start": starts, TRACES: samples}


def warm_up() -> None:
    """Compiles the loop that copies traces, or loads it from the cache, so that no data need wait for it."""
    compact(allocate(EXTRA_COLUMNS, 1, zero=True) | {TRACES: np.zeros(1, "<u2")})


def constant(array: Array) -> Array:
    """A view that cannot be written to: compiled code tells such arrays from others, and data may be one already."""
    if not array.flags.writeable:
        return array
    view = array.view()
    view.flags.writeable = False
    return view


def nanoseconds(events: Events, since: int | NDArray[np.int64]) -> NDArray[np.float64]:
    """`time + cfd` as one number an event, in ns after `since` (a `time` in ns, one for all or one an event).

    Exact within 2**38 ns (4.5 minutes) of `since`; beyond that rounded to 53 bits, which is 1/2 ns after 32 days.
    Differences of times that lie far from the beginning are exact if one of them is `since`.
    """
    return (events["time"] - since) + events["cfd"].astype(np.float64)


def _zeros(name: str, count: int) -> Array:
    return allocate([COLUMNS[name]], count, zero=True)[name]
