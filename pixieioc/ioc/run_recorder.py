"""What is written down of each run as a whole: in the sidecars of all its files, once it is over."""

from __future__ import annotations

import asyncio
import functools
import logging
import platform
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

import pixieioc
from pixieioc.config import Config
from pixieioc.config_run import REMARKS
from pixieioc.ioc.condition_archive import NamedBy
from pixieioc.ioc.conditions import Conditions
from pixieioc.ioc.kept_records import KeptRecord, RecordKeeper
from pixieioc.ioc.live import LivePipeline
from pixieioc.ioc.lost_conditions import bring_home
from pixieioc.ioc.progress import Progress
from pixieioc.ioc.records import Pvs
from pixieioc.ioc.run import Run
from pixieioc.ioc.settings import Settings
from pixieioc.ioc.sidecars import alone, complete
from pixieioc.ioc.state import State
from pixieioc.ioc.worker import Worker, waited_for_no_longer
from pixieioc.pipeline import Error, Report, Task, errno_of
from pixieioc.pipeline.procedure import Wait
from pixieioc.pipeline.undying import does_not_end, is_stuck
from pixieioc.pvinfo.states import EndReason
from pixieioc.tasks.sidecar import Condition, Counts, Record

log = logging.getLogger(__name__)
#: How a run ends that has ended as it should.
GOOD: tuple[EndReason, ...] = ("Preset", "Operator stop", "Source end")
#: Reports per channel that are counts of the run, or of the spectra.
_COUNTS = ("channel_events", "channel_pileup", "counts")
#: How long a task that was killed is waited for before a record is written, in seconds, and the disk that it is for.
_ENDS_WITHIN, _ANSWERS_WITHIN = 0.5, 1.5
_PACKAGES = ("caproto", "numpy", "numba", "pyzmq", "pyarrow", "pypixie16")


