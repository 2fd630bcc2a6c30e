"""What a good point of a scan is: the rules alone, told what happens and saying what is to be done.

A client library may lose the failure of a put, and a run may be somebody else's. So a point is a run, started by our
put, whose number is one more than before and whose end has a good reason, as the IOC says itself after the put was
answered and the values were read: so they are those of this run. Whatever else happens is a failure, with the IOC's
words for it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

#: Reasons with which a run ends that was to be taken whole.
GOOD_ENDS = ("Preset", "Source end")
#: How a run ends that was ended by `Stop`.
STOPPED = "Operator stop"
#: Where the IOC says what `Facts` has.
FACTS = {
    "run_id": "RunId_RBV",
    "busy": "AcquireBusy",
    "end_reason": "RunEndReason_RBV",
    "status": "StatusMessage_RBV",
    "command": "CmdMessage_RBV",
}
_UNANSWERED = "the put that started it was not answered"
_GIVEN_UP = "the point was given up by its plan"
#: Those of them that are texts of any length.
LONG_TEXTS = ("StatusMessage_RBV", "CmdMessage_RBV", "CmdUser_RBV")
#: Seconds for which the answer to a put may be missing after the run has ended.
PATIENCE = 1.0
#: How often a run is stopped that nobody wants any more: the first time may come before its start.
STOPS = 3


class RunFailed(RuntimeError):
    """A point that is none: the run was refused, ended badly, or nobody knows how it ended."""


class GivenUp(RunFailed):
    """A point that its plan does not want any more: it has ended as it should, and is none."""


@dataclass(frozen=True)
class Facts:
    """What the IOC says of the current or last run."""

    run_id: int
    busy: bool
    end_reason: str
    status: str  #: what is going on, in one sentence
    command: str  #: how the last command went

    @classmethod
    def of(cls, values: dict[str, Any]) -> Facts:
        """From the values of `FACTS`, enums by their labels."""
        return cls(
            int(values["run_id"]),
            str(values["busy"]) == "Acquiring",
            str(values["end_reason"]),
            str(values["status"]),
            str(values["command"]),
        )


# -- what happens ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Answered:
    """The put of the start was answered; `failure` is why it failed, as far as the client knows; empty: it did not."""

    failure: str = ""


@dataclass(frozen=True)
class Gathered:
    """The values of the run were read; `failure` is why they could not be."""

    failure: str = ""


@dataclass(frozen=True)
class Busy:
    """The IOC says that a run is in progress, or that none is."""

    on: bool


@dataclass(frozen=True)
class Lost:
    """The connection to a process variable was lost."""

    pv: str


@dataclass(frozen=True)
class Late:
    """Nothing else has happened for as long as `Wait` said."""


Event = Answered | Gathered | Busy | Lost | Late

# -- what is to be done ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Put:
    """Start the run, and wait."""


@dataclass(frozen=True)
class Wait:
    """Wait for what happens next, for at most this many seconds; None: for as long as it takes."""

    seconds: float | None = None


@dataclass(frozen=True)
class Gather:
    """Read the values of the run, and wait."""


@dataclass(frozen=True)
class Read:
    """Ask the IOC for the facts."""


@dataclass(frozen=True)
class Good:
    """The point is good: it is this run."""

    run_id: int


@dataclass(frozen=True)
class Bad:
    """The point is none."""

    reason: str


Step = Put | Wait | Gather | Read | Good | Bad


class Point:
    """One point. `good` are the reasons with which its run may end."""

    def __init__(self, good: tuple[str, ...] = GOOD_ENDS) -> None:
        self.good = good
        self.started = False  #: whether the run is known to be on, or to have been
        self.given_up = False  #: nobody wants the point any more
        self._before = 0
        self._answer: str | None = None  # to the put: why it failed, empty if it did not; None: there is none yet
        self._unread = ""

    def begin(self, facts: Facts | None) -> Step:
        """Before the start; None: the IOC has not answered."""
        if self.given_up:
            return Bad(_GIVEN_UP)
        if facts is None:
            return Bad("the IOC does not answer")
        self._before = facts.run_id
        return Put()

    def happened(self, event: Event) -> Step:
        """While the run is in progress."""
        match event:
            case Answered(failure):
                self._answer = failure
                return Read() if failure or self.given_up else Gather()
            case Gathered(failure):
                self._unread = failure
                return Read()
            case Busy(on):
                over = self.started and not on
                self.started = self.started or on
                return Wait(PATIENCE) if over and self._answer is None else Wait()
            case Lost(pv):
                return Bad(f"the connection to {pv} was lost while run {self._before + 1} was taken")
            case Late():
                return Read()

    def end(self, facts: Facts | None) -> Good | Bad:
        """The verdict."""
        mine = self._before + 1
        if facts is None:
            return Bad(f"the IOC does not say how run {mine} has ended")
        if facts.run_id == self._before:
            return Bad(f"the start was refused: {facts.command}")
        if facts.run_id != mine:
            return Bad(f"there is run {facts.run_id} in the place of run {mine}: somebody else starts runs")
        if facts.busy or facts.end_reason == "None":  # it has only begun
            return Bad(f"run {mine} is not ours: {facts.command}")
        if facts.end_reason not in self.good:
            return Bad(facts.status if str(mine) in facts.status else f"run {mine} has ended: {facts.end_reason}")
        ended = f"run {mine} has ended with {facts.end_reason}"
        if problem := _UNANSWERED if self._answer is None else self._answer:
            return Bad(f"{ended}, but {problem}: {facts.command}")
        return Bad(f"{ended}, but its values could not be read: {self._unread}") if self._unread else Good(mine)


def run_of(verdict: Good | Bad, point: Point) -> int:
    """The number of the run of a good point; RunFailed for another, GivenUp for one that nobody wants any more."""
    if point.given_up:
        raise GivenUp(_GIVEN_UP)
    if isinstance(verdict, Bad):
        raise RunFailed(verdict.reason)
    return verdict.run_id


def why_not_staged(facts: Facts | None, waits: str | None, *, take_over: bool) -> str:
    """Why no points can be taken now; `waits` is WaitForPipeline, `take_over` whether runs of others may be ended."""
    if facts is None or waits is None:
        return "the IOC does not answer"
    if waits != "Yes":
        return "WaitForPipeline is No: the put of a start would be answered before the run's data are there"
    if facts.busy and not take_over:
        return f"somebody else's run is in progress: {facts.status}"
    return ""


def chosen_of(channels: tuple[str, ...], read: Collection[str] | None) -> list[str]:
    """Those of `channels` that `read` names, all if it is None; ValueError for a name that is none."""
    if unknown := set(read or ()) - set(channels):
        raise ValueError(f"no channels {', '.join(sorted(unknown))}; there are {', '.join(channels)}")
    return [name for name in channels if read is None or name in read]
