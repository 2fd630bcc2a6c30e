"""The pipeline's end of the control plane: its members, their processes and the socket on which they are spoken to."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from multiprocessing.util import Finalize
from pathlib import Path
from typing import Any

import zmq

from pixieioc.pipeline.control import Wiring
from pixieioc.pipeline.declare import Value
from pixieioc.pipeline.error import Cause, Error
from pixieioc.pipeline.frames import Packet, pack, unpack
from pixieioc.pipeline.keeper import Keeper
from pixieioc.pipeline.link import files_of
from pixieioc.pipeline.member import Member
from pixieioc.pipeline.procedure import Call, Procedure, Wait
from pixieioc.pipeline.process import prepare
from pixieioc.pipeline.task import Task
from pixieioc.pipeline.temporary import KeptFolders, folder_of_multiprocessing, make_again, new_folder


class Crew(Mapping[str, Member]):
    """The members of a pipeline by name, and how messages get to them and back."""

    def __init__(self) -> None:
        self._members: dict[str, Member] = {}
        self._generation = 0
        self._number = 0
        self.calling = False  #: a procedure is busy with the processes in another thread: leave them alone
        self.folder = new_folder()
        folders = (self.folder, folder_of_multiprocessing())  # there are our sockets, and that of multiprocessing
        keeper, self._kept = Keeper(*folders), KeptFolders(*folders)
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.socket = self._context.socket(zmq.ROUTER)
        self.socket.set(zmq.LINGER, 0)
        self.socket.set(zmq.ROUTER_MANDATORY, 1)
        self.socket.set(zmq.SNDHWM, 0)
        # At the end of the program, before multiprocessing waits for processes: tasks do not heed what it sends them.
        self._finalizer = Finalize(
            self,
            _clean_up,
            (self._members, self.socket, self._context, self.folder, self._kept, keeper),
            exitpriority=10,
        )
        self._address = f"ipc://{self.folder}/control"
        self.socket.bind(self._address)

    def __getitem__(self, name: str) -> Member:
        return self._members[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    # -- processes ----------------------------------------------------------------------------------------------------

    def enrol(self, cls: type[Task], values: Mapping[str, Value]) -> Member:
        """A new member with a task of `cls`, whose process does not run yet; it takes the place of an older one."""
        self._provide_folder()
        self._generation += 1
        name = cls.__name__
        identity = f"{name}.{self._generation}"
        task = cls(**values)
        task.wiring = Wiring(self._address, identity, self._endpoint(identity))
        member = self._members[name] = Member(name, task, identity)
        return member

    def _endpoint(self, identity: str) -> str:
        return f"ipc://{self.folder}/{identity.rpartition('.')[2]}"  # names may be too long

    def _provide_folder(self) -> None:
        """Makes folder and control socket again if somebody has tidied them away; who is connected stays so."""
        if not Path(self._address.removeprefix("ipc://")).exists():
            make_again(self.folder)
            self._kept.lock()
            self.socket.bind(self._address)

    def reachable(self, member: Member) -> bool:
        """Whether other tasks can be connected to a member: its files are where they were."""
        return all(path.exists() for path in files_of(self._endpoint(member.identity)))

    def keep_folders(self) -> None:
        """Keeps the folders from being tidied away; to be called now and then."""
        self._kept.touch_if_due()

    def bring_up(self, members: list[Member], seconds: float) -> Procedure[None]:
        """Starts the processes side by side; Error names the first that does not come up, and none of them stays.

        One that says nothing for so many seconds does not come up; one that has said what takes it long is waited for.
        """

        def start() -> None:
            prepare()
            for member in members:
                member.task.start()
                member.heard = time.monotonic()

        def decided(member: Member) -> bool:
            silent = not member.starting and member.silent > seconds
            return member.known or member.failed or silent or not member.alive

        yield from self._call(start)
        yield Wait(lambda: all(map(decided, members)), float("inf"))
        for member in members:
            if not member.known or member.failed:
                silence = f"its process has said nothing for {seconds:g} s"
                why = member.error or (silence if member.alive else f"its process {member.how_ended}")
                yield from self.put_away(members)
                raise Error(f"{member.name}: {why}", task=member.name, cause=Cause.LOST)

    def put_away(self, members: list[Member]) -> Procedure[None]:
        """Kills processes (those that still run) and forgets their members."""

        def end() -> None:
            for member in members:
                member.task.kill()
                member.task.join()
                member.task.close()

        for member in members:
            if self._members.get(member.name) is member:
                del self._members[member.name]
        members = [member for member in members if member.task.pid is not None]
        yield from self._call(end)
        for member in members:
            for path in files_of(self._endpoint(member.identity)):
                path.unlink(missing_ok=True)

    def _call(self, function: Callable[[], None]) -> Procedure[None]:
        self.calling = True
        try:
            yield Call(function)
        finally:
            self.calling = False

    # -- messages -----------------------------------------------------------------------------------------------------

    def tell(self, name: str, kind: str, payload: Any, run: int) -> int:
        """Sends a message to a member and returns its number, by which the answer will be known."""
        self._number += 1
        member = self._members[name]
        if not member.lost:
            frames = pack(Packet(kind, run, self._number, payload))
            # EHOSTUNREACH: the process has just died; its sentinel tells.
            with contextlib.suppress(zmq.ZMQError):
                self.socket.send_multipart([member.identity.encode(), *frames], zmq.DONTWAIT)
        return self._number

    def hear(self) -> tuple[Member | None, Packet] | None:
        """The next message with who sent it (None: a process that has been replaced), or None if there is none.

        Raises MalformedMessage.
        """
        try:
            identity, *frames = self.socket.recv_multipart(zmq.DONTWAIT)
        except zmq.Again:
            return None
        member = self._members.get(identity.decode().rpartition(".")[0])
        return member if member is not None and member.identity == identity.decode() else None, unpack(frames)

    def answers(self, numbers: Mapping[str, int], seconds: float) -> Procedure[list[str]]:
        """Waits for the answers to messages, by member and number; returns what went wrong, a sentence a member."""

        def done() -> bool:
            return all(self[name].failed or number in self[name].answers for name, number in numbers.items())

        yield Wait(done, seconds)
        return [problem for name, number in numbers.items() if (problem := self._problem(name, number, seconds))]

    def _problem(self, name: str, number: int, seconds: float) -> str:
        member = self._members[name]
        answer = member.answers.pop(number, None)
        if answer is None and member.failed:
            return f"{name}: {member.error}"
        if answer is None:
            return f"{name}: no answer within {seconds:g} s"
        return f"{name}: {answer.removeprefix(f'{name}: ')}" if answer else ""

    def wait(self, seconds: float) -> None:
        """Sleeps until there may be a message."""
        poller = zmq.Poller()
        poller.register(self.socket, zmq.POLLIN)
        poller.poll(int(1e3 * seconds))

    def close(self) -> None:
        """Kills what still runs and removes the sockets."""
        self._finalizer()


def _clean_up(
    members: dict[str, Member],
    socket: zmq.Socket[bytes],
    context: zmq.Context[zmq.Socket[bytes]],
    folder: Path,
    kept: KeptFolders,
    keeper: Keeper,
) -> None:
    started = [m.task for m in members.values() if m.task.pid is not None]
    for task in started:
        task.kill()
    for task in started:
        task.join()
        task.close()
    members.clear()
    socket.close()
    context.term()
    kept.close()
    shutil.rmtree(folder, ignore_errors=True)
    keeper.dismiss()
