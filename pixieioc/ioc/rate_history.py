"""How fast events come out of the chain, now and in the last minutes, for a screen that is opened now."""

from __future__ import annotations

import time

import numpy as np

from pixieioc.ioc.records import Pvs
from pixieioc.pipeline.graph import Graph
from pixieioc.pipeline.rate import RateWindow
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
        self._last = 0.0
        self._rate = RateWindow(RATE_MEAN, 0.0, time.monotonic(), 0.0)
        self._rates = np.full(RATES_KEPT, np.nan)
        pvs.post("RateHistoryTime_RBV", np.arange(1.0 - RATES_KEPT, 1.0))
        pvs.post("RateHistory_RBV", self._rates.copy())

    def sample(self) -> None:
        """A second has passed."""
        now, count = time.monotonic(), float(self._pvs[self._pv].value)
        if count < self._last:  # a new run counts from 0
            self._rate.begin(now, count)
        self._last = count
        rates = self._rate.rates(now, count)
        rate = rates[0] if rates is not None else 0.0
        self._rates[:-1] = self._rates[1:].copy()
        self._rates[-1] = rate
        self._pvs.post("EventRate_RBV", rate)
        self._pvs.post("RateHistory_RBV", self._rates.copy())
