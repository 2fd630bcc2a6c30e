"""What the file systems answer: asked in threads, again and again, and with the age of the last answer."""

from __future__ import annotations

import asyncio
import functools
import logging
import time
from collections.abc import Callable, Iterator

from pixieioc.ioc.folders import PATIENCE, Files, Folder, examine
from pixieioc.ioc.run_state import MachineState
from pixieioc.ioc.settings import Settings
from pixieioc.ioc.state import State
from pixieioc.ioc.worker import Worker

log = logging.getLogger(__name__)
#: How long a put waits to see what the file system makes of it, in seconds.
_PUT_WAITS = 0.5


class FileWatch:
    """The folder for raw files and the state folder, as far as their file systems answer; never waits for them.

    `changed` is called when something has answered.
    """

    def __init__(
        self, settings: Settings, state: State, state_worker: Worker, machine: MachineState,
        changed: Callable[[], None], worker: Callable[[str], Worker] = Worker,
    ) -> None:  # fmt: skip
        self._settings = settings
        self._state = state
        self._machine = machine
        self._changed = changed
        self._worker, self._state_worker = worker("pixieioc files"), state_worker
        self._folder: Folder | None = None
        self._names = ""
        self._asking: asyncio.Future[tuple[Folder, str]] | None = None
        self._asking_state: asyncio.Future[str] | None = None
        self._problem = ""
        self._is_behind = False  # at the end

    @property
    def path(self) -> str:
        """The folder that the next run writes to."""
        return self._settings.shared("file_path", ".")

    @property
    def _next_run(self) -> int:
        return self._machine.run_id + 1

    @property
    def files(self) -> Files:
        """What is known now; nothing of a folder that nobody has asked for yet."""
        folder = self._folder if self._folder is not None and self._folder.path == self.path else None
        problem, silent = self._problem or self._state.unreserved, self._state_worker.waiting
        if silent > PATIENCE:
            problem = (
                f"the file system of the state folder {self._state.path.parent} has not answered for {silent:.0f} s"
            )
        return Files(folder, self._names, self._worker.waiting, problem)

    def ask(self) -> None:
        """Asks again, unless there is still no answer; to be called now and then."""
        next_run = self._next_run
        if self._asking is None or self._asking.done():
            self._asking = self._worker.do(functools.partial(self._examine, self.path, next_run))
            self._asking.add_done_callback(self._answered)
        if self._asking_state is None or self._asking_state.done():
            self._asking_state = self._state_worker.do(functools.partial(self._state.check, next_run))
            self._asking_state.add_done_callback(self._state_answered)

    async def see(self) -> None:
        """Asks, and waits a moment for the answers, so that a put of a folder is complete when it is known.

        A file system that has not answered for longer than that is not waited for: it is known to be silent.
        """
        end = time.monotonic() + _PUT_WAITS
        await self._wait(end)  # what is being asked already is about what was before
        self.ask()
        await self._wait(end)

    async def _wait(self, end: float) -> None:
        asked = ((self._asking, self._worker), (self._asking_state, self._state_worker))
        waiting = [each for each, worker in asked if each is not None and worker.waiting < _PUT_WAITS]
        if waiting:
            await asyncio.wait(waiting, timeout=max(0.0, end - time.monotonic()))

    async def end(self, patience: float) -> None:
        """Asks no more, and gives the number of the next run back, if the file system takes that in so many seconds."""
        self._worker.close()
        released = self._state_worker.do(functools.partial(self._state.release, self._machine.run_id))
        self._state_worker.close()
        released.add_done_callback(_note_released)
        self._is_behind = True
        await asyncio.wait([released], timeout=patience)
        self._is_behind = not released.done()

    def unwritten(self) -> Iterator[str]:
        """What is not noted at the end, if there is anything."""
        if self._is_behind:
            folder = self._state.path.parent
            yield f"that run {self._machine.run_id} was the last one (in {folder}; the next number is skipped)"

    def _examine(self, path: str, next_run: int) -> tuple[Folder, str]:
        """In the worker's thread: the folder, and what the tasks say against the names of the next run's files."""
        return examine(path), self._settings.not_ready(next_run)

    def _answered(self, answer: asyncio.Future[tuple[Folder, str]]) -> None:
        if not answer.cancelled():
            self._folder, self._names = answer.result()
            self._changed()

    def _state_answered(self, answer: asyncio.Future[str]) -> None:
        if not answer.cancelled() and answer.result() != self._problem:
            self._problem = answer.result()
            self._changed()


def _note_released(answer: asyncio.Future[None]) -> None:
    """A number that could not be given back is skipped, which is all that comes of it."""
    if not answer.cancelled() and (error := answer.exception()) is not None:
        log.warning("the number of the next run could not be given back, and is skipped: %s", error)
