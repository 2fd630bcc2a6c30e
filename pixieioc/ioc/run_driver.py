"""Drives the machine of run control: hands it events, carries out its steps as jobs, keeps its deadlines.

Nothing here waits. An exception, wherever it comes from, becomes an event, so that no job is lost without a trace.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable
from math import inf

from pixieioc.ioc import run_events as ev
from pixieioc.ioc.records import PutRefused
from pixieioc.ioc.records.client import PutFailed
from pixieioc.ioc.run_events import Command, Event, Instruction
from pixieioc.ioc.run_machine import handle
from pixieioc.ioc.run_state import MachineState
from pixieioc.pipeline import Error, errno_of

log = logging.getLogger(__name__)

#: What can go wrong with a step without anything being wrong with this program.
_FAILURES = (Error, ValueError, RuntimeError, OSError)
#: After this many seconds without a sign of the event loop this program has stood still, as by SIGSTOP.
_STOOD_STILL = 1.0


class Driver:
    """Between the machine and the event loop.

    `do` makes the coroutine of a step; `carry_out` does what is no step and no answer; `on_fault` shows an exception of
    our own; `observe` is called when a step has ended.
    """

    def __init__(
        self,
        machine: MachineState,
        do: Callable[[ev.Perform], Awaitable[None]],
        carry_out: Callable[[Instruction], None],
        on_fault: Callable[[str, BaseException], None],
        observe: Callable[[], None],
    ) -> None:
        self.machine = machine
        self._do = do
        self._carry_out_other = carry_out
        self._on_fault = on_fault
        self._observe = observe
        self._events: deque[Event] = deque()
        self._handling = False
        self._jobs: dict[int, asyncio.Task[None]] = {}
        self._puts: dict[int, asyncio.Future[str]] = {}
        self._last_put = 0
        self._timer: asyncio.TimerHandle | None = None
        self._noted = time.monotonic()

    def note_time(self) -> None:
        """To be called several times a second: finds out whether this program has stood still."""
        now = time.monotonic()
        if now - self._noted > _STOOD_STILL:
            self.machine.postpone(now - self._noted)
        self._noted = now

    def give(self, command: Command, client: object, pv: str, not_ready: str) -> Awaitable[None] | None:
        """Gives a client's command; returns what its put waits for, if anything. Raises PutRefused."""
        self._last_put += 1
        answer = self._puts[self._last_put] = asyncio.get_running_loop().create_future()
        self.feed(ev.Put(self._last_put, command, client, pv, not_ready))
        if not answer.done():
            return _completion(answer)
        if failure := answer.result():
            raise PutRefused(failure)
        return None

    def feed(self, event: Event) -> None:
        """Has the machine handle an event, after those before it, and carries out what it orders."""
        self._events.append(event)
        if self._handling:
            return
        self._handling = True
        try:
            while self._events:
                self._handle(self._events.popleft())
        finally:
            self._handling = False
        self._arm_timer()

    def fault(self, what: str, error: BaseException) -> None:
        """Shows an exception in our own code, and ends the run because of it."""
        self._on_fault(what, error)
        self.feed(_own_fault(what, error))

    def end(self) -> None:
        """Gives up what still goes on."""
        for job in self._jobs.values():
            job.cancel()
        if self._timer is not None:
            self._timer.cancel()

    def _handle(self, event: Event) -> None:
        instructions: list[Instruction]
        try:
            instructions = handle(self.machine, event, time.monotonic())
        except Exception as error:  # a fault in the rules themselves: what they had ordered so far is still done
            self._fault_at(event, f"run control cannot handle {event}", error)
            instructions = self.machine.out
        for instruction in instructions:
            try:
                self._carry_out(instruction)
            except Exception as error:  # the others are carried out all the same
                self._fault_at(event, f"run control cannot carry out {instruction}", error)

    def _fault_at(self, event: Event, what: str, error: Exception) -> None:
        """An exception in here ends the run, too; one that comes of that is shown and no more."""
        self._on_fault(what, error)
        if not isinstance(event, ev.OwnFault):
            self._events.append(_own_fault(what, error))

    def _carry_out(self, instruction: Instruction) -> None:
        match instruction:
            case ev.Answer(put, failure):
                self._puts.pop(put).set_result(failure)
            case ev.Perform():
                self._jobs[instruction.job] = asyncio.get_running_loop().create_task(self._perform(instruction))
            case ev.Cancel(job):
                if job in self._jobs:
                    self._jobs.pop(job).cancel()
            case _:
                self._carry_out_other(instruction)

    async def _perform(self, order: ev.Perform) -> None:
        what = order.step.value
        try:
            await self._do(order)
        except _FAILURES as error:
            failure = error if isinstance(error, Error) else Error(f"{what}: {error}", errno=errno_of(error))
            failure.time = failure.time or time.time()
            outcome: Event = ev.Failed(order.job, failure)
        except Exception as error:
            self.fault(what, error)
            outcome = ev.Failed(order.job, Error(f"{what}: {type(error).__name__}: {error}"))
        else:
            outcome = ev.Done(order.job)
        self._jobs.pop(order.job, None)
        self.feed(outcome)
        try:
            self._observe()
        except Exception as error:
            self.fault(what, error)

    def _tick(self) -> None:
        self.note_time()
        self.feed(ev.Tick())

    def _arm_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.machine.due < inf:
            wait = max(0.0, self.machine.due - time.monotonic()) + 0.001  # a timer may be early by a part of that
            self._timer = asyncio.get_running_loop().call_later(wait, self._tick)


async def _completion(answer: asyncio.Future[str]) -> None:
    if failure := await asyncio.shield(answer):
        raise PutFailed(failure)


def _own_fault(what: str, error: BaseException) -> ev.OwnFault:
    return ev.OwnFault(f"{what}: {type(error).__name__}: {error}")
