"""How far a run is: times, counters, presets."""

from __future__ import annotations

import math
import time

from pixieioc.config import Config
from pixieioc.config_run import PRESETS
from pixieioc.ioc.live import LivePipeline
from pixieioc.ioc.records import NO_ALARM, Pvs, stamp
from pixieioc.ioc.run import Run
from pixieioc.ioc.run_times import RunTimes
from pixieioc.ioc.settings import Settings
from pixieioc.pipeline.presets import LIVE_TIME, REAL_TIME

#: How far a part of one may be from it: live times are known to a millisecond.
_EXACT = 1e-3
_SHOWN = ("ElapsedReal_RBV", "ElapsedLive_RBV", "TimeRemaining_RBV", "Progress_RBV")


class Progress:
    """Keeps the times of a run, and tells when its preset is reached.

    Dead time and live time are those that the source reports, each the mean of the channels that have hits. Where the
    source cannot know any, as with recorded data, they are NaN rather than wrong, and no alarm.
    """

    def __init__(self, pvs: Pvs, config: Config, pipeline: LivePipeline, settings: Settings) -> None:
        self._pvs = pvs
        self._config = config
        self._pipeline = pipeline
        self._settings = settings
        self.times = RunTimes(config, pipeline, settings)
        self._knows_dead_time = any("live_share" in cls.reports() for cls in config.tasks.values())
        self.reset()

    def counter(self, name: str) -> float | None:
        """The latest value of `name` from the first task of the chain that reports it; None if none does."""
        for task, cls in self._config.tasks.items():
            if name in cls.reports() and (name != "events" or cls.events_known):
                process = self._pipeline.processes.get(task)
                return float(process.reports[name]) if process is not None else 0.0
        return None

    def _real(self, run: Run) -> float:
        return self.times.real(run.elapsed(time.monotonic()))

    def _live(self, run: Run) -> float | None:
        return self.times.live(run.elapsed(time.monotonic()), self.counter("live_share"))

    def problem(self) -> str:
        """Why the preset that is set cannot be reached, or an empty text."""
        mode = self._settings.run["preset_mode"]
        counts = PRESETS[mode].counts if mode in PRESETS else REAL_TIME
        if counts == REAL_TIME:
            return ""
        if counts == LIVE_TIME:
            known, lacks = self._knows_dead_time, "knows the dead time"
        else:
            known, lacks = self.counter(counts) is not None, f"counts {counts}"
        return "" if known else f"PresetMode {mode}: no task of the chain {lacks}"

    def reset(self) -> None:
        """A run is accepted: everything is at its beginning."""
        for name in _SHOWN:
            self._pvs.post(name, 0.0)
        if self._knows_dead_time:
            self._pvs.post("DeadTime_RBV", 0.0)
        else:
            for name in ("ElapsedLive_RBV", "DeadTime_RBV"):
                self._pvs.post_with(name, math.nan, NO_ALARM)

    def advance(self, run: Run | None) -> bool:
        """Time has passed: shows where `run` is; True if its preset is reached."""
        if run is None or run.began is None or run.source_ended is not None:
            return False
        if self._knows_dead_time:
            self._pvs.post("DeadTime_RBV", self.counter("mean_dead_time") or 0.0)
        self.show(run)
        return self.reached(run) and not self.times.presets()  # the source ends by them itself

    def reached(self, run: Run) -> bool:
        """Whether the run has what it was preset to have; to a millisecond, if it is a time."""
        done = self._done(run)
        return done is not None and done >= 1 - _EXACT

    def show(self, run: Run) -> None:
        """Posts the times of a run."""
        done = self._done(run)
        if done is None:
            percent, remaining = self.counter("progress") or 0.0, 0.0
        else:
            percent, remaining = 100 * min(1.0, done), self._real(run) * max(0.0, 1 / done - 1) if done else 0.0
        when, live, share = stamp(), self._live(run), self.counter("live_share")
        if self.times.ended and share:  # that of the whole run, until the next one starts
            self._pvs.post("DeadTime_RBV", 100.0 - share, when)
        for name, value in zip(_SHOWN, (self._real(run), live, remaining, percent), strict=True):
            if value is not None:
                self._pvs.post(name, value, when)

    def _done(self, run: Run) -> float | None:
        """The part of the preset that has been reached; None without a preset."""
        settings = self._settings.run
        preset = PRESETS.get(settings["preset_mode"])
        return None if preset is None else self._counted(preset.counts, run) / settings[preset.parameter]

    def _counted(self, what: str, run: Run) -> float:
        """How much of what a preset counts the run has."""
        if what == REAL_TIME:
            return self._real(run)
        return (self._live(run) if what == LIVE_TIME else self.counter(what)) or 0.0
