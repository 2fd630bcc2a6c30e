"""Events that wait for their turn, in order for each stream, and how some of them go on with those of a block.

Events are numbered while a block is worked on: first those that waited and have met later ones of their stream, then
those of the block. So an order is an array of numbers, and nothing is copied before its place is known.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pixieioc.listmode import events as ev
from pixieioc.listmode import merge
from pixieioc.listmode.events import Array, Column, Events, Memory
from pixieioc.listmode.merge import Keys, Rows

#: Nothing is before any of these.
EVERYTHING = 2**63 - 1
_NO_ROWS = np.empty(0, np.uint32)
_NOTHING = ev.empty()
_BASE = {column.name for column in ev.BASE_COLUMNS}
#: Above this share of displaced events it is faster to pick all of them one by one.
_DISPLACED = 0.4


class Place(NamedTuple):
    """Where events belong: a period, a cell of its times, and, of a module that is apart, that module (or else -1)."""

    period: int
    origin: int
    apart: int = -1


@dataclass(frozen=True)
class Store:
    """Events that wait, and when each was read, s."""

    events: Events
    since: NDArray[np.float64]


class Chunk:
    """Rows of a store from `begin` on, in order; one for each key."""

    def __init__(self, store: Store, begin: int, keys: Keys) -> None:
        self.store, self.begin, self.keys = store, begin, keys
        self.size = len(keys)
        self.first = int(keys[0]) if self.size else EVERYTHING
        self._since: float | None = None

    @property
    def since(self) -> float:
        """When the oldest of them was read, s."""
        if self._since is None:
            self._since = float(self.store.since[self.rows].min()) if self.size else 0.0
        return self._since

    @property
    def rows(self) -> slice:
        """Where they are in the store."""
        return slice(self.begin, self.begin + self.size)

    def count_before(self, key: int) -> int:
        """How many of them are before a key."""
        return int(np.searchsorted(self.keys, key)) if key < EVERYTHING else self.size

    def split(self, count: int) -> Chunk:
        """Takes the first `count` off."""
        first = Chunk(self.store, self.begin, self.keys[:count])
        self.__init__(self.store, self.begin + count, self.keys[count:])
        return first


class Run(NamedTuple):
    """Places `begin` to `end` of a batch, in order: events of one stream. The first `tail` of them had waited.

    `row`: the others follow each other in the block from there on; -1 if they do not.
    """

    begin: int
    end: int
    tail: int
    row: int


class OfModule(NamedTuple):
    """A run of a module's events."""

    module: int
    run: Run


class Odd(NamedTuple):
    """Events that are out of order, whatever comes: their time cannot be true, or their module is apart."""

    period: int
    events: Events


