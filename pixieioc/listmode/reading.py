"""A block of events as runs in order: which period each belongs to, whether its time can be true, what came before."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pixieioc.listmode import events as ev
from pixieioc.listmode.batch import Batch
from pixieioc.listmode.events import Events, Memory
from pixieioc.listmode.held import Chunk, Group, Odd, OfModule, Run, Store, TimeBase, store_of
from pixieioc.listmode.streams import CFD_NS, Position, Stream
from pixieioc.listmode.survey import CELL_BITS, CFD_BITS, Part, State, survey

#: Parts of a stream, of different periods, that are surveyed at a time.
_PARTS = 64


@dataclass
class Reading:
    """What a block says: runs of events, each in order, by time base; and events whose time cannot be true."""

    batch: Batch
    runs: dict[TimeBase, list[OfModule]] = field(default_factory=dict[TimeBase, "list[OfModule]"])
    odd: list[Odd] = field(default_factory=list[Odd])

    def add(self, base: TimeBase, module: int, run: Run) -> None:
        """Notes a run."""
        self.runs.setdefault(base, []).append(OfModule(module, run))


class Reader:
    """Surveys blocks: streams that are nearly in order, one after the other."""

    def __init__(self, window_ns: int, reset_ns: int, memory: Memory) -> None:
        self._window_ns, self._reset_ns, self._memory = window_ns, reset_ns, memory
        self._parts = np.empty((_PARTS, len(Part)), np.int64)
        self._rows = np.empty((3, 1), np.uint32)

    def read(
        self,
        events: Events,
        streams: Mapping[int, Stream],
        stream_of: Callable[[int], Stream],
        groups: Mapping[TimeBase, Group],
        final: Collection[int],
        now: float | None,
    ) -> Reading:
        """The block `events`. `stream_of` makes the streams of modules that are not in `streams` yet.

        `final`: modules whose next events will not tell what is undecided of them.
        """
        runs = runs_of(events)
        for module, _ in runs:
            stream_of(module)
        block, since = _with_undecided(events, runs, streams, final, 0.0 if now is None else now)
        if block is not events:
            runs = runs_of(block)
        tails = self._tails(block, runs, streams, groups)
        before, firsts = _one_store(tails)
        size = sum(chunk.size for chunk in tails.values()) + ev.size(block)
        keys, order = np.empty(size, np.int64), np.empty(size, np.uint32)
        reading = Reading(Batch(before, block, keys, order, 0.0 if now is None else now, self._memory, since))
        at = 0
        for module, rows in runs:
            stream, tail = streams[module], tails.pop(module, None)
            stream.hear(now)
            begin = at
            if tail is not None:
                at += tail.size
                keys[begin:at] = tail.keys
                order[begin:at] = np.arange(firsts[module], firsts[module] + tail.size)
            at = self._survey(reading, module, stream, groups, rows, begin, at, module in final)
        return reading

    def _tails(
        self,
        block: Events,
        runs: list[tuple[int, slice]],
        streams: Mapping[int, Stream],
        groups: Mapping[TimeBase, Group],
    ) -> dict[int, Chunk]:
        """What waits of each module that events of the block may come before."""
        tails: dict[int, Chunk] = {}
        for module, rows in runs:
            stream = streams[module]
            group = groups.get(time_base_of(module, stream))
            if module in tails or group is None or module not in group.waiting:
                continue
            earliest = -(2**62)
            if group.waiting[module][-1].size > rows.stop - rows.start:  # not again and again all of it
                since = int(block["time"][rows].min()) - CFD_NS - stream.origin
                earliest = max(earliest, min(2**62, since << CFD_BITS))
            tail = group.end_of(module, earliest)
            if tail is not None:
                tails[module] = tail
        return tails

    def _lists(self, count: int) -> NDArray[np.uint32]:
        """Room for three lists of so many rows: kept, as it is the same memory for every stream."""
        if self._rows.shape[1] <= count:
            self._rows = np.empty((3, count + 1), np.uint32)
        return self._rows

    def _survey(
        self,
        reading: Reading,
        module: int,
        stream: Stream,
        groups: Mapping[TimeBase, Group],
        rows: slice,
        tail: int,
        at: int,
        final: bool,
    ) -> int:
        """Surveys one stream's events in `rows`; returns where its keys end."""
        block, batch, row = reading.batch.block, reading.batch, rows.start
        time, cfd, (low, odd, back) = ev.constant(block["time"]), ev.constant(block["cfd"]), self._lists(ev.size(block))
        first = len(batch.before.since)
        while True:
            parts, odds, backs, end, next_row = survey(
                time, cfd, row, rows.stop, first, tail, at, batch.keys, batch.order, low, odd, back, self._parts,
                stream.state, self._window_ns, self._reset_ns, final,
            )  # fmt: skip
            follows = not odds and not backs
            if parts and stream.began is None:
                stream.began = _time_of(self._parts[0], batch)
            for part in self._parts[:parts].tolist():
                begin, stop, waited = (
                    part[Part.BEGIN],
                    part[Part.END],
                    max(0, min(at, part[Part.END]) - part[Part.BEGIN]),
                )
                base = TimeBase(part[Part.PERIOD], part[Part.ORIGIN], module if stream.apart else -1)
                if not part[Part.SETTLED]:
                    _sort(batch, begin, stop)
                    follows = False
                if part[Part.REMAINS]:
                    _discard(reading, module, base.period, groups)
                begins_at = row + begin + waited - at if follows else -1
                reading.add(base, module, Run(begin, stop, waited, begins_at))
            if odds:
                reading.odd.append(Odd(stream.period, ev.compact(ev.take(block, odd[:odds]))))
            if backs:
                end = _add_back(reading, module, stream, back[:backs], first, end)
            if next_row < rows.stop and parts >= _PARTS - 2:
                row, tail, at = next_row, end, end
                continue
            break
        stream.undecided = None
        if next_row < rows.stop:
            some = ev.compact(ev.take(block, slice(next_row, rows.stop)))
            stream.undecided = {name: column.copy() for name, column in some.items()}
            read = (
                np.full(rows.stop - next_row, batch.now) if batch.since is None else batch.since[next_row : rows.stop]
            )
            stream.undecided_read = np.array(read)
        return end


