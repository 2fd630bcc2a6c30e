"""How fast events come out of the chain, now and in the last minutes, for a screen that is opened now."""

from __future__ import annotations

import time
from collections import deque

import numpy as np

from pixieioc.ioc.records import Pvs
from pixieioc.pipeline.graph import Graph
from pixieioc.pvinfo.run_control import RATE_MEAN, RATES_KEPT


class RateHistory:
    """Counts events of the last task of the chain that knows them, or of a branch, or messages of the last at all.

    Tasks hand on large items seldom, so the rate of a single report says little: this one is the mean of some seconds.
    """

    def __init__(self, pvs: Pvs, graph: Graph) -> None:
        self._pvs = pvs
        in_order = [task for task in graph.tasks if task not in graph.chain] + list(graph.chain)
        knowing = [task for task in in_order if f"{task}:Events_RBV" in pvs]
        self._pv = f"{knowing[-1]}:Events_RBV" if knowing else f"{graph.chain[-1]}:Counter_RBV"
        self._counts: deque[tuple[float, float]] = deque(maxlen=RATE_MEAN + 1)
        self._rates = np.full(RATES_KEPT, np.nan)
        pvs.post("RateHistoryTime_RBV", np.arange(1.0 - RATES_KEPT, 1.0))
        pvs.post("RateHistory_RBV", self._rates.copy())

    def look(self) -> None:
        """A second has passed."""
        now, count = time.monotonic(), float(self._pvs[self._pv].value)
        if self._counts and count < self._counts[-1][1]:  # a new run counts from 0
            self._counts.clear()
        self._counts.append((now, count))
        then, before = self._counts[0]
        rate = (count - before) / (now - then) if now > then else 0.0
        self._rates[:-1] = self._rates[1:].copy()
        self._rates[-1] = rate
        self._pvs.post("EventRate_RBV", rate)
        self._pvs.post("RateHistory_RBV", self._rates.copy())
