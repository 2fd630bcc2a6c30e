"""How the fields of a record follow from it, and what writing them does: the named rules of `field_table`."""

from __future__ import annotations

import functools
import math
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, get_args

from pixieioc.access.model import DEFAULT
from pixieioc.ioc.records import acknowledge
from pixieioc.ioc.records.accepting import INT32
from pixieioc.ioc.records.limits import display_limits, drive_limits
from pixieioc.ioc.records.record import Change, Client, PutRefused, Record
from pixieioc.ioc.records.rights import regroup
from pixieioc.pvinfo.model import LIMIT_NAMES, LONGEST_DESC, LONGEST_UNIT, SEVERITIES, SourceKind

#: How a field's value follows from its record.
Rule = Callable[[Record], Any]
#: What writing a field does.
Write = Callable[[Record, Any, Client], "Awaitable[None] | None"]

_SOURCES = get_args(SourceKind)
#: The choices of DTYP.
DEVICES = tuple(f"pixieioc {kind}" for kind in _SOURCES)
#: The choices of FTVL.
ELEMENTS = (
    "STRING", "CHAR", "UCHAR", "SHORT", "USHORT", "LONG", "ULONG", "INT64", "UINT64", "FLOAT", "DOUBLE", "ENUM",
)  # fmt: skip
_PASSIVE, _IO_INTR = 0, 2
#: TSE of a record whose time stamps come with its values.
_TIME_OF_DEVICE = -2
#: Most decimals, and bytes of the name of an access group, as in EPICS Base.
_DECIMALS, _LONGEST_GROUP = 15, 28


# -- what a record is -------------------------------------------------------------------------------------------------


def name(record: Record) -> str:
    """Its name."""
    return record.name


def of_info(attribute: str) -> Rule:
    """What its description says under a name."""
    return lambda record: getattr(record.info, attribute)


def group(record: Record) -> str:
    """Its access group."""
    return record.group or DEFAULT


def scan(record: Record) -> int:
    """What can be written is processed when it is; everything else when there is something new."""
    return _PASSIVE if record.put is not None else _IO_INTR


def device(record: Record) -> int:
    """The kind of what the value comes from."""
    return _SOURCES.index(record.info.source.kind)


def link(record: Record) -> str:
    """What the value comes from, or goes to."""
    return record.info.source.link(record.info.name)


def time_event(record: Record) -> int:
    """Whose time stamps it has: the report's, or those of the moment."""
    return _TIME_OF_DEVICE if record.info.source.kind == "report" else 0


# -- its value, alarm and time ----------------------------------------------------------------------------------------


def value(record: Record) -> Any:
    """Its value."""
    return record.value


def is_undefined(record: Record) -> int:
    """Whether it has no value yet: the number is NaN."""
    return int(isinstance(record.value, int | float) and record.value != record.value)


def severity(record: Record) -> int:
    """Its severity."""
    return record.severity


def status(record: Record) -> int:
    """Its alarm status."""
    return record.status


def time_stamp(record: Record) -> str:
    """Its time stamp, local time."""
    seconds, nanoseconds = divmod(record.stamp, 1_000_000_000)
    local = datetime.fromtimestamp(seconds)
    return f"{local:%Y-%m-%d %H:%M:%S}.{nanoseconds // 1000:06}"


def unacknowledged(record: Record) -> int:
    """The highest severity that nobody has acknowledged."""
    return record.acks


def is_transient(record: Record) -> int:
    """Whether alarms that have gone want to be acknowledged."""
    return record.ackt


def is_active(record: Record) -> int:
    """Whether a put goes on."""
    return int(record.active > 0)


def is_disabled(record: Record) -> int:
    """Whether puts are refused."""
    return record.disabled


def posted(index: int) -> Rule:
    """The number that was last posted as a change of value (0), or to archivers (1)."""
    return lambda record: record.value if record.labels else record.posted[index]


def alarmed(record: Record) -> float:
    """The limit that the value has last exceeded, and not come back from; else the value."""
    return record.value if math.isnan(record.exceeded) else record.exceeded


def raw(record: Record) -> int:
    """The value as the whole number that an output would send to its device."""
    number = record.value
    if number != number:
        return 0
    low, high = INT32
    return int(min(max(number + math.copysign(0.5, number), low), high)) if isinstance(number, float) else number


# -- numbers and states -----------------------------------------------------------------------------------------------


def display_limit(index: int) -> Rule:
    """The lower (0) or upper (1) end of what is shown."""
    return lambda record: display_limits(record.info)[index]


def drive_limit(index: int) -> Rule:
    """The lower (0) or upper (1) end of what may be written; 0 and 0: no end."""
    return lambda record: drive_limits(record.info)[index]