def _time_of(part: NDArray[np.int64], batch: Batch) -> Position:
    """The earliest time in a part of a stream."""
    return Position(int(part[Part.PERIOD]), int(part[Part.ORIGIN]) + (int(batch.keys[part[Part.BEGIN]]) >> CFD_BITS))


def time_base_of(module: int, stream: Stream) -> TimeBase:
    """Where the next events of a stream belong, unless its counter says something else."""
    return TimeBase(stream.period, stream.origin, module if stream.apart else -1)


def _with_undecided(
    events: Events, runs: list[tuple[int, slice]], streams: Mapping[int, Stream], final: Collection[int], now: float
) -> tuple[Events, NDArray[np.float64] | None]:
    """The block, with what is undecided of each module before the module's events; of some modules also without any.

    With it, when each of these events was read, s; None: all of them `now`.
    """
    waiting = {module for module, stream in streams.items() if stream.undecided is not None}
    if not waiting:
        return events, None
    pieces: list[Events] = []
    read: list[NDArray[np.float64]] = []

    def put_undecided(module: int) -> None:
        pieces.append(streams[module].undecided or {})
        read.append(streams[module].undecided_read)

    for module, rows in runs:
        if module in waiting:
            waiting.remove(module)
            put_undecided(module)
        pieces.append(ev.take(events, rows))
        read.append(np.full(ev.size(pieces[-1]), now))
    for module in sorted(waiting & set(final)):
        put_undecided(module)
    if not pieces:
        return events, None
    return ev.concatenate([ev.compact(piece) for piece in pieces]), np.concatenate(read)


def _one_store(tails: Mapping[int, Chunk]) -> tuple[Store, dict[int, int]]:
    """One store with all of these, and where each begins in it."""
    chunks = list(tails.values())
    if chunks and all(chunk.store is chunks[0].store for chunk in chunks):
        store, used = chunks[0].store, sum(chunk.size for chunk in chunks)
        if 2 * used >= len(store.since) and ev.TRACES not in store.events:
            return store, {module: chunk.begin for module, chunk in tails.items()}
    begins = np.cumsum([0, *(chunk.size for chunk in chunks)]).tolist()
    return store_of(chunks), dict(zip(tails, begins, strict=False))


def _sort(batch: Batch, begin: int, end: int) -> None:
    """Puts keys in order that are far from it."""
    order = np.argsort(batch.keys[begin:end], kind="stable")
    batch.keys[begin:end] = batch.keys[begin:end][order]
    batch.order[begin:end] = batch.order[begin:end][order]


def _discard(reading: Reading, module: int, period: int, groups: Mapping[TimeBase, Group]) -> None:
    """What was believed of a module was of a run that had ended: it is odd."""
    for base, group in groups.items():
        if base.period == period and (chunks := group.take(module)):
            reading.odd.append(Odd(period, store_of(chunks).events))
            group.marks.pop(module, None)
    for base, runs in reading.runs.items():
        for of_module in [r for r in runs if base.period == period and r.module == module]:
            runs.remove(of_module)
            numbers = reading.batch.order[of_module.run.begin : of_module.run.end]
            reading.odd.append(Odd(period, reading.batch.copied(numbers, (), ev.heap)))


def _add_back(reading: Reading, module: int, stream: Stream, rows: NDArray[np.uint32], first: int, at: int) -> int:
    """Adds events of the period before, which have come behind the first of this one."""
    batch = reading.batch
    units = (batch.block["cfd"][rows] * np.float32(1 << CFD_BITS)).astype(np.int64)
    time = batch.block["time"][rows]
    origins = (time + (units >> CFD_BITS)) >> CELL_BITS << CELL_BITS
    for origin in np.unique(origins).tolist():
        here = origins == origin
        end = at + int(here.sum())
        batch.keys[at:end] = ((time[here] - origin) << CFD_BITS) + units[here]
        batch.order[at:end] = first + rows[here]
        _sort(batch, at, end)
        base = TimeBase(int(stream.state[State.PERIOD]) - 1, origin, module if stream.apart else -1)
        reading.add(base, module, Run(at, end, 0, -1))
        at = end
    return at


def runs_of(events: Events) -> list[tuple[int, slice]]:
    """The stretches of events of one module, in order."""
    numbers = events["module"]
    if not len(numbers):
        return []
    if ev.is_repeated(numbers):
        return [(int(numbers[0]), slice(0, len(numbers)))]
    ends = [*(np.flatnonzero(numbers[1:] != numbers[:-1]) + 1).tolist(), len(numbers)]
    begins = [0, *ends[:-1]]
    return [(int(numbers[begin]), slice(begin, end)) for begin, end in zip(begins, ends, strict=True)]
