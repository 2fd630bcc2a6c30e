"""The rules of run control that `pixieioc conform` tests at a site, tested here with the same code."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from xml.etree import ElementTree

import pytest

from pixieioc.conform.results import CannotTest, Report, Result, Verdict
from pixieioc.conform.rules import CHECKS, RULES, Check
from pixieioc.conform.session import conform, tried
from pixieioc.conform.show import junit, text
from pixieioc.conform.target import Allowed, Target
from tests.running_ioc import Ioc

#: The tests' computer is busy with other tests, and rules are kept by an IOC that comes to run.
SLACK = 15.0


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: f"{check.rule}-{check.name}")
def test_the_ioc_keeps_the_rule(ioc: Ioc, check: Check) -> None:
    files = ioc.folder / "conform"
    files.mkdir(exist_ok=True)
    result = tried(check, Target(ioc, Allowed(faults=True, files=f"{files}/", slack=SLACK)))
    if check.rule == 15:  # see tests/system/test_life.py
        assert result.verdict is Verdict.NOT_TRIED
    else:
        assert result.verdict is Verdict.OK, "\n".join([*result.steps, result.why])
        assert result.steps


def test_every_rule_has_a_check_and_every_check_a_name_of_its_own() -> None:
    assert {check.rule for check in CHECKS} == set(RULES) == set(range(1, 19))
    assert len({check.name for check in CHECKS}) == len(CHECKS)
    assert all(check.promise.endswith(".") for check in CHECKS)


def test_the_ioc_is_left_as_it_was(ioc: Ioc) -> None:
    ioc.put("FillSpectra:HangTimeout", 17)
    ioc.put("PresetMode", "Events")
    before = ioc.get("ConfigJSON_RBV")
    seen: list[Result] = []
    report = conform(ioc.prefix, Allowed(), [6, 12], listener=seen.append)
    assert report.results == tuple(seen)
    assert report.conforms
    assert ioc.get("ConfigJSON_RBV") == before
    assert (ioc.get("DetectorState_RBV"), ioc.get("Ready_RBV")) == ("Idle", "Yes")


def test_a_run_in_progress_and_latched_errors_are_respected(ioc: Ioc) -> None:
    done = ioc.put_later("Acquire", 1)
    ioc.until("DetectorState_RBV", "Acquire")
    with pytest.raises(CannotTest, match="has a run, which is not to be disturbed: run"):
        conform(ioc.prefix, Allowed(), RULES, force=True)
    assert not done.done()
    ioc.put("Stop", 1)
    ioc.kill_task("Brake")
    ioc.until("Brake:ERROR", "ERROR")
    ioc.put("Reset", 1)
    with pytest.raises(CannotTest, match="errors that nobody has acknowledged"):
        conform(ioc.prefix, Allowed(faults=True), RULES)
    assert ioc.get("Brake:ERROR") == "ERROR"


def test_nobody_there_is_told() -> None:
    with pytest.raises(CannotTest, match="no answer: nobody:SimMode_RBV"):
        conform("nobody:", Allowed(), RULES)


REPORT = Report(
    "X:",
    (
        Result(1, "a", "It ends.", Verdict.OK, steps=("caput -c Acquire 1", "answered after 1 s"), seconds=1.5),
        Result(1, "b", "It is <fine>.", Verdict.VIOLATED, "it\x00 is & not", ("looked",), 0.25),
        Result(4, "c", "It is refused.", Verdict.NOT_TRIED, "no time"),
    ),
)


def test_the_report_for_people() -> None:
    assert list(text(REPORT, RULES, steps=False)) == [
        "Rule 1: Put completion",
        "  OK         It ends.",
        "  VIOLATED   It is <fine>.",
        "             looked",
        "             >> it\x00 is & not",
        "Rule 4: Start while running",
        "  NOT TRIED  It is refused.",
        "             no time",
        "",
        "X: 1 OK, 1 violated, 1 not tried",
    ]
    assert "             answered after 1 s" in text(REPORT, RULES, steps=True)
    left = dataclasses.replace(REPORT, results=REPORT.results[:1], left=("x is 1, was 2",))
    assert list(text(left, RULES, steps=False))[-1] == "NOT AS IT WAS: x is 1, was 2"
    assert not left.conforms


def test_the_report_for_programs(tmp_path: Path) -> None:
    file = tmp_path / "report.xml"
    file.write_text(junit(REPORT), encoding="utf-8")
    [suite] = ElementTree.parse(file).getroot()
    counts = {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped", "time")}
    assert counts == {"tests": "3", "failures": "1", "errors": "0", "skipped": "1", "time": "1.750"}
    cases = {case.get("name"): case for case in suite}
    assert [case.get("classname") for case in suite] == ["rule01", "rule01", "rule04"]
    assert cases["a"].findtext("system-out") == "caput -c Acquire 1\nanswered after 1 s"
    failure, skipped = cases["b"].find("failure"), cases["c"].find("skipped")
    assert failure is not None
    assert failure.get("message") == "it? is & not"
    assert skipped is not None
    assert skipped.get("message") == "no time"
