"""An IOC as plain data: what is archived, saved, watched, and where it belongs."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from pixieioc.config import IocTable, PipelineTable, check
from pixieioc.export.listing import as_plain
from pixieioc.pipeline.graph import Branch, Graph
from pixieioc.pvinfo import PvInfo
from pixieioc.pvinfo.about import alarms_of, archive_of, may_alarm, task_of
from pixieioc.pvinfo.description import Description
from pixieioc.pvinfo.model import NO_LIMITS
from pixieioc.pvinfo.watching import watching_of

CHAIN = ["DummyData", "GatherData", "ConvertToEvents", "SortEvents", "FillSpectra"]


@pytest.fixture(scope="module")
def ioc() -> Description:
    """One with channels and files."""
    pipeline = PipelineTable(CHAIN)
    return Description.of(check(pipeline, {}, {}, IocTable(), Path("/data"), "PX16:", "test"))


# name; section, task; archived; what it is: a command, saved, watched (after how many seconds)
HINTS = """
Acquire                            | run     |            |         | command
Acquire_RBV                        | run     |            | always  |
StopTimeout                        | run     |            |         | saved
StopTimeout_RBV                    | run     |            | always  |
ElapsedReal_RBV                    | run     |            | running |
StatusMessage_RBV                  | run     |            |         |
RunId_RBV                          | run     |            | always  |
State_RBV                          | run     |            | always  |
Ready_RBV                          | run     |            | always  |
DeadTime_RBV                       | run     |            | running | watched 10
ConfigJSON                         | run     |            |         |
FilePath                           | files   |            |         | saved
FilePath_RBV                       | files   |            |         |
DiskFree_RBV                       | files   |            | always  | watched 3
BytesWritten_RBV                   | files   |            | running |
WriteStatus_RBV                    | files   |            | always  |
ErrorAck                           | errors  |            |         | command
ErrorLatched_RBV                   | errors  |            | always  |
SortEvents:Status                  | task    | SortEvents | always  |
SortEvents:HeartBeat               | task    | SortEvents |         |
SortEvents:ERROR                   | task    | SortEvents | always  | watched 1
SortEvents:ErrorAlarm              | task    | SortEvents |         |
SortEvents:ErrorMessage_RBV        | task    | SortEvents |         |
SortEvents:Rate_RBV                | task    | SortEvents | running | watched 10
SortEvents:QueueUse_RBV            | task    | SortEvents | running | watched 10
SortEvents:Window                  | task    | SortEvents |         | saved
SortEvents:Window_RBV              | task    | SortEvents | always  |
SortEvents:REPORT:LateEvents_RBV   | task    | SortEvents | running | watched 3
FillSpectra:Erase                  | task    | FillSpectra |        | command
M00:C00:Counts_RBV                 | channel |            | running |
M00:C00:Spectrum_RBV               | channel |            |         |
M00:OutputCountRates_RBV           | channel |            |         |
IOC:HEARTBEAT                      | ioc     |            |         |
IOC:FD_FREE                        | ioc     |            | always  | watched 3
IOC:ALIVE                          | ioc     |            | always  | watched 0
IOC:ERROR                          | ioc     |            | always  | watched 1
IOC:SYSRESET                       | ioc     |            |         | command
"""


@pytest.mark.parametrize("line", HINTS.strip().splitlines(), ids=lambda line: line.split()[0])
def test_hints(ioc: Description, line: str) -> None:
    name, part, task, archive, kind = (cell.strip() for cell in line.split("|"))
    pv = ioc.pvs[name]
    kinds = [
        *["command"] * (pv.role == "command"),
        *["saved"] * pv.saved,
        *[f"watched {watching.delay}" for watching in [watching_of(pv)] if watching],
    ]
    assert [pv.section, task_of(pv), archive_of(pv), " ".join(kinds)] == [part, task, archive, kind]


def test_every_alarm_is_watched_or_left_out_for_a_reason_and_says_what_to_do(ioc: Description) -> None:
    alarms = [pv for pv in ioc.pvs.values() if may_alarm(pv)]
    assert len(alarms) > 50
    for pv in alarms:
        assert bool(watching_of(pv)) != bool(pv.alarm.omitted), pv.name
        assert pv.guidance or pv.alarm.omitted, pv.name
        assert alarms_of(pv), pv.name


@pytest.mark.parametrize(
    ("name", "waits_for"),
    [
        ("SortEvents:QueueUse_RBV", {"SortEvents", "FillSpectra", "Coarse"}),
        ("FillSpectra:Rate_RBV", {"FillSpectra"}),
        ("SortEvents:BusyTime_RBV", set[str]()),
        ("SortEvents:ERROR", set[str]()),
    ],
)
def test_a_queue_is_an_alarm_only_while_nobody_that_it_waits_for_takes_long(
    ioc: Description, name: str, waits_for: set[str]
) -> None:
    graph = Graph(
        tuple(CHAIN), (Branch("SortEvents", ("Coarse",)), Branch("SortEvents", ("SnapTraces",), mode="sampling"))
    )
    watching = watching_of(ioc.pvs[name], graph)
    assert watching is not None
    others = {each.name for each in watching.only_while} - {
        "IOC:ALIVE",
        "State_RBV",
        "RunEndReason_RBV",
        "DiskFull_RBV",
    }
    assert others == {f"{task}:{each}" for task in waits_for for each in ("HeartBeatAge_RBV", "BusyTime_RBV")}


def test_what_is_saved_has_a_readback(ioc: Description) -> None:
    saved = [pv for pv in ioc.pvs.values() if pv.saved]
    assert len(saved) > 20
    assert [pv.name for pv in saved if ioc.readback_of(pv) is None] == []


@pytest.mark.parametrize(
    ("pv", "phrases"),
    [
        (PvInfo("X", "ai", "X."), []),
        (
            PvInfo("X", "ai", "X.", limits=(math.nan, math.nan, 75, 100), unit="%"),
            ["MINOR from 75 % up", "MAJOR from 100 % up"],
        ),
        (PvInfo("X", "ai", "X.", limits=(-1, *NO_LIMITS[:3])), ["MAJOR from -1 down"]),
        (
            PvInfo("X", "mbbi", "X.", labels=("a", "b", "c"), severities=("MAJOR", "NO_ALARM", "MAJOR")),
            ["MAJOR: a, c"],
        ),
        (PvInfo("M00:C00:Rate_RBV", "ai", "What a site calls so."), []),
    ],
)  # fmt: skip
def test_alarms_in_words(pv: PvInfo, phrases: list[str]) -> None:
    assert alarms_of(pv) == phrases
    assert may_alarm(pv) == bool(phrases)


def test_names_without_where_they_are(ioc: Description) -> None:
    for name, own in (
        ("Acquire", "Acquire"),
        ("SortEvents:REPORT:LateEvents_RBV", "REPORT:LateEvents_RBV"),
        ("M00:C00:Counts_RBV", "Counts_RBV"),
        ("M00:Counts_RBV", "Counts_RBV"),
        ("IOC:FD_FREE", "IOC:FD_FREE"),
    ):
        assert ioc.pvs[name].own_name == own


def test_all_of_it_is_plain(ioc: Description) -> None:
    for pv in ioc.pvs.values():
        plain = as_plain(pv)
        assert json.loads(json.dumps(plain, allow_nan=False)) == plain
