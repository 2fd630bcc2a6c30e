"""Tasks, processes and threads of a simulated IOC: no process, no socket, no disk; rules and messages are real."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from pixieioc.ioc.live import LivePipeline
from pixieioc.pipeline.activity import Doing
from pixieioc.pipeline.declare import Value
from pixieioc.pipeline.error import Error
from pixieioc.pipeline.frames import Packet, pack
from pixieioc.pipeline.message import Message
from pixieioc.pipeline.payloads import Answered, Reported, write
from pixieioc.pipeline.pipeline_lost import DRAIN_TIME
from pixieioc.pipeline.task import Task
from pixieioc.pipeline.task_lock import TaskLock
from pixieioc.pipeline.task_process import TaskProcess
from pixieioc.pipeline.task_processes import TaskProcesses
from pixieioc.pipeline.undying import Undying

_CONNECT, _CONFIGURE = Message.CONNECT.emoji, Message.CONFIGURE.emoji
_ANSWER, _REPORT, _ERROR = Message.ANSWER.emoji, Message.REPORT.emoji, Message.ERROR.emoji


class _Popen:
    """What multiprocessing knows of a process."""

    def __init__(self, pid: int, ends: Callable[[], None]) -> None:
        self.pid = pid
        self.code: int | None = None
        self._ends = ends

    def poll(self) -> int | None:
        return self.code

    def kill(self) -> None:
        self.end(-9)

    def end(self, code: int) -> None:
        if self.code is None:
            self.code = code
            self._ends()

    def wait(self, timeout: float | None = None) -> int | None:
        return self.code

    def close(self) -> None:
        pass


class _Activity:
    beats = 0

    def read(self, now: float) -> Doing:
        return Doing()


class FakeTask:
    """The process of a task: answers messages as a task does, when it is not harmed."""

    def __init__(self, world: Tasks, process: TaskProcess) -> None:
        self.world = world
        self.process = process
        self.popen: _Popen | None = None
        self.status = "WAITING"
        self.run = 0
        self.deaf = False
        self.input_ended = False
        self.is_source = self.is_final = False

    def start(self) -> None:
        """The process begins, and says so after a while."""
        self.world.pids += 1
        self.popen = _Popen(self.world.pids, self.world.changed)
        self.process.task._popen = self.popen  # pyright: ignore[reportAttributeAccessIssue]
        self.process.task._sentinel = -1  # pyright: ignore[reportAttributeAccessIssue]
        self.later(0.2, self.report)

    @property
    def alive(self) -> bool:
        return self.popen is not None and self.popen.code is None

    def later(self, most: float, action: Callable[[], None]) -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(self.world.random.random() * most, lambda: action() if self.alive and not self.deaf else None)

    def say(self, kind: str, payload: Any) -> None:
        self.world.deliver(self.process, pack(Packet(kind, self.run, 0, payload)))

    def report(self) -> None:
        self.say(_REPORT, write(Reported(status=self.status, time=1.7e9, values={})))  # pyright: ignore[reportArgumentType]

    def hear(self, kind: str, payload: Any, run: int, number: int) -> None:
        """A message of the pipeline."""
        refused = ""
        if kind == _CONNECT:
            if self.status == "WAITING" and "cut" not in payload:
                self.is_source, self.is_final = payload["is_start"], payload["is_final"]
        elif kind == _CONFIGURE:
            refused = "no such luck" if self.world.chance(0.05) else ""
        elif kind == Message.START and self.status == "WAITING":
            self.status, self.run, self.input_ended = "RUNNING", payload["run"], False
            if self.is_source and self.world.chance(0.3):
                self.later(5.0, self.end_of_input)
        elif kind in (Message.STOP, Message.ABORT):
            if self.status == "FINISHED":
                self.status = "WAITING"
            elif self.is_source:
                self.later(0.2, self.end_of_input)
        elif kind == Message.FINISHED:
            self.later(0.2, self.end_of_input)
        elif kind == Message.QUIT:
            self.later(0.3, lambda: self.popen.end(0) if self.popen is not None else None)
        self.report()
        if not self.world.chance(0.002):  # otherwise an answer is missing
            for _ in range(2 if self.world.chance(0.01) else 1):
                self.say(_ANSWER, write(Answered(ack=number, refused=refused)))

    def end_of_input(self) -> None:
        """The stream has run dry: the task is through with the run, and so is the next one after a while."""
        if self.status not in ("RUNNING", "PANICKING") or self.input_ended:
            return
        self.input_ended = True
        if self.status == "RUNNING":
            self.status = "FINISHED"
        self.report()
        self.say(Message.FINISHED, None)
        if (after := self.world.behind(self)) is not None:
            after.later(0.2, after.end_of_input)

    def fail(self) -> None:
        """An exception in the task."""
        if self.status in ("WAITING", "RUNNING"):
            in_run, self.status = self.status == "RUNNING", "PANICKING"
            self.say(_ERROR, Error("it has failed", task=self.process.name, run=self.run).to_dict())
            if in_run and (self.is_source or self.input_ended):
                self.input_ended = False
                self.end_of_input()


class Tasks(TaskProcesses):
    """The processes, without any."""

    def __init__(self, random: Random) -> None:
        self._processes = {}
        self._generation = self._number = 0
        self._had = set()
        self.undying = Undying()
        self.state_folder = None
        self._drain_time = DRAIN_TIME
        self._lock = TaskLock()
        self.calling = False
        self._starting = _NoLock()  # pyright: ignore[reportAttributeAccessIssue]
        self.folder = "/simulated"  # pyright: ignore[reportAttributeAccessIssue]
        self._cleanup = _NoCleanup()  # pyright: ignore[reportAttributeAccessIssue]
        self._lock, self._drain_time, self.state_folder = TaskLock(), 8.0, None
        self.random = random
        self.calm = False  #: nothing goes wrong any more
        self.pids = 1 << 30  # no process of this computer has one of these
        self.fakes: dict[str, FakeTask] = {}
        self._messages: deque[tuple[TaskProcess, list[Any]]] = deque()
        self.wrong = ""  #: what the pipeline has done that it must not
        self.ending: Callable[[], bool] = lambda: False
        self.drain: Callable[[], None] = lambda: None

    def enrol(self, name: str, cls: type[Task], values: Mapping[str, Value]) -> TaskProcess:
        self._generation += 1
        task = cls(**values)
        task.name = name
        task.wiring = _Wiring(f"ipc:///simulated/{self._generation}")  # pyright: ignore[reportAttributeAccessIssue]
        process = TaskProcess(name, task, f"{name}.{self._generation}", _Activity())  # pyright: ignore[reportArgumentType]
        fake = self.fakes[process.identity] = FakeTask(self, process)
        task.start = fake.start
        self._processes[name] = process
        return process

    def chance(self, probability: float) -> bool:
        """Whether something unlikely happens now."""
        return self.random.random() < probability and not self.calm

    def of(self, name: str) -> FakeTask | None:
        """The task of this name, if it is there."""
        process = self._processes.get(name)
        return self.fakes[process.identity] if process is not None else None

    def behind(self, fake: FakeTask) -> FakeTask | None:
        names = list(self._processes)
        at = names.index(fake.process.name) + 1 if fake.process.name in names else len(names)
        return self.of(names[at]) if at < len(names) else None

    def reachable(self, process: TaskProcess) -> bool:
        return True

    def keep_folders(self) -> None:
        pass

    def send(self, name: str, kind: str, payload: Any, run: int) -> int:
        self._number += 1
        number, process = self._number, self._processes.get(name)
        if kind == Message.START and self.ending():
            self.wrong = f"{name} is started although the run is being ended"
        if process is not None and not process.lost:
            fake = self.fakes[process.identity]
            fake.later(0.05, lambda: fake.hear(kind, payload, run, number))
        return self._number

    def deliver(self, process: TaskProcess, frames: list[Any]) -> None:
        self._messages.append((process, frames))
        self.changed()

    def changed(self) -> None:
        asyncio.get_running_loop().call_soon(self.drain)

    def receive(self) -> tuple[TaskProcess | None, list[Any]] | None:
        if not self._messages:
            return None
        process, frames = self._messages.popleft()
        return process if self._processes.get(process.name) is process else None, frames

    def close(self) -> None:
        for fake in self.fakes.values():
            if fake.popen is not None:
                fake.popen.code = fake.popen.code or -9


class _Wiring:
    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint


class _NoCleanup:
    def note(self, pids: object, seconds: float) -> None:
        pass


class _NoLock:
    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass


class SimulatedPipeline(LivePipeline):
    """The pipeline of the IOC, with its own rules, over simulated processes."""

    def fileno(self) -> int:
        return -1

    def _watch_processes(self) -> None:
        self.poll_now()

    async def call(self, function: Callable[[], None]) -> None:
        random: Random = self.processes.random  # pyright: ignore[reportAttributeAccessIssue]
        await asyncio.sleep(random.random() * (0.1 if random.random() > 0.01 else 10.0))
        function()


class SimulatedWorker:
    """A thread for files: it takes its time, or fails, as the disk does."""

    def __init__(self, random: Random, disk: dict[str, float]) -> None:
        self._random = random
        self._disk = disk
        self._asked: deque[float] = deque()

    @property
    def waiting(self) -> float:
        return asyncio.get_running_loop().time() - self._asked[0] if self._asked else 0.0

    def do(self, function: Callable[[], Any]) -> asyncio.Future[Any]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        self._asked.append(loop.time())
        self._try(loop, future, function)
        return future

    def _try(self, loop: asyncio.AbstractEventLoop, future: asyncio.Future[Any], function: Callable[[], Any]) -> None:
        left = self._disk["stalled_until"] - loop.time()
        if left > 0:
            loop.call_later(left, self._try, loop, future, function)
        else:
            loop.call_later(0.01 * self._random.random(), self._return, future, function)

    def _return(self, future: asyncio.Future[Any], function: Callable[[], Any]) -> None:
        self._asked.popleft()
        if future.cancelled():
            return
        try:
            future.set_result(function())
        except Exception as error:
            future.set_exception(error)

    def close(self) -> None:
        pass
