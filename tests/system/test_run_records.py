"""What is kept of a run, with an IOC of EPICS Base that serves the site's process variables, and its faults."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pixieioc.catalogue import Filter, find, open_catalogue
from pixieioc.catalogue.details import sidecars_of
from pixieioc.catalogue.verify import verify
from pixieioc.tasks.sidecar import Sidecar
from tests.conftest import CA_PORTS
from tests.running_ioc import ROOT, Ioc, ioc_folder, running
from tests.stopwatch import Stopwatch

DATABASE = """
record(calc, "SITE:CURRENT") {{ field(EGU, "nA") field(CALC, "{value}") field(HIGH, "5") field(HSV, "MINOR")
    field(PINI, "YES") field(INPA, "SITE:CURRENT") field(SCAN, "{scan}") }}
record(stringin, "SITE:ION") {{ field(VAL, "208Pb") field(PINI, "YES") }}
record(bi, "SITE:SHUTTER") {{ field(ZNAM, "closed") field(ONAM, "open") field(VAL, "1") field(PINI, "YES") }}
record(waveform, "SITE:PROFILE") {{ field(FTVL, "DOUBLE") field(NELM, "500") }}
"""
CHANGED = 'record(stringin, "SITE:CURRENT") { field(VAL, "off") field(PINI, "YES") }\n'
PVS = ["SITE:CURRENT", "SITE:ION", "SITE:SHUTTER", "ca://SITE:PROFILE", "SITE:NOT:THERE"]


class Site:
    """The site's IOC, which can be suspended and killed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, database: str = DATABASE.format(value="A+1", scan=".1 second")) -> None:
        """Serves these records."""
        file = self._folder / "site.db"
        file.write_text(database)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "epicscorelibs.ioc", "-d", str(file)],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={**os.environ, "EPICS_CAS_SERVER_PORT": str(CA_PORTS[2])},
        )  # fmt: skip

    def signal(self, number: int) -> None:
        """Sends it a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def end(self) -> None:
        """Kills it, if it is there."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


class Records(Ioc):
    """The IOC, and what is in the sidecars of its runs."""

    site: Site

    def take(self, seconds: float = 0.3) -> dict[str, Any]:
        """A run of a preset time; its record, which all of its sidecars have."""
        self.put("PresetReal", seconds)
        self.put("Acquire", 1, timeout=60)
        return self.record()

    def record(self) -> dict[str, Any]:
        """That of the last run."""
        run = int(self.get("RunId_RBV"))
        found = sorted((self.folder / "data").glob(f"*{run:06}*.json"))
        first, *others = [json.loads(path.read_bytes())["record"] for path in found]
        assert all(other == first for other in others)
        return first

    def connected(self, count: int) -> None:
        """Waits until so many conditions cannot be read."""
        self.until("ConditionsMissing_RBV", count, 60)


@pytest.fixture(scope="module")
def ioc() -> Iterator[Records]:
    with ioc_folder() as folder:
        (folder / "data").mkdir()
        config = folder / "records.toml"
        chain = ["DummyData", "GatherData", "ConvertToEvents", "SortEvents", "WriteEvents"]
        config.write_text(
            f'[pipeline]\nchain = {json.dumps(chain)}\n[crate]\nmodules = 2\n[run]\npreset_mode = "Real time"\n'
            f'title = "first"\n[run.conditions]\npvs = {json.dumps(PVS)}\nelements = 10\nperiod = 0.1\n'
            f'[tasks.GatherData]\nauto_save = true\nfile_path = "{folder}/data/"\n'
            f'[tasks.WriteEvents]\nfile = "{folder}/data/events_run{{run}}.parquet"\n'
        )
        records = Records(folder, "run", config)
        records.port = CA_PORTS[0]
        site = records.site = Site(folder)
        site.start()
        try:
            with running(records):
                records.connected(1)
                yield records
        finally:
            site.end()


def _of(record: dict[str, Any], pv: str) -> dict[str, Any]:
    return next(each for each in record["conditions"] if each["pv"] == pv)


