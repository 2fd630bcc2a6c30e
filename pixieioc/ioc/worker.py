"""Threads for what may not return soon, or never, such as a file system over the network: the event loop goes on."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")


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
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name=self._name, daemon=True)
            self._thread.start()
        future: asyncio.Future[T] = self._loop.create_future()
        self._asked.append(time.monotonic())
        self._calls.put((function, future))
        return future

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


async def in_thread(function: Callable[[], T]) -> T:
    """Calls `function` in a thread of its own, which goes on if nobody waits for it any more."""
    worker = Worker("pixieioc call")
    try:
        return await worker.do(function)
    finally:
        worker.close()
