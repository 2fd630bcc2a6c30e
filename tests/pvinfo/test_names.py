"""Nothing follows from how a process variable is named: with other names, the same files are written.

Each process variable of an IOC gets another name, a number, and everything is generated from that; with the old names
put back it must be what is generated from the IOC itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

import pytest

from pixieioc.export import outputs
from pixieioc.export.listing import as_plain
from pixieioc.ioc.alarm_list import InAlarm, entries
from pixieioc.pvinfo import PvInfo
from pixieioc.pvinfo.about import archive_of, module_of, severities_of
from pixieioc.pvinfo.description import Description
from pixieioc.pvinfo.watching import watching_of
from tests.export.described import DEMO, described, of_file
from tests.running_ioc import ROOT

CASES = {
    "demo": lambda: of_file(DEMO),
    "branches": lambda: of_file(ROOT / "examples" / "branches.toml"),
    "a stream": lambda: of_file(ROOT / "examples" / "kafka.toml"),
    "a site's task": lambda: of_file(ROOT / "examples" / "energy_cut.toml"),
    "hardware": lambda: described(
        "TakeData", "GatherData", "ConvertToEvents", "SortEvents", "FillSpectra", "SnapTraces",
        FillSpectra={"modules": 2},
    ),
    "two of a class": lambda: described(
        "LoadFiles", "GatherData", "Second", "FillSpectra", "Singles",
        Second={"class": "GatherData"}, Singles={"class": "FillSpectra", "rois": 3, "bins": 64},
    ),
}  # fmt: skip


@pytest.fixture(scope="module", params=CASES)
def ioc(request: pytest.FixtureRequest) -> Description:
    """The IOCs whose process variables are renamed."""
    return CASES[request.param]()


def _number(i: int) -> str:
    return f"Q{i:05d}Q"


def _renamed(ioc: Description) -> Description:
    """The IOC with a number for each name. What is asked for by its old name is found: that is not a guess."""
    pvs = {name: replace(pv, name=_number(i), own=pv.own_name) for i, (name, pv) in enumerate(ioc.pvs.items())}
    return Description.of_pvs(ioc.prefix, ioc.graph, pvs, {task.name: task.doc for task in ioc.tasks})


def _put_back(text: str, names: list[str]) -> str:
    return _readable(re.sub(r"Q(\d{5})Q", lambda match: names[int(match[1])], text))


def _readable(text: str) -> str:
    """Names in the expressions of rules have some letters as codes."""
    return re.sub(r"\\x([0-9a-f]{2})", lambda match: chr(int(match[1], 16)), text)


def test_every_file_is_the_same_but_for_the_names(ioc: Description) -> None:
    names = list(ioc.pvs)
    files, renamed = outputs(ioc), outputs(_renamed(ioc))
    assert list(renamed) == list(files)
    assert sum("Q00" in text for text in renamed.values()) > 10, "files with names in them"
    for path, text in files.items():
        # Not compared as a whole by pytest, whose difference of thousands of lines takes minutes.
        other = _put_back(renamed[path], names).splitlines()
        lines = _readable(text).splitlines()
        assert len(other) == len(lines), path
        assert [pair for pair in zip(lines, other, strict=True) if pair[0] != pair[1]][:3] == [], path


def test_what_says_why_there_is_an_alarm_is_there(ioc: Description) -> None:
    named = [pv.alarm.message for pv in ioc.pvs.values() if pv.alarm.message]
    assert named != []
    assert [name for name in named if name not in ioc.pvs or not ioc.pvs[name].is_text] == []


def test_what_is_listed_is_the_same(ioc: Description) -> None:
    for pv, other in zip(ioc.pvs.values(), _renamed(ioc).pvs.values(), strict=True):
        assert {**as_plain(other), "name": pv.name} == as_plain(pv)


def _is(pv: PvInfo, ioc: Description) -> tuple[object, ...]:
    """All that is decided about a process variable."""
    readback = ioc.readback_of(pv)
    return (
        pv.section, pv.role, pv.owner, module_of(pv), archive_of(pv), pv.saved, severities_of(pv),
        watching_of(pv, ioc.graph), readback and readback.source,
    )  # fmt: skip


def test_nothing_is_decided_by_the_part_of_the_name_that_several_have(ioc: Description) -> None:
    pvs = {name: replace(pv, name=_number(i), own=_number(i)) for i, (name, pv) in enumerate(ioc.pvs.items())}
    other = replace(ioc, pvs=pvs)
    for name, pv in ioc.pvs.items():
        assert _is(pvs[name], other) == _is(pv, ioc), name


@pytest.mark.parametrize("severity", [2, 3])
def test_the_list_of_alarms_is_the_same(ioc: Description, severity: int) -> None:
    def listed(of: Mapping[str, PvInfo]) -> list[tuple[object, ...]]:
        alarms = [InAlarm(pv, severity, "1", i) for i, pv in enumerate(of.values()) if not pv.alarm.repeats]
        return [(row.since, row.screen, row.cause, row.summary, row.guidance) for row in entries(alarms)]

    assert listed(_renamed(ioc).pvs) == listed(ioc.pvs)
