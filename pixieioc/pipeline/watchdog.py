"""The watchdog's rules: which task has died, which hangs, and who is ended first when a run takes too long to end.

No clock, no processes: what the tasks do and the time are told by who asks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from pixieioc.pipeline.activity import Doing
from pixieioc.pipeline.error import Cause
from pixieioc.pipeline.status import Status

#: How long a task may be starting after it has said what takes it long, such as compiling one loop, in seconds.
ANNOUNCED_TIMEOUT = 300.0
#: A process that has not run for this many seconds does not answer.
_SILENT = 2.5
#: The time between two beats, generously, which is no silence.
_BETWEEN_BEATS = 2.0
#: When all must be over after the time for an end has run out, and how long the others get after one was ended (s).
_GRACE, _PAUSE = 1.5, 0.2
#: From when on after that time a task does not answer that is busy with one item for longer than `_SHORTLY` (s).
_NO_CHANCE, _SHORTLY = 0.5, 0.5
#: Until then one that was told to drop what waits for it may have been busy; those before it go on by themselves.
_DROPPED = 1.0
#: The watchdog looks several times a second; if it has not for this many seconds, it stood still itself (SIGSTOP).
_STANDSTILL = 3.0


class Watched(Protocol):
    """What is asked of a task's process."""

    known: bool
    lost: bool
    finished: bool
    starting: str
    status: Status

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        ...

    @property
    def how_ended(self) -> str:
        """How it has ended, as part of a sentence."""
        ...

    @property
    def failed(self) -> bool:
        """Whether it is known that something is wrong."""
        ...

    @property
    def at_rest(self) -> bool:
        """Whether it does nothing in a run any more."""
        ...

    @property
    def hang_timeout(self) -> float:
        """How long it may be busy with one item; 0: for ever."""
        ...

    @property
    def start_timeout(self) -> float:
        """How long it may be starting without a word of what takes it long."""
        ...

    @property
    def items_waiting(self) -> int:
        """Items that wait for it."""
        ...

    @property
    def progress(self) -> tuple[object, ...]:
        """Changes as long as something moves."""
        ...

    def doing(self, now: float) -> Doing:
        """What it is doing now."""
        ...


P = TypeVar("P", bound=Watched)


@dataclass(frozen=True)
class Fault(Generic[P]):
    """What is wrong with a process, which is to be killed; with `discard` it answers, and is to drop what it holds."""

    process: P
    cause: Cause
    text: str
    discard: bool = False


