"""What a source knows of the time in which it takes data, and when its presets end the run."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pixieioc.pipeline import Report
from pixieioc.pipeline.presets import LIVE_TIME, REAL_TIME


class SourceTime:
    """The times of a run as its source measures them; a task that derives from it has a parameter `run_time`.

    They are those of the data: counts of a run divided by `elapsed_real` scatter as counting statistics do, however
    long it took to start and to end the run.
    """

    ends_by = (REAL_TIME, LIVE_TIME)

    run_time: Any  # the parameter
    run_presets: Mapping[str, float]

    elapsed_real = Report(0.0, unit="s", precision=3, doc="Time of this run in which data were taken.")
    elapsed_live = Report(
        0.0, unit="s", precision=3, doc="Time of this run in which the channels could take data, mean of the channels."
    )

    @property
    def real_preset(self) -> float:
        """The real time (s) that the run is preset to take, infinite without such a preset."""
        return min(self.run_time or math.inf, self.run_presets.get(REAL_TIME, math.inf))

    @property
    def ends_at(self) -> float:
        """The real time (s) at which the run is to end, infinite without a preset.

        With a preset live time it is the earliest at which that can be reached, from what was reported last.
        """
        ends = [self.real_preset]
        if LIVE_TIME in self.run_presets:
            ends.append(self.elapsed_real + max(0.0, self.run_presets[LIVE_TIME] - self.elapsed_live))
        return min(ends)

    def report_times(self, real: float, live_share: float) -> None:
        """Real time so far (s), and which share (%) of it is live."""
        self.elapsed_real, self.elapsed_live = real, real * live_share / 100
