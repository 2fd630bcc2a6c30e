"""Run control: what a write to a command does, when its put completes, and what is shown meanwhile.

All of it happens in the event loop, so commands take effect one after the other, in the order in which they arrived.
What takes time (making tasks, connecting, configuring, quitting) is done under one lock.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from pixieioc.config import Config
from pixieioc.ioc.command_status import CommandStatus
from pixieioc.ioc.errors import ErrorPvs, said_of
from pixieioc.ioc.live import LivePipeline
from pixieioc.ioc.overview import Overview
from pixieioc.ioc.progress import Progress
from pixieioc.ioc.rate_history import RateHistory
from pixieioc.ioc.readiness_pvs import ReadinessPvs
from pixieioc.ioc.records import MINOR, Client, Put, PutRefused, Pvs, Record
from pixieioc.ioc.run import Run
from pixieioc.ioc.run_log import RunLog
from pixieioc.ioc.settings import Settings
from pixieioc.ioc.state import State
from pixieioc.ioc.task_pvs import TaskPvs
from pixieioc.ioc.text import duration
from pixieioc.pipeline import Cause, Error, Message, Status
from pixieioc.pipeline.declare import parameters_of
from pixieioc.pipeline.procedure import Wait
from pixieioc.tasks.take_data import TakeData

log = logging.getLogger(__name__)

#: How often times and presets are looked at, and how often everything else is, in seconds.
_TICK, _LOOK = 0.1, 1.0
#: How long the tasks may take to say that they are WAITING again after a run, in seconds.
_SETTLE = 1.0
#: Who gives the commands that no client gives.
NOBODY = Client("pixieioc", "localhost")
#: What can go wrong with a procedure of the pipeline.
_FAILURES = (Error, ValueError, RuntimeError, OSError)


class RunControl:
    """Drives the pipeline for its clients, and tells them how it goes."""

    def __init__(self, pvs: Pvs, config: Config, state: State) -> None:
        self._pvs = pvs
        self._config = config
        self._state = state
        self._say = CommandStatus(pvs)
        self._lock = asyncio.Lock()
        self._background: set[asyncio.Task[None]] = set()
        self._dying_since: float | None = None
        self._gone = True  # the tasks are not there on purpose
        self._starting = "the tasks are starting"  #: empty when they have started, or could not
        self.run: Run | None = None
        self.tasks = {name: TaskPvs(pvs, name, cls, config.settings[name]) for name, cls in config.tasks.items()}
        self._run_log = RunLog(pvs)
        self.errors = ErrorPvs(pvs, tuple(config.tasks), self._run_log)
        kwargs: dict[str, Any] = {name: dict(values) for name, values in config.settings.items()}
        self.pipeline = LivePipeline(self, self._on_change, kwargs)
        self.settings = Settings(pvs, config, self.pipeline, self._locked, self._setting_was_put)
        self.settings.on_run_parameters = self._use_run_parameters
        self._use_run_parameters()
        self._progress = Progress(pvs, config, self.pipeline, self.settings)
        self._rates = RateHistory(pvs, config.graph)
        self._ready = ReadinessPvs(pvs, config, self.pipeline, self.settings, self._progress, state)
        self._overview = Overview(pvs, config, state, self.pipeline, self.settings, self._run_log)
        self._serve_commands()
        pvs.post("RunId_RBV", state.run_id)
        pvs.post("SimMode_RBV", "Hardware" if issubclass(config.tasks[config.chain[0]], TakeData) else "Simulation")
        if state.interrupted:
            pvs.post("RunEndReason_RBV", "IOC restart")
        self._say.state("Initializing", "making the tasks")

    def _serve_commands(self) -> None:
        commands: dict[str, Put] = {
            "Acquire": lambda value, client: self._start(client) if value else self._stop(client, pv="Acquire"),
            "EraseStart": _when_set(lambda client: self._start(client, erase=True)),
            "Stop": _when_set(self._stop),
            "Abort": _when_set(lambda client: self._stop(client, Message.ABORT)),
            "Erase": _when_set(self._long("Erase", self._erase, in_run=True)),
            "Configure": _when_set(self._long("Configure", self.settings.apply)),
            "Reset": _when_set(self._long("Reset", self._reset)),
            "Quit": _when_set(self._long("Quit", self._quit)),
            "Kill": _when_set(self._kill),
            "ErrorAck": _when_set(self._acknowledge),
        }
        for name, put in commands.items():
            self._pvs.on_put(name, put)

    # -- life ---------------------------------------------------------------------------------------------------------

    async def begin(self, *, start: bool = False) -> None:
        """Makes the tasks, and starts a run if that is wanted; what goes wrong is shown and does not end the IOC."""
        self._keep(self._tick())
        self._show_readiness()
        try:
            async with self._lock:
                await self._make_tasks()
        except _FAILURES as error:
            self._say.state("Error", f"the tasks could not be made: {error}")
            self._say.command("Failed", f"the tasks could not be made: {error}", NOBODY)
        else:
            if self.run is None:
                self._say.state("Idle", "ready")
            if start:
                self.start(NOBODY)

    def start(self, client: Client) -> None:
        """Starts a run as a client would; if it is refused, that is shown and no more."""
        with contextlib.suppress(PutRefused):
            self._keep(self._ignoring_refusal(self._start(client)))

    async def end(self) -> None:
        """Ends a run as Stop does, then the tasks; each within StopTimeout."""
        if self.run is not None:
            self._ask_for_end(self.run, Message.STOP, "Operator stop")
            await self.run.ended.wait()
        for task in self._background:
            task.cancel()
        if self.pipeline.processes and not self._lock.locked():
            await self.pipeline.do(self.pipeline.quitting())
        await self.pipeline.end()

    async def _make_tasks(self) -> None:
        """Makes the tasks that are not there, and wires the chain if it is not."""
        graph = self._config.graph
        missing = [name for name in graph.tasks if name not in self.pipeline.processes]
        self._gone = False
        self._starting = "the tasks are starting" if missing else ""
        try:
            if missing:
                await self.pipeline.do(self.pipeline.creating({name: self._config.tasks[name] for name in missing}))
            if self.pipeline.graph != graph:
                await self.pipeline.do(self.pipeline.connecting(graph))
        finally:
            self._starting = ""
            self._show_readiness()

    # -- commands -----------------------------------------------------------------------------------------------------

    def _start(self, client: Client, *, erase: bool = False) -> Coroutine[Any, Any, None]:
        """Accepts a run at once, or refuses it at once."""
        readiness, name = self._ready.evaluate(self.run, self._starting), "EraseStart" if erase else "Acquire"
        if not readiness.ready:
            if self.run is None:
                self._pvs.post(name, 0, force=True)
                self._show_readiness()  # what refuses is what is shown
            raise self._say.refuse(readiness.message, client, name)
        run = self.run = Run(self._state.next_run(), client)
        post = self._pvs.post
        self._say.command("Busy", f"run {run.id} is being started", client, about=run, pv=name)
        self._run_log.add(f"run {run.id} started by {client}")
        post("RunId_RBV", run.id)
        post("RunEndReason_RBV", "None")
        post("Acquire", 1, force=True)
        post("Acquire_RBV", "Acquiring")
        post("AcquireBusy", "Acquiring")
        post("EraseStart", int(erase))
        self._progress.reset()
        self._say.state("Initializing", f"starting run {run.id}")
        self._show_readiness()
        self._keep(self._go_through(run, erase=erase))
        return self._completion(run, of_start=True)

    def _stop(self, client: Client, how: str = Message.STOP, *, pv: str = "") -> Awaitable[None] | None:
        run, name = self.run, "Abort" if how == Message.ABORT else "Stop"
        if run is None:
            for command in ("Acquire", name):
                self._pvs.post(command, 0, force=True)
            self._say.command("OK", f"{name}: there is no run", client, pv=pv or name)
            return None
        self._say.command("Busy", f"{name}: run {run.id} is being ended", client, about=run, pv=pv or name)
        self._pvs.post(name, 1)
        self._ask_for_end(run, how, "Abort" if how == Message.ABORT else "Operator stop")
        return self._completion(run, of_start=False)

    def _ask_for_end(self, run: Run, how: str, reason: str) -> None:
        """Ends the run; a stop that is on its way may still become an abort, not the other way."""
        if run.aborted or run.how == how:
            return
        run.reason = reason if how == Message.ABORT else run.reason or reason
        run.how = how
        self._say.state("Aborting" if run.aborted else "Readout", f"ending run {run.id}: {reason}")
        self._pass_on_the_end(run)

    def _pass_on_the_end(self, run: Run) -> None:
        if run.how and self.pipeline.status in (Status.RUNNING, Status.DYING):
            self.pipeline.say(self.pipeline.abort if run.aborted else self.pipeline.stop)

    async def _completion(self, run: Run, *, of_start: bool) -> None:
        """What a put waits for: the end of the run, or with WaitForPipeline=No the end of its source."""
        early = of_start and not self.settings.run["wait_for_pipeline"]
        await (run.source_done if early else run.ended).wait()
        if run.failure and (self.settings.run["fail_put_on_error"] or not of_start):
            raise PutRefused(f"run {run.id}: {run.failure}")

    def _kill(self, client: Client) -> Awaitable[None]:
        """Kills all processes now; what waits for one of them then goes on by itself."""
        if self.run is not None:
            self.run.fail(Error("all tasks were killed", cause=Cause.LOST))
            self.run.reason, self.run.how = "Abort", Message.ABORT
        self._pvs.post("Kill", 1)
        self._say.command("Busy", "Kill: killing all tasks", client, pv="Kill")
        self._gone = True
        for name in self.pipeline.processes:
            self.pipeline.send_kill(name)
        return self._clear_away(client)

    async def _clear_away(self, client: Client) -> None:
        if self.run is not None:
            await self.run.ended.wait()
        async with self._lock:
            await self.pipeline.do(self.pipeline.killing())
        self._show_gone("all tasks were killed")
        self._pvs.post("Kill", 0)
        self._say.command("OK", "Kill: all tasks were killed; the next start makes new ones", client, pv="Kill")

    def _acknowledge(self, client: Client) -> None:
        self._pvs.post("ErrorAck", 1)
        self.errors.acknowledge()
        self._run_log.add(f"all errors acknowledged by {client}")
        self._pvs.post("ErrorAck", 0)
        self._show_readiness()  # the list of alarms is shorter now
        self._say.command("OK", "ErrorAck: all errors acknowledged", client, pv="ErrorAck")

    async def _erase(self) -> None:
        """Has every task that knows `erase` do it."""
        names = [name for name, cls in self._config.tasks.items() if "erase" in parameters_of(cls)]
        if names and self.pipeline.processes:
            await self.pipeline.do(self.pipeline.configuring({name: {"erase": True} for name in names}))

    async def _reset(self) -> None:
        await self._make_tasks()
        await self.pipeline.do(self.pipeline.replacing())
        self._say.state("Idle", "ready")

    async def _quit(self) -> None:
        self._gone = True
        if self.pipeline.processes:
            await self.pipeline.do(self.pipeline.quitting())
        self._show_gone("the tasks were shut down")

    def _show_gone(self, why: str) -> None:
        self._say.state("Disconnected", f"{why}; the next start makes new ones")
        for task in self.tasks.values():
            task.show_status("DYING")

    def _long(
        self, name: str, action: Callable[[], Awaitable[None]], *, in_run: bool = False
    ) -> Callable[[Client], Awaitable[None]]:
        """A command that takes a while: refused in a run (unless `in_run`), otherwise done in its turn."""

        async def work(client: Client) -> None:
            self._pvs.post(name, 1)
            self._say.command("Busy", name, client, pv=name)
            try:
                async with self._lock:
                    await action()
            except _FAILURES as error:
                self._say.command("Failed", f"{name}: {error}", client, pv=name)
                raise PutRefused(f"{name}: {error}") from None
            finally:
                self._pvs.post(name, 0)
                self._show_readiness()
            self._say.command("OK", f"{name} done", client, pv=name)

        def command(client: Client) -> Awaitable[None]:
            if self.run is not None and not in_run:
                self._pvs.post(name, 0, force=True)
                raise self._say.refuse(f"{name}: {self.run.describe()}", client, name)
            return work(client)

        return command

    # -- a run --------------------------------------------------------------------------------------------------------

    async def _go_through(self, run: Run, *, erase: bool) -> None:
        """The story of a run, after it was accepted."""
        try:
            async with self._lock:
                await asyncio.get_running_loop().run_in_executor(None, self._state.sync)
                await self._make_tasks()
                await self.settings.apply()
                if erase:
                    await self._erase()
                await self.pipeline.do(self.pipeline.starting(run.id))
            run.began = time.monotonic()
            if not run.how:
                self._say.state("Acquire", f"run {run.id}, started by {run.client}, is running")
                self._say.run_began(run)
            self._pass_on_the_end(run)  # if it was asked for meanwhile
        except _FAILURES as error:
            failure = error if isinstance(error, Error) else Error(str(error))
            failure.time = failure.time or time.time()
            run.fail(failure)
            if not self.pipeline.errors and not self._gone:  # no task has said it
                self.errors.record(failure.task, failure)
        await self.pipeline.until(Wait(lambda: self.pipeline.at_rest, float("inf")))
        await self.pipeline.until(Wait(self._settled, _SETTLE))
        if self.pipeline.errors:
            run.fail(self.pipeline.errors[0])
        await self._finish(run)

    def _settled(self) -> bool:
        return all(m.failed or m.reports["status"] == "WAITING" for m in self.pipeline.processes.values())

    async def _finish(self, run: Run) -> None:
        """Tells everybody that the run has ended, in the order that a script can rely on.

        The files are closed and the final counters posted: the tasks do that before they say that they have finished.
        """
        post = self._pvs.post
        run.reason = run.reason or "Source end"
        self._progress.show(run)
        if not run.failure:
            await self._count_file_number()
        self._state.run_ended()
        post("RunEndReason_RBV", run.reason)
        why = f"run {run.id} has ended: {run.reason}{f': {run.failure}' if run.failure else ''}"
        self._say.run_ended(run, why)
        self._run_log.add(f"{why}, after {duration(run.elapsed)}")
        self._say.state("Aborted" if run.aborted else "Error" if run.failure else "Idle", why)
        self.run = None
        self._show_readiness()
        for name in ("Stop", "Abort", "EraseStart"):
            post(name, 0)
        post("Acquire_RBV", "Done")
        post("AcquireBusy", "Done")
        post("Acquire", 0)
        run.source_done.set()
        run.ended.set()

    async def _count_file_number(self) -> None:
        """Counts FileNumber up after a run that was saved, if AutoIncrement says so."""
        if not (self._progress.counter("bytes_written") and self.settings.shared("auto_increment")):
            return
        with contextlib.suppress(Error):  # a task that has just failed gets its number when it is replaced
            await self.settings.apply_shared("file_number", self.settings.shared("file_number") + 1)

    # -- what the pipeline says ---------------------------------------------------------------------------------------

    def on_report(self, task: str, report: dict[str, Any], time: float) -> None:
        """A task's report; one that was on its way when its process was lost changes nothing about that."""
        self.tasks[task].report(report, time)
        process = self.pipeline.processes.get(task)
        if process is not None and process.lost:
            self.tasks[task].show_status("LOST")

    def on_fault(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """An exception that nobody has handled: a fault of the IOC, which operators see."""
        error = context.get("exception") or RuntimeError(context["message"])
        log.error("%s", context["message"], exc_info=error)
        self.errors.own(context["message"], error)

    def on_print(self, task: str, text: str) -> None:
        """Lines that a task printed."""
        log.info("%s: %s", task, text)
        self.tasks[task].print(text)

    def on_starting(self, task: str, what: str) -> None:
        """What takes a task long, as to compile something."""
        log.info("%s: %s", task, what)
        if self._starting:
            self._starting = f"the tasks are starting: {task} is {what}"
            self._show_readiness()
            if self.run is None:
                self._say.state("Initializing", self._starting)

    def on_error(self, task: str, error: Error) -> None:
        """A task has failed, or the pipeline says so of it."""
        process = self.pipeline.processes.get(task)
        if process is not None and process.lost:
            self.tasks[task].show_status("LOST")
        if self._gone and error.cause is not Cause.ERROR:
            return  # its end was wanted
        log.error("%s", said_of(task, error))
        self.errors.record(task, error)
        if self.run is None:
            self._say.state("Error", said_of(task, error))

    def _on_change(self) -> None:
        """After each burst of messages: the state of the whole."""
        status = self.pipeline.status.name if self.pipeline.processes else "UNKNOWN"
        if status != "DYING":
            self._dying_since = None
        elif self._dying_since is None:
            self._dying_since = time.monotonic()
        late = self._dying_since is not None and time.monotonic() - self._dying_since > self._stop_timeout / 2
        self._pvs.post_with("State_RBV", status, MINOR if late else None)
        run, source = self.run, self.pipeline.processes.get(self._config.chain[0])
        if run is not None and run.began is not None and source is not None and source.finished:
            self._source_has_ended(run)

    def _source_has_ended(self, run: Run) -> None:
        if run.source_done.is_set():
            return
        run.source_done.set()
        if not run.how and not self.pipeline.errors:
            self._say.state(
                "Saving" if self.settings.shared("auto_save", False) else "Readout",
                f"run {run.id}: the source has ended, the tasks are finishing",
            )

    # -- what is shown ------------------------------------------------------------------------------------------------

    def _show_readiness(self) -> None:
        self._overview.look(self._ready.show(self.run, self._starting), in_run=self.run is not None)

    def _setting_was_put(self, status: str, message: str, client: Client, pv: str) -> None:
        if status == "OK":
            self._show_readiness()  # it may follow from this setting
        self._say.command(status, message, client, pv=pv)

    async def _tick(self) -> None:
        """Times and presets all the time; readiness and heart beats once a second."""
        looked = time.monotonic()
        while True:
            await asyncio.sleep(_TICK)
            if self._progress.advance(self.run) and self.run is not None and not self.run.how:
                self._ask_for_end(self.run, Message.STOP, "Preset")
            self._overview.count(in_run=self.run is not None)
            if time.monotonic() - looked >= _LOOK:
                looked = time.monotonic()
                self._show_readiness()
                self._rates.look()

    @property
    def _stop_timeout(self) -> float:
        return self.settings.run["stop_timeout"]

    def _use_run_parameters(self) -> None:
        self.pipeline.watchdog.stop_timeout = self._stop_timeout

    def _locked(self) -> str:
        return self.run.describe() if self.run is not None else ""

    def put_refused(self, record: Record, why: str, client: Client) -> None:
        """A client has sent something that the record cannot take at all."""
        name = record.name.removeprefix(self._pvs.prefix)
        self._say.command("Refused", f"{name}: {why}", client, pv=name)
        record.post(record.value, force=True)

    def _keep(self, going_on: Coroutine[Any, Any, None]) -> None:
        """Lets something go on by itself, until the IOC ends."""
        task = asyncio.get_running_loop().create_task(going_on)
        self._background.add(task)
        task.add_done_callback(self._came_to_its_end)

    def _came_to_its_end(self, task: asyncio.Task[None]) -> None:
        self._background.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.on_fault(asyncio.get_running_loop(), {"message": "a job has ended with", "exception": error})

    async def _ignoring_refusal(self, going_on: Awaitable[None]) -> None:
        with contextlib.suppress(PutRefused):
            await going_on


def _when_set(command: Callable[[Client], Awaitable[None] | None]) -> Put:
    """A command that writing 1 gives; writing 0 does nothing."""
    return lambda value, client: command(client) if value else None
