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
from pixieioc.ioc.board import Board
from pixieioc.ioc.ca import dbr
from pixieioc.ioc.ca.record import Client, Put, PutRefused, Record, stamp
from pixieioc.ioc.errors import ErrorBoard
from pixieioc.ioc.live import LivePipeline
from pixieioc.ioc.readiness import Readiness, judge, look_at
from pixieioc.ioc.run import Run
from pixieioc.ioc.settings import Settings
from pixieioc.ioc.state import State
from pixieioc.ioc.task_board import TaskBoard
from pixieioc.pipeline import Cause, Error, Message, Status
from pixieioc.pipeline.declare import parameters_of
from pixieioc.pipeline.procedure import Wait

log = logging.getLogger(__name__)

#: How often times and presets are looked at during a run, in seconds.
_TICK = 0.1
NOBODY = Client("pixieioc", "localhost")


class RunControl:
    """Drives the pipeline for its clients, and tells them how it goes."""

    def __init__(self, board: Board, config: Config, state: State) -> None:
        self._board = board
        self._config = config
        self._state = state
        self._lock = asyncio.Lock()
        self.run: Run | None = None
        self._last_command: Run | None = None
        self._dying_since: float | None = None
        self._quit = False
        self._tick_task: asyncio.Task[None] | None = None
        self._run_tasks: set[asyncio.Task[None]] = set()
        self.tasks = {name: TaskBoard(board, cls) for name, cls in config.tasks.items()}
        self.errors = ErrorBoard(board, config.chain)
        kwargs: dict[str, Any] = {name: dict(values) for name, values in config.settings.items()}
        self.pipeline = LivePipeline(self, self._on_change, kwargs)
        self.settings = Settings(board, config, self.pipeline, self._locked, self._told)
        self.settings.on_run_parameters = self._use_run_parameters
        self._use_run_parameters()
        self._commands: dict[str, Put] = {
            "Acquire": lambda value, client: self._start(client) if value else self._stop(client),
            "EraseStart": self._when_set(lambda client: self._start(client, erase=True)),
            "Stop": self._when_set(self._stop),
            "Abort": self._when_set(lambda client: self._stop(client, Message.ABORT)),
            "Erase": self._long("Erase", self._erase, in_run=True),
            "Configure": self._long("Configure", self.settings.apply),
            "Reset": self._long("Reset", self._reset),
            "Quit": self._long("Quit", self._quit_tasks),
            "Kill": self._when_set(self._kill),
            "ErrorAck": self._when_set(self._acknowledge),
        }
        for name, put in self._commands.items():
            board.on_put(name, put)
        board.post("RunId_RBV", state.run_id)
        board.post("SimMode_RBV", "Hardware" if config.chain[0] == "TakeData" else "Simulation")
        if state.interrupted:
            board.post("RunEndReason_RBV", "IOC restart")
        self._detector("Initializing", "making the tasks")

    # -- life ---------------------------------------------------------------------------------------------------------

    async def begin(self) -> None:
        """Makes the tasks; what goes wrong with that is shown and does not keep the IOC from running."""
        self._tick_task = asyncio.get_running_loop().create_task(self._tick())
        async with self._lock:
            try:
                await self._make_tasks()
            except (Error, ValueError, RuntimeError) as error:
                self._detector("Error", str(error))
                self._told("Failed", f"the tasks could not be made: {error}", NOBODY)
            else:
                self._detector("Idle", "ready")

    def start(self, client: Client) -> None:
        """Starts a run as a client would; nothing if it is refused, which is shown."""
        with contextlib.suppress(PutRefused):
            self._keep(self._start(client))

    async def end(self) -> None:
        """Ends a run as Stop does, then the tasks; within StopTimeout each."""
        run = self.run
        if run is not None:
            self._ask_for_end(run, Message.STOP, "Operator stop")
            await run.ended.wait()
        if self._tick_task is not None:
            self._tick_task.cancel()
        if self.pipeline.members:
            await self.pipeline.do(self.pipeline.quitting())
        await self.pipeline.end()

    async def _make_tasks(self) -> None:
        chain = self._config.chain
        missing = [name for name in chain if name not in self.pipeline.members]
        if missing:
            for name in missing:
                self.tasks[name].reset_age()
            await self.pipeline.do(self.pipeline.creating(missing))
        self._quit = False
        if self.pipeline.chain != list(chain):
            await self.pipeline.do(self.pipeline.connecting(list(chain)))

    # -- commands -----------------------------------------------------------------------------------------------------

    def _start(self, client: Client, *, erase: bool = False) -> Coroutine[Any, Any, None]:
        """Accepts a run at once, or refuses it at once."""
        readiness = self.readiness()
        if not readiness.ready:
            name = "EraseStart" if erase else "Acquire"
            if self.run is None:
                self._board.post(name, 0, force=True)
            raise self._refuse(readiness.message, client)
        run = self.run = self._last_command = Run(self._state.next_run(), client)
        post = self._board.post
        self._told("Busy", f"run {run.id} is being started", client)
        post("RunId_RBV", run.id)
        post("RunEndReason_RBV", "None")
        post("Acquire", 1, force=True)
        post("Acquire_RBV", "Acquiring")
        post("AcquireBusy", "Acquiring")
        if erase:
            post("EraseStart", 1)
        for name in ("ElapsedReal_RBV", "ElapsedLive_RBV", "TimeRemaining_RBV", "Progress_RBV"):
            post(name, 0.0)
        self._detector("Initializing", f"starting run {run.id}")
        self._show_readiness()
        self._keep(self._go_through(run, erase=erase))
        return self._completion(run, of_start=True)

    def _stop(self, client: Client, how: str = Message.STOP) -> Awaitable[None] | None:
        run, name = self.run, "Abort" if how == Message.ABORT else "Stop"
        if run is None:
            for command in ("Acquire", name):
                self._board.post(command, 0, force=True)
            self._told("OK", f"{name}: no run is on", client)
            return None
        self._told("OK", f"{name}: run {run.id} is being ended", client)
        self._board.post(name, 1)
        self._ask_for_end(run, how, "Abort" if how == Message.ABORT else "Operator stop")
        return self._completion(run, of_start=False)

    def _ask_for_end(self, run: Run, how: str, reason: str) -> None:
        """Ends the run; a stop that is on its way may still become an abort."""
        if run.aborted or run.how == how:
            return
        run.how, run.reason = how, run.reason or reason
        if how == Message.ABORT:
            run.reason = reason
        self._detector("Aborting" if run.aborted else "Readout", f"ending run {run.id}: {reason}")
        if self.pipeline.status in (Status.RUNNING, Status.DYING):
            self.pipeline.say(self.pipeline.abort if run.aborted else self.pipeline.stop)

    async def _completion(self, run: Run, *, of_start: bool) -> None:
        """What a put waits for: the end of the run, or with WaitForPipeline=No the end of its source."""
        if of_start and not self.settings.run["wait_for_pipeline"]:
            await run.source_done.wait()
        else:
            await run.ended.wait()
        if run.failure and (self.settings.run["fail_put_on_error"] or not of_start):
            raise PutRefused(f"run {run.id}: {run.failure}")

    def _kill(self, client: Client) -> Awaitable[None]:
        run = self.run
        if run is not None:
            run.fail(Error("all tasks were killed", cause=Cause.LOST))
            run.reason, run.how = "Abort", Message.ABORT
        return self._killing(client)

    async def _killing(self, client: Client) -> None:
        self._board.post("Kill", 1)
        self._told("Busy", "Kill: killing all tasks", client)
        self._quit = True
        await self.pipeline.do(self.pipeline.killing())
        if self.run is not None:
            await self.run.ended.wait()
        self._show_gone("all tasks were killed")
        self._board.post("Kill", 0)
        self._told("OK", "Kill: all tasks were killed; the next start makes new ones", client)

    def _acknowledge(self, client: Client) -> None:
        self._board.post("ErrorAck", 1)
        self.errors.acknowledge()
        self._board.post("ErrorAck", 0)
        self._told("OK", "ErrorAck: all errors acknowledged", client)

    async def _erase(self) -> None:
        """Has every task that knows `erase` do it."""
        names = [name for name, cls in self._config.tasks.items() if "erase" in parameters_of(cls)]
        if names and self.pipeline.members:
            await self.pipeline.do(self.pipeline.configuring({name: {"erase": True} for name in names}))

    async def _reset(self) -> None:
        await self._make_tasks()
        await self.pipeline.do(self.pipeline.replacing())
        self._detector("Idle", "ready")

    async def _quit_tasks(self) -> None:
        self._quit = True
        if self.pipeline.members:
            await self.pipeline.do(self.pipeline.quitting())
        self._show_gone("the tasks were shut down")

    def _show_gone(self, why: str) -> None:
        self._detector("Disconnected", f"{why}; the next start makes new ones")
        for task in self.tasks.values():
            task.show_status("DYING")

    def _when_set(self, command: Callable[[Client], Awaitable[None] | None]) -> Put:
        """A command that writing 1 gives; writing 0 does nothing."""
        return lambda value, client: command(client) if value else None

    def _long(self, name: str, action: Callable[[], Awaitable[None]], *, in_run: bool = False) -> Put:
        """A command that takes a while: refused in a run (unless `in_run`), otherwise done in its turn."""

        async def work(client: Client) -> None:
            self._board.post(name, 1)
            self._told("Busy", name, client)
            try:
                async with self._lock:
                    await action()
            except (Error, ValueError, RuntimeError) as error:
                self._told("Failed", f"{name}: {error}", client)
                raise PutRefused(f"{name}: {error}") from None
            finally:
                self._board.post(name, 0)
                self._show_readiness()
            self._told("OK", f"{name} done", client)

        def command(client: Client) -> Awaitable[None]:
            if self.run is not None and not in_run:
                self._board.post(name, 0, force=True)
                raise self._refuse(f"{name}: {self.run.describe()}", client)
            return work(client)

        return self._when_set(command)

    # -- a run --------------------------------------------------------------------------------------------------------

    async def _go_through(self, run: Run, *, erase: bool) -> None:
        """The story of a run, after it was accepted."""
        loop = asyncio.get_running_loop()
        try:
            async with self._lock:
                await loop.run_in_executor(None, self._state.sync)
                await self._make_tasks()
                await self.settings.apply()
                if erase:
                    await self._erase()
                self.pipeline.stop_timeout = self.settings.run["stop_timeout"]
                await self.pipeline.do(self.pipeline.starting(run.id))
            run.began = time.monotonic()
            self._detector("Acquire", f"run {run.id} is on")
            if self._last_command is run:
                self._told("OK", f"run {run.id} has started", run.client)
            if run.how:  # the end was asked for meanwhile
                self.pipeline.say(self.pipeline.abort if run.aborted else self.pipeline.stop)
        except (Error, ValueError, RuntimeError, OSError) as error:
            run.fail(error if isinstance(error, Error) else Error(str(error)))
        await self.pipeline.until(Wait(lambda: self.pipeline.at_rest, float("inf")))
        if self.pipeline.errors:
            run.fail(self.pipeline.errors[0])
        await self._finish(run)

    async def _finish(self, run: Run) -> None:
        """Tells everybody that the run has ended, in the order that a script can rely on.

        The files are closed and the final counters posted: the tasks do that before they say that they have finished.
        """
        post = self._board.post
        run.reason = run.reason or "Source end"
        self._show_times(run)
        if not run.failure:
            await self._count_file_number()
        self._state.run_ended()
        post("RunEndReason_RBV", run.reason)
        if self._last_command is run:
            outcome = ("Timeout" if run.reason == "Timeout" else "Failed") if run.failure else "OK"
            self._told(
                outcome, f"run {run.id} has ended: {run.reason}{f': {run.failure}' if run.failure else ''}", run.client
            )
        state = "Error" if run.failure and not run.aborted else "Aborted" if run.aborted else "Idle"
        self._detector(state, f"run {run.id} has ended: {run.failure or run.reason}")
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
        written = any(member.reports.get("bytes_written") for member in self.pipeline.members.values())
        if written and self.settings.staged("auto_increment"):
            name = next(task for task, values in self.settings.used.items() if "file_number" in values)
            number = int(self.settings.used[name]["file_number"]) + 1  # type: ignore[arg-type]
            await self.settings.apply_values({name: {"file_number": number}})

    # -- what the pipeline says ---------------------------------------------------------------------------------------

    def on_report(self, task: str, report: dict[str, Any]) -> None:
        """A task's report."""
        if not self.pipeline.members[task].lost:
            self.tasks[task].report(dict(report))

    def on_print(self, task: str, text: str) -> None:
        """Lines that a task printed."""
        log.info("%s: %s", task, text)
        self.tasks[task].print(text)

    def on_error(self, task: str, error: Error) -> None:
        """A task has failed, or the pipeline says so of it."""
        log.error("%s: %s", task, error)
        self.errors.record(task, error)
        member = self.pipeline.members.get(task)
        if member is not None and member.lost:
            self.tasks[task].show_status("LOST")
        if self.run is None:
            self._detector("Error", f"{task}: {error}")

    def _on_change(self) -> None:
        """After each burst of messages: the state of the whole."""
        status = "UNKNOWN" if not self.pipeline.members else self.pipeline.status.name
        if status == "DYING" and self._dying_since is None:
            self._dying_since = time.monotonic()
        if status != "DYING":
            self._dying_since = None
        late = self._dying_since is not None and time.monotonic() - self._dying_since > self.pipeline.stop_timeout / 2
        self._board.post_with("State_RBV", status, dbr.MINOR if late else None)
        run = self.run
        source = self.pipeline.members.get(self._config.chain[0])
        if (
            run is not None
            and run.began is not None
            and source is not None
            and source.finished
            and not run.source_done.is_set()
        ):
            self._source_has_ended(run)

    def _source_has_ended(self, run: Run) -> None:
        run.source_done.set()
        if not run.how and not self.pipeline.errors:
            self._detector("Saving" if self.settings.staged("auto_save") else "Readout", f"run {run.id} drains")

    def _keep(self, going_on: Coroutine[Any, Any, None]) -> None:
        """Lets something go on by itself; a fault in it is logged by asyncio, never lost."""
        task = asyncio.get_running_loop().create_task(going_on)
        self._run_tasks.add(task)
        task.add_done_callback(self._run_tasks.discard)

    # -- what is shown ------------------------------------------------------------------------------------------------

    def readiness(self) -> Readiness:
        """Whether a run could be started now."""
        settings, path = self.settings, str(self.settings.staged("file_path", "."))
        busy = "" if self.pipeline.at_rest else "the last run still drains"
        return judge(
            self.run.describe() if self.run is not None else "",
            busy,
            self._preset_problem(),
            bool(settings.staged("auto_save", False)),
            bool(settings.staged("create_directory", False)),
            path,
            look_at(path),
            self._config.ioc.disk_lolo,
        )

    def _preset_problem(self) -> str:
        mode = self.settings.run["preset_mode"]
        wanted = {"Events": "events", "Triggers": "triggers"}.get(mode)
        if wanted is None or self._counter(wanted) is not None:
            return ""
        return f"PresetMode {mode}: no task of the chain counts {wanted}"

    def _counter(self, name: str) -> float | None:
        """The value of the first task in the chain that counts `name`; None if there is none."""
        for task, cls in self._config.tasks.items():
            if name in cls.reports() and (name != "events" or cls.events_known):
                member = self.pipeline.members.get(task)
                return float(member.reports.get(name, 0)) if member is not None else 0.0
        return None

    def _show_readiness(self) -> None:
        readiness = self.readiness()
        self._board.post("Ready_RBV", int(readiness.ready))
        self._board.post("ReadyBits_RBV", readiness.bits)
        self._board.post("ReadyMessage_RBV", readiness.message)
        self._board.post("ConfigLocked_RBV", int(self.run is not None))
        place = look_at(str(self.settings.staged("file_path", ".")))
        saving = bool(self.settings.staged("auto_save", False))
        exists = place.exists or not saving or bool(self.settings.staged("create_directory", False))
        self._board.post("FilePathExists_RBV", int(exists))
        self._board.post("DiskFree_RBV", place.free_gb)
        rate = self._counter("write_rate") or 0.0
        self._board.post("DiskTimeLeft_RBV", place.free_gb * 1e3 / rate / 3600 if rate else 0.0)

    async def _tick(self) -> None:
        """Times and presets during a run; readiness and heart beats once a second."""
        last_look = last_live = time.monotonic()
        while True:
            await asyncio.sleep(_TICK)
            run, now = self.run, time.monotonic()
            dead = self._counter("dead_time") or 0.0
            if run is not None and run.began is not None and not run.source_done.is_set():
                run.live += (now - max(last_live, run.began)) * (1 - dead / 100)
                self._show_times(run)
                self._look_at_preset(run)
            last_live = now
            if now - last_look >= 1.0:
                last_look = now
                self._board.post("DeadTime_RBV", dead)
                self._show_readiness()
                for name, task in self.tasks.items():
                    task.age(there=not self._quit and name in self.pipeline.members)

    def _show_times(self, run: Run) -> None:
        when, elapsed = stamp(), run.elapsed
        self._board.post("ElapsedReal_RBV", elapsed, when)
        self._board.post("ElapsedLive_RBV", min(run.live, elapsed), when)
        done = self._preset_done(run)
        if done is None:
            progress = self._counter("progress") or 0.0
            self._board.post("Progress_RBV", progress, when)
            self._board.post("TimeRemaining_RBV", 0.0, when)
        else:
            self._board.post("Progress_RBV", min(100.0, 100 * done), when)
            self._board.post("TimeRemaining_RBV", max(0.0, elapsed / done - elapsed) if done else 0.0, when)

    def _preset_done(self, run: Run) -> float | None:
        """The part of the preset that has been reached; None without a preset."""
        of_run = self.settings.run
        match of_run["preset_mode"]:
            case "Real time":
                return run.elapsed / of_run["preset_real"]
            case "Live time":
                return run.live / of_run["preset_live"]
            case "Events":
                return (self._counter("events") or 0) / of_run["preset_events"]
            case "Triggers":
                return (self._counter("triggers") or 0) / of_run["preset_triggers"]
            case _:
                return None

    def _look_at_preset(self, run: Run) -> None:
        done = self._preset_done(run)
        if done is not None and done >= 1 and not run.how:
            self._ask_for_end(run, Message.STOP, "Preset")

    def _use_run_parameters(self) -> None:
        self.pipeline.stop_timeout = self.settings.run["stop_timeout"]

    def _detector(self, state: str, message: str) -> None:
        when = stamp()
        self._board.post("StatusMessage_RBV", message, when)
        self._board.post("DetectorState_RBV", state, when)

    def _locked(self) -> str:
        return self.run.describe() if self.run is not None else ""

    def _told(self, status: str, message: str, client: Client) -> None:
        """Notes the outcome of a command, for those who cannot see it otherwise."""
        when = stamp()
        self._board.post("CmdUser_RBV", str(client), when)
        self._board.post("CmdMessage_RBV", message, when)
        self._board.post("CmdStatus_RBV", status, when)

    def put_refused(self, record: Record, why: str, client: Client) -> None:
        """A client sent something that the record cannot take at all."""
        self._told("Refused", f"{record.name.removeprefix(self._board.prefix)}: {why}", client)
        record.post(record.value, force=True)

    def _refuse(self, why: str, client: Client) -> PutRefused:
        self._told("Refused", why, client)
        return PutRefused(why)
