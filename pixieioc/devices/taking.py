"""Takes a point: does what the rules say, and tells them what happens."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from pixieioc.devices.link import STOP_TIME, Link
from pixieioc.devices.point import (
    FACTS,
    Answered,
    Bad,
    Event,
    Facts,
    Good,
    Late,
    Point,
    Put,
    Read,
    RunFailed,
    Step,
    Wait,
    why_not_staged,
)


class Taking:
    """One run that is taken in the running event loop, through `link`."""

    def __init__(self, link: Link, point: Point) -> None:
        self._link, self._point = link, point
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._put: asyncio.Task[None] | None = None
        self._close: Callable[[], None] = lambda: None
        self.started = asyncio.Event()  #: set when the run is on, or over

    async def take(self) -> int:
        """The number of the run; RunFailed if the point is not good."""
        try:
            step: Step = self._point.begin(await self._facts())
            while not isinstance(step, Good | Bad):
                step = await self._do(step)
        finally:
            self._close()
            self.started.set()
            if self._put is not None:
                self._put.cancel()
        if isinstance(step, Bad):
            raise RunFailed(step.reason)
        return step.run_id

    async def _do(self, step: Put | Wait | Read) -> Step:
        match step:
            case Put():
                self._close = self._link.watch(FACTS["busy"], self._events.put_nowait)
                self._put = asyncio.create_task(self._start())
                return Wait()
            case Wait(seconds):
                event: Event = Late()
                with suppress(TimeoutError):
                    event = await asyncio.wait_for(self._events.get(), seconds)
                after = self._point.happened(event)
                if self._point.started:
                    self.started.set()
                return after
            case Read():
                return self._point.end(await self._facts())

    async def _start(self) -> None:
        self._events.put_nowait(Answered(await self._link.put("Acquire", 1)))

    async def _facts(self) -> Facts | None:
        return await facts_of(self._link)


async def facts_of(link: Link) -> Facts | None:
    """What the IOC says now; None: it does not answer."""
    values = await link.read(tuple(FACTS.values()))
    return None if values is None else Facts.of(dict(zip(FACTS, values, strict=True)))


async def stop(link: Link) -> None:
    """Ends the run that is in progress, if there is one; returns when it has ended. RunFailed if it does not."""
    try:
        failure = await asyncio.wait_for(link.put("Stop", 1), STOP_TIME)
    except TimeoutError:
        failure = f"no answer within {STOP_TIME:g} s"
    if failure:
        raise RunFailed(f"the run could not be stopped: {failure}")


async def check_staging(link: Link, *, take_over: bool) -> None:
    """Ends a run that is in progress, or refuses to; RunFailed too if points could not be told from each other."""
    facts, waits = await asyncio.gather(facts_of(link), link.read(("WaitForPipeline",)))
    if problem := why_not_staged(facts, waits[0] if waits else None, take_over=take_over):
        raise RunFailed(problem)
    if facts is not None and facts.busy:
        await stop(link)
