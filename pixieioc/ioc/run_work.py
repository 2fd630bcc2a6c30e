"""How each step that run control orders is carried out, with the pipeline, the settings and the state folder."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable
from math import inf

from pixieioc.config import Config
from pixieioc.ioc.live import LivePipeline
from pixieioc.ioc.progress import Progress
from pixieioc.ioc.run import Run
from pixieioc.ioc.run_events import Perform, Step
from pixieioc.ioc.run_recorder import RunRecorder
from pixieioc.ioc.settings import Settings
from pixieioc.ioc.state import State
from pixieioc.ioc.worker import Worker
from pixieioc.pipeline import Error
from pixieioc.pipeline.declare import parameters_of
from pixieioc.pipeline.procedure import Wait
from pixieioc.pipeline.task_process import TaskProcess

#: How long the end of a run waits for the number of the next one to be safe on disk at most, in seconds.
_RESERVED_WITHIN = 0.3
#: How much of the time for killing is waited for the end of what was killed: what did not end can still be told then.
_SHARE = 0.8
#: How long it waits for the sidecars to be complete at most, in seconds: they are completed all the same.
_RECORDED_WITHIN = 0.5


class RunWork:
    """Each step as a coroutine; it raises what went wrong, and can be cancelled at any time.

    `starting` says what the tasks that are being made are busy with, and is empty otherwise; `on_starting` is called
    when that changes.
    """

    def __init__(
        self, config: Config, pipeline: LivePipeline, settings: Settings, progress: Progress, state: State,
        state_worker: Worker, on_starting: Callable[[], None], recorder: RunRecorder, run: Callable[[], Run | None],
    ) -> None:  # fmt: skip
        self._config = config
        self._pipeline = pipeline
        self._settings = settings
        self._progress = progress
        self._state = state
        self._worker = state_worker
        self._on_starting = on_starting
        self._recorder, self._run = recorder, run
        self._reserving: asyncio.Future[None] | None = None
        self.starting = "the tasks are starting"  # until they have started, or could not

    def do(self, order: Perform) -> Awaitable[None]:
        """What a step is, in the run of that number."""
        run = order.run
        match order.step:
            case Step.SAVE_RUN:
                return self._save_run(run)
            case Step.MAKE:
                return self._make()
            case Step.APPLY:
                return self._settings.apply()
            case Step.SETTLE:
                return self._settings.apply(everything=False)
            case Step.ERASE:
                return self._erase()
            case Step.REPLACE:
                return self._pipeline.do(self._pipeline.replacing())
            case Step.START:
                return self._start(run)
            case Step.BOOT:
                return self._boot()
            case Step.QUIT:
                return self._quit()
            case Step.COUNT:
                return self._count()
            case Step.KILL:
                return self._pipeline.do(self._pipeline.killing(_SHARE * order.limit))

    def note_starting(self, what: str) -> bool:
        """Notes what a task that is being made is busy with; False if none is."""
        if self.starting:
            self.starting = f"the tasks are starting: {what}"
            self._on_starting()
        return bool(self.starting)

    async def _save_run(self, run: int) -> None:
        """Notes that a run begins, and has the number of the next one made safe while it goes on."""
        begun = self._worker.do(functools.partial(self._state.begin_run, run))
        self._reserving = self._worker.do(self._state.reserve)  # also if the start is given up meanwhile
        await begun

    async def _make(self) -> None:
        """Makes the tasks that are not there, and wires the chain if it is not."""
        graph = self._config.graph
        missing = [name for name in graph.tasks if name not in self._pipeline.processes]
        self.starting = "the tasks are starting" if missing else ""
        try:
            if missing:
                await self._pipeline.do(self._pipeline.creating({name: self._config.tasks[name] for name in missing}))
            if self._pipeline.graph != graph:
                await self._pipeline.do(self._pipeline.connecting(graph))
        finally:
            self.starting = ""
            self._on_starting()

    async def _start(self, run: int) -> None:
        await self._pipeline.do(self._pipeline.starting(run, self._progress.times.presets(), self._recorder.known()))

    async def _erase(self) -> None:
        """Has every task that knows `erase` do it."""
        names = [name for name, cls in self._config.tasks.items() if "erase" in parameters_of(cls)]
        if names and self._pipeline.processes:
            await self._pipeline.do(self._pipeline.configuring({name: {"erase": True} for name in names}))

    async def _boot(self) -> None:
        """Has every task that knows `boot` do it, and waits until it has; Error if it fails, or its process ends."""
        pipeline = self._pipeline
        names = [name for name, cls in self._config.tasks.items() if "boot" in parameters_of(cls)]
        await pipeline.do(pipeline.configuring({name: {"boot": True} for name in names}))
        processes = [pipeline.processes[name] for name in names if name in pipeline.processes]

        def over(process: TaskProcess) -> bool:
            gone = pipeline.processes.get(process.name) is not process or process.failed
            return gone or process.reports["boot_state"] == "Booted"  # one that has failed says why as its error

        await pipeline.until(Wait(lambda: all(map(over, processes)), inf))
        for process in processes:
            if process.failed or process.reports["boot_state"] != "Booted":
                raise process.error or Error("the boot was ended", task=process.name)
        await self._settings.shown()  # those that the modules have now: who asked for the boot reads them

    async def _quit(self) -> None:
        if self._pipeline.processes:
            await self._pipeline.do(self._pipeline.quitting())

    async def _count(self) -> None:
        """Completes the sidecars, and counts FileNumber up after a run that was saved, if AutoIncrement says so.

        When a short run ends, the number of the next one may not be safe yet: that is waited for, a little, as for a
        disk on which the sidecars are.
        """
        run = self._run()
        recording = self._recorder.run_ends(run) if run is not None else None
        waits = [(self._reserving, _RESERVED_WITHIN), (recording, _RECORDED_WITHIN)]
        await asyncio.gather(
            self._count_up(), *(asyncio.wait([job], timeout=limit) for job, limit in waits if job is not None)
        )

    async def _count_up(self) -> None:
        if self._progress.counter("bytes_written") and self._settings.shared("auto_increment"):
            await self._settings.apply_shared("file_number", self._settings.shared("file_number") + 1)