def test_each_sidecar_has_the_record_and_what_was_written_last_in_the_run_counts(ioc: Records) -> None:
    ioc.until("ConditionsMessage_RBV", "SITE:NOT:THERE: not connected", 60)
    ioc.put("PresetReal", 600.0)
    ioc.put("Comment", "é " * 1300)
    ioc.put_and_forget("Acquire", 1)
    ioc.until("DetectorState_RBV", "Acquire")
    ioc.until("WriteEvents:Events_RBV", lambda events: events > 0)
    ioc.put("Title", "beam on target")
    ioc.put("Stop", 1, timeout=60)
    record = ioc.record()
    assert (record["title"], record["comment"], record["operator"]) == ("beam on target", "é " * 1300, "")
    assert len(list((ioc.folder / "data").glob("*.json"))) == 3
    assert (record["end_reason"], record["good"], record["failure"]) == ("Operator stop", True, "")
    assert record["elapsed_real"] == pytest.approx(ioc.get("ElapsedReal_RBV"))
    assert record["events"] == ioc.get("WriteEvents:Events_RBV")
    assert record["run_parameters"]["preset_real"] == 600.0
    assert record["losses"] == {}
    for path in (ioc.folder / "data").glob("*.json"):
        known = msgspec.json.decode(path.read_bytes(), type=Sidecar)
        assert (known.sidecar, known.run_id, known.record is not None) == (2, ioc.get("RunId_RBV"), True)


def test_conditions_at_the_start_at_the_end_and_in_between(ioc: Records) -> None:
    clock = Stopwatch()
    record = ioc.take(1.0)
    slack = 2 + clock.busy
    current, ion, shutter, profile, missing = record["conditions"]
    assert [each["pv"] for each in record["conditions"]] == PVS
    start, end = current["start"], current["end"]
    assert (start["state"], start["unit"], start["severity"], start["status"]) == ("ok", "nA", "MINOR", "HIGH")
    assert end["value"] > start["value"]
    assert record["start_time"] - slack < start["time"] < record["start_time"] + slack < end["time"] + 2 * slack
    assert current["updates"] >= 3
    assert current["minimum"] <= start["value"] <= current["mean"] <= end["value"] <= current["maximum"]
    assert (ion["start"]["value"], shutter["start"]["value"]) == ("208Pb", "open")
    assert (profile["start"]["state"], profile["start"]["elements"]) == ("ok", 500)
    assert missing["start"]["state"] == missing["end"]["state"] == "not connected"
    file = ioc.folder / "data" / record["conditions_file"]
    head, *lines = map(json.loads, file.read_text().splitlines())
    assert (head["run_id"], head["pvs"]) == (ioc.get("RunId_RBV"), PVS)
    values = [line["v"] for line in lines if line["i"] == 0]
    assert len(values) >= 3
    assert (values[0], values[-1], record["conditions_problem"]) == (start["value"], end["value"], "")
    assert (min(values), max(values)) == (current["minimum"], current["maximum"])
    assert not list(ioc.folder.rglob("conditions-*"))


def _start_time(ioc: Records) -> float:
    """How long a start takes, as its client sees it."""
    begun = Stopwatch()
    ioc.put_and_forget("Acquire", 1)
    ioc.until("DetectorState_RBV", "Acquire")
    took = begun.taken
    ioc.put("Stop", 1, timeout=60)
    return took


def test_a_site_that_hangs_delays_no_start_and_that_it_did_not_answer_is_said(ioc: Records) -> None:
    ioc.put("PresetReal", 600.0)
    usual = min(_start_time(ioc) for _ in range(3))
    ioc.site.signal(signal.SIGSTOP)
    try:
        hung = min(_start_time(ioc) for _ in range(3))
        # Less than 50 ms more on a quiet computer; a start that waited for an answer would take seconds.
        assert hung < 2 * usual + 0.5
        current = _of(ioc.record(), "SITE:CURRENT")
        ioc.connected(5)  # a server that hangs is noticed though it has said nothing
        assert "SITE:SHUTTER: no answer" in ioc.get("ConditionsMessage_RBV")
    finally:
        ioc.site.signal(signal.SIGCONT)
    ioc.connected(1)
    assert (current["start"]["state"], current["end"]["state"]) == ("no answer", "no answer")
    assert current["start"]["value"] == current["end"]["value"] > 0
    assert "did not answer" in current["end"]["why"]
    assert _of(ioc.record(), "SITE:NOT:THERE")["start"]["state"] == "not connected"


