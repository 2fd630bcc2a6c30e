"""A simulated IOC under a seeded schedule: clients give commands, tasks die, disks stall, our own code raises.

Machine, driver, run control and the pipeline's rules are the real ones; tasks, threads and the clock are simulated.
What clients rely on is checked after each step.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random
from unittest import mock

from pixieioc.ioc.overview import Overview
from pixieioc.ioc.records import Client, PutRefused, Pvs
from pixieioc.ioc.run_control import RunControl
from pixieioc.ioc.run_events import PresetReached
from pixieioc.ioc.run_state import Phase
from pixieioc.ioc.state import State
from pixieioc.pipeline import Status, pipeline_state, task_processes
from pixieioc.pvinfo.build import all_pvs
from tests.configs import config_of
from tests.ioc import brake, slow_start
from tests.pipeline import toys
from tests.simulation.fakes import SimulatedPipeline, SimulatedWorker, Tasks
from tests.simulation.virtual import VirtualLoop, virtual_time

__all__ = ["brake", "slow_start", "toys"]  # importing them defines the tasks
CHAIN = ("ToySource", "ToyFilter", "ToySink")
STOP_TIMEOUT = 2.0
#: What happens in one story, unless it is told otherwise.
ACTIONS = 200
#: What a put may take after what ends it; timers are exact here.
BOUND = STOP_TIMEOUT + 2.0
LONGEST_STALL = 60.0  #: of the disk
_COMMANDS = ("Acquire", "EraseStart", "Erase", "Stop", "Abort", "Configure", "Reset", "Quit", "Kill")
_ENDS = ("Stop", "Abort", "Kill")
_JAN = Client("jan", "desk")


class Violation(AssertionError):
    """Something that clients rely on did not hold."""


class OwnFault(Exception):
    """One that was put in."""


class World:
    """One IOC in one story."""

    def __init__(self, seed: int, folder: Path, harm: Callable[[RunControl], None] | None = None) -> None:
        self._random = Random(seed)
        self._disk = {"stalled_until": 0.0}
        self._loop = asyncio.get_running_loop()
        self._state_fails = False
        config = config_of(CHAIN, {}, prefix="S:")
        config.run["stop_timeout"] = STOP_TIMEOUT  # pyright: ignore[reportIndexIssue]
        self.pvs = Pvs(all_pvs(config), "S:")
        state = self._state = State(folder)
        for name in ("begin_run", "_note", "end_run", "check", "release"):
            setattr(state, name, self._on_disk(getattr(state, name)))
        self.tasks = Tasks(self._random)
        with mock.patch.object(pipeline_state, "TaskProcesses", return_value=self.tasks):
            self.control = RunControl(
                self.pvs, config, state, pipeline=SimulatedPipeline,
                worker=lambda name: SimulatedWorker(self._random, self._disk),  # pyright: ignore[reportArgumentType]
            )  # fmt: skip
        self.tasks.drain = self.control.pipeline._drain
        self.tasks.ending = lambda: self.control.pipeline.status is Status.DYING
        self._loop.set_exception_handler(self.control.on_fault)
        self._own_faults = self.control.errors.own
        self.control.errors.own = self._on_own_fault
        self._unexpected = ""
        do = self.control._work.do
        self.control._work.do = lambda order: self._slowly(lambda: do(order))
        if harm is not None:
            harm(self.control)
        self._puts: dict[asyncio.Task[str], tuple[str, float]] = {}
        self._run_id = 0
        self.said: list[str] = []
        self.control.begin()
        self._actions: list[tuple[Callable[[], None], int]] = [
            (lambda: self._put("Acquire", 1), 16), (lambda: self._put("EraseStart", 1), 4),
            (lambda: self._end("Stop"), 10), (lambda: self._end("Abort"), 4), (lambda: self._end("Acquire", 0), 4),
            (lambda: self._end("Kill"), 3), (lambda: self._put("Quit", 1), 2), (lambda: self._put("Reset", 1), 3),
            (lambda: self._put("Configure", 1), 4), (lambda: self._put("Erase", 1), 4),
            (lambda: self._put("ToySource:Pause", self._random.random()), 4),
            (lambda: self._put("ToyFilter:Refuse", self._random.randrange(20)), 4),
            (self._die, 3), (self._panic, 3), (self._deafen, 1), (self._stall, 1), (self._spoil_disk, 1),
            (self._client_goes, 2), (self._own_fault, 1), (self._reach_preset, 3),
            (lambda: self._put("WaitForPipeline", self._random.randrange(2)), 1),
            (lambda: self._put("FailPutOnError", self._random.randrange(2)), 1),
        ]  # fmt: skip

    # -- the story ----------------------------------------------------------------------------------------------------

    async def step(self) -> None:
        """Something happens, then time passes, and everything is checked."""
        self._act()
        await asyncio.sleep(self._random.choice((0.0, 0.001, 0.003, 0.02, 0.1, 0.5, 3.0)))
        self.check()

    def _act(self) -> None:
        actions, weights = zip(*self._actions, strict=True)
        self._random.choices(actions, weights)[0]()

    async def finish(self) -> None:
        """All is well in the end, or the IOC is ended by a signal in the middle."""
        await (self._leave() if self._random.random() < 0.5 else self._end_well())
        await self.control.end()
        self._state.close()

    async def _leave(self) -> None:
        """A signal comes, and then whatever may come: the IOC ends in time, and nobody waits for an answer."""
        due = self._loop.time() + BOUND
        self.control.signal()
        again = self._random.random() < 0.1
        while not self.control.left.is_set():
            self._act()
            await asyncio.sleep(self._random.choice((0.0, 0.001, 0.02, 0.1, 0.5)))
            self.check()
            if again and self._random.random() < 0.1:
                self.control.signal()
                due = self._loop.time() + 0.1
            if self._loop.time() > due:
                raise Violation(f"the IOC has not ended: {self.control.machine}")
        await asyncio.sleep(0.01)
        self.check()
        waiting = [name for put, (name, _) in self._puts.items() if not put.done() and name in _COMMANDS]
        if waiting:
            raise Violation(f"not answered before the IOC ends: {waiting}")

    async def _end_well(self) -> None:
        """Kill answers everybody, a run can be started afterwards, and a signal ends the IOC in time."""
        self._disk["stalled_until"] = 0.0
        self._state_fails = False
        self._end("Kill")
        await asyncio.sleep(BOUND)
        self.check()
        if self._puts:
            raise Violation(f"not answered after Kill: {[name for name, _ in self._puts.values()]}")
        await self._run_again()
        self.control.signal()
        await asyncio.sleep(BOUND)
        if not self.control.left.is_set():
            raise Violation(f"the IOC has not ended: {self.control.machine}")

    async def _run_again(self) -> None:
        """Nothing of what has happened may matter to a run that is started when all is well."""
        self.tasks.calm = True
        await asyncio.sleep(LONGEST_STALL)
        before = self._run_id
        for name, value in (("Reset", 1), ("ToySource:Pause", 0.0), ("ToyFilter:Refuse", 0), ("Acquire", 1)):
            self._put(name, value)
            await asyncio.sleep(BOUND)
            self.check()
        if self._run_id != before + 1:
            raise Violation(f"no run can be started any more: {self.pvs['CmdMessage_RBV'].value}")
        self._end("Stop")
        await asyncio.sleep(BOUND)
        self.check()

    def check(self) -> None:
        """What must hold at any time."""
        now, machine = self._loop.time(), self.control.machine
        for put, (name, due) in list(self._puts.items()):
            if put.done():
                del self._puts[put]
            elif now > due + 0.01:
                raise Violation(f"{name} is not answered: {machine}")
        acquiring = self.pvs["Acquire_RBV"].value
        if acquiring != (machine.run is not None):
            raise Violation(f"Acquire_RBV is {acquiring}, the run is {machine.run}")
        if acquiring and machine.phase is Phase.IDLE:
            raise Violation(f"a run in the phase {machine.phase}")
        run = self.pvs["RunId_RBV"].value
        if run < self._run_id:
            raise Violation(f"RunId_RBV went from {self._run_id} to {run}")
        self._run_id = run
        if lost := machine.jobs.keys() - self.control._driver._jobs.keys():
            raise Violation(f"a job is lost: {[machine.jobs[number] for number in lost]}")
        if wrong := self.tasks.wrong or self._unexpected:
            raise Violation(wrong)
        if machine.due <= now - 0.1:
            raise Violation(f"a deadline has passed and nothing has happened: {machine}")

    # -- what happens -------------------------------------------------------------------------------------------------

    async def _slowly(self, do: Callable[[], Awaitable[None]]) -> None:
        """A step now and then takes its time, or fails although it has done all."""
        slow = self.tasks.chance(0.1)
        if slow:
            await asyncio.sleep(self._random.random())
        await do()
        if slow and self.tasks.chance(0.1):
            raise OSError("the step has failed")

    def _put(self, name: str, value: object) -> None:
        self.said.append(f"{self._loop.time():.3f} {name} = {value}")
        put = self._loop.create_task(self._write(name, value))
        self._puts[put] = (name, float("inf"))

    async def _write(self, name: str, value: object) -> str:
        try:
            going_on = self.pvs[name].write(value, _JAN)
            if going_on is not None:
                await going_on
        except PutRefused as error:
            return str(error)
        return ""

    def _end(self, name: str, value: int = 1) -> None:
        self._put(name, value)
        due = self._loop.time() + BOUND
        for put, (command, before) in self._puts.items():
            if name == "Kill" or command in ("Acquire", "EraseStart", *_ENDS):
                self._puts[put] = (command, min(before, due))

    def _die(self) -> None:
        if (fake := self.tasks.of(self._random.choice(CHAIN))) is not None and fake.popen is not None:
            self.said.append(f"{self._loop.time():.3f} {fake.process.name} dies")
            fake.popen.end(self._random.choice((-9, -11, 1)))

    def _panic(self) -> None:
        if (fake := self.tasks.of(self._random.choice(CHAIN))) is not None and fake.alive:
            self.said.append(f"{self._loop.time():.3f} {fake.process.name} fails")
            fake.fail()

    def _deafen(self) -> None:
        if (fake := self.tasks.of(self._random.choice(CHAIN))) is not None:
            self.said.append(f"{self._loop.time():.3f} {fake.process.name} does not answer any more")
            fake.deaf = True

    def _stall(self) -> None:
        self._disk["stalled_until"] = self._loop.time() + self._random.choice((0.5, 5.0, LONGEST_STALL))

    def _spoil_disk(self) -> None:
        self._state_fails = not self._state_fails

    def _on_disk(self, function: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object) -> object:
            if self._state_fails:
                if function.__name__ == "check":
                    return "the state folder is full"
                raise OSError(28, "No space left on device")
            return function(*args)

        return call

    def _client_goes(self) -> None:
        if self._puts:
            put = self._random.choice(list(self._puts))
            del self._puts[put]
            put.cancel()

    def _on_own_fault(self, what: str, error: BaseException) -> None:
        if not isinstance(error, (OSError, OwnFault)):
            self._unexpected = f"{what}: {type(error).__name__}: {error}"
        self._own_faults(what, error)

    def _reach_preset(self) -> None:
        if self.control.run is not None:
            self.control.feed(PresetReached(self.control.run.id))

    def _own_fault(self) -> None:
        error = OwnFault("a fault of our own")
        self.control.on_fault(self._loop, {"message": "a callback has failed", "exception": error})


def run(seed: int, actions: int = ACTIONS, harm: Callable[[RunControl], None] | None = None) -> int:
    """A story of so many actions; returns its steps, each a callback of the loop.

    Violation says what did not hold, and with which seed it comes again.
    """
    loop = VirtualLoop()
    asyncio.set_event_loop(loop)
    folder = Path(tempfile.mkdtemp())
    logging.disable(logging.CRITICAL)
    worlds: list[World] = []

    async def story() -> None:
        world = World(seed, folder, harm)
        worlds.append(world)
        for _ in range(actions):
            await world.step()
        await world.finish()

    try:
        with (
            virtual_time(loop),
            mock.patch.object(task_processes, "prepare"),
            mock.patch.object(Overview, "update"),  # what it shows follows from what is checked
        ):
            loop.run_until_complete(story())
    except Exception as error:
        last = "\n  ".join(worlds[0].said[-15:]) if worlds else ""
        raise Violation(f"seed {seed}: {type(error).__name__}: {error}\nbefore that:\n  {last}") from error
    finally:
        logging.disable(logging.NOTSET)
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0.01))
        loop.close()
        asyncio.set_event_loop(None)
        shutil.rmtree(folder, ignore_errors=True)
    return loop.steps
