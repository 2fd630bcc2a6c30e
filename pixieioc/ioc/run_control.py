"""Run control: turns what clients, tasks and the clock do into events of the machine, and carries out what it orders.

The rules are in `run_machine.py`. Nothing here waits: what takes time is a job of its own, whose end is an event.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

from pixieioc.config import Config
from pixieioc.ioc import run_events as ev
from pixieioc.ioc.command_status import CommandStatus
from pixieioc.ioc.errors import ErrorPvs, logged
from pixieioc.ioc.file_watch import FileWatch
from pixieioc.ioc.live import LivePipeline
from pixieioc.ioc.overview import Overview
from pixieioc.ioc.progress import Progress
from pixieioc.ioc.rate_history import RateHistory
from pixieioc.ioc.readiness import Readiness
from pixieioc.ioc.readiness_pvs import ReadinessPvs
from pixieioc.ioc.records import Client, Put, Pvs, Record
from pixieioc.ioc.run import Run
from pixieioc.ioc.run_driver import Driver
from pixieioc.ioc.run_events import Command, Instruction
from pixieioc.ioc.run_log import RunLog
from pixieioc.ioc.run_observer import RunObserver
from pixieioc.ioc.run_recorder import RunRecorder
from pixieioc.ioc.run_state import MachineState
from pixieioc.ioc.run_work import RunWork
from pixieioc.ioc.settings import Settings
from pixieioc.ioc.state import State
from pixieioc.ioc.task_pvs import TaskPvs
from pixieioc.ioc.worker import Worker
from pixieioc.pipeline import Cause, Error, Status, Task, errno_of

log = logging.getLogger(__name__)

#: How often times and presets are looked at, and how often everything else is, in seconds.
_TICK, _LOOK = 0.1, 1.0
#: Who gives the commands that no client gives.
NOBODY = Client("pixieioc", "localhost")


class RunControl:
    """Drives the pipeline for its clients, and shows them how it goes."""

    def __init__(
        self, pvs: Pvs, config: Config, state: State, *,
        pipeline: Callable[..., LivePipeline] = LivePipeline, worker: Callable[[str], Worker] = Worker,
    ) -> None:  # fmt: skip
        self._pvs, self._config, self._state = pvs, config, state
        self._status = self.status = CommandStatus(pvs)
        self.machine = MachineState(run_id=state.run_id)
        do: Callable[[ev.Step, int], Awaitable[None]] = lambda *step: self._work.do(*step)  # noqa: PLW0108, E731
        self._driver = Driver(self.machine, do, self._carry_out, self._show_fault, self._observe)
        self.feed = self._driver.feed
        self.left, self.at_once = asyncio.Event(), False  #: the IOC may end; without closing anything properly
        self._commands, self.looked, self._error_is_shown = 0, time.monotonic(), False
        self._ticking: asyncio.Task[None] | None = None
        self.tasks = {name: TaskPvs(pvs, name, cls, config.settings[name]) for name, cls in config.tasks.items()}
        self.run_log = RunLog(pvs)
        self.errors = ErrorPvs(pvs, tuple(config.tasks), self.run_log)
        kwargs: dict[str, Any] = {name: dict(values) for name, values in config.settings.items()}
        self.pipeline = pipeline(self, self._on_change, kwargs)
        self._observer = RunObserver(pvs, self.machine, self.feed, self.pipeline, config.chain[0])
        self.settings = Settings(pvs, config, self.pipeline, self._locked, self._status.command, self._show_own)
        self._progress = Progress(pvs, config, self.pipeline, self.settings)
        self._rates = RateHistory(pvs, config.graph)
        self._state_worker = worker("pixieioc state")
        self.files = FileWatch(self.settings, state, self._state_worker, self.machine, self._show_readiness, worker)
        self.recorder = RunRecorder(
            pvs, config, self.pipeline, self.settings, self._progress, state, self._state_worker, worker,
            self._not_recorded,
        )  # fmt: skip
        self._work = RunWork(
            config, self.pipeline, self.settings, self._progress, state, self._state_worker, self._show_readiness,
            self.recorder, lambda: self.run,
        )  # fmt: skip
        self._ready = ReadinessPvs(pvs, config, self.pipeline, self.settings, self._progress, self.files)
        self._overview = Overview(pvs, config, state, self.pipeline, self.settings, self.run_log)
        self.on_in_use = self.settings.take_in_use
        self.settings.on_run_parameters = self._use_run_parameters
        self.settings.watch(self._show_readiness)  # which may follow from a setting
        self._use_run_parameters()
        self._serve_commands()
        pvs.post("RunId_RBV", state.run_id)
        if state.interrupted:
            pvs.post("RunEndReason_RBV", "IOC restart")
        self._status.state("Initializing", "making the tasks")

    @property
    def run(self) -> Run | None:
        """The run in progress."""
        return self.machine.run

    def _serve_commands(self) -> None:
        for command in Command:
            if command.value in self._pvs:  # not every chain has something to boot
                self._pvs.on_put(command.value, self._when_set(command, command.value))
        self._pvs.on_put("EraseStart", self._when_set(Command.START, "EraseStart"))
        self._pvs.on_put("Acquire", self._put_acquire)
        self._pvs.on_put("ErrorAck", lambda value, client: self._acknowledge(client) if value else None)
        for name, record in self._pvs.items():
            if record.put is not None and (name == "ConfigJSON" or self._is_about_files(record)):
                self._pvs.on_put(name, self._with_files(record.put))

    # -- life ---------------------------------------------------------------------------------------------------------

    def begin(self, *, start: bool = False) -> None:
        """Has the tasks made, and a run started if that is wanted; what goes wrong is shown, the IOC goes on."""
        self._driver.note_time()
        self._ticking = asyncio.get_running_loop().create_task(self._tick())
        self.recorder.begin()
        self.files.ask()
        self._show_readiness()
        self.feed(ev.Begin(start))

    def signal(self) -> None:
        """The IOC is to end as soon as a run has been ended as by Stop; the second time: at once."""
        self.feed(ev.Signal())

    async def end(self, patience: float = 0.3) -> None:
        """Ends everything here, behind run and tasks; what is being written has so many seconds."""
        if self._ticking is not None:
            self._ticking.cancel()
        self._driver.end()
        await asyncio.gather(self.files.end(patience), self.recorder.end(patience))
        await self.pipeline.end()

    # -- commands -----------------------------------------------------------------------------------------------------

    def _when_set(self, command: Command, pv: str) -> Put:
        """A command that writing 1 gives; writing 0 does nothing."""
        return lambda value, client: self._command(command, client, pv) if value else None

    def _put_acquire(self, value: Any, client: Client) -> Awaitable[None] | None:
        return self._command(Command.START if value else Command.STOP, client, "Acquire")

    def _command(self, command: Command, client: Client, pv: str) -> Awaitable[None] | None:
        self._commands += 1
        if command is not Command.START:
            return self._driver.give(command, client, pv, "")
        readiness = self._readiness()
        if self.run is None and readiness.about_files:
            return self._start_with_files(client, pv, readiness.message)
        return self._driver.give(command, client, pv, readiness.message)

    async def _start_with_files(self, client: Client, pv: str, problem: str) -> None:
        """A start that files are in the way of: they are asked for once more before it is refused.

        It must not come after a command that was given later, such as Stop.
        """
        this = self._commands
        waits = [asyncio.ensure_future(each) for each in (self.files.see(), self.left.wait())]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        going_on = self._driver.give(
            Command.START, client, pv, self._readiness().message if this == self._commands else problem
        )
        if going_on is not None:
            await going_on

    def _readiness(self) -> Readiness:
        return self._ready.evaluate(self.run, self._work.starting)

    def _acknowledge(self, client: Client) -> None:
        self._pvs.post("ErrorAck", 1)
        self.errors.acknowledge_all()
        self.run_log.add(f"all errors acknowledged by {client}")
        self._pvs.post("ErrorAck", 0)
        self._show_readiness()  # the list of alarms is shorter now
        self._status.command("OK", "ErrorAck: all errors acknowledged", client, "ErrorAck")

    def _is_about_files(self, record: Record) -> bool:
        """Whether a change of this setting can make a run impossible because of files."""
        source = record.info.source
        cls = self._config.tasks.get(source.task)
        return source.kind == "parameter" and cls is not None and cls.do_ready.__func__ is not Task.do_ready.__func__

    def _with_files(self, put: Put) -> Put:
        """A put that is complete once it is known what the file system makes of it (or does not answer)."""

        async def complete(going_on: Awaitable[None] | None) -> None:
            if going_on is not None:
                await going_on
            await self.files.see()

        return lambda value, client: complete(put(value, client))

    # -- instructions -------------------------------------------------------------------------------------------------

    def _carry_out(self, instruction: Instruction) -> None:
        status = self._status
        match instruction:
            case ev.Post(pv, value, force):
                self._pvs.post(pv, value, force=force)
            case ev.EndRun(discard):
                if self.pipeline.status in (Status.RUNNING, Status.DYING):
                    self.pipeline.issue(self.pipeline.abort if discard else self.pipeline.stop)
            case ev.ShowState(state, message):
                status.state(state, message)
            case ev.ShowCommand(outcome, message, client, pv, run):
                status.command(outcome, message, client, pv, run)
            case ev.ShowRunCommand(run, outcome, message, client):
                status.of_run(run, outcome, message, client)
            case ev.RunAccepted(run):
                self._error_is_shown = False
                self._progress.reset()
                self.recorder.run_begins(run)
            case ev.RunEnded(run):
                self._progress.show(run)
                self.recorder.run_is_over(run)
            case ev.ShowReadiness():
                self._show_readiness()
            case ev.TasksGone():
                for task in self.tasks.values():
                    task.show_status("DYING")
            case ev.RecordError(error):
                self._record(error)
            case ev.Log(text):
                self.run_log.add(text)
            case ev.StartNow():
                self.feed(ev.Put(0, Command.START, NOBODY, "Acquire", self._readiness().message))
            case ev.Leave(at_once):
                self.at_once |= at_once
                self.left.set()
            case _:
                raise AssertionError(f"the driver carries out {instruction}")

    def _record(self, error: Error) -> None:
        """Shows a failure that no task has shown."""
        if error.cause is Cause.TIMEOUT or not (self._error_is_shown or self.machine.gone):
            error.time = error.time or time.time()
            self.errors.record(error.task, error)
            self._error_is_shown = True

    def _not_recorded(self, what: str, error: BaseException) -> None:
        """Shows what could not be written down of a run, which has ended all the same."""
        text = f"{what} could not be noted: {error}"
        self.errors.record("IOC", Error(text, time=time.time(), errno=errno_of(error)))
        self._show_readiness()

    # -- what the pipeline reports ------------------------------------------------------------------------------------

    def on_report(self, task: str, report: dict[str, Any], time: float) -> None:
        """A task's report, behind what it said before; of a process that is lost or gone it changes nothing more."""
        process = self.pipeline.processes.get(task)

        def show() -> None:
            if self.pipeline.processes.get(task) is process:
                self.tasks[task].report(report, time)
                if process is not None and process.lost:
                    self.tasks[task].show_status("LOST")
            if "not_ready" in report:
                self._show_readiness()

        self.settings.when_shown(self._ready.once_shown(task, show) if "not_ready" in report else show)

    def on_print(self, task: str, text: str) -> None:
        """Lines that a task printed."""
        log.info("%s: %s", task, text)
        self.tasks[task].print(text)

    def on_starting(self, task: str, what: str) -> None:
        """What takes a task long, as to compile something."""
        log.info("%s: %s", task, what)
        if self._work.note_starting(f"{task} is {what}") and self.run is None:
            self._status.state("Initializing", self._work.starting)

    def on_error(self, task: str, error: Error) -> None:
        """A task has failed, or the pipeline reports so of it."""
        process = self.pipeline.processes.get(task)
        if process is not None and process.lost:
            self.tasks[task].show_status("LOST")
        if self.machine.gone and error.cause is not Cause.ERROR:
            return  # its end was wanted
        log.error("%s", logged(task, error))
        self.errors.record(task, error)
        if not any(each is error for each in self.pipeline.errors):
            return  # it ends a sampling branch, and no run
        self._error_is_shown = True
        self.feed(ev.TaskFailed(task, error))

    def on_fault(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Shows a fault of the IOC, which ends the run unless it is contained, as one in what a client asked for is."""
        what, error = context["message"], context.get("exception") or RuntimeError(context["message"])
        (self._show_own if context.get("contained") else self._driver.fault)(what, error)

    def _show_own(self, what: str, error: BaseException) -> None:
        log.error("%s", what, exc_info=error)
        self.errors.own(what, error)

    def _show_fault(self, what: str, error: BaseException) -> None:
        self._show_own(what, error)
        self._error_is_shown = True

    def _on_change(self) -> None:
        self._observer.show()
        self._observe()

    def _observe(self) -> None:
        self._observer.observe(saving=self.settings.shared("auto_save", False), reached=self._progress.reached)

    # -- what is shown ------------------------------------------------------------------------------------------------

    def _show_readiness(self) -> None:
        self._overview.update(self._ready.show(self.run, self._work.starting), in_run=self.run is not None)

    async def _tick(self) -> None:
        """Times and presets all the time; readiness and heart beats once a second."""
        while True:
            await asyncio.sleep(_TICK)
            self._driver.note_time()
            try:
                self._follow_run()
                if time.monotonic() - self.looked >= _LOOK:
                    self.looked = time.monotonic()
                    self._refresh()
            except Exception as error:
                self._driver.fault("run control cannot follow the run", error)
                await asyncio.sleep(_LOOK)

    def _follow_run(self) -> None:
        if self._progress.advance(self.run) and self.run is not None:
            self.feed(ev.PresetReached(self.run.id))
        self._overview.count(in_run=self.run is not None)
        self._observe()

    def _refresh(self) -> None:
        self.files.ask()
        self._show_readiness()
        self._rates.sample()

    def _use_run_parameters(self) -> None:
        run = self.settings.run
        self.pipeline.watchdog.stop_timeout = run["stop_timeout"]
        self.feed(ev.Options(run["stop_timeout"], run["wait_for_pipeline"], run["fail_put_on_error"]))

    def _locked(self) -> str:
        return self.run.describe(time.monotonic()) if self.run is not None else ""

    def put_refused(self, record: Record, why: str, client: Client) -> None:
        """A client has sent something that the record cannot take at all."""
        self._status.command("Refused", f"{record.info.name}: {why}", client, record.info.name)
        record.post(record.value, force=True)
