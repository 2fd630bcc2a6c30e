"""Time order across blocks and modules: events are held back as long as an earlier one may still come, within bounds.

The counter of a module begins anew when its run is restarted: the stretches between are *periods*. Events are ordered
by period, then by time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pixieioc.listmode import events as ev
from pixieioc.listmode import merge
from pixieioc.listmode.events import Column, Events, Memory

#: Later than any time of any counter, ns.
_FOREVER = 2**62
_BASE = {column.name for column in ev.BASE_COLUMNS}


@dataclass(frozen=True)
class Stretch:
    """Events in time order, all of one period.

    `whole`: the columns that all stretches of one answer are the parts of, in their order; None if they are apart.
    """

    period: int
    events: Events
    whole: Events | None = None


@dataclass
class _Module:
    period: int = 0
    last: int | None = None  #: the latest time so far in this period, ns
    idle: bool = False  #: there was nothing to read, so nothing is to be waited for


@dataclass(frozen=True)
class _Held:
    """Events that wait. `ends`: where parts end that are nearly in order; `earliest`: no event is before that, ns."""

    events: Events
    ends: list[int]
    earliest: int


@dataclass(frozen=True)
class _Due:
    """Events that are to be let out: `rows` of some others, in that order; the first `late` of them are late."""

    period: int
    source: Events
    rows: merge.Order | slice
    count: int
    late: int


@dataclass
class TimeOrder:
    """Merges the events of several modules into one stream in time order.

    `window_ns`: how far one module's events can be out of order. `max_events`: so many are held back at most; then the
    earliest are let go although earlier ones may still come. `reset_ns`: time that goes backward by more is a counter
    that began anew. An event that comes too late for its place is marked with FLAG_LATE, counted, and let out at once:
    nothing is dropped, nothing is misplaced silently. What is let out is put into `memory`, and has room for the
    columns `spare`, for whoever fills them.
    """

    window_ns: int
    max_events: int
    reset_ns: int
    spare: tuple[Column, ...] = ()
    memory: Memory = ev.heap
    late: int = 0
    resets: int = 0
    held: int = 0
    _modules: dict[int, _Module] = field(default_factory=dict[int, _Module])
    _waiting: dict[int, list[_Held]] = field(default_factory=dict[int, list[_Held]])
    _let_out: tuple[int, int, int] = (-1, 0, 0)  #: period, whole ns and 1/32768 ns of the last event that was let out

    def feed(self, events: Events, words_read: Mapping[int, int]) -> list[Stretch]:
        """Takes a block, and returns what can be let out now.

        `words_read`: how much was read from each module for this block; nothing is waited for where that is 0. Events
        of one module must come in the order of its stream.
        """
        for module, words in words_read.items():
            self._modules.setdefault(module, _Module()).idle = words == 0
        self._take(events)
        return self._emit(self._release())

    def finish(self) -> list[Stretch]:
        """Everything that is still held back, in order."""
        dues = [due for period in sorted(self._waiting) for due in self._let_go(period, _FOREVER)]
        self.held = 0
        return self._emit(dues)

    def _take(self, events: Events) -> None:
        """Holds a block back: each period's part of it, in which each module's events are nearly in order."""
        begin, ends, period, earliest = 0, list[int](), 0, 0
        for module, rows in _runs(events["module"]):
            state = self._modules.setdefault(module, _Module())
            at = rows.start
            while at < rows.stop:
                if ends and state.period != period:
                    self._hold(period, ev.take(events, slice(begin, at)), ends, begin, earliest)
                    begin, ends = at, []
                time = events["time"][at : rows.stop]
                count, latest = merge.forward(time, int(time[0]) if state.last is None else state.last, self.reset_ns)
                if count:
                    # Not after the first by more than it can be before the latest.
                    lowest = int(time[:count].min())
                    earliest = min(earliest, lowest) if ends else lowest
                    period, state.last = state.period, latest
                    at += count
                    ends.append(at)
                if at < rows.stop:
                    state.period, state.last = state.period + 1, None
                    self.resets = max(self.resets, state.period)
        if ends:
            whole = begin == 0 and ends[-1] == ev.size(events)
            self._hold(period, events if whole else ev.take(events, slice(begin, None)), ends, begin, earliest)

    def _hold(self, period: int, events: Events, ends: list[int], begin: int, earliest: int) -> None:
        held = _Held(events, [end - begin for end in ends], earliest)
        self._waiting.setdefault(period, []).append(held)
        self.held += ev.size(events)

    def _release(self) -> list[_Due]:
        busy = [state for state in self._modules.values() if not state.idle]
        dues: list[_Due] = []
        if busy and all(state.last is not None for state in busy):
            oldest = min(state.period for state in busy)
            for period in sorted(p for p in self._waiting if p <= oldest):
                ends = [s.last - self.window_ns for s in busy if s.period == period and s.last is not None]
                dues += self._let_go(period, min(ends) if ends else _FOREVER)
        if self.held > self.max_events:
            dues += self._relieve()
        return dues

    def _relieve(self) -> list[_Due]:
        """Lets the earliest events go: a module that is far behind must not fill the memory."""
        dues: list[_Due] = []
        for period in sorted(self._waiting):
            excess = self.held - self.max_events // 2
            if excess > 0:
                dues += self._let_go(period, _FOREVER, excess)
        return dues

    def _let_go(self, period: int, before_ns: int, most: int | None = None) -> list[_Due]:
        """The events of a period before a time, in order; at most so many of them."""
        waiting = self._waiting[period]
        due = [held for held in waiting if held.earliest < before_ns]
        if not due:
            return []
        # Traces stay where they are put now; everything else is copied once more, in order.
        traced = any(ev.TRACES in held.events for held in due)
        joined = ev.concatenate([held.events for held in due], self.memory if traced else ev.heap)
        sizes = np.cumsum([0, *(ev.size(held.events) for held in due)]).tolist()
        ends = [size + end for size, held in zip(sizes, due, strict=False) for end in held.ends]
        whole, rest, order = _in_order(joined, ends)
        numbers = np.arange(len(whole), dtype=np.int32) if order is None else order
        count = len(whole) if before_ns == _FOREVER else merge.count_before(whole, rest, numbers, before_ns, 0)
        count = count if most is None else min(count, most)
        self._waiting[period] = [held for held in waiting if held.earliest >= before_ns]
        if count < len(whole):
            left = slice(count, None) if order is None else order[count:]
            first = int(whole[numbers[count]])
            # A copy of what is left, so that the rest of the memory is free.
            kept = _Held(ev.compact(_copied(joined, left)), [len(whole) - count], first)
            self._waiting[period].insert(0, kept)
        elif not self._waiting[period]:
            del self._waiting[period]
        if not count:
            return []
        self.held -= count
        late = self._count_late(period, whole, rest, numbers[:count])
        return [_Due(period, joined, slice(0, count) if order is None else order[:count], count, late)]

    def _count_late(self, period: int, whole: merge.Whole, rest: merge.Rest, numbers: merge.Order) -> int:
        last_period, last_whole, last_rest = self._let_out
        late = 0
        if period < last_period:
            late = len(numbers)
        elif period == last_period:
            late = int(merge.count_before(whole, rest, numbers, last_whole, last_rest))
        self.late += late
        last = numbers[-1]
        self._let_out = max(self._let_out, (period, int(whole[last]), int(rest[last])))
        return late

    def _emit(self, dues: list[_Due]) -> list[Stretch]:
        """What is let out, in one piece of memory if nobody has traces: so it can travel as one."""
        if len(dues) < 2 or any(due.source.keys() != _BASE for due in dues):
            return [Stretch(due.period, self._alone(due)) for due in dues]
        whole = ev.allocate((*ev.BASE_COLUMNS, *self.spare), sum(due.count for due in dues), self.memory)
        stretches: list[Stretch] = []
        begin = 0
        for due in dues:
            out = ev.take(whole, slice(begin, begin + due.count))
            _fill(out, due.source, due.rows)
            if due.late:
                out["flags"][: due.late] |= ev.FLAG_LATE
            stretches.append(Stretch(due.period, out, whole))
            begin += due.count
        return stretches

    def _alone(self, due: _Due) -> Events:
        if isinstance(due.rows, slice):
            out = {**ev.take(due.source, due.rows), **ev.allocate(self.spare, due.count)}
        else:
            out = _copied(due.source, due.rows, self.spare, self.memory)
        if due.late:
            out["flags"] = out["flags"].copy()
            out["flags"][: due.late] |= ev.FLAG_LATE
        return _without_spare_traces(out)


def warm_up() -> None:
    """Makes the compiled code ready, for arrays that can be written and for those that were received."""
    for writeable in (True, False):
        block = ev.allocate(ev.BASE_COLUMNS, 4, zero=True)
        block["time"][:] = (300, 100, 400, 200)
        for column in block.values():
            column.flags.writeable = writeable
        order = TimeOrder(100, 1000, 10**9)
        order.feed(block, {0: 16})
        order.finish()


def _in_order(events: Events, ends: list[int]) -> tuple[merge.Whole, merge.Rest, merge.Order | None]:
    """The times of events, in whole ns and the rest; and the order of the events, None if they are in order already."""
    count = ev.size(events)
    whole, rest = np.empty(count, np.int64), np.empty(count, np.int16)
    if merge.split(events["time"], events["cfd"], whole, rest):
        return whole, rest, None
    return whole, rest, merge.put_in_order(whole, rest, np.array(ends, np.int64))


def _copied(
    events: Events, rows: merge.Order | slice, spare: tuple[Column, ...] = (), memory: Memory = ev.heap
) -> Events:
    """A copy of these events in `memory`, with room for the columns `spare`; traces are shared."""
    columns = [(n, c.dtype, c.shape[-1] if c.ndim > 1 else 0) for n, c in events.items() if n != ev.TRACES]
    columns += [(column.name, np.dtype(column.dtype), column.width) for column in spare]
    count = len(range(*rows.indices(ev.size(events)))) if isinstance(rows, slice) else len(rows)
    out = ev.lay_out(columns, count, memory)
    _fill(out, events, rows)
    return {**out, ev.TRACES: events[ev.TRACES]} if ev.TRACES in events else out


def _fill(out: Events, events: Events, rows: merge.Order | slice) -> None:
    """Copies these events to `out`, without traces; what `out` has beyond the events' columns stays as it is."""
    if isinstance(rows, slice):
        for name, column in out.items():
            if name in events:
                column[:] = events[name][rows]
        return
    for name, column in out.items():
        if name in _BASE:
            merge.pick(rows, ev.constant(events[name]), column)
        elif name in events:
            np.take(events[name], rows, axis=0, out=column)


def _without_spare_traces(events: Events) -> Events:
    """Without the samples of other events, if those are many."""
    if ev.TRACES not in events:
        return events
    used = int(events["trace_length"].sum(dtype=np.int64))
    return events if used >= 0.75 * len(events[ev.TRACES]) else ev.compact(events)


def _runs(numbers: NDArray[np.uint8]) -> list[tuple[int, slice]]:
    """The stretches of equal module numbers, in order."""
    if not len(numbers):
        return []
    ends = [*(np.flatnonzero(numbers[1:] != numbers[:-1]) + 1).tolist(), len(numbers)]
    begins = [0, *ends[:-1]]
    return [(int(numbers[begin]), slice(begin, end)) for begin, end in zip(begins, ends, strict=True)]
