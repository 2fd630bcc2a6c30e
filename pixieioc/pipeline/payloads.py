"""What a task's messages carry, as types: a report's values are apart from all that the pipeline itself needs.

What comes from a task's process is made into one of these types or refused as a whole; nothing that a task reports can
be taken for anything else.
"""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple, TypeVar, cast

import msgspec

from pixieioc.pipeline.error import Cause, Error
from pixieioc.pipeline.frames import MalformedMessage
from pixieioc.pipeline.message import KINDS, Message
from pixieioc.pipeline.status import StatusName

T = TypeVar("T")
#: Unix time in seconds.
Time = Annotated[float, msgspec.Meta(ge=0, lt=2**32)]
Number = Annotated[int, msgspec.Meta(ge=0, lt=2**53)]
#: The longest texts that are taken from a task, in characters; the rest is cut off.
_LONGEST_SENTENCE, _LONGEST_TEXT = 2000, 500_000


class LinkCount(NamedTuple):
    """What became of a run's items at an output: how many were sent, how many were missed, and the bytes of these."""

    sent: Number
    missed: Number
    missed_bytes: Number


class Reported(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A REPORT: the task's status and Unix time when it was made, the values that changed, and its outputs."""

    status: StatusName
    time: Time
    values: dict[str, Any]
    links: list[LinkCount] = []


class Busy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A BUSY: what takes the task long from now on, such as compiling; it says nothing else until that is done."""

    what: str


class Answered(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An ANSWER: the number of the message that was dealt with; `refused` says why it was not, or is empty.

    `in_use` are the values that the task uses now (see `in_use.py`), if it has answered with some.
    """

    ack: Number
    refused: str
    in_use: dict[str, Any] = {}


class Announced(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An IN_USE: values and limits that have come into use without being asked for (see `in_use.py`), and when."""

    time: Time
    values: dict[str, Any] = {}
    limits: dict[str, Any] = {}


class Printed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A PRINT: lines, and the Unix time when they were sent."""

    text: str
    time: Time


class Failed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An ERROR, see `Error`."""

    text: str
    task: str
    traceback: str
    time: Time
    run: Number
    cause: Cause
    errno: Annotated[int, msgspec.Meta(ge=0, lt=2**16)] = 0

    def error(self) -> Error:
        """The error that the task has told."""
        return Error(
            clean(self.text, _LONGEST_SENTENCE),
            task=self.task,
            traceback=clean(self.traceback, _LONGEST_TEXT),
            time=self.time,
            run=self.run,
            cause=self.cause,
            errno=self.errno,
        )


#: Words of the messages themselves. No report is named so: whoever reads messages shall not take one for the other.
PROTOCOL_WORDS = frozenset(("ack", "refused", "status", "time"))

_TYPES: dict[str, type[msgspec.Struct]] = {
    Message.REPORT.emoji: Reported,
    Message.ANSWER.emoji: Answered,
    Message.BUSY.emoji: Busy,
    Message.IN_USE.emoji: Announced,
    Message.PRINT.emoji: Printed,
    Message.ERROR.emoji: Failed,
}


def read(kind: str, payload: object, as_type: type[T]) -> T:
    """The payload of a message of this kind; MalformedMessage that says what is wrong with it."""
    assert _TYPES[kind] is as_type
    try:
        return msgspec.convert(payload, as_type)
    except (msgspec.ValidationError, OverflowError) as error:
        raise MalformedMessage(f"its {KINDS[kind]} message is wrong: {error}") from None


def write(payload: msgspec.Struct) -> dict[str, Any]:
    """A payload as it travels."""
    return {name: _plain(getattr(payload, name)) for name in payload.__struct_fields__}


def _plain(value: Any) -> Any:
    match value:
        case Cause():
            return value.value
        case [LinkCount(), *_]:
            return [list(link) for link in cast("list[LinkCount]", value)]
        case _:
            return value


def clean(text: str, longest: int = _LONGEST_TEXT) -> str:
    """A text that every client can be sent: no NUL, no half of a character, and not longer than `longest`."""
    shown = text.replace("\0", " ").encode("utf-8", "backslashreplace").decode()
    return shown if len(shown) <= longest else f"{shown[:longest]} [{len(shown) - longest} characters cut off]"