class RunRecorder:
    """Knows the record of the run that goes on, and completes its sidecars with it."""

    def __init__(
        self, pvs: Pvs, config: Config, pipeline: LivePipeline, settings: Settings, progress: Progress, state: State,
        state_worker: Worker, worker: Callable[[str], Worker], failed: Callable[[str, BaseException], None],
    ) -> None:  # fmt: skip
        self._pvs, self._config, self._pipeline, self._settings = pvs, config, pipeline, settings
        self._progress = progress
        self._state, self._state_worker, self._on_failure = state, state_worker, failed
        #: Slow to find out, which a start must not wait for.
        self._fixed: dict[str, Any] = {"ioc": config.prefix, "host": socket.gethostname(), "versions": _versions()}
        self._conditions = Conditions(pvs, config.conditions, state.path.parent, worker)
        self._worker, self._lost_worker = worker("pixieioc records"), worker("pixieioc lost conditions")
        self._keeper = RecordKeeper(self._folders, self._named_sidecars, self._may_bring_home, self._show_kept, worker)
        self._started: dict[str, Any] = {}
        self._written: tuple[int, str, str] | None = None  # the run whose sidecars have its record, and its end in it
        self._job: asyncio.Task[None] | None = None
        self._behind = 0  # the run whose record is being written

    def _failed(self, what: str, error: BaseException) -> None:
        log.error("%s could not be noted: %s", what, error)  # also if a full disk is in alarm for that already
        self._on_failure(what, error)

    def begin(self) -> None:
        """Begins to read the conditions; those of runs that the IOC did not live to end are brought to their files."""
        self._conditions.begin()
        folder, last = self._state.path.parent, self._state.run_id
        lost = self._lost_worker.do(lambda: bring_home(folder, last, self._named_sidecars))
        lost.add_done_callback(self._reporting("the conditions of a run that the IOC did not live to end"))
        self._keeper.bring_home(last)

    async def end(self, patience: float) -> None:
        """Ends that, and waits so many seconds for the record of the last run."""
        if self._job is not None:
            await asyncio.wait([self._job], timeout=patience)
            self._behind = 0 if self._job.done() else self._behind
        await self._conditions.end()
        await self._keeper.end()
        self._worker.close()
        self._lost_worker.close()

    def unwritten(self) -> Iterator[str]:
        """What is not written at the end, if there is anything."""
        if self._behind:
            yield f"the record of run {self._behind}"
        yield from self._conditions.unwritten()

    def run_begins(self, run: Run) -> None:
        """A run has been accepted."""
        self._started = {"started_by": str(run.client), "start_time": time.time()}
        self._conditions.run_begins(run.id, self._naming())

    def known(self) -> dict[str, Any]:
        """What tasks are told of the run at its beginning, for the case that it is never completed."""
        return msgspec.to_builtins(self._record(self._conditions.of_run()))

    def run_ends(self, run: Run) -> asyncio.Task[None] | None:
        """Has the sidecars of a run that is over say all that is known; None if they do.

        What is awaited does not fail: `failed` is called with what has gone wrong.
        """
        end = run.reason or "Source end"
        if self._written != (run.id, end, run.failure):
            self._written = (run.id, end, run.failure)
            # By the settings of the run: what comes next, such as another FileNumber, is in use soon.
            settings = {task: dict(values) for task, values in self._settings.used.items()}
            find = functools.partial(self._sidecars, run.id, settings)
            self._behind = run.id
            self._job = asyncio.get_running_loop().create_task(self._guarded(run, end, find))
        return self._job

    def run_is_over(self, run: Run) -> None:
        """Has the same done if it was not, and the end of the run noted in the state folder."""
        self.run_ends(run)
        noted = self._state_worker.do(functools.partial(self._state.end_run, run.id))
        noted.add_done_callback(self._reporting(f"the end of run {run.id}"))

    def _reporting(self, what: str) -> Callable[[asyncio.Future[None]], None]:
        def done(answer: asyncio.Future[None]) -> None:
            if not answer.cancelled() and (error := answer.exception()) is not None:
                self._failed(what, error)

        return done

    async def _guarded(self, run: Run, end: EndReason, find: Callable[[], Iterable[Path]]) -> None:
        try:
            await self._complete(run, end, find)
        except Exception as error:  # whatever it is, the run has ended
            self._failed(f"the record of run {run.id}", error)
        self._behind = 0

    async def _complete(self, run: Run, end: EndReason, find: Callable[[], Iterable[Path]]) -> None:
        named_by = msgspec.to_builtins(self._naming())
        await self._conditions.run_ends()
        self._progress.show(run)
        record = msgspec.structs.replace(
            self._record(self._conditions.of_run()),
            end_time=time.time(), end_reason=end, good=end in GOOD and not run.failure, failure=run.failure,
            **self._times(), events=self._events(), counts=self._counts(run.id),
            losses=dict(self._losses(run.id)),
        )  # fmt: skip
        if (problem := await self._not_written(find, run.id, record)) is not None:
            record = msgspec.structs.replace(record, unfinished=[*self._unfinished()])
            kept = KeptRecord(run.id, str(problem), named_by, msgspec.to_builtins(record))
            where = await self._keeper.keep(kept)
            self._keeper.bring_home(run.id)
            raise Error(f"{problem}; it is {where}", errno=errno_of(problem))

    async def _not_written(self, find: Callable[[], Iterable[Path]], run: int, record: Record) -> BaseException | None:
        """Brings a record to the files of its run; returns why that is impossible, or not done in time."""
        await self._pipeline.until(Wait(lambda: not self._hung(), _ENDS_WITHIN))
        if hung := self._hung():  # this process would wait as it does, and nothing would end it either
            return Error(does_not_end(hung))
        written = asyncio.ensure_future(self._write(find, run, record))
        done, _ = await asyncio.wait([written], timeout=_ANSWERS_WITHIN)
        if done:
            return written.exception()
        waited_for_no_longer(written, f"the record of run {run}")
        return Error("the disk of the run's files does not answer")

    async def _write(self, find: Callable[[], Iterable[Path]], run: int, record: Record) -> None:
        archive = await self._conditions.archive_of_run()
        without_files = alone(self._state.path.parent, run)
        await self._worker.do(
            functools.partial(complete, find, run, msgspec.to_builtins(record), archive, without_files)
        )

    def _folders(self) -> list[Path]:
        """Where a record is kept whose files cannot be written."""
        second = [str(used.get("second_file_path", "")) for used in self._settings.used.values()]
        return [self._state.path.parent, *(Path(folder) for folder in dict.fromkeys(second) if folder)]

    def _show_kept(self, text: str) -> None:
        if text != self._pvs["RecordMessage_RBV"].value:
            log.warning("%s", text or "the records of all runs are with their files")
        self._pvs.post("RecordMessage_RBV", text)

    def _unfinished(self) -> Iterator[str]:
        """Files that tasks which failed were writing, as far as they have told."""
        for process in self._pipeline.processes.values():
            latest = str(process.reports.get("full_file_name", ""))
            if latest and (process.failed or process.lost) and latest not in process.reports.get("run_files", ""):
                yield f"{latest}.part"

    def _may_bring_home(self) -> bool:
        """Whether nobody waits for the disk of a run's files, as far as that is known."""
        return not self._hung() and not self._worker.waiting

    def _hung(self) -> list[str]:
        """Tasks that were killed and wait for a disk, not those that are about to end."""
        processes = self._pipeline.processes
        killed = [each.name for each in processes.values() if each.lost and each.alive and is_stuck(each.task)]
        return list(dict.fromkeys([*killed, *processes.undying.names()]))

    def _record(self, conditions: list[Condition]) -> Record:
        used = self._settings.run
        return Record(
            **{name: used[name] for name in REMARKS},
            **self._fixed,
            run_parameters={name: value for name, value in used.items() if name not in REMARKS},
            conditions=conditions,
            **self._started,
        )

    def _sidecars(self, run_id: int, settings: Mapping[str, Mapping[str, Any]]) -> Iterator[Path]:
        for task, cls in self._config.tasks.items():
            found: Iterable[Path] = cls.do_sidecars(settings[task], run_id)
            yield from found

    def _naming(self) -> NamedBy:
        """The settings that name the files of a run: of the tasks that write some, those that are no lists."""
        return {
            task: {name: value for name, value in self._settings.used[task].items() if not isinstance(value, list)}
            for task, cls in self._config.tasks.items()
            if cls.do_sidecars.__func__ is not Task.do_sidecars.__func__
        }

    def _named_sidecars(self, named_by: NamedBy, run_id: int) -> Iterator[Path]:
        """Those of a run of an IOC that was lost; what this one would call them, for settings that are missing."""
        for task, cls in self._config.tasks.items():
            yield from cls.do_sidecars({**self._config.settings[task], **named_by.get(task, {})}, run_id)

    def _times(self) -> dict[str, float | None]:
        names = {"elapsed_real": "ElapsedReal_RBV", "elapsed_live": "ElapsedLive_RBV", "dead_time": "DeadTime_RBV"}
        return {name: _finite(self._pvs[pv].value) for name, pv in names.items()}

    def _events(self) -> float | None:
        """Of the last task of the chain that knows them."""
        for task in reversed(self._config.chain):
            process = self._pipeline.processes.get(task)
            if self._config.tasks[task].events_known and process is not None:
                return float(process.reports["events"])
        return None

    def _counts(self, run_id: int) -> dict[str, Counts]:
        """By channel, as far as a task counts them."""
        found: dict[str, Counts] = {}
        for task, name, report, value in self._reports(run_id):
            if name in _COUNTS and report.per == "channel" and np.ndim(value) == 2:
                found[f"{task}.{name}"] = Counts(report.doc, np.asarray(value).tolist())
        return found

    def _losses(self, run_id: int) -> Iterator[tuple[str, dict[str, float]]]:
        """Reports whose alarm is MAJOR from 1 on (or from -1 down) and that are there."""
        found: dict[str, dict[str, float]] = {}
        for task, name, report, value in self._reports(run_id):
            total = float(np.sum(value)) if isinstance(value, int | float | np.ndarray) else 0.0
            if (report.limits[3] == 1 and total >= 1) or (report.limits[0] == -1 and total <= -1):
                found.setdefault(task, {})[name] = total
        yield from found.items()

    def _reports(self, run_id: int) -> Iterator[tuple[str, str, Report[Any], Any]]:
        """Those of the tasks that were started in this run."""
        for task, cls in self._config.tasks.items():
            process = self._pipeline.processes.get(task)
            if process is not None and process.run == run_id:
                for name, report in cls.reports().items():
                    yield task, name, report, process.reports[name]


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _versions() -> dict[str, str]:
    found = {"pixieioc": pixieioc.__version__, "python": platform.python_version(), "system": platform.platform()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # it is optional
            continue
    return found
