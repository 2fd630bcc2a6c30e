"""The process variables that say whether a run can be started, and what they follow from."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator

from pixieioc.config import Config
from pixieioc.ioc.file_watch import FileWatch
from pixieioc.ioc.folders import PATIENCE, Saving
from pixieioc.ioc.live import LivePipeline
from pixieioc.ioc.progress import Progress
from pixieioc.ioc.readiness import Problem, Readiness, evaluate, problem
from pixieioc.ioc.records import INVALID, NO_ALARM, AlarmStatus, Pvs
from pixieioc.ioc.run import Run
from pixieioc.ioc.settings import Settings
from pixieioc.pipeline.task_process import TaskProcess

#: Longer work than this, outside a run, keeps a start from being accepted: it would have to wait for that (s).
_SHORTLY = 1.0


class ReadinessPvs:
    """Puts together what is known of links, settings, disk and folders, and shows it."""

    def __init__(
        self, pvs: Pvs, config: Config, pipeline: LivePipeline, settings: Settings, progress: Progress,
        files: FileWatch,
    ) -> None:  # fmt: skip
        self._pvs = pvs
        self._config = config
        self._pipeline = pipeline
        self._settings = settings
        self._progress = progress
        self._files = files
        self._unshown = Counter[str]()  #: by task, how much it has reported of its readiness that is not shown yet

    def once_shown(self, task: str, show: Callable[[], None]) -> Callable[[], None]:
        """`show`, which shows what a task has reported of its readiness: until it is called the task is not ready.

        Who finds `Ready_RBV` = Yes also finds what that follows from, such as `BootState_RBV` = Booted.
        """
        self._unshown[task] += 1

        def do() -> None:
            self._unshown[task] -= 1
            show()

        return do

    def evaluate(self, run: Run | None, starting: str) -> Readiness:
        """Whether a run could be started now; `run` is the one in progress, `starting` what tasks are busy with."""
        shared = self._settings.shared
        run_on = run.describe(time.monotonic()) if run is not None else ""
        draining = "" if run_on or self._pipeline.at_rest else "the tasks are still finishing the last run"
        saving = Saving(shared("auto_save", False), shared("create_directory", 0), self._config.ioc.disk_lolo)
        files = self._files.files
        tasks = "" if run_on else starting or self._undying or "; ".join(why for why, _ in self._waiting)
        return evaluate(run_on, draining, self._settings_problem, saving, files, self._files.path, tasks)

    @property
    def _settings_problem(self) -> Problem | None:
        """That of the preset, or of settings that do not fit each other: it is cured where those are shown."""
        if preset := problem(self._progress.problem(), "Preset"):
            return preset
        declared = {task: cls.parameters() for task, cls in self._config.tasks.items()}
        waiting = [
            declared.get(task, {}).get(name) for task, of_task in self._settings.dirty.items() for name in of_task
        ]
        about_files = any(parameter is not None and parameter.section == "files" for parameter in waiting)
        return problem(self._settings.problem(), "File" if about_files else "Tasks")

    @property
    def _undying(self) -> str:
        return self._pipeline.processes.undying.problem(self._config.tasks)

    @property
    def _waiting(self) -> list[tuple[str, bool]]:
        """Why tasks cannot begin a run as they are, and whether that passes by itself.

        A task that is lost, or not there, is made again by the next start: what it said last means nothing.
        """
        there = [process for process in self._pipeline.processes.values() if not process.lost]
        return [(f"{each.name}: {why}", passes) for each in there for why, passes in self._why_not(each)]

    def _why_not(self, process: TaskProcess) -> Iterator[tuple[str, bool]]:
        doing = process.doing(time.monotonic())
        if not_ready := process.reports.get("not_ready"):  # it says so, see `NotReady`
            yield not_ready, process.reports["becoming_ready"]
        elif self._unshown[process.name]:
            yield "what it has reported is not shown yet", True
        elif process.known and not process.failed and (seconds := max(doing.busy, doing.starting)) > _SHORTLY:
            what = self._settings.commands_under_way.get(process.name)
            lasts = f"{what} has been in progress" if what else "it has been busy"
            yield f"{lasts} for {seconds:.0f} s", doing.starting > 0

    @property
    def _being_seen_to(self) -> bool:
        """Whether tasks that are not ready will be without anybody's doing: that is no alarm."""
        return bool(self._waiting) and all(passes for _, passes in self._waiting)

    def show(self, run: Run | None, starting: str) -> Readiness:
        """Posts what is known now, and returns it. That it is not ready because of a run is no alarm."""
        post = self._pvs.post
        readiness = self.evaluate(run, starting)
        no_alarm = run is not None or bool(starting) or self._being_seen_to
        self._pvs.post_with("Ready_RBV", int(readiness.ready), NO_ALARM if no_alarm else None)
        post("ReadyBits_RBV", readiness.bits)
        post("ReadyMessage_RBV", readiness.message)
        post("ConfigLocked_RBV", int(run is not None))
        self._show_disk()
        return readiness

    def _show_disk(self) -> None:
        """Posts what is known of the disk; what its file system has not said for long is INVALID."""
        pvs, files = self._pvs, self._files.files
        if files.silent > PATIENCE:
            for name in ("FilePathExists_RBV", "DiskFree_RBV", "DiskTimeLeft_RBV"):
                pvs[name].post_alarm(INVALID, AlarmStatus.COMM)
        elif files.folder is not None:
            folder, shared, rate = files.folder, self._settings.shared, self._progress.counter("write_rate")
            missing = shared("auto_save", False) and folder.why_not_made(shared("create_directory", 0))
            pvs.post("FilePathExists_RBV", int(not missing))
            pvs.post("DiskFree_RBV", folder.free_gb)
            pvs.post("DiskTimeLeft_RBV", folder.free_gb * 1e3 / rate / 3600 if rate else 0.0)
