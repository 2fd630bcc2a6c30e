"""Disks that do not answer any more, to anybody: the IOC says so, ends when it is told to, and loses no record."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.running_ioc import Ioc, ioc_folder
from tests.silent_disk import SilentDisk, silent_disk, why_not
from tests.stopwatch import Stopwatch
from tests.system.rounds import BOUND, CONFIG, acquire, answered, next_run, running_in

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not())


class _Site(NamedTuple):
    """An IOC, and two disks that it uses."""

    ioc: Ioc
    raw: SilentDisk
    own: SilentDisk  # for its state and its logs


@pytest.fixture(scope="module")
def site() -> Iterator[_Site]:
    with ioc_folder() as folder, silent_disk(folder / "raw") as raw, silent_disk(folder / "own") as own:
        config = CONFIG.replace('"state"', '"{0}/own/state"').replace("{0}/logs", "{0}/own/logs")
        with running_in(folder, config) as ioc:
            try:
                yield _Site(ioc, raw, own)
            finally:
                raw.answer()
                own.answer()


def test_the_record_of_a_run_whose_disk_is_silent_is_kept_and_comes_home(site: _Site) -> None:
    ioc, state = site.ioc, site.own.folder / "state"
    run = acquire(ioc)
    site.raw.hang()
    time.sleep(0.3)  # in which GatherData begins to wait for it
    clock = Stopwatch()
    assert answered(ioc.put_later("Stop", 1, 60), 60) is not None
    assert answered(run, 60) is not None
    assert clock.taken < BOUND
    kept = state / "record-000001.json"
    ioc.until("RecordMessage_RBV", lambda text: text.startswith(f"the record of run 1 is in {kept}: GatherData was"))
    record = json.loads(kept.read_text())["record"]
    [part] = record["unfinished"]
    assert (record["good"], record["end_reason"], Path(part).parent) == (False, "Timeout", site.raw.folder)
    site.raw.answer()
    ioc.until("RecordMessage_RBV", "", 60)
    [sidecar] = site.raw.folder.glob("*.json.part")
    assert json.loads(sidecar.read_text())["record"]["end_reason"] == "Timeout"
    assert not kept.exists()
    ioc.until("Ready_RBV", "Yes", 60)
    next_run(ioc)


def test_sigterm_ends_it_in_time_and_its_start_too_while_the_state_folder_is_silent(site: _Site) -> None:
    ioc = site.ioc
    site.own.hang()
    ioc.put_and_forget("PresetReal", 2.5)
    ioc.process.send_signal(signal.SIGHUP)  # a line of the log
    ioc.until("SR_statusMessage_RBV", lambda text: text.endswith("does not answer"))
    ioc.process.send_signal(signal.SIGTERM)
    _ends(ioc, BOUND)
    [line] = [line for line in ioc.output().splitlines() if line.startswith("pixieioc: ended, but not written: ")]
    for what in (f"settings that were changed last (in {site.own.folder}", "line of the log", "run 2 was the last one"):
        assert what in line.replace("lines", "line")
    later = Ioc(ioc.folder, *ioc.arguments)
    later.launch()
    while "the IOC begins when the file system of its state folder" not in ioc.output():
        assert later.process.poll() is None
        time.sleep(0.05)
    later.process.send_signal(signal.SIGTERM)
    later.log.close()
    _ends(later, 3)
    site.own.answer()
    assert (ioc.process.wait(60), later.process.wait(60)) == (os.EX_IOERR, 0)


def _ends(ioc: Ioc, seconds: float) -> None:
    """Its process ends: what the system still does for one of its threads leaves no more than a zombie."""
    clock, stat = Stopwatch(), Path(f"/proc/{ioc.process.pid}/stat")
    while stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z":
        assert clock.taken < seconds, f"it has not ended within {seconds} s"
        time.sleep(0.05)
