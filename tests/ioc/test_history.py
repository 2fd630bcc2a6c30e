"""What the IOC remembers for whoever looks later: the last commands, and how the rate went."""

from __future__ import annotations

import json
from datetime import datetime

import numpy as np
import pytest

from pixieioc.ioc.command_status import CommandLog
from pixieioc.pvinfo.run_control import RATE_MEAN, RATES_KEPT
from tests.ca_client import PutFailed
from tests.running_ioc import Ioc

NOON = datetime(2026, 3, 1, 12)


def test_a_command_has_one_line_which_tells_what_became_of_it() -> None:
    log = CommandLog()
    log.add(NOON, "Busy", "run 1 is being started", "anna@hall")
    assert (
        log.add(NOON, "OK", "run 1 has started", "anna@hall") == "03-01 12:00:00 OK       anna@hall: run 1 has started"
    )
    assert log.add(NOON, "Refused", "a run\nis on", "ben@home").startswith(
        "03-01 12:00:00 Refused  ben@home: a run is on\n"
    )


def test_what_somebody_else_does_meanwhile_has_a_line_of_its_own() -> None:
    log = CommandLog()
    log.add(NOON, "Busy", "run 1 is being started", "anna@hall")
    lines = log.add(NOON, "Refused", "a run is on", "ben@home").split("\n")
    assert [line.split()[2] for line in lines] == ["Refused", "Busy"]
    assert len(log.add(NOON, "OK", "run 1 has started", "anna@hall").split("\n")) == 3


def test_the_last_twenty_are_kept_and_none_is_endless() -> None:
    log = CommandLog()
    text = [log.add(NOON, "OK", f"{number}{'!' * 1000}", "anna@hall") for number in range(30)][-1]
    lines = text.split("\n")
    assert [line.split("anna@hall: ")[1][:2] for line in lines] == [str(number) for number in range(29, 9, -1)]
    assert len(text) < 8192


def test_the_ioc_logs_commands(ioc: Ioc) -> None:
    ioc.put_and_forget("Acquire", 1)
    ioc.until("Acquire_RBV", "Acquiring")
    with pytest.raises(PutFailed):
        ioc.put("Reset", 1)
    ioc.put("Stop", 1)
    lines = ioc.get("CmdLog_RBV").split("\n")
    assert [line.split()[2] for line in lines[:2]] == ["OK", "Refused"]
    assert "Operator stop" in lines[0]
    assert "Reset" in lines[1]


def test_the_rate_is_a_mean_and_its_history_ends_now(ioc: Ioc) -> None:
    times = ioc.get("RateHistoryTime_RBV")
    assert (times[0], times[-1], len(times)) == (1 - RATES_KEPT, 0, RATES_KEPT)
    ioc.put_and_forget("Acquire", 1)
    with ioc.watch("RateHistory_RBV") as watch:
        # Two channels of 1000 a second.
        history = watch.until("RateHistory_RBV", lambda rates: np.all(rates[-3:] > 500)).value
    assert np.median(history[-3:]) < 5000
    ioc.until("EventRate_RBV", lambda rate: rate > 500)
    ioc.put("Stop", 1)
    ioc.until("EventRate_RBV", 0.0, RATE_MEAN + 60)


def test_a_run_that_writes_no_file_has_its_record_in_the_state_folder(ioc: Ioc) -> None:
    ioc.put("AutoSave", 0)
    ioc.put("PresetMode", "Real time")
    ioc.put("PresetReal", 0.2)
    ioc.put("Title", "without files")
    ioc.put("Acquire", 1)
    run = int(ioc.get("RunId_RBV"))
    [path] = (ioc.folder / "state").rglob(f"runs/run-{run:06}.json")
    said = json.loads(path.read_bytes())
    assert (said["run_id"], said["record"]["title"], said["record"]["end_reason"]) == (run, "without files", "Preset")
    assert said["record"]["events"] == ioc.get("FillSpectra:Events_RBV")
    assert said["start_time"] == said["record"]["start_time"] < said["end_time"]