def test_the_reader_is_replaced_when_it_is_killed_and_no_run_notices(ioc: Records) -> None:
    reader = next(each for each in ioc.processes() if "pixieioc.site_pvs.reader" in each.cmdline())
    for number in (signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP, signal.SIGINT):
        reader.send_signal(number)  # as to all processes at once: they are for the IOC
    ioc.connected(1)
    assert reader.is_running()
    reader.kill()
    ioc.connected(5)
    current = _of(ioc.take(), "SITE:CURRENT")
    assert (current["start"]["state"], current["start"]["unit"]) == ("no answer", "nA")
    ioc.connected(1)


def test_the_script_makes_an_entry_for_a_run(ioc: Records) -> None:
    command = [sys.executable, "-c", "import sys; print(sys.argv[1]); print(sys.stdin.read())", "<{subject}>"]
    script = subprocess.Popen(
        [sys.executable, ROOT / "examples" / "run_entry.py", ioc.prefix, "--runs", "1", "--", *command],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        while script.poll() is None:  # it may not listen yet
            ioc.take()
        text, _ = script.communicate(timeout=240)
    finally:
        script.kill()
    assert (script.returncode, text[0]) == (0, "<")
    run = int(text.split()[1].rstrip(":"))
    assert text.startswith(f"<Run {run}: beam on target, Preset>\nRun {run}: beam on target, Preset\n")
    assert "  SITE:ION = 208Pb\n  SITE:SHUTTER = open\n" in text
    assert "  SITE:NOT:THERE = not connected\n" in text
    assert f"_run{run:06}_mod00.bin\n" in text


def test_a_site_that_dies_in_a_run_and_comes_back_as_something_else(ioc: Records) -> None:
    ioc.put("PresetReal", 600.0)
    ioc.put_and_forget("Acquire", 1)
    ioc.until("DetectorState_RBV", "Acquire")
    ioc.site.end()
    ioc.connected(5)
    ioc.site.start(CHANGED)
    try:
        ioc.connected(4)
        ioc.put("Abort", 1, timeout=60)
    finally:
        ioc.site.end()
    record = ioc.record()
    current = _of(record, "SITE:CURRENT")
    assert (record["end_reason"], record["good"]) == ("Abort", False)
    assert (current["start"]["unit"], current["end"]["state"], current["end"]["value"]) == ("nA", "ok", "off")
    assert current["disconnections"] == 1
    assert _of(record, "SITE:ION")["end"]["state"] == "not connected"


def test_the_catalogue_has_all_of_these_runs_and_their_files_are_sound(ioc: Records) -> None:
    with open_catalogue(ioc.folder / "data", index=ioc.folder / "index.sqlite") as catalogue:
        rows = find(catalogue.db, Filter())
        assert [row.run_id for row in rows] == list(range(1, int(ioc.get("RunId_RBV")) + 1))
        assert {row.title for row in rows} == {"beam on target"}
        assert [row.reason for row in rows if row.good is False] == ["Abort"]
        found = list(verify(catalogue, rows))
    assert [each for each in found if each.problem] == []
    assert {each.checked for each in found} == {"sha256"}


def test_the_conditions_of_a_run_whose_ioc_is_killed_come_to_its_files_at_the_next_start(ioc: Records) -> None:
    ioc.put_and_forget("Acquire", 1)
    ioc.until("DetectorState_RBV", "Acquire")
    ioc.until("WriteEvents:Events_RBV", lambda events: events > 0)
    run = int(ioc.get("RunId_RBV"))
    assert list(ioc.folder.rglob(f"conditions-{run:06}.jsonl"))
    ioc.end(signal.SIGKILL)
    try:
        ioc.start()
    finally:
        ioc.end()
    assert not list(ioc.folder.rglob("conditions-*"))
    [file] = (ioc.folder / "data").glob(f"*run{run:06}*.conditions.jsonl")
    head, *lines = map(json.loads, file.read_text().splitlines())
    assert (head["run_id"], head["end_reason"], {line["i"] for line in lines}) == (
        run,
        "IOC lost",
        set(range(len(PVS))),
    )
    with open_catalogue(ioc.folder / "data", index=ioc.folder / "index.sqlite") as catalogue:
        [row] = [row for row in find(catalogue.db, Filter()) if row.run_id == run]
        assert any(about["record"]["conditions_file"] == file.name for _, about in sidecars_of(catalogue, row))
