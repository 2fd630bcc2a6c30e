"""The list of what is in alarm: causes first, then the worst; what belongs together is one row."""

from __future__ import annotations

from pixieioc.ioc.alarm_list import InAlarm, entries, screen_number
from pixieioc.pvinfo.build import all_pvs
from pixieioc.pvinfo.model import SEVERITIES
from tests.configs import config_of

PVS = all_pvs(config_of(("DummyData", "GatherData", "ConvertToEvents", "SortEvents", "FillSpectra"), {}))


def _alarm(name: str, severity: str, since: float = 0.0, value: str = "") -> InAlarm:
    return InAlarm(PVS[name], SEVERITIES.index(severity), value, since)


def _rows(*alarms: InAlarm) -> list[str]:
    return [f"{SEVERITIES[row.severity]} {row.text} > {row.screen}" for row in entries(alarms)]


def test_the_worst_comes_first_and_of_equals_the_oldest() -> None:
    assert _rows(
        _alarm("SimMode_RBV", "MINOR", 1, "Simulation"),
        _alarm("DiskFree_RBV", "MAJOR", 3, "1.0 GB"),
        _alarm("IOC:FD_FREE", "MAJOR", 2, "10"),
    ) == [
        "MAJOR IOC:FD_FREE is 10 > Expert",
        "MAJOR DiskFree_RBV is 1.0 GB > Run",
        "MINOR SimMode_RBV is Simulation > Run",
    ]


def test_an_error_of_a_task_comes_before_what_follows_from_it_and_its_lost_values_are_one_row() -> None:
    values = ("Rate_RBV", "Events_RBV", "CpuLoad_RBV", "REPORT:LateEvents_RBV")
    lost = [_alarm(f"SortEvents:{name}", "INVALID", 5, "3") for name in values]
    rows = _rows(
        *lost,
        _alarm("SortEvents:Status", "INVALID", 5, "LOST"),
        _alarm("DetectorState_RBV", "MAJOR", 4, "Error"),
        _alarm("SortEvents:ERROR", "MAJOR", 5, "its process was killed"),
        _alarm("ConvertToEvents:Dropped_RBV", "MAJOR", 6, "3"),
    )
    assert rows == [
        "MAJOR SortEvents:ERROR is its process was killed > SortEvents",
        "INVALID SortEvents:Status is LOST > SortEvents",
        "INVALID SortEvents: 4 values are not valid > SortEvents",
        "MAJOR ConvertToEvents:Dropped_RBV is 3 > ConvertToEvents",
        "MAJOR DetectorState_RBV is Error > Run",
    ]


def test_the_same_of_many_channels_is_one_row() -> None:
    channels = [_alarm(f"M00:C{i:02d}:OutputCountRate_RBV", "MINOR", 10 - i, "45 1/s") for i in range(4)]
    assert _rows(*channels) == [
        "MINOR M00:C03:OutputCountRate_RBV is 45 1/s (and OutputCountRate_RBV of 3 others) > Rates"
    ]


def test_a_lost_task_comes_before_its_values_also_those_of_channels() -> None:
    channels = [_alarm(f"M00:C{i:02d}:Counts_RBV", "INVALID", 4, "0") for i in range(2)]
    rows = entries([*channels, _alarm("FillSpectra:Status", "INVALID", 5, "LOST")])
    assert [row.text for row in rows] == [
        "FillSpectra:Status is LOST",
        "M00:C00:Counts_RBV is 0 (and Counts_RBV of 1 other)",
    ]
    assert rows[1].guidance.startswith("Nobody knows these values: their task is gone.")


def test_that_there_are_no_tasks_comes_before_their_values() -> None:
    rates = _alarm("M00:OutputCountRates_RBV", "INVALID", 4)
    state = _alarm("State_RBV", "INVALID", 5, "UNKNOWN")
    assert _rows(rates, state) == [
        "INVALID State_RBV is UNKNOWN > Run",
        "INVALID M00:OutputCountRates_RBV > Rates",
    ]


def test_regions_of_a_channel_are_rows_of_their_own() -> None:
    assert _rows(*(_alarm(f"M00:C00:ROI{i}:Counts_RBV", "MINOR", i, "1") for i in (1, 2))) == [
        f"MINOR M00:C00:ROI{i}:Counts_RBV is 1 > Rates" for i in (1, 2)
    ]


def test_every_screen_has_a_number() -> None:
    chain = ["TakeData", "SortEvents"]
    assert [screen_number(name, chain) for name in ("Run", "Rates", "Expert", *chain)] == [1, 2, 3, 4, 5]
    assert screen_number("Elsewhere", chain) == 0
