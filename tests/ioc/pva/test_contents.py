"""The structures of records: the type follows from the description, the content from the record."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from pixieioc.ioc.pva.source import RecordSource
from pixieioc.ioc.records import MAJOR, AlarmStatus, Record
from pixieioc.pvinfo import PvInfo
from pixieioc.pvinfo.model import text_pv

NAN = math.nan
STAMP = 1_700_000_000_123_456_789
STATES = PvInfo("s", "mbbi", "A state.", labels=("Idle", "Lost"), severities=("NO_ALARM", "MAJOR"))


@pytest.mark.parametrize(
    ("info", "identity", "code", "value"),
    [
        (PvInfo("x", "ai", "", 1.5), "epics:nt/NTScalar:1.0", "d", 1.5),
        (PvInfo("x", "longin", "", 7), "epics:nt/NTScalar:1.0", "i", 7),
        (PvInfo("x", "int64in", "", 2**63 - 1), "epics:nt/NTScalar:1.0", "l", 2**63 - 1),
        (PvInfo("x", "stringin", "", "é"), "epics:nt/NTScalar:1.0", "s", "é"),
        (text_pv("x", "", 4096, initial="a" * 4095), "epics:nt/NTScalar:1.0", "s", "a" * 4095),
        (PvInfo("x", "waveform", "", [1, -2], element="LONG", length=3), "epics:nt/NTScalarArray:1.0", "ai", [1, -2]),
        (PvInfo("x", "waveform", "", [0.5], length=3), "epics:nt/NTScalarArray:1.0", "ad", [0.5]),
    ],
)
def test_a_record_is_of_the_type_that_clients_expect(info: PvInfo, identity: str, code: str, value: Any) -> None:
    whole = RecordSource(Record(info, info.name)).whole()
    assert (whole.getID(), whole.type().aspy("value")) == (identity, code)
    assert np.array_equal(whole.value, value)


def test_a_number_says_what_it_is() -> None:
    limits = (NAN, 1.0, 8.0, 9.0)
    info = PvInfo("x", "ao", "A voltage.", 8.5, "V", 2, limits=limits, hysteresis=0.5, drive=(0.0, 10.0))
    whole = RecordSource(Record(info, "x")).whole()
    display = whole.display.todict()
    assert display.pop("form")["index"] == 0
    assert display == {"limitLow": 0, "limitHigh": 10, "description": "A voltage.", "precision": 2, "units": "V"}
    assert whole.control.todict() == {"limitLow": 0, "limitHigh": 10, "minStep": 0}
    alarms = whole.valueAlarm
    assert [alarms.lowWarningLimit, alarms.highWarningLimit, alarms.highAlarmLimit] == [1, 8, 9]
    assert math.isnan(alarms.lowAlarmLimit)
    assert [alarms.lowAlarmSeverity, alarms.lowWarningSeverity, alarms.highAlarmSeverity] == [0, 1, 2]
    assert (alarms.active, alarms.hysteresis) == (True, 0.5)
    assert whole.alarm.todict() == {"severity": 1, "status": 1, "message": "HIGH"}


def test_limits_of_whole_numbers_that_are_not_set_are_zero() -> None:
    for info in (
        PvInfo("x", "longin", ""),
        PvInfo("x", "int64in", ""),
        PvInfo("x", "waveform", "", [0], element="LONG"),
    ):
        whole = RecordSource(Record(info, "x")).whole()
        assert (whole.valueAlarm.highAlarmLimit, whole.control.limitHigh) == (0, 0)


def test_a_state_has_its_names() -> None:
    record = Record(STATES, "s")
    record.post("Lost", STAMP)
    whole = RecordSource(record).whole()
    assert whole.getID() == "epics:nt/NTEnum:1.0"
    assert (whole.value.index, whole.value.choices) == (1, ["Idle", "Lost"])
    assert whole.alarm.todict() == {"severity": 2, "status": 1, "message": "STATE"}
    assert whole.timeStamp.todict() == {"secondsPastEpoch": 1_700_000_000, "nanoseconds": 123_456_789, "userTag": 0}
    assert whole.display.description == "A state."


def _told(source: RecordSource) -> list[set[str]]:
    told: list[set[str]] = []
    source.begin(lambda change: told.append(change.changedSet()))
    return told


TIME = {"timeStamp.secondsPastEpoch", "timeStamp.nanoseconds"}
ALARM = {"alarm.severity", "alarm.status", "alarm.message"}


def test_a_change_has_what_has_changed_and_the_time() -> None:
    record = Record(PvInfo("x", "ai", "", 0.0, limits=(NAN, NAN, 5.0, NAN)), "x")
    source = RecordSource(record)
    told = _told(source)
    record.post(1.0)
    record.post(1.0)  # which is none
    record.post(6.0)
    record.post_alarm(MAJOR, AlarmStatus.COMM)
    record.describe(unit="mm")
    assert told[:3] == [{"value"} | TIME, {"value"} | TIME | ALARM, {"value"} | TIME | ALARM]
    assert {"display.units", "valueAlarm.highWarningLimit", "control.limitLow"} <= told[3]
    source.end()
    record.post(2.0)
    assert len(told) == 4


def test_a_change_of_a_state_is_its_index() -> None:
    record = Record(STATES, "s")
    source = RecordSource(record)
    told = _told(source)
    record.post("Lost")
    assert told == [{"value.index"} | TIME | ALARM]
