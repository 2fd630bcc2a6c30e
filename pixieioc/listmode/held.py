"""Events that wait for their turn, in order for each stream, and how some of them go on with those of a block.

Events are numbered while a block is worked on: first those that waited and have met later ones of their stream, then
those of the block. So an order is an array of numbers, and nothing is copied before its place is known.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pixieioc.listmode import events as ev
from pixieioc.listmode.events import Events
from pixieioc.listmode.merge import Keys

#: Nothing is before any of these.
EVERYTHING = 2**63 - 1
_NOTHING = ev.empty()


class TimeBase(NamedTuple):
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
        return int(self.keys.searchsorted(key)) if key < EVERYTHING else self.size

    def split(self, count: int) -> Chunk:
        """Takes the first `count` off."""
        first = Chunk(self.store, self.begin, self.keys[:count])
        self.__init__(self.store, self.begin + count, self.keys[count:])
        return first

    def only(self, which: NDArray[np.bool_]) -> Chunk:
        """Some of them, in a store of their own."""
        rows = self.begin + np.flatnonzero(which)
        store = Store(ev.compact(ev.take(self.store.events, rows)), self.store.since[rows])
        return Chunk(store, 0, self.keys[which])


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
    """What waits in one time base, by module; and the key of the last event of each module that has been let out."""

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
        if count := int(whole.keys.searchsorted(earliest, "right")):
            chunks.append(whole.split(count))
        return whole if whole.size else None


def store_of(chunks: list[Chunk]) -> Store:
    """One store with the events of all chunks, one behind the other."""
    parts = [chunk for chunk in chunks if chunk.size]
    if not parts:
        return Store(_NOTHING, np.empty(0))
    events = ev.concatenate([ev.compact(ev.take(chunk.store.events, chunk.rows)) for chunk in parts])
    return Store(events, np.concatenate([chunk.store.since[chunk.rows] for chunk in parts]))
