"""The process variables that say whether a run can be started, and what they follow from."""

from __future__ import annotations

from pixieioc.config import Config
from pixieioc.ioc.live import LivePipeline
from pixieioc.ioc.progress import Progress
from pixieioc.ioc.readiness import Place, Readiness, Saving, evaluate, look_at
from pixieioc.ioc.records import NO_ALARM, Pvs
from pixieioc.ioc.run import Run
from pixieioc.ioc.settings import Settings
from pixieioc.ioc.state import State


class ReadinessPvs:
    """Looks at links, settings, disk and folder, and shows what it sees."""

    def __init__(
        self, pvs: Pvs, config: Config, pipeline: LivePipeline, settings: Settings, progress: Progress, state: State
    ) -> None:
        self._state = state
        self._pvs = pvs
        self._config = config
        self._pipeline = pipeline
        self._settings = settings
        self._progress = progress

    def evaluate(self, run: Run | None, starting: str) -> Readiness:
        """Whether a run could be started now; `run` is the one in progress, `starting` what tasks are busy with."""
        return self._evaluate(run, starting, look_at(self._settings.shared("file_path", ".")))

    def show(self, run: Run | None, starting: str) -> Readiness:
        """Posts what is to be seen now, and returns it. That it is not ready because of a run is no alarm."""
        post, shared = self._pvs.post, self._settings.shared
        place, rate = look_at(shared("file_path", ".")), self._progress.counter("write_rate")
        readiness = self._evaluate(run, starting, place)
        no_alarm = run is not None or bool(starting)
        self._pvs.post_with("Ready_RBV", int(readiness.ready), NO_ALARM if no_alarm else None)
        post("ReadyBits_RBV", readiness.bits)
        post("ReadyMessage_RBV", readiness.message)
        post("ConfigLocked_RBV", int(run is not None))
        missing = shared("auto_save", False) and place.why_not_made(shared("create_directory", 0))
        post("FilePathExists_RBV", int(not missing))
        post("DiskFree_RBV", place.free_gb)
        post("DiskTimeLeft_RBV", place.free_gb * 1e3 / rate / 3600 if rate else 0.0)
        return readiness

    def _evaluate(self, run: Run | None, starting: str, place: Place) -> Readiness:
        shared = self._settings.shared
        run_on = run.describe() if run is not None else ""
        draining = "" if run_on or self._pipeline.at_rest else "the tasks are still finishing the last run"
        saving = Saving(shared("auto_save", False), shared("create_directory", 0), self._config.ioc.disk_lolo)
        settings = self._progress.problem() or self._settings.problem()
        files = "" if run_on else self._settings.not_ready(self._state.run_id + 1)
        return evaluate(run_on, draining, settings, saving, place, "" if run_on else starting, files)
