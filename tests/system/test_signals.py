"""Signals: what a terminal, a session that ends, a service manager or a careless kill send to an IOC and its tasks."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import signal
import termios
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.running_ioc import Ioc, ioc_folder, running, until_printed

HARMLESS = (
    signal.SIGHUP,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGTSTP,
    signal.SIGTTIN,
    signal.SIGTTOU,
    signal.SIGPIPE,
)


@contextlib.contextmanager
def _saving_ioc() -> Iterator[Ioc]:
    """An IOC in the middle of a run that saves raw files."""
    with ioc_folder() as folder:
        config = folder / "saving.toml"
        config.write_text(
            '[pipeline]\nchain = ["DummyData", "GatherData", "ConvertToEvents"]\n'
            f'[tasks.GatherData]\nauto_save = true\nmax_delay = 0.05\nfile_path = "{folder}/"\n'
        )
        with running(Ioc(folder, "run", config)) as ioc:
            ioc.put_and_forget("Acquire", 1)
            _goes_on(ioc)
            yield ioc


def _goes_on(ioc: Ioc) -> None:
    events = ioc.get("ConvertToEvents:Events_RBV")
    ioc.until("ConvertToEvents:Events_RBV", lambda more: more > events + 500)
    assert ioc.get("State_RBV") == "RUNNING"


def test_what_is_not_meant_to_end_an_ioc_leaves_the_run_alone() -> None:
    with _saving_ioc() as ioc:
        everybody = ioc.processes()
        for number in HARMLESS:
            ioc.process.send_signal(number)
            _goes_on(ioc)
        assert "SIGHUP: the IOC goes on; SIGTERM ends it" in ioc.output()
        # The end of a session is told to every process of it.
        for number in (signal.SIGHUP, signal.SIGTSTP):
            for process in everybody:
                process.send_signal(number)
            _goes_on(ioc)
        assert all(process.is_running() and process.status() != psutil.STATUS_STOPPED for process in everybody)
        assert ioc.get("ErrorCount_RBV") == 0
        # And processes can still be made.
        ioc.put("Kill", 1)
        ioc.put_and_forget("Acquire", 1)
        ioc.until("DetectorState_RBV", "Acquire")
        _goes_on(ioc)
        ioc.put("Stop", 1)


def test_an_ioc_that_was_stopped_does_not_hold_that_against_its_tasks() -> None:
    """All of its processes stand still longer than a task may hang; the IOC, which looks after them, goes on first."""
    with _saving_ioc() as ioc:
        for task in ioc.tasks():
            ioc.put(f"{task}:HangTimeout", 3)
        everybody = ioc.processes()
        for process in reversed(everybody):
            process.suspend()
        time.sleep(5)
        ioc.process.send_signal(signal.SIGCONT)
        time.sleep(0.5)
        for process in everybody:
            process.resume()
        _goes_on(ioc)
        assert ioc.get("ErrorCount_RBV") == 0
        ioc.put("Stop", 1)
        assert ioc.get("RunEndReason_RBV") == "Operator stop"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_what_ends_an_ioc_may_be_told_to_all_its_processes(number: int) -> None:
    """As ^C and ^\\ at a terminal are, and SIGTERM of a service manager."""
    with _saving_ioc() as ioc:
        for process in reversed(ioc.processes()):  # the tasks first
            process.send_signal(number)
        assert ioc.process.wait(60) == 0
        assert [file.suffix for file in sorted(ioc.folder.glob("*mod00.bin*"))] == [".bin", ".json"]


def test_an_ioc_that_was_started_with_signals_blocked_ends_all_the_same() -> None:
    """As procServ starts its child."""
    blocked = {signal.SIGTERM, signal.SIGHUP, signal.SIGINT}
    with ioc_folder() as folder:
        ioc = Ioc(folder, "demo")
        ioc.start(preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, blocked))
        below = ioc.processes()
        ioc.process.send_signal(signal.SIGTERM)
        try:
            assert ioc.process.wait(60) == 0
        finally:
            ioc.process.kill()
            ioc.log.close()
            _, alive = psutil.wait_procs(below, timeout=60)
        assert not alive


def test_an_ioc_outlives_its_terminal() -> None:
    with ioc_folder() as folder, contextlib.ExitStack() as stack:
        ioc = Ioc(folder, "demo", "--start")
        ours, its = pty.openpty()
        terminal = folder / "terminal"
        reader = threading.Thread(target=_copy, args=(ours, terminal))
        reader.start()
        stack.callback(reader.join)
        ioc.launch(
            stdin=its,
            stdout=its,
            stderr=its,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(its)
        until_printed(terminal, ioc.process)
        below = ioc.processes()
        try:
            os.write(ours, b"\x1a")  # ^Z
            ioc.until_there()
            ioc.until("FillSpectra:Events_RBV", lambda events: events > 1000)
            os.close(ours)
            ioc.until("FillSpectra:Events_RBV", lambda events: events > 8000)
            ioc.put("Stop", 1)
            assert ioc.get("RunEndReason_RBV") == "Operator stop"
        finally:
            assert ioc.end() == 0
            _, alive = psutil.wait_procs(below, timeout=60)
            assert not alive


def _copy(descriptor: int, file: Path) -> None:
    with contextlib.suppress(OSError), file.open("wb", buffering=0) as copy:
        while text := os.read(descriptor, 1000):
            copy.write(text)
