"""What a task does next: the rules of the loop that drives it. No sockets, no clock, no processes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple

from pixieioc.pipeline.message import Message
from pixieioc.pipeline.status import Status


class Input(Enum):
    """What has come from the task before."""

    NONE = "nothing"
    ITEM = "an item"
    END = "the end of the stream"


class Step(Enum):
    """What is to be done next."""

    WORK = "do_work, with the item if there is one"
    WAIT = "do_wait, if it is due"
    END = "do_stop, then the end of the stream and FINISHED"
    FINISH = "FINISHED: what came after an error has been discarded"
    DISCARD = "the item is dropped, and counted"
    SLEEP = "nothing"


@dataclass(frozen=True)
class Situation:
    """All that the next step depends on."""

    status: Status
    is_start: bool = False  #: it is the source of its chain
    ending: bool = False  #: the source is to produce no more
    discarding: bool = False  #: data are dropped instead of handled
    idle: bool = False  #: the source has said that it has nothing to do for a while
    input: Input = Input.NONE


def takes_input(status: Status, is_start: bool) -> bool:
    """Whether the loop is to look for data from the task before; a source that has failed may be sent the end."""
    return status is Status.PANICKING or (status is Status.RUNNING and not is_start)


def next_step(situation: Situation) -> Step:
    """What the loop does next."""
    match situation:
        case Situation(status=Status.RUNNING, is_start=True, ending=True):
            return Step.END
        case Situation(status=Status.RUNNING, is_start=True, idle=idle):
            return Step.SLEEP if idle else Step.WORK
        case Situation(status=Status.RUNNING, input=Input.END):
            return Step.END
        case Situation(status=Status.RUNNING, input=Input.ITEM, discarding=discarding):
            return Step.DISCARD if discarding else Step.WORK
        case Situation(status=Status.PANICKING, input=Input.END):
            return Step.FINISH
        case Situation(status=Status.PANICKING, input=Input.ITEM):
            return Step.DISCARD
        case Situation(status=Status.RUNNING | Status.WAITING):
            return Step.WAIT
        case _:
            return Step.SLEEP


class Ending(NamedTuple):
    """What a message ends, at once, also in the middle of some work."""

    ending: bool = False  #: a source produces no more
    discarding: bool = False  #: data are dropped, and counted
    quitting: bool = False  #: nothing is waited for any more


_ENDINGS: Final[dict[str, Ending]] = {
    Message.STOP: Ending(ending=True),
    Message.ABORT: Ending(ending=True, discarding=True),
    Message.QUIT: Ending(discarding=True, quitting=True),
}


def ending_of(kind: str) -> Ending:
    """What a message of this kind ends."""
    return _ENDINGS.get(kind, Ending())
