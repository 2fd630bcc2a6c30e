"""What must not keep anybody waiting: full disks, file systems that do not answer, tasks that hang, our own faults."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.ca_client import PutFailed
from tests.running_ioc import Ioc, ioc_folder, running
from tests.stopwatch import Stopwatch
from tests.tmpfs import tmpfs, unmount

MAJOR, INVALID = 2, 3
CONFIG = """
[pipeline]
chain = ["DummyData", "GatherData", "ConvertToEvents", "Brake"]
imports = ["tests.ioc.brake", "tests.ioc.slow_start"]

[run]
stop_timeout = 2

[tasks.GatherData]
max_delay = 0.05

[ioc]
state_dir = "state"
"""
SLOW = CONFIG.replace('"Brake"]', '"SlowStart"]')
STOP_TIMEOUT = 2.0
#: What the rule allows, and something for a busy computer.
BOUND = STOP_TIMEOUT + 2 + 0.5


@contextmanager
def _ioc(text: str, folder: Path) -> Iterator[Ioc]:
    config = folder / "test.toml"
    config.write_text(text)
    with running(Ioc(folder, "run", config)) as ioc:
        yield ioc


@pytest.mark.parametrize("wrong", ["full", "read only", "gone"])
def test_a_state_folder_that_fails_in_a_run_ends_no_run_badly_and_is_told(wrong: str) -> None:
    with ioc_folder() as folder, tmpfs(folder / "state", "64k") as state, _ioc(CONFIG, folder) as ioc:
        done = ioc.put_later("Acquire", 1)
        ioc.until("DetectorState_RBV", "Acquire")
        run = ioc.get("RunId_RBV")
        if wrong == "full":
            subprocess.run(["dd", "if=/dev/zero", f"of={state}/filler", "bs=4k"], capture_output=True, check=False)
        elif wrong == "read only":
            subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "none", state], check=True)
        else:
            unmount(state)
            state.rmdir()
        began = Stopwatch()
        ioc.put("Stop", 1)
        done.result(1)
        assert began.taken < BOUND
        assert (ioc.get("DetectorState_RBV"), ioc.get("Acquire_RBV")) == ("Idle", "Done")
        if wrong != "full":  # where it can be noted that a run has ended
            ioc.until("IOC:ERROR", "ERROR")
        ioc.until("ReadyMessage_RBV", lambda text: "state folder" in text)
        assert ioc.get("Ready_RBV") == "No"
        with pytest.raises(PutFailed):
            ioc.put("Acquire", 1)
        assert (ioc.get("CmdStatus_RBV"), ioc.get("RunId_RBV")) == ("Refused", run)
        # The cause goes away, and with it the refusal.
        if wrong == "full":
            (state / "filler").unlink()
        elif wrong == "read only":
            unmount(state)
        else:
            state.mkdir()
        ioc.until("Ready_RBV", "Yes")
        ioc.put("PresetMode", "Real time")
        ioc.put("PresetReal", 0.2)
        ioc.put("Acquire", 1)
        assert ioc.get("RunId_RBV") == run + 1
        assert f'"run_id":{run + 1}' in (state / "state.json").read_text()
        ioc.put("ErrorAck", 1)


def test_a_kill_in_the_middle_of_a_setting_and_a_start_leaves_no_run_behind() -> None:
    text = CONFIG.replace('"Brake"]', '"Brake", "FillSpectra"]')
    with ioc_folder() as folder, _ioc(text, folder) as ioc:
        for _ in range(5):
            start = ioc.put_later("Acquire", 1)
            region = ioc.put_later("M00:C00:ROI1:High", 7)
            ioc.put("Kill", 1)
            for put in (start, region):
                assert put.exception(60) is None or isinstance(put.exception(), PutFailed)
            assert (ioc.get("Acquire_RBV"), ioc.get("IOC:ERROR")) == ("Done", "OK")
        ioc.put("PresetMode", "Real time")
        ioc.put("PresetReal", 0.2)
        ioc.put("Acquire", 1)
        assert ioc.get("DetectorState_RBV") == "Idle"


@pytest.mark.parametrize("how", ["Stop", "Abort", "Kill"])
def test_a_task_that_hangs_in_do_start_delays_nobody_for_longer_than_the_limit(how: str) -> None:
    with ioc_folder() as folder, _ioc(SLOW, folder) as ioc:
        ioc.put("SlowStart:StartDelay", 60)
        start = ioc.put_later("Acquire", 1)
        ioc.until("GatherData:Status", "RUNNING")  # so it is being started, too
        began = Stopwatch()
        end = ioc.put_later(how, 1)
        for put in (start, end):
            assert put.exception(60) is None or isinstance(put.exception(), PutFailed)
        assert began.taken < BOUND
        assert (ioc.get("Acquire_RBV"), ioc.get("DummyData:Counter_RBV")) == ("Done", 0)
        ioc.put("SlowStart:StartDelay", 0)
        ioc.put("PresetMode", "Real time")
        ioc.put("PresetReal", 0.2)
        ioc.put("Acquire", 1)
        assert ioc.get("DetectorState_RBV") == "Idle"


@pytest.mark.parametrize("where", ["init", "configure", "start"])
def test_the_ioc_ends_in_time_while_tasks_are_made_configured_or_started(where: str) -> None:
    with ioc_folder() as folder, _ioc(SLOW, folder) as ioc:
        if where == "init":
            ioc.put("SlowStart:InitDelay", 60)
            ioc.put("Configure", 1)
            ioc.put("Kill", 1)
        elif where == "configure":
            # Being used is what the delay delays: nobody waits for that here.
            ioc.put_and_forget("SlowStart:ConfigureDelay", 60)
        else:
            ioc.put("SlowStart:StartDelay", 60)
        ioc.put_and_forget("Acquire", 1)
        ioc.until("StatusMessage_RBV", lambda text: text.startswith("starting run"))
        began = Stopwatch()
        code = ioc.end(signal.SIGTERM)
        assert began.taken < BOUND
        assert code == 0 or began.busy > 1  # then it has ended in time because it was ended
        assert "Traceback" not in ioc.output()


def test_a_task_that_does_not_use_its_settings_delays_only_its_own_put_and_no_longer_than_the_limit() -> None:
    with ioc_folder() as folder, _ioc(SLOW, folder) as ioc:
        began = Stopwatch()
        slow = ioc.put_later("SlowStart:ConfigureDelay", 6)
        ioc.until("SlowStart:ConfigureDelay", 6)
        other = ioc.put_later("GatherData:MaxDelay", 0.1)
        ioc.put("Stop", 1)
        ioc.put("PresetReal", 0.2)
        assert began.taken < 1
        assert isinstance(slow.exception(BOUND), PutFailed)
        other.result(BOUND)
        assert began.taken < BOUND
        assert (ioc.get("SlowStart:ConfigureDelay"), ioc.get("GatherData:MaxDelay_RBV")) == (0, 0.1)
        again = Stopwatch()
        with pytest.raises(PutFailed):
            ioc.put("SlowStart:StartDelay", 1)
        assert ioc.get("CmdMessage_RBV") == (
            "SlowStart:StartDelay: SlowStart: has not answered what it was sent before"
        )
        ioc.put("GatherData:MaxDelay", 0.2)
        assert again.taken < 1
        time.sleep(max(0.0, 7 - began.elapsed))
        ioc.put("SlowStart:StartDelay", 0.1)
        assert ioc.get("SlowStart:StartDelay_RBV") == 0.1


@contextmanager
def _file_system_that_never_answers(folder: Path) -> Iterator[Path]:
    """A FUSE file system that nobody serves: whoever asks for something in it waits until it is taken away."""
    if os.geteuid() != 0 or not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("only root mounts file systems")
    folder.mkdir(exist_ok=True)
    libc = ctypes.CDLL(None, use_errno=True)
    device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0"
    if libc.mount(b"silent", bytes(folder), b"fuse", 0, options.encode()):
        os.close(device)
        pytest.skip(f"no FUSE here: {os.strerror(ctypes.get_errno())}")
    try:
        yield folder
    finally:
        os.close(device)  # whoever waits gets an error
        libc.umount2(bytes(folder), 2)


def test_a_file_system_that_does_not_answer_stops_nobody() -> None:
    with ioc_folder() as folder, _ioc(CONFIG, folder) as ioc:
        ioc.put("AutoSave", 1)
        with _file_system_that_never_answers(folder / "raw") as raw:
            ioc.put("FilePath", str(raw))
            for _ in range(20):
                began = Stopwatch()
                assert ioc.get("IOC:ALIVE") == "Alive"
                assert began.taken < 1
            ioc.until("ReadyMessage_RBV", lambda text: f"the file system of {raw} has not answered for " in text, 60)
            assert ioc.get("Ready_RBV") == "No"
            assert ioc.severity("DiskFree_RBV") == INVALID
            with pytest.raises(PutFailed):
                ioc.put("Acquire", 1)
            assert ioc.get("CmdStatus_RBV") == "Refused"
            puts = {"PresetReal": 1, "Brake:HangTimeout": 50, "Stop": 1, "GatherData:MaxDelay": 0.1}
            for name, value in puts.items():
                began = Stopwatch()
                ioc.put(name, value)
                # What belongs to the task that writes files waits a second to see what these make of it.
                assert began.taken < (2 if name.startswith("GatherData") else 1), name
            ioc.put("Kill", 1, timeout=BOUND)
            ioc.put("Configure", 1, timeout=BOUND)
            ioc.put("FilePath", str(folder), timeout=BOUND)
        with ioc.watch("DiskFree_RBV") as watch:
            watch.until("DiskFree_RBV", lambda free: watch.posts[-1].severity < INVALID and free > 0, 60)
        ioc.until("Ready_RBV", "Yes", 60)