@dataclass
class Group:
    """What waits in one place, by module; and the key of the last event of each module that has been let out."""

    waiting: dict[int, list[Chunk]] = field(default_factory=dict[int, "list[Chunk]"])
    marks: dict[int, int] = field(default_factory=dict[int, int])

    def add(self, module: int, chunk: Chunk) -> None:
        """Lets some more wait."""
        self.waiting.setdefault(module, []).append(chunk)

    def before(self, key: int) -> list[tuple[int, Chunk]]:
        """Takes out what is before a key, with its module."""
        due: list[tuple[int, Chunk]] = []
        for module, chunks in self.waiting.items():
            some = ((chunk, chunk.count_before(key)) for chunk in chunks if chunk.first < key)
            due += [(module, chunk.split(count)) for chunk, count in some]
        if due:
            self.waiting = {m: kept for m, chunks in self.waiting.items() if (kept := [c for c in chunks if c.size])}
        return due

    def take(self, module: int) -> list[Chunk]:
        """Takes out all of a module."""
        return self.waiting.pop(module, [])

    def end_of(self, module: int, earliest: int) -> Chunk | None:
        """Takes out the end of what came last of a module, from a key on; nothing if that is nothing."""
        if not (chunks := self.waiting.get(module)) or chunks[-1].size == 0:
            return None
        whole = chunks.pop()
        if count := int(np.searchsorted(whole.keys, earliest, "right")):
            chunks.append(whole.split(count))
        return whole if whole.size else None


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
    joint: list[Events] = field(default_factory=list[Events])  #: `before` and `block` in one piece, once that is made

    def with_more(self, chunks: list[Chunk]) -> tuple[Batch, list[Run]]:
        """The same with more of what waited, and where that is."""
        held, sizes = len(self.before.since), [chunk.size for chunk in chunks]
        count, end = sum(sizes), len(self.keys)
        # They come before the block, too.
        shifted = np.where(self.order < held, self.order, self.order + np.uint32(count))
        order = np.concatenate([shifted, np.arange(held, held + count, dtype=np.uint32)])
        keys = np.concatenate([self.keys, *(chunk.keys for chunk in chunks)])
        before = store_of([Chunk(self.before, 0, np.empty(held, np.int64)), *chunks])
        batch = replace(self, before=before, keys=keys, order=order, joint=[])
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

    def fill(self, out: Events, numbers: Rows, run: Run | None = None) -> None:
        """Copies the events with these numbers to `out`.

        `run`: they are the first of that run, most of which follow each other in the block.
        """
        before, column_of, first = self._sources()
        places = None if run is None else self._displaced(numbers, run)
        mixed = len(numbers) if places is not None else _end_of(numbers, ev.size(before))
        for name, column in column_of.items():
            if name == ev.TRACES:
                continue
            if _constant(column, before.get(name), len(numbers)):
                out[name].fill(column[0])
                continue
            if run is not None and places is not None:
                row = len(self.before.since) + run.row - first
                out[name][run.tail :] = column[row : row + len(numbers) - run.tail]
                if not len(places):
                    continue
            if name in _BASE:
                some, to = _NO_ROWS if places is None else places, out[name].view(f"u{column.itemsize}")
                merge.pick(numbers, some, mixed, _bits(before[name]), _bits(column), to)
            elif places is None:
                np.take(column, numbers, axis=0, out=out[name])
            else:
                out[name][places] = column[numbers[places]]

    def copied(self, numbers: Rows, spare: tuple[Column, ...], memory: Memory, run: Run | None = None) -> Events:
        """A copy of the events with these numbers in `memory`, with room for the columns `spare`; traces are shared."""
        _, columns, _ = self._sources()
        wanted = [(n, c.dtype, c.shape[-1] if c.ndim > 1 else 0) for n, c in columns.items() if n != ev.TRACES]
        wanted += [(column.name, np.dtype(column.dtype), column.width) for column in spare]
        out = ev.lay_out(wanted, len(numbers), memory)
        self.fill(out, numbers, run)
        return {**out, ev.TRACES: columns[ev.TRACES]} if ev.TRACES in columns else out

    def keep(self, runs: list[Run]) -> list[Chunk]:
        """What is in the runs as chunks of a new store."""
        numbers = np.concatenate([self.order[run.begin : run.end] for run in runs])
        events = ev.compact(self.copied(numbers, (), ev.heap))
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

    @property
    def rich(self) -> bool:
        """True if events have more than the base columns."""
        return self.block.keys() != _BASE or self.before.events.keys() != _BASE

    def _sources(self) -> tuple[Events, Events, int]:
        """Columns of the events with the first numbers, those of the others, and the first number of these."""
        if not self.rich:
            return self.before.events, self.block, len(self.before.since)
        if not self.joint:  # traces must be in one piece, and all must have the same columns
            self.joint.append(ev.concatenate([self.before.events, self.block], self.memory))
        return _NOTHING, self.joint[0], 0

    def _displaced(self, numbers: Rows, run: Run) -> Rows | None:
        """The places in a run of what does not follow the event before it in the block; None if those are many."""
        tail, spare = run.tail, np.empty(len(numbers) + 1, np.uint32)
        if run.row < 0 or 4 * tail > len(numbers):
            return None
        count = merge.displaced(numbers[tail:], len(self.before.since) + run.row, spare)
        if count > _DISPLACED * len(numbers):
            return None
        return np.concatenate([np.arange(tail, dtype=np.uint32), spare[:count] + np.uint32(tail)])


def store_of(chunks: list[Chunk]) -> Store:
    """One store with the events of all chunks, one behind the other."""
    parts = [chunk for chunk in chunks if chunk.size]
    if not parts:
        return Store(_NOTHING, np.empty(0))
    events = ev.concatenate([ev.compact(ev.take(chunk.store.events, chunk.rows)) for chunk in parts])
    return Store(events, np.concatenate([chunk.store.since[chunk.rows] for chunk in parts]))


def _end_of(numbers: Rows, held: int) -> int:
    """Behind the last of the numbers that are below `held`, or a bit further: they are among the first, mostly."""
    soon = 4 * held
    return soon if soon < len(numbers) and numbers[soon:].min() >= held else len(numbers) if held else 0


def _constant(column: Array, before: Array | None, wanted: int) -> bool:
    """True if both have one value only: crates, slots and flags often do. Not looked at if that takes too long."""
    if column.itemsize > 1 or column.ndim > 1 or 2 * wanted < len(column) or not len(column) or column[0] != column[-1]:
        return False
    first = column[0]
    return column.max() == first == column.min() and (before is None or bool((before == first).all()))


def _bits(column: Array) -> Array:
    """A column whatever its type, so that the compiler meets one type for each size."""
    return ev.constant(column.view(f"u{column.itemsize}"))
