"""Unix time of events: where each counter period began, and how far into it an event is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pixieioc.listmode import events as ev
from pixieioc.listmode.events import Events
from pixieioc.listmode.jit import compiled

Mode = Literal["now", "start times", "estimated gap"]


@dataclass
class UnixClock:
    """Unix times (s) of the events of successive counter periods.

    How the start of a period is known depends on `mode`. "now": the time at which its first event is seen, for live
    data. "start times": the period's entry in `start_times`, for data whose starts were written down. "estimated gap":
    the first period starts at `start_times[0]` (or now), each later one `gap` seconds after the end of the one before.
    Where `start_times` is too short, the start is estimated with `gap`, and `estimated` counts it. In any mode, `given`
    are starts of periods that are known otherwise.
    """

    mode: Mode
    now: Callable[[], float]
    start_times: list[float] = field(default_factory=list[float])
    gap: float = 35.0
    given: dict[int, float] = field(default_factory=dict[int, float])
    estimated: int = 0
    starts: list[float] = field(default_factory=list[float])
    _firsts: list[int] = field(default_factory=list[int])  #: time of the first event of each period, ns
    _last: int = 0  #: time of the latest event of the current period, ns

    def stamp(self, parts: Sequence[tuple[int, int, int]], events: Events, out: NDArray[np.float64]) -> None:
        """Puts the Unix times of events into `out`; the first event that was ever seen of a period is at its start.

        `parts`: period, begin and end of events that follow each other. Resolution about 0.2 microseconds (float64
        seconds); for anything finer use `time` and `cfd`.
        """
        time, known = events["time"], [part for part in parts if part[1] < part[2]]
        for period, begin, end in known:
            while len(self.starts) <= period:
                self.starts.append(self._start(len(self.starts)))
                self._firsts.append(int(time[begin]))
                self._last = int(time[begin])
            if period == len(self.starts) - 1:
                self._last = max(self._last, int(time[end - 1]))
        ends = np.array([end for _, _, end in known], np.int64)
        firsts = np.array([self._firsts[period] for period, _, _ in known], np.int64)
        starts = np.array([self.starts[period] for period, _, _ in known], np.float64)
        _fill(ev.constant(time), ev.constant(events["cfd"]), ends, firsts, starts, out)

    def of_odd(self, period: int) -> float:
        """The Unix time of events of a period whose `time` cannot be true: that of the latest others."""
        if period < len(self.starts) - 1:
            return self.starts[period]
        if period == len(self.starts) - 1:
            return self.starts[-1] + (self._last - self._firsts[-1]) * 1e-9
        return self.given.get(period, self._start(period))

    def _start(self, period: int) -> float:
        if period in self.given:
            return self.given[period]
        if self.mode == "now":
            return self.now()
        if period < len(self.start_times) and (self.mode == "start times" or period == 0):
            return self.start_times[period]
        if period == 0:
            return self.now()
        self.estimated += self.mode == "start times"
        return self.starts[-1] + (self._last - self._firsts[-1]) * 1e-9 + self.gap


def warm_up() -> None:
    """Makes the compiled code ready."""
    UnixClock("estimated gap", float, [0.0]).stamp(
        [(0, 0, 1)], ev.allocate(ev.BASE_COLUMNS, 1, zero=True), np.empty(1, np.float64)
    )


@compiled
def _fill(
    time: NDArray[np.int64],
    cfd: NDArray[np.float32],
    ends: NDArray[np.int64],
    firsts: NDArray[np.int64],
    starts: NDArray[np.float64],
    unix: NDArray[np.float64],
) -> None:
    """Unix times of events in parts: up to each end, those of a period that began at that start, with that event."""
    begin = 0
    for part in range(len(ends)):
        first, start = firsts[part], starts[part]
        for i in range(begin, ends[part]):
            at = np.uint64(i)
            unix[at] = start + (np.float64(time[at] - first) + np.float64(cfd[at])) * 1e-9
        begin = ends[part]
