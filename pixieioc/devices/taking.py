"""Takes a point: does what the rules say, and tells them what happens."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from pixieioc.devices.link import STOP_TIME, Link
from pixieioc.devices.point import (
    FACTS,
    PATIENCE,
    STOPS,
    Answered,
    Bad,
    Event,
    Facts,
    Gather,
    Gathered,
    Good,
    Late,
    Point,
    Put,
    Read,
    RunFailed,
    Step,
    Wait,
    run_of,
    why_not_staged,
)


class Taking:
    """One run that is taken in the running event loop, through `link`; `gather` reads its values."""

    def __init__(self, link: Link, point: Point, gather: Callable[[], Awaitable[object]]) -> None:
        self._link, self._point, self._gather = link, point, gather
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._under_way: list[asyncio.Task[None]] = []
        self._close: Callable[[], None] = lambda: None
        self.started = asyncio.Event()  #: set when the run is in progress, or over
        self.over = asyncio.Event()

    async def take(self) -> int:
        """The number of the run; RunFailed if the point is not good."""
        try:
            step: Step = self._point.begin(await self._facts())
            while not isinstance(step, Good | Bad):
                step = await self._do(step)
        finally:
            self._close()
            self.started.set()
            self.over.set()
            for task in self._under_way:
                task.cancel()
        return run_of(step, self._point)

    async def give_up(self) -> None:
        """Ends the run, if it is on or about to be; returns when it is over. RunFailed if it goes on."""
        self._point.given_up = True
        for _ in range(STOPS):  # the first may have come before the start
            await stop(self._link)
            with suppress(TimeoutError):
                await asyncio.wait_for(self.over.wait(), PATIENCE)
                return
        raise RunFailed("the run could not be stopped: it goes on")

    async def _do(self, step: Put | Wait | Gather | Read) -> Step:
        match step:
            case Put():
                self._close = self._link.watch(FACTS["busy"], self._events.put_nowait)
                self._under_way.append(asyncio.create_task(self._start()))
                return Wait()
            case Gather():
                self._under_way.append(asyncio.create_task(self._read_values()))
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

    async def _read_values(self) -> None:
        failure = ""
        try:
            await self._gather()
        except Exception as error:  # whatever it is, the point is none, and says so
            failure = f"{type(error).__name__}: {error}"
        self._events.put_nowait(Gathered(failure))

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
