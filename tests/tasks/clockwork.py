"""A live crate that shows this computer's time, and how long its events were on their way."""

from __future__ import annotations

import json
import time
from typing import Any

import numpy as np

from pixieioc.listmode import events as ev
from pixieioc.listmode.encode import encode
from pixieioc.listmode.flags import FLAG_LATE
from pixieioc.listmode.variant import variant
from pixieioc.pipeline import Parameter, Report, Task


class Clockwork(Task):
    """A live crate of 250 MHz modules with events at even intervals, whose counters show this computer's time."""

    rates = Parameter([1000.0, 1.0], items=float, unit="1/s", low=0.1, high=1e6, doc="Events a second, by module.")
    ahead = Parameter([0.0, 0.0], items=float, unit="s", doc="How far each counter is ahead.")
    seconds = Parameter(3.0, unit="s", low=0, high=60, doc="Time until the modules fall silent.")
    interval = Parameter(0.05, unit="s", low=0.001, high=1, doc="Time between two readings.")
    made = Report(0, doc="Events so far.")

    def do_start(self) -> None:
        self._began = time.monotonic_ns()
        self._counts = [0] * len(self.rates)
        self.made = 0

    def do_work(self, datum: Any) -> None:
        elapsed = min((time.monotonic_ns() - self._began) * 1e-9, self.seconds)
        block = {module: self._words(module, elapsed) for module in range(len(self.rates))}
        self.send(block)
        self.made = sum(self._counts)
        self.idle(self.interval)

    def _words(self, module: int, elapsed: float) -> np.ndarray[Any, Any]:
        """What a module has made since the last reading."""
        begin, end = self._counts[module], int(elapsed * self.rates[module]) + 1
        self._counts[module] = end
        events = ev.allocate(ev.BASE_COLUMNS, end - begin, zero=True)
        shown = self._began + (np.arange(begin, end) / self.rates[module] + self.ahead[module]) * 1e9
        events["time"][:] = shown.astype(np.int64) // 8 * 8
        events["slot"][:] = 2 + module
        return encode(events, variant(250, 34688))


class Latency(Task):
    """How long the events of `Clockwork` were on their way."""

    events_known = True
    ahead = Parameter([0.0, 0.0], items=float, unit="s", doc="How far each counter is ahead.")
    longest = Report("[0, 0]", doc="Longest time on the way, by module, s, as JSON.")
    flagged = Report("[0, 0]", doc="Events that are out of order, by module, as JSON.")
    had = Report("[0, 0]", doc="Events, by module, as JSON.")

    def do_start(self) -> None:
        self._longest, self._flagged, self._had = [0.0, 0.0], [0, 0], [0, 0]

    def do_work(self, datum: Any) -> None:
        events, now = datum["events"], time.monotonic_ns()
        self.events += ev.size(events)
        for module in range(2):
            mine = events["module"] == module
            if mine.any():
                oldest = (now - int(events["time"][mine].min())) * 1e-9 + self.ahead[module]
                self._longest[module] = max(self._longest[module], oldest)
                self._flagged[module] += int((events["flags"][mine] & FLAG_LATE > 0).sum())
                self._had[module] += int(mine.sum())
        self.longest, self.flagged, self.had = map(json.dumps, (self._longest, self._flagged, self._had))
        self.send(datum)
