"""Real and live time of a run: its source's own as soon as that has ended, until then by the IOC's clock."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pixieioc.config import Config
from pixieioc.config_run import PRESETS
from pixieioc.ioc.live import LivePipeline
from pixieioc.ioc.settings import Settings
from pixieioc.pipeline.presets import REAL_TIME


class RunTimes:
    """What the source of the chain knows of the time of a run, and what it is to end by itself.

    A source that does not report its times, as one of recorded data, has the IOC's, and the IOC ends its run.
    """

    def __init__(self, config: Config, pipeline: LivePipeline, settings: Settings) -> None:
        self._source = config.chain[0]
        self._cls = config.tasks[self._source]
        self._known = "elapsed_real" in self._cls.reports()
        self._pipeline = pipeline
        self._settings = settings

    def presets(self) -> dict[str, float]:
        """The preset by which the source is to end the run itself; empty if it cannot, or there is none."""
        preset = PRESETS.get(self._settings.run["preset_mode"])
        if preset is None or preset.counts not in self._cls.ends_by:
            return {}
        return {preset.counts: float(self._settings.run[preset.parameter])}

    def real(self, clock: float) -> float:
        """Real time of the run (s), which by the IOC's clock is `clock`."""
        reports = self._final
        return reports["elapsed_real"] if reports else min(clock, self.presets().get(REAL_TIME, clock))

    def live(self, clock: float, share: float | None) -> float | None:
        """Live time of the run (s), of which this share (%) has been live so far; None: it is not known."""
        reports = self._final
        if share is None:
            return None
        return reports["elapsed_live"] if reports else self.real(clock) * share / 100

    @property
    def ended(self) -> bool:
        """Whether the source has ended, so that its times are those of the run."""
        return bool(self._final)

    @property
    def _final(self) -> Mapping[str, Any]:
        """The last reports of the source in this run, if it has ended and knows the times."""
        source = self._pipeline.processes.get(self._source)
        return source.reports if self._known and source is not None and source.finished else {}
