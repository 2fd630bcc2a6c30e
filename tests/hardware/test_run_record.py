"""What is kept with the data of a run: settings of the modules at its start, their counts at its end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.hardware.crate_ioc import RATE, Crate, running_crate
from tests.running_ioc import Ioc


@pytest.fixture(scope="module")
def crate() -> Iterator[Crate]:
    """An IOC that writes raw files and a file of events, with a crate that has booted."""
    with running_crate(save=True, write=True, statistics_interval=0.2) as made:
        made[0].put("Boot", 1, timeout=60)
        made[0].until("Ready_RBV", lambda ready: ready == "Yes", 60)
        made[0].put("PresetMode", "Real time")
        made[0].put("PresetReal", 0.5)
        yield made


def _files(crate: Crate, ending: str) -> list[Path]:
    """The files of the last run."""
    ioc, simulation = crate
    return sorted(simulation.folder.rglob(f"*run{int(ioc.get('RunId_RBV')):06}*{ending}"))


def _told(crate: Crate) -> dict[str, dict[str, Any]]:
    """By module what was reported last."""
    ioc, _ = crate
    return {
        str(module): {
            "real_time": pytest.approx(ioc.get(f"M{module:02}:RealTime_RBV")),
            "live_times": pytest.approx(ioc.get(f"M{module:02}:LiveTimes_RBV")),
            "input_counts": list(ioc.get(f"M{module:02}:InputCounts_RBV")),
            "output_counts": list(ioc.get(f"M{module:02}:OutputCounts_RBV")),
            "lost": ioc.get(f"M{module:02}:Lost_RBV"),
            "overflows": ioc.get(f"M{module:02}:Overflows_RBV"),
        }
        for module in range(2)
    }


def test_the_counts_in_the_files_are_those_that_were_reported_last(crate: Crate) -> None:
    ioc, _ = crate
    ioc.put("Acquire", 1)
    told = _told(crate)
    assert sum(told["1"]["output_counts"]) > 1000
    sidecars = _files(crate, ".bin.json")
    assert {str(about["module"]): about["counts"] for about in map(_content, sidecars)} == told
    [events] = map(_content, _files(crate, ".npy.json"))
    assert events["counts"] == told
    assert events["events"] == sum(sum(module["output_counts"]) for module in told.values())
    assert not any("counts_unknown" in about for about in (events, *map(_content, sidecars)))


def test_the_settings_of_a_run_load_again(crate: Crate) -> None:
    ioc, _ = crate
    ioc.put("M01:C03:TRIGGER_THRESHOLD", 77)
    kept = ioc.get("M01:C03:TRIGGER_THRESHOLD_RBV")
    ioc.put("Acquire", 1)
    [file] = _files(crate, ".settings.json")
    assert len(json.loads(file.read_text())) == 2
    ioc.put("M01:C03:TRIGGER_THRESHOLD", 150)
    assert ioc.get("M01:C03:TRIGGER_THRESHOLD_RBV") != kept
    ioc.put("SettingsFile", str(file))
    ioc.put("LoadSettings", 1)
    assert ioc.get("M01:C03:TRIGGER_THRESHOLD_RBV") == kept
    assert ioc.get("SettingsChanged_RBV") == "No"
    ioc.put("SettingsFile", "")


def test_a_run_whose_counts_cannot_be_read_says_why(crate: Crate) -> None:
    ioc, simulation = crate
    ioc.put("PresetMode", "No preset")
    _start(ioc)
    simulation.control(RATE, "fail Pixie16ReadStatisticsFromModule code 506")
    ioc.put_and_forget("Stop", 1)
    ioc.until("TakeData:ERROR", lambda error: error == "ERROR")
    ioc.until("Acquire", lambda acquire: acquire == "Done")
    abouts = [*map(_content, _files(crate, ".bin.json"))]
    assert len(abouts) == 2
    for about in abouts:
        assert about["counts"] is None
        assert "Pixie16ReadStatisticsFromModule" in about["counts_unknown"]
    simulation.control(RATE)
    ioc.put("ErrorAck", 1)


def test_a_run_whose_source_is_killed_says_that_nothing_was_told(crate: Crate) -> None:
    ioc, simulation = crate
    simulation.control(RATE)
    ioc.put("ErrorAck", 1)
    _start(ioc)
    simulation.control(RATE, "crash Pixie16ReadDataFromExternalFIFO")
    ioc.until("Acquire", lambda acquire: acquire == "Done")
    for about in map(_content, _files(crate, ".bin.json")):
        assert about["counts"] is None
        assert about["counts_unknown"].endswith("was not received before this file was completed")


def _start(ioc: Ioc) -> None:
    """Starts a run; returns when some of its data are written, and not those of the run before."""
    ioc.put_and_forget("Acquire", 1)
    ioc.until("DetectorState_RBV", "Acquire")
    before = ioc.get("BytesWritten_RBV")
    ioc.until("BytesWritten_RBV", lambda written: written > 0 and written != before)


def _content(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text())
