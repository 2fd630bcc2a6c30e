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
from pixieioc.listmode.events import Array, Events

#: Times that are further apart than this cannot share one integer with their sub-ns part.
_WIDEST_NS = 2**47


@dataclass(frozen=True)
class Stretch:
    """Events in time order, all of one period."""

    period: int
    events: Events


@dataclass
class _Module:
    period: int = 0
    last: int | None = None  #: the latest time so far in this period, ns
    idle: bool = False  #: there was nothing to read, so nothing is to be waited for


@dataclass
class TimeOrder:
    """Merges the events of several modules into one stream in time order.

    `window_ns`: how far one module's events can be out of order. `max_events`: so many are held back at most; then the
    earliest are let go although earlier ones may still come. `reset_ns`: time that goes backward by more is a counter
    that began anew. An event that comes too late for its place is marked with FLAG_LATE, counted, and let out at once:
    nothing is dropped, nothing is misplaced silently.
    """

    window_ns: int
    max_events: int
    reset_ns: int
    late: int = 0
    resets: int = 0
    held: int = 0
    _modules: dict[int, _Module] = field(default_factory=dict[int, _Module])
    _waiting: dict[int, list[Events]] = field(default_factory=dict[int, list[Events]])
    _let_out: tuple[int, int, float] = (-1, 0, 0.0)  #: period, time and CFD time of the last event that was let out

    def feed(self, events: Events, words_read: Mapping[int, int]) -> list[Stretch]:
        """Takes a block, and returns what can be let out now.

        `words_read`: how much was read from each module for this block; nothing is waited for where that is 0. Events
        of one module must come in the order of its stream.
        """
        for module, words in words_read.items():
            self._modules.setdefault(module, _Module()).idle = words == 0
        present = _runs(events["module"])
        for module, rows in present:
            self._take(module, ev.take(events, rows) if len(present) > 1 else events)
        return self._release()

    def finish(self) -> list[Stretch]:
        """Everything that is still held back, in order."""
        stretches = [s for period in sorted(self._waiting) for s in self._cut(period, None)]
        self._waiting.clear()
        self.held = 0
        return stretches

    def _take(self, module: int, events: Events) -> None:
        state = self._modules.setdefault(module, _Module())
        while ev.size(events):
            time = events["time"]
            latest = np.maximum.accumulate(time)
            if state.last is not None and state.last > latest[0]:
                np.maximum(latest, state.last, out=latest)
            reset = int(np.argmax(backward)) if (backward := time < latest - self.reset_ns).any() else len(time)
            if reset:
                self._waiting.setdefault(state.period, []).append(ev.take(events, slice(0, reset)))
                state.last = int(latest[reset - 1])
            if reset == len(time):
                return
            state.period, state.last = state.period + 1, None
            self.resets = max(self.resets, state.period)
            events = ev.take(events, slice(reset, None))

    def _release(self) -> list[Stretch]:
        busy = [state for state in self._modules.values() if not state.idle]
        stretches: list[Stretch] = []
        if busy and all(state.last is not None for state in busy):
            oldest = min(state.period for state in busy)
            for period in sorted(p for p in self._waiting if p <= oldest):
                ends = [s.last - self.window_ns for s in busy if s.period == period and s.last is not None]
                stretches += self._cut(period, min(ends) if ends else None)
        self.held = sum(ev.size(chunk) for chunks in self._waiting.values() for chunk in chunks)
        if self.held > self.max_events:
            stretches += self._relieve()
        return stretches

    def _relieve(self) -> list[Stretch]:
        """Lets the earliest events go: a module that is far behind must not fill the memory."""
        stretches: list[Stretch] = []
        for period in sorted(self._waiting):
            excess = self.held - self.max_events // 2
            if excess <= 0:
                break
            joined = self._sorted(period)
            keep = ev.size(joined) - min(excess, ev.size(joined))
            stretches += self._let(period, joined, ev.size(joined) - keep)
            self.held = sum(ev.size(chunk) for chunks in self._waiting.values() for chunk in chunks)
        return stretches

    def _cut(self, period: int, before_ns: int | None) -> list[Stretch]:
        joined = self._sorted(period)
        count = ev.size(joined)
        if before_ns is not None:
            count = int(np.searchsorted(_since(before_ns, joined["time"], joined["cfd"]), 0))
        return self._let(period, joined, count)

    def _sorted(self, period: int) -> Events:
        joined = ev.concatenate(self._waiting.get(period, []))
        return ev.take(joined, order) if (order := time_order(joined["time"], joined["cfd"])) is not None else joined

    def _let(self, period: int, joined: Events, count: int) -> list[Stretch]:
        rest = ev.take(joined, slice(count, None))
        self._waiting[period] = [ev.compact(rest)] if ev.size(rest) else []
        if not self._waiting[period]:
            del self._waiting[period]
        if not count:
            return []
        out = ev.take(joined, slice(0, count))
        self._mark_late(period, out)
        last = (period, int(out["time"][-1]), float(out["cfd"][-1]))
        self._let_out = max(self._let_out, last)
        return [Stretch(period, out)]

    def _mark_late(self, period: int, out: Events) -> None:
        last_period, time, cfd = self._let_out
        if period > last_period:
            return
        count = ev.size(out)
        if period == last_period:
            count = int(np.searchsorted(_since(time, out["time"], out["cfd"]), int(cfd * 32768)))
        if count:
            self.late += count
            out["flags"] = out["flags"].copy()
            out["flags"][:count] |= ev.FLAG_LATE


def time_order(time: NDArray[np.int64], cfd: NDArray[np.float32]) -> Array | None:
    """The order of events by `time + cfd` (ns), stable and exact; None if they are in order already."""
    if len(time) < 2:
        return None
    base = int(time.min())
    if int(time.max()) - base < _WIDEST_NS:
        key = _since(base, time, cfd)
        return None if (key[1:] >= key[:-1]).all() else np.argsort(key, kind="stable")
    whole, fraction = np.divmod((cfd * 32768).astype(np.int64), 32768)
    return np.lexsort((fraction, time + whole))


def _since(base_ns: int, time: NDArray[np.int64], cfd: NDArray[np.float32]) -> NDArray[np.int64]:
    """Time after `base_ns` in units of 1/32768 ns, exact within 39 h of it and clipped there."""
    return (np.clip(time - base_ns, -_WIDEST_NS, _WIDEST_NS) << 15) + (cfd * 32768).astype(np.int64)


def _runs(numbers: NDArray[np.uint8]) -> list[tuple[int, slice]]:
    """The stretches of equal module numbers, in order."""
    if not len(numbers):
        return []
    ends = [*(np.flatnonzero(numbers[1:] != numbers[:-1]) + 1).tolist(), len(numbers)]
    begins = [0, *ends[:-1]]
    return [(int(numbers[begin]), slice(begin, end)) for begin, end in zip(begins, ends, strict=True)]
