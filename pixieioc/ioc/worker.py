"""Threads for what may not return soon, or never, such as a file system over the network: the event loop goes on."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")

log = logging.getLogger(__name__)

_NO_THREAD = "the system starts no more threads (see ulimit -u and -v, TasksMax=; pixieioc doctor has the figures)"


class Worker:
    """A thread that calls functions, one after the other. It does not keep the program from ending."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._name = name
        self._calls: SimpleQueue[tuple[Callable[[], Any], asyncio.Future[Any]] | None] = SimpleQueue()
        self._asked: deque[float] = deque()
        self._thread: threading.Thread | None = None

    @property
    def waiting(self) -> float:
        """How long the oldest call that has not returned has been waiting, in seconds; 0 if there is none."""
        return time.monotonic() - self._asked[0] if self._asked else 0.0

    def do(self, function: Callable[[], T]) -> asyncio.Future[T]:
        """Calls `function` in the thread, in its turn; the future has what it returns or raises."""
        future: asyncio.Future[T] = self._loop.create_future()
        if self._thread is None and (problem := self._begin()) is not None:
            future.set_exception(problem)
            return future
        self._asked.append(time.monotonic())
        self._calls.put((function, future))
        return future

    def _begin(self) -> OSError | None:
        """Starts the thread; returns why not, where the limits of a service are too low."""
        thread = threading.Thread(target=self._serve, name=self._name, daemon=True)
        try:
            thread.start()
        except RuntimeError:
            return OSError(errno.EAGAIN, _NO_THREAD)
        self._thread = thread
        return None

    def close(self) -> None:
        """Ends the thread once it has done what was asked of it."""
        self._calls.put(None)

    def _serve(self) -> None:
        while (call := self._calls.get()) is not None:
            function, future = call
            result: Any = None
            error: BaseException | None = None
            try:
                result = function()
            except BaseException as raised:
                error = raised
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile: nobody wants to know
                self._loop.call_soon_threadsafe(self._returned, future, result, error)

    def _returned(self, future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
        self._asked.popleft()
        if future.cancelled():
            return
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)


def waited_for_no_longer(answer: asyncio.Future[Any], what: str) -> None:
    """Has the log say if something fails after all that took too long, and of which nobody wants to know any more."""

    def done(late: asyncio.Future[Any]) -> None:
        if not late.cancelled() and (error := late.exception()) is not None:
            log.warning("%s has failed, later than it was waited for: %s", what, error)

    answer.add_done_callback(done)


async def in_thread(function: Callable[[], T]) -> T:
    """Calls `function` in a thread of its own, which goes on if nobody waits for it any more."""
    worker = Worker("pixieioc call")
    try:
        return await worker.do(function)
    finally:
        worker.close()


async def answered(function: Callable[[], T], seconds: float = 3.0) -> T:
    """The same of a file system; OSError if it does not answer within so many seconds."""
    try:
        return await asyncio.wait_for(in_thread(function), seconds)
    except TimeoutError:
        raise OSError(errno.ETIMEDOUT, f"the file system has not answered for {seconds:g} s") from None
