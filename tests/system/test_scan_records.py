"""A scan survives a killed task and a refused start, and its points say which of them are good."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator

import aioca
import pytest

from tests.running_ioc import ROOT, Ioc, ioc_folder, running
from tests.system.failed_puts import begin, outcome
from tests.system.scan_record import DATABASE, PROGRAM, Scanner, ScanRecord, StandIn
from tests.test_readme import section

CONFIG = """
[pipeline]
chain = ["DummyData", "ConvertToEvents", "FillSpectra"]
[run]
fail_put_on_error = false
stop_timeout = 2
[crate]
channels = 2
[ioc]
state_dir = "state"
"""
PRESET, REFUSED, LOST = "Preset", "None", "Task lost"


@pytest.fixture(scope="module")
def ioc() -> Iterator[Ioc]:
    with ioc_folder() as folder:
        (folder / "scan.toml").write_text(CONFIG)
        with running(Ioc(folder, "run", folder / "scan.toml")) as ioc:
            ioc.until("Ready_RBV", "Yes", 60)
            yield ioc


@pytest.fixture(scope="module", params=["stand-in", "sscan"])
def made(request: pytest.FixtureRequest, ioc: Ioc) -> Iterator[Scanner]:
    if request.param == "stand-in":
        yield StandIn(ioc)
    elif not PROGRAM:
        pytest.skip("PIXIEIOC_SSCAN does not name an IOC program with EPICS' sscan record, and its dbd file")
    else:
        record = ScanRecord(ioc)
        yield record
        record.end()


@pytest.fixture
def scanner(made: Scanner, ioc: Ioc) -> Scanner:
    ioc.put("Stop", 1)
    ioc.put("ErrorAck", 1)
    ioc.put("FailPutOnError", "No")
    ioc.put("PresetMode", "Real time")
    ioc.put("PresetReal", 0.1)
    return made


@pytest.fixture
def reasons(ioc: Ioc) -> Callable[[list[int]], list[str]]:
    """Names of the reasons that a scan has recorded as numbers."""
    labels = [str(label) for label in ioc.raw("RunEndReason_RBV", format=aioca.FORMAT_CTRL).enums]
    return lambda numbers: [labels[number] for number in numbers]


def test_each_point_is_a_run(ioc: Ioc, scanner: Scanner, reasons: Callable[[list[int]], list[str]]) -> None:
    first = int(ioc.get("RunId_RBV")) + 1
    scanner.begin(4)
    points = scanner.wait(60)
    assert points is not None
    assert points.runs == list(range(first, first + 4))
    assert reasons(points.reasons) == [PRESET] * 4


def test_a_task_that_is_killed_costs_one_point(
    ioc: Ioc, scanner: Scanner, reasons: Callable[[list[int]], list[str]]
) -> None:
    first = int(ioc.get("RunId_RBV")) + 1
    ioc.put("PresetReal", 0.5)
    scanner.begin(3)
    ioc.until("RunId_RBV", first)
    os.kill(ioc.pid_of("FillSpectra"), signal.SIGKILL)
    points = scanner.wait(60)
    assert points is not None
    assert points.runs == [first, first + 1, first + 2]
    assert reasons(points.reasons) == [LOST, PRESET, PRESET]


def test_starts_that_are_refused_are_points_without_a_run(
    ioc: Ioc, scanner: Scanner, reasons: Callable[[list[int]], list[str]]
) -> None:
    ioc.put("PresetMode", "No preset")
    somebodys = ioc.put_later("Acquire", 1, 60)
    ioc.until("Acquire_RBV", "Acquiring")
    run = int(ioc.get("RunId_RBV"))
    scanner.begin(3)
    points = scanner.wait(60)
    assert points is not None
    assert points.runs == [run] * 3  # not one more: no run was taken for them
    assert reasons(points.reasons) == [REFUSED] * 3
    assert ioc.get("Acquire_RBV") == "Acquiring"  # nor was the other disturbed
    ioc.put("Stop", 1)
    somebodys.result(60)


def test_where_puts_fail_such_a_scan_stays_busy_until_it_is_given_up(ioc: Ioc, scanner: Scanner) -> None:
    ioc.put("FailPutOnError", "Yes")
    ioc.put("PresetMode", "No preset")
    somebodys = ioc.put_later("Acquire", 1, 60)
    ioc.until("Acquire_RBV", "Acquiring")
    scanner.begin(3)
    assert scanner.wait(2) is None
    scanner.abort()
    ioc.put("Stop", 1)
    somebodys.result(60)


def test_the_page_shows_the_record_that_is_tested() -> None:
    [shown] = [
        block
        for block in section("docs/how-to/scan-records.md", "Scan with EPICS' sscan record")
        if block.language == "text"
    ]
    record = DATABASE.read_text()
    assert [line for line in shown.text.splitlines() if line.strip() not in record] == []


@pytest.mark.parametrize(
    ("name", "made_of_it"),
    [("aioca `caput(wait=True)`", "raises CANothing"), ("caproto `PV.write(wait=True)`", "success=0")],
)
def test_clients_make_of_a_refused_start_what_the_page_says(ioc: Ioc, name: str, made_of_it: str) -> None:
    ioc.put("FailPutOnError", "Yes")
    ioc.put("PresetMode", "No preset")
    somebodys = ioc.put_later("Acquire", 1, 60)
    ioc.until("Acquire_RBV", "Acquiring")
    assert made_of_it in outcome(begin(name, ioc))
    assert name in (ROOT / "docs" / "reference" / "failed-puts.md").read_text()
    ioc.put("Stop", 1)
    somebodys.result(60)
