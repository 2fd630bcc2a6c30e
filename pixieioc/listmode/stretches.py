"""Events that are let out: copied in their order into the memory in which they travel on."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pixieioc.listmode import events as ev
from pixieioc.listmode.batch import Batch, Piece
from pixieioc.listmode.events import PERIOD_COLUMN, Column, Events, Memory
from pixieioc.listmode.flags import FLAG_LATE
from pixieioc.listmode.held import Run
from pixieioc.listmode.merge import Rows
from pixieioc.listmode.picking import MIXED


@dataclass(frozen=True)
class Stretch:
    """Events of one period, in time order; or, if they are `odd`, such whose time is not that of others around.

    They are those from `begin` to `end` of `whole`, whose columns travel together.
    """

    period: int
    whole: Events
    begin: int
    end: int
    odd: bool = False

    @property
    def events(self) -> Events:
        """Their columns."""
        if self.begin == 0 and self.end == ev.size(self.whole):
            return self.whole
        return ev.take(self.whole, slice(self.begin, self.end))


@dataclass(frozen=True)
class Due:
    """Events that are to be let out, in that order: the first `late` of them are late."""

    period: int
    batch: Batch
    numbers: Rows
    run: Run | None
    late: int


def stretches_of(dues: list[Due], spare: tuple[Column, ...], memory: Memory) -> list[Stretch]:
    """What is due, with room for the columns `spare`: what is of one block, in one piece of memory."""
    stretches: list[Stretch] = []
    for _, group in itertools.groupby(dues, key=lambda due: id(due.batch)):
        stretches += _together([*group], spare, memory)
    return stretches


def odd_stretch(period: int, events: Events, spare: tuple[Column, ...]) -> Stretch:
    """Events whose time is not that of others around, with the flag that says so."""
    flagged = {**events, **ev.allocate(spare, ev.size(events))}
    flagged["flags"] = events["flags"] | np.uint8(FLAG_LATE)
    if PERIOD_COLUMN in spare:
        flagged[PERIOD_COLUMN.name].fill(period)
    return Stretch(period, flagged, 0, ev.size(events), odd=True)


def _together(dues: list[Due], spare: tuple[Column, ...], memory: Memory) -> list[Stretch]:
    ends = list(itertools.accumulate(len(due.numbers) for due in dues))
    pieces = [piece for due, end in zip(dues, ends, strict=True) for piece in _pieces(due, end - len(due.numbers))]
    one_period = PERIOD_COLUMN in spare and len({due.period for due in dues}) == 1
    whole = dues[0].batch.copied(
        _numbers(dues),
        [column for column in spare if column is not PERIOD_COLUMN or not one_period],
        memory,
        pieces,
        writable=("flags",) if any(due.late for due in dues) else (),
    )
    if one_period:
        whole[PERIOD_COLUMN.name] = ev.repeated(np.uint32(dues[0].period), ends[-1])
    stretches: list[Stretch] = []
    for due, end in zip(dues, ends, strict=True):
        begin = end - len(due.numbers)
        if due.late:
            whole["flags"][begin : begin + due.late] |= np.uint8(FLAG_LATE)
        if PERIOD_COLUMN in spare and not one_period:
            whole[PERIOD_COLUMN.name][begin:end] = due.period
        stretches.append(Stretch(due.period, whole, begin, end))
    return stretches


def _numbers(dues: list[Due]) -> NDArray[np.uint32]:
    """All numbers; as they are if those of one place are all, or lie behind each other, as those of one module do."""
    if len(dues) == 1:
        return dues[0].numbers
    runs = [due.run for due in dues]
    first, last = runs[0], runs[-1]
    if first and last and all(a and b and a.end == b.begin for a, b in itertools.pairwise(runs)):
        return dues[0].batch.order[first.begin : last.end]
    return np.concatenate([due.numbers for due in dues])


def _pieces(due: Due, begin: int) -> list[Piece]:
    """What goes out from `begin` on: first what had waited, then what follows each other in the block."""
    end, run = begin + len(due.numbers), due.run
    if run is None or run.row < 0 or 4 * run.tail > len(due.numbers):
        return [Piece(begin, end, MIXED)]
    middle = begin + run.tail
    return [
        *([Piece(begin, middle, MIXED)] if run.tail else []),
        *([Piece(middle, end, run.row)] if middle < end else []),
    ]
