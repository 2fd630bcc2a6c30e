"""An IOC that is killed in a run: its tasks drain and close their files, and the next IOC waits for them."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from pixieioc.offline.job import Job
from pixieioc.offline.replay import replay
from tests.hardware.simulation import Simulation
from tests.running_ioc import Ioc, ioc_folder
from tests.stopwatch import Stopwatch

parquet: Any = pytest.importorskip("pyarrow.parquet")
STOP_TIMEOUT = 5
CONFIG = """
[pipeline]
chain = ["DummyData", "GatherData", "ConvertToEvents", "Brake", "SortEvents", "WriteEvents"]
imports = ["tests.ioc.brake"]
[run]
stop_timeout = 5
[tasks.GatherData]
auto_save = true
max_delay = 0.05
file_path = "{0}/"
[tasks.WriteEvents]
file = "{0}/run{{run}}.parquet"
[ioc]
state_dir = "state"
"""


CRATE = """
[crate]
modules = 2
adc_mhz = [500]
firmware_revision = [35207]
[tasks.TakeData]
implementation = "sdk"
crate_file = "crate.toml"
"""


@contextmanager
def _running(*, crate: bool = False) -> Iterator[Ioc]:
    """An IOC in the middle of a run; at the end nothing of it is left, also if it was killed.

    With `crate` its source are two modules of the simulated SDK, on which the run goes on until somebody ends it.
    """
    with ioc_folder() as folder:
        config = folder / "test.toml"
        text = CONFIG.format(folder)
        config.write_text(text.replace("DummyData", "TakeData") + CRATE if crate else text)
        ioc = Ioc(folder, "run", config)
        if crate:
            simulation = Simulation(folder)
            simulation.crate_file()
            simulation.control("rate 400")
            ioc.environment.update(simulation.environment)
        ioc.start()
        below = ioc.processes()[1:]
        try:
            ioc.until("Ready_RBV", lambda ready: ready == "Yes", 60)
            ioc.put_and_forget("Acquire", 1)
            ioc.until("WriteEvents:Events_RBV", lambda events: events > 3000)
            yield ioc
        finally:
            ioc.end()
            _have_ended(below)
            assert not list(Path(os.environ["TMPDIR"]).glob("pixieioc-*"))


def _kill(ioc: Ioc) -> list[psutil.Process]:
    """Kills the IOC's own process, and returns those below it."""
    below = ioc.processes()[1:]
    ioc.process.send_signal(signal.SIGKILL)
    ioc.process.wait(60)
    ioc.log.close()
    return below


def _have_ended(processes: list[psutil.Process], seconds: float = STOP_TIMEOUT + 3) -> None:
    """Waits until all have ended; that init may take its time to hear of it is nobody's fault."""
    end = time.monotonic() + seconds
    while alive := [process for process in processes if _lives(process)]:
        assert time.monotonic() < end, alive
        psutil.wait_procs(alive, timeout=0.05)


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _raw_file(folder: Path) -> tuple[Path, dict[str, Any]]:
    """The only raw file, which is complete, and its sidecar, which tells the truth."""
    assert not list(folder.glob("*.part"))
    [raw] = folder.glob("*.bin")
    about = json.loads(raw.with_name(raw.name + ".json").read_text())
    content = raw.read_bytes()
    assert (about["bytes"], about["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
    assert about["end_reason"] == "IOC lost"
    return raw, about


def test_all_that_was_read_is_in_complete_files_and_the_next_ioc_goes_on() -> None:
    with _running() as ioc:
        seen, run = ioc.get("WriteEvents:Events_RBV"), ioc.get("RunId_RBV")
        ioc.put("Brake:Delay", 0.1)  # what waits for it has to come through
        for task in ("GatherData", "SortEvents"):
            os.kill(ioc.pid_of(task), signal.SIGSTOP)  # it goes on by itself
        below = _kill(ioc)
        ioc.start()  # at once: its tasks begin when those before have ended
        _have_ended(below, 1)
        assert ioc.get("UnfinishedFiles_RBV") == ""
        raw, about = _raw_file(ioc.folder)
        [events] = ioc.folder.glob("*.parquet")
        written = parquet.ParquetFile(events).metadata
        told = json.loads(written.metadata[b"pixieioc"])
        assert (told["written"]["run_id"], told["written"]["end_reason"]) == (run, "IOC lost")
        assert about["run_id"] == run
        assert seen < written.num_rows == told["events"] == replay(Job((str(raw),))).events
        ioc.put("PresetMode", "Real time")
        ioc.put("PresetReal", 0.3)
        ioc.put("Acquire", 1)
        assert ioc.get("RunId_RBV") > run


def test_a_task_that_hangs_is_killed_after_stop_timeout_and_keeps_nobody_from_closing_files() -> None:
    with _running() as ioc:
        ioc.put("Brake:Delay", 60)
        ioc.until("Brake:BusyTime_RBV", lambda seconds: seconds > 0)
        below, began = _kill(ioc), Stopwatch()
        _have_ended(below)
        assert began.elapsed > STOP_TIMEOUT - 0.5
        _raw_file(ioc.folder)
        [events] = ioc.folder.glob("*.parquet")
        assert parquet.ParquetFile(events).metadata.num_rows > 3000


def test_a_task_that_dies_with_the_ioc_costs_the_others_nothing() -> None:
    with _running() as ioc:
        os.kill(ioc.process.pid, signal.SIGSTOP)  # so that it does not hear of it
        ioc_process = psutil.Process(ioc.process.pid)
        tasks = [each for each in ioc_process.children(recursive=True) if "forkserver" in " ".join(each.cmdline())]
        victim = max(tasks, key=lambda each: each.pid)
        victim.kill()
        below, began = _kill(ioc), Stopwatch()
        _have_ended(below)
        assert began.taken < STOP_TIMEOUT


def test_a_crate_is_stopped_and_all_that_was_read_from_it_is_in_complete_files() -> None:
    with _running(crate=True) as ioc:
        seen, run = ioc.get("WriteEvents:Events_RBV"), ioc.get("RunId_RBV")
        began = Stopwatch()
        _have_ended(_kill(ioc))
        assert began.taken < STOP_TIMEOUT
        assert not list(ioc.folder.glob("*.part"))
        raw = sorted(ioc.folder.glob("*_run*.bin"))
        for module, path in enumerate(raw):
            about, content = json.loads(path.with_name(path.name + ".json").read_text()), path.read_bytes()
            assert (about["module"], about["run_id"], about["end_reason"]) == (module, run, "IOC lost")
            assert (about["bytes"], about["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
        assert len(raw) == 2
        [events] = ioc.folder.glob("*.parquet")
        written = parquet.ParquetFile(events).metadata
        assert json.loads(written.metadata[b"pixieioc"])["written"]["end_reason"] == "IOC lost"
        assert seen < written.num_rows == replay(Job(tuple(map(str, raw)), adc_mhz=(500,), firmware=(35207,))).events
        ioc.start()
        ioc.until("Ready_RBV", lambda ready: ready == "Yes", 60)
        assert ioc.get("UnfinishedFiles_RBV") == ""
        ioc.put("PresetMode", "Real time")
        ioc.put("PresetReal", 0.3)
        ioc.put("Acquire", 1)  # the modules, in which a run went on when the process was lost, are as after any run
        assert ioc.get("RunId_RBV") > run
        assert ioc.get("WriteEvents:REPORT:EventsWritten_RBV") > 0