@dataclass
class Watchdog:
    """Finds faults; all times are in seconds.

    `stop_timeout`: how long an end may take once it was asked for (see `end_by`). `stall_timeout`: how long nothing may
    move once the source has finished.
    """

    stop_timeout: float = 8.0
    stall_timeout: float = 30.0
    deadline: float | None = None
    _next_end: float = 0.0
    _discarding: set[int] = field(default_factory=set[int])
    _progress: list[tuple[object, ...]] = field(default_factory=list[tuple[object, ...]])
    _progress_time: float = 0.0
    _last_check: float | None = None
    _standstills: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])

    def begin(self) -> None:
        """A run begins, or has ended."""
        self.deadline = None
        self._discarding.clear()
        self._progress = []

    def end_by(self, now: float) -> None:
        """From now on the end is due within `stop_timeout`."""
        if self.deadline is None:
            self.deadline = self._next_end = now + self.stop_timeout

    def faults(self, processes: Sequence[P], chain: Sequence[P], status: Status, now: float) -> Iterator[Fault[P]]:
        """What is wrong now. Tasks that have failed already are not looked at again, but to see that they end.

        The time in which nobody asked is not held against the tasks: their messages of it are still to be read.
        """
        self._excuse(now)
        for process in processes:
            if process.known and not process.lost and process.status is not Status.DYING:
                yield from self._fault_of(process, now)
        busy = [process for process in chain if not process.at_rest]
        if self.deadline is not None:
            yield from self._overdue(busy, now)
        elif status is Status.RUNNING and busy and chain[0].finished:
            yield from self._stalled(chain, busy, now)

    def _overdue(self, busy: list[P], now: float) -> Iterator[Fault[P]]:
        """Ends what keeps a run from its end, one after the other: the others go on, flush and close their files.

        First those that do not answer, from the one furthest down the chain, which holds up those before it; then, if
        there is more to be handled than time, the one before which items wait has to drop them. In the end, all.
        """
        assert self.deadline is not None
        late = now - self.deadline
        text = f"did not end within {self.stop_timeout:g} s"
        if late > _GRACE:
            yield from (Fault(process, Cause.TIMEOUT, text) for process in reversed(busy))
        elif late > 0 and now >= self._next_end:
            self._next_end = now + _PAUSE
            yield from self._next_to_end(busy, now, late, text)

    def _next_to_end(self, busy: list[P], now: float, late: float, text: str) -> Iterator[Fault[P]]:
        patience = self.stop_timeout / 2 if late < _NO_CHANCE else min(_SHORTLY, self.stop_timeout / 2)
        for process in reversed(busy):
            doing = process.doing(now)
            if self._counted(max(doing.unanswered, doing.starting), now) > patience:
                lasting = f"it has been busy with one item for {max(doing.busy, doing.starting):.1f} s"
                yield Fault(process, Cause.TIMEOUT, f"{text}: {lasting}")
                return
            if self._counted(doing.silent, now) > _SILENT:
                yield Fault(process, Cause.TIMEOUT, f"{text}: its process has not run for {doing.silent:.1f} s")
                return
        for process in reversed(busy):
            if id(process) in self._discarding and late < _DROPPED:
                return
            if process.items_waiting and id(process) not in self._discarding:
                self._discarding.add(id(process))
                waiting = f"{process.items_waiting} items still waited for it and are discarded"
                yield Fault(process, Cause.TIMEOUT, f"{text}: {waiting}", discard=True)
                return

    def _stalled(self, chain: Sequence[P], busy: Sequence[P], now: float) -> Iterator[Fault[P]]:
        progress = [process.progress for process in chain]
        if progress != self._progress or any(_works(process, now) for process in busy):
            self._progress, self._progress_time = progress, now
        elif now - self._progress_time > self.stall_timeout:
            for process in busy:
                yield Fault(process, Cause.TIMEOUT, f"nothing moved for {self.stall_timeout:g} s while the run drained")

    def _excuse(self, now: float) -> None:
        """Puts off what is due by the time in which the watchdog itself stood still, if it did."""
        last, self._last_check = self._last_check, now
        if last is None or now - last < _STANDSTILL:
            return
        self._standstills = [*self._standstills[-9:], (last, now)]
        self._progress_time += now - last
        self._next_end += now - last
        if self.deadline is not None:
            self.deadline += now - last

    def _counted(self, seconds: float, now: float) -> float:
        """How much of the last `seconds` the watchdog was there to see."""
        since = now - seconds
        return seconds - sum(max(0.0, end - max(begin, since)) for begin, end in self._standstills)

    def _fault_of(self, process: P, now: float) -> Iterator[Fault[P]]:
        if not process.alive:
            yield Fault(process, Cause.LOST, f"its process {process.how_ended}")
            return
        if process.failed:
            return
        doing, limit = process.doing(now), process.hang_timeout
        most = max(process.start_timeout, ANNOUNCED_TIMEOUT if process.starting else 0.0)
        if self._counted(doing.starting, now) > most:
            what = f" after {process.starting}" if process.starting else ""
            yield Fault(
                process, Cause.HANG, f"has been starting for {doing.starting:.0f} s{what} ({most:g} s are allowed)"
            )
        elif 0 < limit < self._counted(doing.unanswered, now):
            text = (
                f"has been busy with one item for {doing.busy:.0f} s, without a heart beat for {doing.unanswered:.0f} s"
            )
            yield Fault(process, Cause.HANG, f"{text} (hang_timeout is {limit:g} s)")
        elif 0 < limit < self._counted(doing.silent, now) - _BETWEEN_BEATS and not doing.starting:
            yield Fault(
                process, Cause.HANG, f"its process has not run for {doing.silent:.0f} s (hang_timeout is {limit:g} s)"
            )


def _works(process: Watched, now: float) -> bool:
    """Whether a task is at work, long as it may take: that has a limit of its own."""
    doing = process.doing(now)
    return doing.busy > 0 or doing.starting > 0
