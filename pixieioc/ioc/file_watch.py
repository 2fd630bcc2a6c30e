"""What the file systems answer: asked in threads, again and again, and with the age of the last answer."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable

from pixieioc.ioc.readiness import PATIENCE, Files, Place, examine
from pixieioc.ioc.settings import Settings
from pixieioc.ioc.state import State
from pixieioc.ioc.worker import Worker

#: How long a put waits to see what the file system makes of it, in seconds.
_PUT_WAITS = 0.5


class FileWatch:
    """The folder for raw files and the state folder, as far as their file systems answer; never waits for them.

    `changed` is called when something has answered.
    """

    def __init__(
        self, settings: Settings, state: State, state_worker: Worker, changed: Callable[[], None],
        worker: Callable[[str], Worker] = Worker,
    ) -> None:  # fmt: skip
        self._settings = settings
        self._state = state
        self._changed = changed
        self._worker, self._state_worker = worker("pixieioc files"), state_worker
        self._place: Place | None = None
        self._names = ""
        self._asking: asyncio.Future[tuple[Place, str]] | None = None
        self._asking_state: asyncio.Future[str] | None = None
        self._problem = ""

    @property
    def path(self) -> str:
        """The folder that the next run writes to."""
        return self._settings.shared("file_path", ".")

    @property
    def files(self) -> Files:
        """What is known now; nothing of a folder that nobody has asked for yet."""
        place = self._place if self._place is not None and self._place.path == self.path else None
        problem, silent = self._problem, self._state_worker.waiting
        if silent > PATIENCE:
            problem = (
                f"the file system of the state folder {self._state.path.parent} has not answered for {silent:.0f} s"
            )
        return Files(place, self._names, self._worker.waiting, problem)

    def ask(self, next_run: int) -> None:
        """Asks again, unless there is still no answer; to be called now and then."""
        if self._asking is None or self._asking.done():
            self._asking = self._worker.do(functools.partial(self._examine, self.path, next_run))
            self._asking.add_done_callback(self._answered)
        if self._asking_state is None or self._asking_state.done():
            self._asking_state = self._state_worker.do(self._state.check)
            self._asking_state.add_done_callback(self._state_answered)

    async def see(self, next_run: int) -> None:
        """Asks, and waits a moment for the answer, so that a put of a folder is complete when it is known."""
        if self._asking is not None and not self._asking.done():  # that was about what was before
            await asyncio.wait([self._asking], timeout=_PUT_WAITS)
        self.ask(next_run)
        if self._asking is not None:
            await asyncio.wait([self._asking], timeout=_PUT_WAITS)

    def close(self) -> None:
        """Asks no more."""
        self._worker.close()

    def _examine(self, path: str, next_run: int) -> tuple[Place, str]:
        """In the worker's thread: the folder, and what the tasks say against the names of the next run's files."""
        return examine(path), self._settings.not_ready(next_run)

    def _answered(self, answer: asyncio.Future[tuple[Place, str]]) -> None:
        if not answer.cancelled():
            self._place, self._names = answer.result()
            self._changed()

    def _state_answered(self, answer: asyncio.Future[str]) -> None:
        if not answer.cancelled() and answer.result() != self._problem:
            self._problem = answer.result()
            self._changed()
