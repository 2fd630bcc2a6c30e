"""What the structure of a record holds: value, alarm, time, and what the record says of itself."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pixieioc.ioc.pva.alarms import kind_of
from pixieioc.ioc.pva.types import code_of
from pixieioc.ioc.records import Record, Stamp
from pixieioc.ioc.records.limits import alarm_limits, display_limits, drive_limits
from pixieioc.pvinfo.model import SEVERITIES, PvInfo

#: The fields of valueAlarm in the order LOLO, LOW, HIGH, HIHI.
_LIMITS = ("lowAlarm", "lowWarning", "highWarning", "highAlarm")
_FORMS = ("Default", "String", "Binary", "Decimal", "Hex", "Exponential", "Engineering")


def value_name(info: PvInfo) -> str:
    """The field that holds what changes of the value."""
    return "value.index" if info.labels else "value"


def put_value(into: Any, record: Record) -> None:
    """Sets the value, and marks it as changed."""
    into[value_name(record.info)] = record.value


def put_time(into: Any, stamp: Stamp) -> None:
    """Sets the time stamp."""
    seconds, nanoseconds = divmod(stamp, 1_000_000_000)
    into["timeStamp.secondsPastEpoch"] = seconds
    into["timeStamp.nanoseconds"] = nanoseconds


def put_alarm(into: Any, severity: int, status: int) -> None:
    """Sets severity, status and message of the alarm."""
    kind, message = kind_of(status)
    into["alarm"] = {"severity": severity, "status": kind, "message": message}


def put_properties(into: Any, record: Record) -> None:
    """Sets all that the record says of itself."""
    info = record.info
    if record.labels:
        into["value.choices"] = list(record.labels)
        into["display.description"] = info.doc
        return
    for part, fields in _properties(info, whole=code_of(info)[-1] in "il").items():
        if into.has(part):
            into[part] = {name: value for name, value in fields.items() if into.has(f"{part}.{name}")}


def _properties(info: PvInfo, *, whole: bool) -> Mapping[str, Mapping[str, Any]]:
    low, high = display_limits(info)
    drive_low, drive_high = drive_limits(info)
    value_alarm: dict[str, Any] = {"hysteresis": info.hysteresis}
    for i, (name, limit) in enumerate(zip(_LIMITS, alarm_limits(info), strict=True)):
        value_alarm[f"{name}Limit"] = _number(limit, whole=whole)
        value_alarm[f"{name}Severity"] = SEVERITIES.index(info.severity_of_limit(i))
    value_alarm["active"] = any(not math.isnan(limit) for limit in info.limits)
    return {
        "display": {
            "limitLow": _number(low, whole=whole),
            "limitHigh": _number(high, whole=whole),
            "description": info.doc,
            "precision": info.precision,
            "form": {"index": 0, "choices": list(_FORMS)},
            "units": info.unit,
        },
        "control": {"limitLow": _number(drive_low, whole=whole), "limitHigh": _number(drive_high, whole=whole)},
        "valueAlarm": value_alarm,
    }


def _number(limit: float, *, whole: bool) -> float | int:
    """A limit; of whole numbers, one that is not set (NaN) is 0, as in EPICS Base."""
    if not whole:
        return limit
    return int(limit) if math.isfinite(limit) else 0
