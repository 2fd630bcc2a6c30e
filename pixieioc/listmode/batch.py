"""A block of events, and the ends of what waited before it: as numbers while their order is found, then as columns.

Those that waited have the first numbers, the rows of the block the others. So an order is an array of numbers, and
nothing is copied before its place is known.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pixieioc.listmode import events as ev
from pixieioc.listmode import merge, picking
from pixieioc.listmode.events import Array, Column, Events, Memory
from pixieioc.listmode.held import Chunk, Run, Store, store_of
from pixieioc.listmode.merge import Keys, Rows

_NO_ROWS = np.empty(0, np.uint32)
_NO_SAMPLES = np.empty(0, np.uint16)
#: Above this share of displaced events it is faster to pick all of them one by one.
_DISPLACED = 0.4
#: Handing columns to compiled code takes longer than picking this many events.
_FEW = 1024
#: So the compiler meets one type for each size.
_BITS = {size: np.dtype(f"u{size}") for size in (1, 2, 4, 8)}


class Piece(NamedTuple):
    """Outgoing events from `begin` to `end`. They follow each other in the block from `row` on, but for some; or that
    is MIXED or NEW."""

    begin: int
    end: int
    row: int


@dataclass(frozen=True)
class Batch:
    """A block, and the ends of what waited that its events may come before; keys and numbers of all of them.

    `since`: when each event of the block was read, s, if that was not `now` for all of them.
    """

    before: Store
    block: Events
    keys: Keys
    order: Rows
    now: float
    memory: Memory
    since: NDArray[np.float64] | None = None

    def with_more(self, chunks: list[Chunk]) -> tuple[Batch, list[Run]]:
        """The same with more of what waited, and where that is."""
        held, sizes = len(self.before.since), [chunk.size for chunk in chunks]
        count, end = sum(sizes), len(self.keys)
        # They come before the block, too.
        shifted = np.where(self.order < held, self.order, self.order + np.uint32(count))
        order = np.concatenate([shifted, np.arange(held, held + count, dtype=np.uint32)])
        keys = np.concatenate([self.keys, *(chunk.keys for chunk in chunks)])
        before = store_of([Chunk(self.before, 0, np.empty(held, np.int64)), *chunks])
        batch = replace(self, before=before, keys=keys, order=order)
        begins = np.cumsum([end, *sizes[:-1]]).tolist()
        return batch, [Run(begin, begin + size, 0, -1) for begin, size in zip(begins, sizes, strict=True)]

    def merged(self, runs: list[Run]) -> Rows:
        """The numbers of all events in the runs in the order of their keys; of equal ones, the earlier run's first."""
        if len(runs) == 1:
            return self.order[runs[0].begin : runs[0].end]
        parts = [run for run in runs if run.end > run.begin]
        if all(self.keys[a.end - 1] <= self.keys[b.begin] for a, b in itertools.pairwise(parts)):
            return np.concatenate([_NO_ROWS, *(self.order[run.begin : run.end] for run in parts)])
        bounds = np.array([(run.begin, run.end) for run in runs], np.int64).reshape(-1, 2)
        size = int(np.diff(bounds).sum())
        out, spare, rows = np.empty(size, np.uint32), np.empty(2 * size, np.int64), np.empty(2 * size, np.uint32)
        if size:
            merge.merge_runs(self.keys, self.order, bounds, spare, rows, np.empty(2 * len(runs), np.int64), out)
        return out

    def copied(
        self,
        numbers: Rows,
        spare: Iterable[Column],
        memory: Memory,
        pieces: Sequence[Piece] | None = None,
        *,
        writable: Sequence[str] = (),
    ) -> Events:
        """A copy of the events with these numbers in `memory`, with room for the columns `spare`.

        `pieces`: how the numbers follow each other, if that is known. `writable`: columns that are filled although they
        may have one value only.
        """
        count, held = len(numbers), len(self.before.since)
        before, block = self.before.events, self.block
        names = block if held == 0 or before.keys() <= block.keys() else {**block, **before}
        out, picked = Events(), list[tuple[str, Array, Array]]()
        for name in names:
            if name != ev.TRACES:
                early, late = _of(before, name, held), _of(block, name, ev.size(block))
                value = None if name in writable else _value(early, late)
                if value is None:
                    picked.append((name, early, late))
                else:
                    out[name] = ev.repeated(value, count)
        wanted = [(name, late.dtype, late.shape[-1] if late.ndim > 1 else 0) for name, _, late in picked]
        wanted += [(column.name, np.dtype(column.dtype), column.width) for column in spare]
        out |= ev.lay_out(wanted, count, memory)
        if count < _FEW:
            _put_few(numbers, held, picked, out)
        else:
            table, places = self._table(numbers, pieces or (Piece(0, count, picking.MIXED),))
            for name, early, late in picked:
                if late.ndim == 1:
                    to = out[name]
                    picking.put(numbers, held, table, places, _bits(early), _bits(late), to.view(_BITS[to.itemsize]))
                else:
                    _put_few(numbers, held, [(name, early, late)], out)
        if ev.TRACES in names:
            self._copy_traces(numbers, out, memory)
        return out

    def keep(self, runs: list[Run]) -> list[Chunk]:
        """What is in the runs as chunks of a new store."""
        numbers = np.concatenate([self.order[run.begin : run.end] for run in runs])
        events = self.copied(numbers, (), ev.heap)
        held = len(self.before.since)
        since, waited = np.full(len(numbers), self.now), numbers < held
        since[waited] = self.before.since[numbers[waited]]
        if self.since is not None:
            since[~waited] = self.since[numbers[~waited] - held]
        store, begin, chunks = Store(events, since), 0, list[Chunk]()
        for run in runs:
            chunks.append(Chunk(store, begin, self.keys[run.begin : run.end].copy()))
            begin += run.end - run.begin
        return chunks

    def _table(self, numbers: Rows, pieces: Sequence[Piece]) -> tuple[picking.Pieces, Rows]:
        """The pieces, and where events are displaced in them; nothing of them follows each other if those are many."""
        held = len(self.before.since)
        table = np.array(pieces, np.int64)
        if any(piece.row >= 0 for piece in pieces):
            places = np.empty(len(numbers) + 1, np.uint32)
            count = picking.displaced(numbers, held, table, places)
            if count <= _DISPLACED * len(numbers):
                return table, places[:count]
        end = _end_of(numbers, held)
        return np.array([(0, end, picking.MIXED), (end, len(numbers), picking.NEW)], np.int64), _NO_ROWS

    def _copy_traces(self, numbers: Rows, out: Events, memory: Memory) -> None:
        """The samples of these events' traces: what holds little else in one piece, otherwise trace by trace."""
        # Not above: fill imports this module's.
        from pixieioc.listmode.fill import copy_traces

        early, late = (ev.constant(of.get(ev.TRACES, _NO_SAMPLES)) for of in (self.before.events, self.block))
        starts, lengths, waited = out["trace_start"], out["trace_length"], numbers < len(self.before.since)
        used = int(lengths.sum(dtype=np.int64))
        begin = int(starts.min(where=~waited, initial=len(late)))
        end = max(begin, int((starts + lengths).max(where=~waited, initial=0)))
        before = len(early) if waited.any() else 0
        if 10 * used >= 9 * (before + end - begin):
            samples = memory(2 * (before + end - begin)).view(np.uint16)
            np.concatenate([early[:before], late[begin:end]], out=samples)
            starts += np.where(waited, 0, before - begin)
        else:
            samples = memory(2 * used).view(np.uint16)
            places = np.where(waited, -1 - starts, starts)
            copy_traces(early, late, ev.constant(places), ev.constant(lengths), samples, starts)
        out[ev.TRACES] = samples


