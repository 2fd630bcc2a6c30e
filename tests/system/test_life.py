"""The life of an IOC: the demo as somebody meets it who has just installed it, signals, and a violent end."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import psutil
import pytest

from tests.conftest import CA_PORTS
from tests.running_ioc import Ioc, ioc_folder, running


def test_it_is_idle_until_told_and_says_what_to_type() -> None:
    with ioc_folder() as folder, running(Ioc(folder, "demo")) as demo:
        assert demo.get("DetectorState_RBV") == "Idle"
        assert demo.get("Acquire_RBV") == "Done"
        assert {demo.get(f"{task}:Status") for task in demo.tasks()} == {"WAITING"}
        told = demo.output()
        for name in ("Acquire 1", "Stop 1", "DetectorState_RBV", "FillSpectra:Rate_RBV", "M00:C00:Spectrum_RBV"):
            assert demo.prefix + name in told
        # It means what it says.
        demo.put_and_forget("Acquire", 1)
        demo.until("FillSpectra:Events_RBV", lambda events: events > 500)
        demo.put("Stop", 1)
        spectra = [demo.get(f"M00:C{channel:02}:Spectrum_RBV").sum() for channel in range(4)]
        assert sum(spectra) == demo.get("FillSpectra:Events_RBV") > 500
        assert all(spectra)


def test_started_it_counts_and_listens_on_this_computer_only() -> None:
    with ioc_folder() as folder, running(Ioc(folder, "demo", "--start")) as demo:
        demo.until("FillSpectra:Rate_RBV", lambda rate: 2000 < rate < 8000)
        tcp = [c for process in demo.processes() for c in process.net_connections("tcp")]
        assert {connection.laddr.ip for connection in tcp} == {"127.0.0.1"}
        searches = [c for c in demo.processes()[0].net_connections("udp") if c.laddr.port in CA_PORTS]
        assert {connection.laddr.ip for connection in searches} <= {"127.0.0.1", "127.255.255.255"}
        assert searches
        assert demo.end(signal.SIGINT) == 0


def _saving(folder: Path) -> Path:
    """A configuration that saves raw files."""
    config = folder / "saving.toml"
    config.write_text(
        '[pipeline]\nchain = ["DummyData", "GatherData", "ConvertToEvents", "FillSpectra"]\n'
        f'[tasks.GatherData]\nauto_save = true\nfile_path = "{folder}/"\n'
    )
    return config


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_a_signal_ends_a_run_as_stop_does(number: int) -> None:
    with ioc_folder() as folder, running(Ioc(folder, "run", _saving(folder))) as ioc:
        pending = ioc.put_later("Acquire", 1)
        ioc.until("FillSpectra:Events_RBV", lambda events: events > 0)
        run = ioc.get("RunId_RBV")
        assert ioc.end(number) == 0
        assert pending.exception(60) is None  # the run has ended well
        assert list(folder.glob(f"*run{run:06}*.bin"))
        assert not list(folder.glob("*.part"))


def test_a_killed_ioc_leaves_no_task_and_readable_files_and_numbers_go_on() -> None:
    with ioc_folder() as folder:
        ioc = Ioc(folder, "run", _saving(folder))
        with running(ioc):
            ioc.put_and_forget("Acquire", 1)
            ioc.until("BytesWritten_RBV", lambda size: size > 10_000)
            run, below = ioc.get("RunId_RBV"), ioc.processes()[1:]
            ioc.process.send_signal(signal.SIGKILL)
            _, alive = psutil.wait_procs(below, timeout=60)
            assert not alive
            ioc.process.wait(60)
            [file] = folder.glob("*.bin")
            assert file.stat().st_size > 10_000
            assert json.loads(Path(f"{file}.json").read_text())["end_reason"] == "IOC lost"
            ioc.log.close()
            ioc.start()
            assert ioc.get("RunEndReason_RBV") == "IOC restart"
            assert ioc.get("RunId_RBV") == run + 1  # as far as it knows, that could have been shown already
            ioc.put("PresetMode", "Events")
            ioc.put("PresetEvents", 100)
            ioc.put("Acquire", 1)
            assert ioc.get("RunId_RBV") == run + 2
            assert ioc.get("RunEndReason_RBV") == "Preset"
            assert ioc.get("UnfinishedFiles_RBV") == ""


def test_a_killed_ioc_leaves_no_task_that_stood_still() -> None:
    """A process that is stopped (SIGSTOP) notices nothing, and keeps the fork server alive."""
    with ioc_folder() as folder:
        ioc = Ioc(folder, "demo")
        with running(ioc):
            below = ioc.processes()[1:]
            psutil.Process(ioc.get("SortEvents:ProcessId_RBV")).suspend()
            ioc.process.send_signal(signal.SIGKILL)
            _, alive = psutil.wait_procs(below, timeout=60)
            for process in alive:
                process.kill()
            assert not alive
