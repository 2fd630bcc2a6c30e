"""The generated files agree with the IOC that they are for, and with each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from pixieioc.pvinfo.description import Description
from tests.export.checks import CHECKS, Files, alarm_tree, alh, archive, complete, saved
from tests.export.described import CASES, DEMO, case, committed, of_demo, of_file
from tests.export.screens_check import screens

Check = Callable[[Files, Description], Iterator[str]]


@pytest.mark.parametrize("check", [*CHECKS, screens], ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", CASES)
def test_what_is_generated_is_right(name: str, check: Check) -> None:
    files, description = case(name)
    assert list(check(files, description)) == []


@pytest.mark.parametrize(
    ("check", "path", "old", "new", "says"),
    [
        (alarm_tree, "db/pixieioc-alarms.xml", "PX16:DiskFree_RBV", "PX16:DiskFuller_RBV", "not in the IOC"),
        (alarm_tree, "db/pixieioc-alarms.xml", "PX16:DiskFree_RBV", "PX16:RunId_RBV", "never in alarm"),
        (alarm_tree, "db/pixieioc-alarms.xml", "PX16:DiskFree_RBV", "PX16:IOC:FD_FREE", "there twice"),
        (alarm_tree, "db/pixieioc-alarms.xml", "PX16:DiskFree_RBV", "PX16:Disk/Free_RBV", "names"),
        (alarm_tree, "db/pixieioc-alarms.xml", "run.bob?P=PX16:", "run.bob?P=PX17:", "display's P"),
        (alarm_tree, "db/pixieioc-alarms.xml", "&amp;T=SortEvents", "", "display's T"),
        (
            alarm_tree,
            "db/pixieioc-alarms.xml",
            "'PX16:RunEndReason_RBV'",
            "'PX16:RunEnd_RBV'",
            "its filter's PX16:RunEnd_RBV",
        ),
        (alarm_tree, "db/pixieioc-alarms.xml", "<delay>3", "<delay>0", "must wait"),
        (alarm_tree, "db/pixieioc-alarms.xml", "<latching>true", "<latching>", "latching"),
        (alarm_tree, "db/pixieioc-alarms.xml", "sevrpv:PX16:SortEvents:ErrorAlarm", "sevrpv:PX16:ErrorAck", "severity"),
        (complete, "db/pixieioc-alarms.xml", 'name="PX16:DiskFree_RBV"', 'name="x"', "DiskFree_RBV"),
        (alh, "db/pixieioc.alhConfig", "CHANNEL Files PX16:DiskFree_RBV", "CHANNEL None PX16:DiskFree_RBV", "CHANNEL"),
        (alh, "db/pixieioc.alhConfig", "$ACKPV PX16:ErrorAck 1", "$ACKPV PX16:ErrorAckn 1", "ACKPV"),
        (archive, "db/pixieioc-archive.json", "PX16:RunId_RBV", "PX16:M00:C00:Spectrum_RBV", "cannot be archived"),
        (archive, "db/pixieioc-archive.json", "PX16:Acquire_RBV", "PX16:Acquire", "cannot control"),
        (saved, "db/pixieioc-save-restore.csv", "PX16:PresetReal,", "PX16:Acquire,", "cannot be restored"),
        (saved, "db/pixieioc-save-restore.csv", "PX16:PresetReal_RBV", "PX16:RunId_RBV", "not its readback"),
        (saved, "db/pixieioc.req", "$(P)PresetReal\n", "", "other names"),
    ],
)
def test_the_checks_see_what_is_wrong(check: Check, path: str, old: str, new: str, says: str) -> None:
    files = {**committed()}
    assert old in files[path]
    files[path] = files[path].replace(old, new)
    assert any(says in problem for problem in check(files, of_file(DEMO)))


def test_the_committed_files_are_those_of_the_demo() -> None:
    made = of_demo()
    there = committed()
    assert [path for path in made if there.get(path) != made[path]] == [], (
        "pixieioc generate examples/demo.toml --out ."
    )
    assert set(there) == set(made)
