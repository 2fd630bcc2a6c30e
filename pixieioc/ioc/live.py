"""The pipeline in an event loop: its sockets and processes are watched, its procedures awaited, nothing blocks."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from pixieioc.ioc.worker import in_thread
from pixieioc.pipeline import Error, Pipeline
from pixieioc.pipeline.in_use import InUse, Limits
from pixieioc.pipeline.procedure import Call, Procedure, Wait

T = TypeVar("T")

#: How often deadlines and heart beats are looked at, in seconds.
_LOOK_INTERVAL = 0.1


class Listener(Protocol):
    """Who hears what the tasks say."""

    def on_report(self, task: str, report: dict[str, Any], time: float) -> None:
        """Values that changed, with the Unix time of the report."""

    def on_print(self, task: str, text: str) -> None:
        """Lines that the task printed."""

    def on_starting(self, task: str, what: str) -> None:
        """What takes the task long just now."""

    def on_in_use(self, task: str, values: InUse, limits: Limits, time: float) -> None:
        """What has come into use in the task, and within which limits it can be written, at a Unix time."""

    def on_error(self, task: str, error: Error) -> None:
        """The task, or what the pipeline found wrong with it."""


class LivePipeline(Pipeline):
    """A pipeline whose messages are handled as they come; `on_change` is called after each burst of them."""

    def __init__(self, listener: Listener, on_change: Callable[[], None], task_kwargs: dict[str, Any]) -> None:
        super().__init__(task_kwargs)
        self._listener = listener
        self._on_change = on_change
        self._loop = asyncio.get_running_loop()
        self._waiters: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []
        self._watched: set[int] = set()
        self._ended = False
        self._loop.add_reader(self.fileno(), self._drain)
        self._polling = self._loop.create_task(self._keep_polling())

    # -- what the tasks say -------------------------------------------------------------------------------------------

    def handle_report(self, name: str, report: dict[str, Any]) -> None:
        self._listener.on_report(name, report, self.processes[name].report_time)

    def handle_print(self, name: str, string: str) -> None:
        self._listener.on_print(name, string)

    def handle_starting(self, name: str, what: str) -> None:
        self._listener.on_starting(name, what)

    def handle_in_use(self, name: str, values: InUse, limits: Limits, time: float) -> None:
        self._listener.on_in_use(name, values, limits, time)

    def handle_error(self, name: str, err: Error) -> None:
        self._listener.on_error(name, err)

    # -- awaiting -----------------------------------------------------------------------------------------------------

    async def do(self, procedure: Procedure[T]) -> T:
        """Goes through a procedure without blocking."""
        try:
            step = next(procedure)
            while True:
                self._loop.call_soon(self._drain)  # sending may have swallowed the edge that announces a message
                wrong = await self._await_step(step)
                step = next(procedure) if wrong is None else procedure.throw(wrong)
        except StopIteration as end:
            return end.value
        finally:
            procedure.close()  # if it was given up
            self._drain()

    async def _await_step(self, step: Call | Wait) -> Exception | None:
        """Carries out a step of a procedure; what goes wrong is the procedure's business."""
        if isinstance(step, Wait):
            await self.until(step)
            return None
        self._watch_processes()  # no more: their descriptors may be closed meanwhile
        try:
            await self.call(step.function)
        except Exception as error:
            return error
        return None

    async def until(self, step: Wait) -> None:
        """Waits until `step.done()`, or for `step.seconds`."""
        if step.done():
            return
        future = self._loop.create_future()
        waiter = (step.done, future)
        self._waiters.append(waiter)
        try:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(future, None if step.seconds == float("inf") else step.seconds)
        finally:
            self._waiters.remove(waiter)

    def issue(self, action: Callable[[], None]) -> None:
        """Does something that sends messages, such as `stop`."""
        action()
        self._loop.call_soon(self._drain)

    async def end(self) -> None:
        """Kills what still runs and closes everything."""
        self._ended = True  # what is closed in the other thread must not be watched again
        self._polling.cancel()
        self._loop.remove_reader(self.fileno())
        for sentinel in self._watched:
            self._loop.remove_reader(sentinel)
        self._watched.clear()
        await self.call(self.close)

    def kill_processes(self) -> None:
        """Kills what still runs and closes nothing, for a program that ends at once."""
        for name in self.processes:
            self.send_kill(name)

    async def call(self, function: Callable[[], None]) -> None:
        """Calls what may block, in a thread of its own."""
        await in_thread(function)

    # -- watching -----------------------------------------------------------------------------------------------------

    def _drain(self) -> None:
        if self._ended:
            return
        while self.poll():
            pass
        self._watch_processes()
        self._on_change()
        for done, future in list(self._waiters):
            if future.done():
                continue
            try:
                if done():
                    future.set_result(None)
            except Exception as error:  # whoever waits for that hears of it, and nobody else
                future.set_exception(error)

    def _watch_processes(self) -> None:
        """Has the loop wake up when a process ends."""
        sentinels = set() if self.processes.calling else set(self.sentinels())
        for gone in self._watched - sentinels:
            self._loop.remove_reader(gone)
        for new in sentinels - self._watched:
            self._loop.add_reader(new, self._process_ended, new)
        self._watched = sentinels

    def _process_ended(self, sentinel: int) -> None:
        self._loop.remove_reader(sentinel)
        self._watched.discard(sentinel)
        self.poll_now()
        self._drain()

    async def _keep_polling(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_INTERVAL)
            self._drain()
