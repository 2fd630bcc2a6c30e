"""The example with branches, over Channel Access: online analysis that does not run costs no data and is no alarm."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from tests.running_ioc import ROOT, Ioc, ioc_folder, running

EXAMPLE = ROOT / "examples" / "branches.toml"


def _raw_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in (folder / "pixieioc-data").glob("*.bin"))


def test_raw_saving_goes_on_while_the_spectra_do_not_run() -> None:
    with ioc_folder() as folder, running(Ioc(folder, "run", EXAMPLE, "--set", "DummyData.interval=0.01")) as ioc:
        assert ioc.tasks() == ["DummyData", "GatherData", "ConvertToEvents", "SortEvents", "FillSpectra", "Coarse"]
        ioc.put("AutoSave", "Yes")
        end = ioc.put_later("Acquire", 1, 60)
        ioc.until("Coarse:Events_RBV", lambda events: events > 100)
        spectra = ioc.pid_of("FillSpectra")
        os.kill(spectra, signal.SIGSTOP)
        try:
            ioc.until("ConvertToEvents:Missed_RBV", lambda missed: missed > 50, 60)
            before = ioc.get("BytesWritten_RBV")
            ioc.until("BytesWritten_RBV", lambda written: written > before, 60)
            names = ("ConvertToEvents:Missed_RBV", "FillSpectra:QueueUse_RBV", "GatherData:QueueUse_RBV")
            assert [ioc.severity(name) for name in names] == [0, 0, 0]
            assert (ioc.get("GatherData:Dropped_RBV"), ioc.get("DummyData:Dropped_RBV")) == (0, 0)
        finally:
            os.kill(spectra, signal.SIGCONT)
        ioc.put("Stop", 1)
        end.result(60)
        assert ioc.get("RunEndReason_RBV") == "Operator stop"
        assert ioc.get("ErrorLatched_RBV") == "OK"
        out = ioc.get("DummyData:REPORT:MessagesOut_RBV")
        assert ioc.get("GatherData:Counter_RBV") == out
        assert ioc.get("ConvertToEvents:Counter_RBV") + ioc.get("ConvertToEvents:Missed_RBV") == out
        assert [ioc.get(f"{task}:Balance_RBV") for task in ioc.tasks()] == [0] * 6
        assert _raw_bytes(folder) == ioc.get("BytesWritten_RBV") > 0
        events = ioc.get("FillSpectra:Events_RBV")
        assert ioc.get("Coarse:Events_RBV") == events > 100
        fine, coarse = (sum(ioc.get(f"{of}M00:C{c:02}:Spectrum_RBV").sum() for c in range(4)) for of in ("", "Coarse:"))
        assert fine == coarse == events


def test_a_task_of_a_sampling_branch_that_dies_ends_no_run() -> None:
    with ioc_folder() as folder, running(Ioc(folder, "run", EXAMPLE)) as ioc:
        end = ioc.put_later("Acquire", 1, 60)
        ioc.until("FillSpectra:Events_RBV", lambda events: events > 100)
        ioc.kill_task("FillSpectra")
        ioc.until("FillSpectra:ERROR", "ERROR")
        assert ioc.severity("FillSpectra:ERROR") == 2
        ioc.until("ConvertToEvents:Missed_RBV", lambda missed: missed > 0, 60)
        assert ioc.get("Acquire_RBV") == "Acquiring"
        count = ioc.get("GatherData:Counter_RBV")
        ioc.until("GatherData:Counter_RBV", lambda now: now > count)
        ioc.put("Stop", 1)
        end.result(60)
        assert ioc.get("RunEndReason_RBV") == "Operator stop"
        assert ioc.get("FillSpectra:ERROR") == "ERROR", "it stays until somebody acknowledges it"
        again = ioc.put_later("Acquire", 1, 60)
        ioc.until("FillSpectra:Events_RBV", lambda events: events > 100, 60)
        ioc.put("Stop", 1)
        again.result(60)
