"""Takes a point as `taking` does, in a thread of its own."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Protocol

from pixieioc.devices.link import STOP_TIME
from pixieioc.devices.point import (
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


class Link(Protocol):
    """A connection to an IOC, for threads."""

    def facts(self) -> Facts | None:
        """What the IOC says now; None: it does not answer."""
        ...

    def read(self, name: str) -> str | None:
        """What a process variable is now, as text; None: it is not there in time."""
        ...

    def follow(self, tell: Callable[[Event], None] | None) -> None:
        """Tells of `Busy` and `Lost` from now on, what is so now first; None: nobody."""
        ...

    def put(self, name: str, answer: Callable[[str], None]) -> None:
        """Writes 1; `answer` gets why it has failed, or an empty text."""
        ...


class Taking:
    """One run that is taken through `link`; `gather` reads its values."""

    def __init__(self, link: Link, point: Point, gather: Callable[[], object]) -> None:
        self._link, self._point, self._gather = link, point, gather
        self._events: queue.Queue[Event] = queue.Queue()
        self.started = threading.Event()  #: set when the run is in progress, or over
        self.over = threading.Event()

    def take(self) -> int:
        """The number of the run; RunFailed if the point is not good."""
        try:
            step: Step = self._point.begin(self._link.facts())
            while not isinstance(step, Good | Bad):
                step = self._do(step)
        finally:
            self._link.follow(None)
            self.started.set()
            self.over.set()
        return run_of(step, self._point)

    def give_up(self) -> None:
        """Ends the run, if it is on or about to be; returns when it is over. RunFailed if it goes on."""
        self._point.given_up = True
        for _ in range(STOPS):
            stop(self._link)
            if self.over.wait(PATIENCE):
                return
        raise RunFailed("the run could not be stopped: it goes on")

    def _do(self, step: Put | Wait | Gather | Read) -> Step:
        match step:
            case Put():
                self._link.follow(self._events.put)
                self._link.put("Acquire", lambda failure: self._events.put(Answered(failure)))
                return Wait()
            case Gather():
                self._events.put(self._read_values())
                return Wait()
            case Wait(seconds):
                try:
                    event: Event = self._events.get(timeout=seconds)
                except queue.Empty:
                    event = Late()
                after = self._point.happened(event)
                if self._point.started:
                    self.started.set()
                return after
            case Read():
                return self._point.end(self._link.facts())

    def _read_values(self) -> Gathered:
        try:
            self._gather()
        except Exception as error:  # whatever it is, the point is none, and says so
            return Gathered(f"{type(error).__name__}: {error}")
        return Gathered()


def stop(link: Link) -> None:
    """Ends the run that is in progress, if there is one; returns when it has ended. RunFailed if it does not."""
    answers: queue.Queue[str] = queue.Queue()
    link.put("Stop", answers.put)
    try:
        failure = answers.get(timeout=STOP_TIME)
    except queue.Empty:
        failure = f"no answer within {STOP_TIME:g} s"
    if failure:
        raise RunFailed(f"the run could not be stopped: {failure}")


def check_staging(link: Link, *, take_over: bool) -> None:
    """Ends a run that is in progress, or refuses to; RunFailed too if points could not be told from each other."""
    facts, waits = link.facts(), link.read("WaitForPipeline")
    if problem := why_not_staged(facts, waits, take_over=take_over):
        raise RunFailed(problem)
    if facts is not None and facts.busy:
        stop(link)
