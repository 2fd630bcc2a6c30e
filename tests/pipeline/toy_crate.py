"""A task that answers what it uses: two modules that round, limit and couple their settings, and load whole sets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from pixieioc.pipeline import Error, Parameter, Task


class ToyCrate(Task):
    """Rise times are rounded to 0.08 us and move the threshold of their channel; module 1 has ranges up to 4 only."""

    modules = Parameter(2, low=1, high=13, fixed=True, doc="Modules.")
    channels = Parameter(2, low=1, high=32, fixed=True, doc="Channels of each.")
    rise_time = Parameter(
        [[0.4]], per="channel", low=0, high=100, unit="us", live=True, pv="RISETIME", doc="Rise time."
    )
    threshold = Parameter([[50.0]], per="channel", low=0, high=20_000, live=True, pv="THRESHOLD", doc="Threshold.")
    polarity = Parameter(
        [["positive"]], per="channel", choices=("negative", "positive"), pv="POLARITY", doc="Of the pulses."
    )
    range = Parameter([3], per="module", low=1, high=6, pv="RANGE", doc="Filter range.")
    steps = Parameter(0, low=0, high=100, doc="A number for the whole crate, of which it uses the even ones.")
    load = Parameter(False, command=True, live=True, doc="Loads a set of settings.")
    boot = Parameter(False, command=True, live=True, doc="Boots: ranges of module 1 and rise times get limits.")
    slip = Parameter("", live=True, doc="What it does wrongly.")

    def do_apply(self, changes: dict[str, Any]) -> Mapping[str, Any] | None:
        if self.steps == 13:
            raise Error("ToyCrate.steps = 13: brings bad luck")
        if "load" in changes:
            shape = (self.modules, self.channels)
            self.send_in_use(
                {
                    "rise_time": np.arange(np.prod(shape)).reshape(shape) * 0.08,
                    "threshold": np.full(shape, 77),
                    "polarity": [["negative"] * self.channels] * self.modules,
                    "range": [2] * self.modules,
                }
            )
        if "boot" in changes:
            self.send_in_use({}, {"range": {(1,): (1, 4)}, "rise_time": {"M01": (0.08, 10), (0, 1): (0.08, 20)}})
        if self.slip:
            return _SLIPS[self.slip]
        used: dict[str, Any] = {"rise_time": {}, "threshold": {}, "range": {}}
        for place, value in changes.get("rise_time", {}).items():
            used["rise_time"][place] = round(value / 0.08) * 0.08
            used["threshold"][place] = 100 * used["rise_time"][place]
        for place, value in changes.get("range", {}).items():
            used["range"][place] = min(value, 4) if place == (1,) else value
        if "steps" in changes:
            used["steps"] = self.steps // 2 * 2
        return used

    def do_work(self, datum: Any) -> None:
        self.idle(0.1)


_SLIPS: dict[str, Any] = {
    "name": {"rise": {(0, 0): 1.0}},
    "type": {"rise_time": {(0, 1): "slow"}},
    "range": {"range": {(1,): 7}},
    "place": {"rise_time": {(2, 0): 1.0}},
    "shape": {"rise_time": [[1.0, 2.0, 3.0]]},
    "fixed": {"modules": 3},
    "no mapping": 5,
}