def limit(which: str) -> Rule:
    """An alarm limit."""
    return lambda record: record.info.limits[LIMIT_NAMES.index(which)]


def limit_severity(which: str) -> Rule:
    """The severity of a value beyond a limit."""
    return lambda record: SEVERITIES.index(record.info.severity_of_limit(LIMIT_NAMES.index(which)))


def state(index: int) -> Rule:
    """The name of a state."""
    return lambda record: record.labels[index] if index < len(record.labels) else ""


def state_number(index: int) -> Rule:
    """The number of a state."""
    return lambda record: index if index < len(record.labels) else 0


def state_severity(index: int) -> Rule:
    """The severity of a state."""
    return lambda record: SEVERITIES.index((record.info.severities + ("NO_ALARM",) * 16)[index])


def filled(record: Record) -> int:
    """The number of elements that there are; those of a text with its end."""
    return len(record.value.encode()) + 1 if isinstance(record.value, str) else len(record.value)


def element(record: Record) -> int:
    """The type of an array's elements."""
    return ELEMENTS.index(record.info.element)


def length(record: Record) -> int:
    """The number of elements that fit."""
    return record.info.length


# -- writing ----------------------------------------------------------------------------------------------------------


def write_value(record: Record, text: str, client: Client) -> Awaitable[None] | None:
    """Writes the value itself."""
    if record.put is None:
        raise PutRefused(f"{record.name} cannot be written")
    return record.put(text, client)


def process(record: Record, _: Any, client: Client) -> Awaitable[None] | None:
    """Processes the record: what can be written is written once more, everything else is posted once more."""
    if record.put is not None:
        return record.put(record.value, client)
    record.process(keep_time=time_event(record) == _TIME_OF_DEVICE)
    return None


def disable(record: Record, number: int, _: Client) -> None:
    """Has puts refused, or no longer."""
    if not 0 <= number <= 255:
        raise PutRefused(f"DISP {number}: must be from 0 to 255; 0 is that puts are taken")
    record.disabled = int(number)
    record.renew(Change.STATE)


def write_group(record: Record, new: str, _: Client) -> None:
    """Gives the record another access group: the rights of its clients change at once."""
    if wrong := _too_long("ASG", _LONGEST_GROUP, new):
        raise PutRefused(wrong)
    regroup(record, new)


def write_acks(record: Record, severity: int, client: Client) -> None:
    """Acknowledges."""
    acknowledge.acknowledge(record, severity, client)


def write_ackt(record: Record, ackt: int, _: Client) -> None:
    """Says whether alarms that have gone want to be acknowledged."""
    acknowledge.set_transient(record, ackt)


def write_info(attribute: str, check: Callable[[Any], str] = lambda _: "") -> Write:
    """Changes what the description says under a name; `check` says what is wrong with the new value."""

    def write(record: Record, new: Any, _: Client) -> None:
        if wrong := check(new):
            raise PutRefused(wrong)
        record.describe(**{attribute: new})

    return write


def write_limit(which: str) -> Write:
    """Changes an alarm limit; the others stay."""

    def write(record: Record, new: float, _: Client) -> None:
        record.describe(limits=_replaced(record.info.limits, LIMIT_NAMES.index(which), float(new)))

    return write


def write_limit_severity(which: str) -> Write:
    """Changes the severity of a limit."""

    def write(record: Record, new: int, _: Client) -> None:
        severities = _replaced(record.info.limit_severities, LIMIT_NAMES.index(which), SEVERITIES[new])
        record.describe(limit_severities=severities)

    return write


def write_state_severity(index: int) -> Write:
    """Changes the severity of a state."""

    def write(record: Record, new: int, _: Client) -> None:
        count = len(record.labels)
        if index >= count:
            raise PutRefused(f"{record.name} has {count} states")
        severities = record.info.severities or ("NO_ALARM",) * count
        record.describe(severities=_replaced(severities, index, SEVERITIES[new]))

    return write


def _replaced(values: tuple[Any, ...], index: int, value: Any) -> tuple[Any, ...]:
    return (*values[:index], value, *values[index + 1 :])


def _too_long(field: str, most: int, text: str) -> str:
    size = len(text.encode())
    return f"{field} of {size} bytes: at most {most} fit" if size > most else ""


def _no_precision(number: int) -> str:
    return "" if 0 <= number <= _DECIMALS else f"PREC {number}: must be from 0 to {_DECIMALS}"


write_description = write_info("doc", functools.partial(_too_long, "DESC", LONGEST_DESC))
write_unit = write_info("unit", functools.partial(_too_long, "EGU", LONGEST_UNIT))
write_precision = write_info("precision", _no_precision)
