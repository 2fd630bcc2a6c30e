"""The pipeline's end of the control plane: the processes of its tasks and the socket that reaches them."""

from __future__ import annotations

import contextlib
import errno
import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from multiprocessing.util import Finalize
from pathlib import Path
from typing import Any

import zmq

from pixieioc.pipeline.activity import Activity, page_of
from pixieioc.pipeline.cleanup_process import CleanupProcess
from pixieioc.pipeline.control import Wiring
from pixieioc.pipeline.declare import Value
from pixieioc.pipeline.error import Cause, Error
from pixieioc.pipeline.frames import Packet, pack
from pixieioc.pipeline.in_use import InUse
from pixieioc.pipeline.limits import no_thread
from pixieioc.pipeline.link import files_of
from pixieioc.pipeline.output import endpoint_of
from pixieioc.pipeline.patience import Patience
from pixieioc.pipeline.pipeline_lost import DRAIN_TIME, GRACE
from pixieioc.pipeline.procedure import Call, Procedure, Wait
from pixieioc.pipeline.process import prepare
from pixieioc.pipeline.task import Task
from pixieioc.pipeline.task_lock import TaskLock
from pixieioc.pipeline.task_process import TaskProcess
from pixieioc.pipeline.temporary import KeptFolders, folder_of_multiprocessing, make_again, new_folder
from pixieioc.pipeline.unanswered import Unanswered
from pixieioc.pipeline.undying import Undying
from pixieioc.pipeline.watchdog import ANNOUNCED_TIMEOUT

#: How long processes that were killed may take to end, in seconds.
ENDS_WITHIN = 1.5
_ENDED = "its process was ended meanwhile"


