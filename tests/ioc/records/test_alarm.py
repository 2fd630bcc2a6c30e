"""Alarms as EPICS records have them: limits, hysteresis, severities of states."""

from __future__ import annotations

import math
from typing import Any

import pytest
from caproto import AlarmSeverity, AlarmStatus

from pixieioc.ioc.records.alarm import AlarmEvaluation
from pixieioc.pvinfo import PvInfo

NAN = math.nan


def _said(alarm: AlarmEvaluation, value: float) -> str:
    """Status and severity by the names that clients know."""
    status, severity = alarm.evaluate(value)
    return f"{AlarmStatus(status).name} {AlarmSeverity(severity).name.removesuffix('_ALARM')}"


def _evaluation(**info: Any) -> AlarmEvaluation:
    return AlarmEvaluation(PvInfo("N", info.pop("record", "ai"), "", **info))


ALL = {"limits": (-20.0, -10.0, 10.0, 20.0)}
HIGH = {"limits": (NAN, NAN, 40.0, 70.0), "hysteresis": 2.0}
LOW = {"limits": (1.0, 10.0, NAN, NAN), "hysteresis": 0.5}


@pytest.mark.parametrize(
    ("info", "conversation"),
    [
        # Limits are inclusive, the worse one is looked at first.
        (ALL, [(9.9, "NO_ALARM NO"), (10, "HIGH MINOR"), (19.9, "HIGH MINOR"), (20, "HIHI MAJOR")]),
        (ALL, [(-9.9, "NO_ALARM NO"), (-10, "LOW MINOR"), (-19.9, "LOW MINOR"), (-20, "LOLO MAJOR")]),
        (ALL, [(math.inf, "HIHI MAJOR"), (-math.inf, "LOLO MAJOR"), (0, "NO_ALARM NO")]),
        # What is not set is NaN and no limit, also for 0 and below.
        ({}, [(0, "NO_ALARM NO"), (1e300, "NO_ALARM NO"), (NAN, "NO_ALARM NO")]),
        (
            {"limits": (NAN, NAN, NAN, 1.0)},
            [(0, "NO_ALARM NO"), (-5, "NO_ALARM NO"), (1, "HIHI MAJOR")],
        ),
        # A value that is none is an alarm where there are limits; the limits are as before afterwards.
        (ALL, [(NAN, "UDF INVALID"), (0, "NO_ALARM NO"), (15, "HIGH MINOR"), (NAN, "UDF INVALID")]),
        # Hysteresis: an alarm that is on stays until the value is clear of the limit; one that is off begins at it.
        (
            HIGH,
            [
                (39, "NO_ALARM NO"),
                (40, "HIGH MINOR"),
                (38, "HIGH MINOR"),
                (37.9, "NO_ALARM NO"),
                (39, "NO_ALARM NO"),
                (70, "HIHI MAJOR"),
                (68, "HIHI MAJOR"),
                (67.9, "HIGH MINOR"),
                (69, "HIGH MINOR"),
                (38.5, "HIGH MINOR"),
                (0, "NO_ALARM NO"),
            ],
        ),
        (
            LOW,
            [
                (10.1, "NO_ALARM NO"),
                (10, "LOW MINOR"),
                (10.5, "LOW MINOR"),
                (10.6, "NO_ALARM NO"),
                (1, "LOLO MAJOR"),
                (1.5, "LOLO MAJOR"),
                (1.6, "LOW MINOR"),
                (1.4, "LOW MINOR"),
            ],
        ),
        (
            {"record": "mbbi", "labels": ("A", "B", "C", "D"), "severities": ("NO_ALARM", "MINOR", "MAJOR", "INVALID")},
            [(0, "NO_ALARM NO"), (1, "STATE MINOR"), (2, "STATE MAJOR"), (3, "STATE INVALID")],
        ),
        ({"record": "bi", "labels": ("No", "Yes"), "severities": ("MINOR", "NO_ALARM")}, [(0, "STATE MINOR")]),
        ({"record": "bi", "labels": ("No", "Yes")}, [(0, "NO_ALARM NO"), (1, "NO_ALARM NO")]),
    ],
)
def test_a_value_after_the_other(info: dict[str, Any], conversation: list[tuple[float, str]]) -> None:
    alarm = _evaluation(**info)
    assert [_said(alarm, value) for value, _ in conversation] == [said for _, said in conversation]


def test_each_record_remembers_its_own_alarm() -> None:
    one, other = _evaluation(**HIGH), _evaluation(**HIGH)
    assert [_said(one, 41), _said(other, 39), _said(one, 39)] == ["HIGH MINOR", "NO_ALARM NO", "HIGH MINOR"]
