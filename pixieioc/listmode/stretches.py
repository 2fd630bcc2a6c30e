"""Events that are let out: copied in their order into the memory in which they travel on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pixieioc.listmode import events as ev
from pixieioc.listmode.events import Column, Events, Memory
from pixieioc.listmode.held import Batch, Run
from pixieioc.listmode.merge import Rows


@dataclass(frozen=True)
class Stretch:
    """Events of one period, in time order; or, if they are `odd`, such whose time is not that of others around.

    `whole`: the columns that all stretches of one answer are the parts of, in their order; None if they are apart.
    """

    period: int
    events: Events
    whole: Events | None = None
    odd: bool = False


@dataclass(frozen=True)
class Due:
    """Events that are to be let out, in that order: the first `late` of them are late."""

    period: int
    batch: Batch
    numbers: Rows
    run: Run | None
    late: int


def stretches_of(dues: list[Due], spare: tuple[Column, ...], memory: Memory) -> list[Stretch]:
    """What is due, with room for the columns `spare`; in one piece of memory if nobody has traces, to travel as one."""
    if any(due.batch.rich for due in dues):
        return [_alone(due, spare, memory) for due in dues]
    whole = ev.allocate((*ev.BASE_COLUMNS, *spare), sum(len(due.numbers) for due in dues), memory)
    stretches: list[Stretch] = []
    begin = 0
    for due in dues:
        out = whole if len(dues) == 1 else ev.take(whole, slice(begin, begin + len(due.numbers)))
        due.batch.fill(out, due.numbers, due.run)
        out["flags"][: due.late] |= np.uint8(ev.FLAG_LATE)
        stretches.append(Stretch(due.period, out, whole))
        begin += len(due.numbers)
    return stretches


def _alone(due: Due, spare: tuple[Column, ...], memory: Memory) -> Stretch:
    out = due.batch.copied(due.numbers, spare, memory, due.run)
    out["flags"][: due.late] |= np.uint8(ev.FLAG_LATE)
    return Stretch(due.period, _without_spare_traces(out))


def _without_spare_traces(events: Events) -> Events:
    """Without the samples of other events, if those are many."""
    if ev.TRACES not in events:
        return events
    used = int(events["trace_length"].sum(dtype=np.int64))
    return events if used >= 0.75 * len(events[ev.TRACES]) else ev.compact(events)