class TaskProcesses(Mapping[str, TaskProcess]):
    """The processes of a pipeline's tasks by name, and how messages get to them and back."""

    def __init__(self) -> None:
        self._processes: dict[str, TaskProcess] = {}
        self._generation = 0
        self._had: set[str] = set()  #: tasks that have been there, also those that were put away
        self._number = 0
        self.state_folder: Path | None = None  #: where tasks can keep what must survive a restart
        self._drain_time = DRAIN_TIME
        self._lock = TaskLock()
        self.undying = Undying()
        self.calling = False  #: another thread is starting processes, and looks after them all: leave them alone
        self._starting = threading.Lock()
        self.folder = new_folder()
        folders = (self.folder, folder_of_multiprocessing())  # there are our sockets, and that of multiprocessing
        self._cleanup, self._kept = CleanupProcess(*folders), KeptFolders(*folders)
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.socket = self._context.socket(zmq.ROUTER)
        self.socket.set(zmq.LINGER, 0)
        self.socket.set(zmq.ROUTER_MANDATORY, 1)
        self.socket.set(zmq.SNDHWM, 0)
        # At the end of the program, before multiprocessing waits for processes: tasks ignore what it sends them.
        self._finalizer = Finalize(
            self,
            _clean_up,
            (self._processes, self.undying, self.socket, self._context, self.folder, self._kept, self._cleanup),
            exitpriority=10,
        )
        self._address = f"ipc://{self.folder}/control"
        self.socket.bind(self._address)

    def __getitem__(self, name: str) -> TaskProcess:
        return self._processes[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._processes)

    def __len__(self) -> int:
        return len(self._processes)

    # -- processes ----------------------------------------------------------------------------------------------------

    def enrol(self, name: str, cls: type[Task], values: Mapping[str, Value]) -> TaskProcess:
        """The task `name` of `cls`, whose process does not run yet; it replaces an older one of that name."""
        self._provide_folder()
        self._generation += 1
        identity = f"{name}.{self._generation}"
        task = cls(**values)
        task.name = name
        task.wiring = Wiring(self._address, identity, self._endpoint(identity))
        task.state_folder = self.state_folder
        task.is_successor = name in self._had
        self._had.add(name)
        activity = Activity(page_of(task.wiring.endpoint), create=True)
        process = self._processes[name] = TaskProcess(name, task, identity, activity)
        return process

    def _endpoint(self, identity: str) -> str:
        return f"ipc://{self.folder}/{identity.rpartition('.')[2]}"  # names may be too long

    def _provide_folder(self) -> None:
        """Makes folder and control socket again if somebody has tidied them away; who is connected stays so."""
        if not Path(self._address.removeprefix("ipc://")).exists():
            make_again(self.folder)
            self._kept.lock()
            self.socket.bind(self._address)

    def reachable(self, process: TaskProcess) -> bool:
        """Whether other tasks can be connected to a process: its files are where they were."""
        return all(path.exists() for path in self._files_of(process))

    def _files_of(self, process: TaskProcess) -> Iterator[Path]:
        """What its links have in the file system."""
        for number in range(process.outputs):
            yield from files_of(endpoint_of(self._endpoint(process.identity), number))

    def keep_folders(self) -> None:
        """Keeps the folders from being tidied away before the end, and has them tidied away then; for now and then."""
        self._kept.touch_if_due()
        self._cleanup.watch()

    def note(self, drain_time: float | None = None) -> None:
        """Notes, for when this process is killed, which processes there are, and how long their end may take (s)."""
        self._drain_time = self._drain_time if drain_time is None else drain_time
        tasks = [*(each.task for each in list(self._processes.values())), *self.undying.there()]
        there = [pid for each in tasks if (pid := each.pid) is not None]
        self._cleanup.note(there, self._drain_time + GRACE)

    def bring_up(self, processes: list[TaskProcess], seconds: float) -> Procedure[None]:
        """Starts the processes side by side; Error names the first that does not come up, and none of them stays.

        One that is silent for `seconds` does not come up; one that has said what takes it long is waited for.
        """

        def start() -> None:
            if problem := self.undying.problem(each.name for each in processes):
                raise Error(problem, task=processes[0].name, cause=Cause.LOST)
            self._lock.wait_for_others(self.state_folder, lambda: all(each.unwanted for each in processes), seconds)
            prepare()
            for process in processes:
                with self._starting:
                    if process.unwanted:  # it was put away meanwhile
                        return
                    try:
                        process.task.start()
                    except (OSError, EOFError) as error:  # no descriptors are left, or the fork server was killed
                        text = f"{process.name}: its process could not be started: {_why_not_started(error)}"
                        raise Error(text, task=process.name, cause=Cause.LOST) from error
                    self.note()
                process.heard = time.monotonic()

        def decided(process: TaskProcess) -> bool:
            silent = process.silent > (ANNOUNCED_TIMEOUT if process.starting else seconds)
            return process.known or process.failed or silent or not process.alive

        self.calling = True
        try:
            yield Call(start)
        except Error:
            yield from self.put_away(processes)
            raise
        finally:
            self.calling = False
        yield Wait(lambda: all(map(decided, processes)), float("inf"))
        for process in processes:
            if not process.known or process.failed:
                silence = f"its process has said nothing for {process.silent:.0f} s"
                why = process.error or (silence if process.alive else f"its process {process.how_ended}")
                yield from self.put_away(processes)
                raise Error(f"{process.name}: {why}", task=process.name, cause=Cause.LOST)

    def put_away(self, processes: list[TaskProcess], seconds: float = ENDS_WITHIN) -> Procedure[None]:
        """Kills processes (those that still run, or that another thread is just starting) and forgets them.

        Those that do not end within `seconds` are `undying`.
        """

        def end() -> None:
            for process in processes:
                with self._starting:
                    process.unwanted = True
            started = [process.task for process in processes if process.task.pid is not None]
            for task in started:
                task.kill()
            ended = self.undying.end(started, seconds)
            with self._starting:  # whoever starts others notes the numbers of all that there are
                for task in ended:
                    task.close()
                self.note()

        self.undying.note([process.task for process in processes if process.task.pid is not None])
        for process in processes:
            if self._processes.get(process.name) is process:
                del self._processes[process.name]
        if processes:
            yield Call(end)
        for process in processes:
            for path in (*self._files_of(process), page_of(self._endpoint(process.identity))):
                path.unlink(missing_ok=True)

    # -- messages -----------------------------------------------------------------------------------------------------

    def send(self, name: str, kind: str, payload: Any, run: int) -> int:
        """Sends a message to a process and returns its number, by which the answer will be known.

        One that is not there (any more) hears of it as little as one that has just died.
        """
        self._number += 1
        process = self._processes.get(name)
        if process is not None and not process.lost:
            frames = pack(Packet(kind, run, self._number, payload))
            # EHOSTUNREACH: the process has just died; its sentinel tells.
            with contextlib.suppress(zmq.ZMQError):
                self.socket.send_multipart([process.identity.encode(), *frames], zmq.DONTWAIT)
        return self._number

    def receive(self) -> tuple[TaskProcess | None, list[bytes]] | None:
        """The frames of the next message with who sent it (None: a process that has been replaced), or None."""
        try:
            identity, *frames = self.socket.recv_multipart(zmq.DONTWAIT)
        except zmq.Again:
            return None
        who = identity.decode(errors="replace")
        process = self._processes.get(who.rpartition(".")[0])
        return process if process is not None and process.identity == who else None, frames

    def answers(
        self, numbers: Mapping[str, int], seconds: float, in_use: dict[str, InUse] | None = None
    ) -> Procedure[list[Unanswered]]:
        """Waits for the answers to messages, by process and number; returns what went wrong, at most one per process.

        What is in use then is added to `in_use`, by task.
        A task that is starting, compiling or booting has limits of its own, see `watchdog.py`.
        """
        gone = [Unanswered(name, _ENDED) for name in numbers if name not in self]
        asked = [(self[name], number) for name, number in numbers.items() if name in self]
        patience = {number: Patience(time.monotonic(), seconds) for _, number in asked}
        for process, number in asked:
            process.answers[number] = None

        def decided(process: TaskProcess, number: int) -> bool:
            now = time.monotonic()
            late = patience[number].is_over(now, starting=process.doing(now).starting > 0)
            return process.failed or not self._there(process) or process.answers[number] is not None or late

        yield Wait(lambda: all(decided(process, number) for process, number in asked), float("inf"))
        for process, number in asked:
            if in_use is not None and (answer := process.answers[number]) is not None:
                in_use[process.name] = answer.in_use
        wrong = [(process.name, why) for process, number in asked if (why := self._why_not(process, number, seconds))]
        return gone + [Unanswered.by(task, why) for task, why in wrong]

    def _why_not(self, process: TaskProcess, number: int, seconds: float) -> str:
        answer = process.answers.pop(number, None)
        if answer is None and process.failed:
            return str(process.error)
        if answer is None and not self._there(process):
            return _ENDED
        if answer is None:
            return f"no answer within {seconds:g} s"
        return answer.refused

    def _there(self, process: TaskProcess) -> bool:
        return self._processes.get(process.name) is process

    def wait(self, seconds: float) -> None:
        """Sleeps until there may be a message."""
        poller = zmq.Poller()
        poller.register(self.socket, zmq.POLLIN)
        poller.poll(int(1e3 * seconds))

    def close(self) -> None:
        """Kills what still runs and removes the sockets."""
        self._finalizer()


def _why_not_started(error: OSError | EOFError) -> str:
    """In words that say where to look."""
    if isinstance(error, EOFError | ConnectionError):
        return "the process that tasks' processes come from (fork server) has ended; the log has what it said"
    return no_thread() if error.errno == errno.EAGAIN else str(error)


def _clean_up(
    processes: dict[str, TaskProcess],
    undying: Undying,
    socket: zmq.Socket[bytes],
    context: zmq.Context[zmq.Socket[bytes]],
    folder: Path,
    kept: KeptFolders,
    cleanup: CleanupProcess,
) -> None:
    started = [m.task for m in processes.values() if m.task.pid is not None]
    for task in started:
        task.kill()
    for task in undying.end(started, ENDS_WITHIN):
        task.close()
    processes.clear()
    socket.close()
    context.term()
    kept.close()
    shutil.rmtree(folder, ignore_errors=True)
    cleanup.dismiss()