def _end_of(numbers: Rows, held: int) -> int:
    """Behind the last of the numbers that are below `held`, or a bit further: they are among the first, mostly."""
    soon = 4 * held
    return soon if soon < len(numbers) and numbers[soon:].min() >= held else len(numbers) if held else 0


def _of(events: Events, name: str, count: int) -> Array:
    """A column of `count` events; zeros if they do not have it."""
    column = events.get(name)
    if column is not None:
        return column
    wanted = ev.COLUMNS[name]
    return np.zeros((count, wanted.width) if wanted.width else count, wanted.dtype)


def _value(before: Array, column: Array) -> np.generic | None:
    """What both have if that is one value, as crates, slots and modules often do."""
    if not len(column):
        return before[0] if ev.is_repeated(before) else None
    if not ev.is_repeated(column) or (len(before) and not (ev.is_repeated(before) and before[0] == column[0])):
        return None
    return column[0]


def _bits(column: Array) -> Array:
    """A column whatever its type, which cannot be written to."""
    return ev.constant(np.ascontiguousarray(column).view(_BITS[column.itemsize]))


def _put_few(numbers: Rows, held: int, picked: list[tuple[str, Array, Array]], out: Events) -> None:
    """The same as `picking.put`, for few events or columns with several values an event."""
    rows = numbers.astype(np.int64) - held
    waited = np.flatnonzero(rows < 0)
    for name, early, late in picked:
        if len(late):
            np.take(late, rows, axis=0, out=out[name], mode="clip")
        if len(waited):
            out[name][waited] = early[numbers[waited]]
