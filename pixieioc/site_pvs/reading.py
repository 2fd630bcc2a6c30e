"""What was read from a process variable at one time: plain data, as it travels and as it is kept."""

from __future__ import annotations

import math
from typing import Any, Literal, cast

import msgspec

State = Literal["ok", "not connected", "no answer", "unreadable"]
OK: State = "ok"
NOT_CONNECTED: State = "not connected"
NO_ANSWER: State = "no answer"
UNREADABLE: State = "unreadable"

SEVERITIES = ("NO_ALARM", "MINOR", "MAJOR", "INVALID")
#: The alarm statuses of EPICS Base, by number.
STATUSES = (
    "NO_ALARM", "READ", "WRITE", "HIHI", "HIGH", "LOLO", "LOW", "STATE", "COS", "COMM", "TIMEOUT", "HWLIMIT", "CALC",
    "SCAN", "LINK", "SOFT", "BAD_SUB", "UDF", "DISABLE", "SIMM", "READ_ACCESS", "WRITE_ACCESS",
)  # fmt: skip
_LONGEST_TEXT = 4096
#: No value is from before this time (2000-01-01): a record of EPICS that was never processed has the year 1990, a
#: server without a clock counts from there or from 1970. One that is further ahead than this (s) is not right either.
_EARLIEST, _AHEAD = 946_684_800.0, 86_400.0


class Reading(msgspec.Struct, frozen=True, omit_defaults=True):
    """A value with all that belongs to it, or why there is none.

    With the state `no answer` the value is the last one that was known before, with the time that it had.
    """

    state: State
    #: A number, a text, or a list of them; what is not finite is the text NaN, Infinity or -Infinity.
    value: Any = None
    unit: str = ""
    severity: str = ""
    status: str = ""
    #: Unix time that the server has stamped the value with, or at which the value came.
    time: float | None = None
    #: How many elements the array has, where the value is the beginning of one.
    elements: int | None = None
    why: str = ""
    #: Whether `time` is that at which the value came: the server's was none, or cannot be right.
    time_of_arrival: bool = False

    def unanswered(self, why: str) -> Reading:
        """The same as the last that is known, of which nobody can say whether it still holds; of none it says nothing.

        It keeps what was said first: that comes nearest to the cause.
        """
        return msgspec.structs.replace(self, state=NO_ANSWER, why=why) if self.state == OK else self

    @property
    def number(self) -> float | None:
        """The value, if it is a single number."""
        is_number = isinstance(self.value, int | float) and not isinstance(self.value, bool)
        return float(self.value) if is_number else None


def ok(value: Any, stamp: float | None, arrived: float, **about: Any) -> Reading:
    """A value that the server has stamped with `stamp`, and that came at `arrived`; None if it has no time stamp."""
    if stamp is None or not _EARLIEST <= stamp <= arrived + _AHEAD:  # nor is one that is not a number
        return Reading(OK, value, time=arrived, time_of_arrival=True, **about)
    return Reading(OK, value, time=stamp, **about)


def down(why: str = "") -> Reading:
    """That a process variable is not there."""
    return Reading(NOT_CONNECTED, why=why)


def plain(value: Any) -> Any:
    """A value as JSON can hold it; floats that are not finite as texts."""
    match value:  # libraries have types of their own, derived from these
        case None | bool():
            return value
        case float() if not math.isfinite(value):
            return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
        case list() | tuple():
            return [plain(item) for item in cast("list[Any]", value)]
        case bytes():
            return text_of(value)
        case str():
            return value[:_LONGEST_TEXT]
        case float():
            return float(value)
        case int():
            return int(value)
        case _:
            return str(value)[:_LONGEST_TEXT]


def text_of(raw: bytes) -> str:
    """Bytes up to the first zero, as text."""
    return raw.split(b"\0", 1)[0].decode(errors="replace")[:_LONGEST_TEXT]


def severity_name(number: int) -> str:
    """The name of a severity."""
    return SEVERITIES[number] if 0 <= number < len(SEVERITIES) else str(number)


def status_name(number: int) -> str:
    """The name of an alarm status."""
    return STATUSES[number] if 0 <= number < len(STATUSES) else str(number)
