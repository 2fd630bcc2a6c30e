"""Signals to an offline job end it at whatever instant they come."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pixieioc.offline.interruption import Interrupted, Interruption
from tests.compiling import next_line, without_compiling
from tests.conftest import DATA
from tests.running_ioc import ROOT

FULL = str(DATA / "pixie16_binary_data-full.bin")
#: A task that never comes to the end of the data.
STUCK = """
import threading
from typing import Any
from pixieioc.pipeline import Task

class Stuck(Task):
    def do_work(self, datum: Any) -> None:
        print("is here")
        while not self.stopping:
            threading.Event().wait(0.02)
"""
#: The program with a stderr in which something happens as soon as that task's line has been written to it.
PROGRAM = """
import os, signal, sys, time
from pixieioc.cli import main

class Dying:
    def __del__(self):  # what is raised in here is swallowed
        os.kill(os.getpid(), signal.{number})
        for _ in range(1000):
            pass

class Stderr:
    def __init__(self, file):
        self._file = file
    def write(self, text):
        count = self._file.write(text)
        self._file.flush()
        while "is here" in text:
            {happens}
        return count
    def __getattr__(self, name):
        return getattr(self._file, name)

sys.stderr = Stderr(sys.stderr)
sys.argv = ["pixieioc", "replay", *{arguments}]
main()
"""
NUMBERS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2]


def _job(tmp_path: Path, number: signal.Signals, happens: str) -> subprocess.Popen[str]:
    (tmp_path / "stuck_task.py").write_text(STUCK)
    chain = 'chain = ["LoadFiles", "ConvertToEvents", "Stuck"]\nimports = ["stuck_task"]\n'
    (tmp_path / "stuck.toml").write_text(f"[pipeline]\n{chain}[tasks.LoadFiles]\nblock_size = 8000\n")
    (tmp_path / "out").mkdir()
    config, out = str(tmp_path / "stuck.toml"), str(tmp_path / "out" / "events.parquet")
    arguments = [FULL, "--config", config, "--out", out, "--json"]
    program = PROGRAM.format(number=number.name, happens=happens, arguments=arguments)
    return subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize("number", NUMBERS)
def test_a_signal_in_a_finalizer_ends_the_job(tmp_path: Path, number: signal.Signals) -> None:
    with _job(tmp_path, number, "Dying(); break") as job:
        assert job.stderr is not None
        assert job.stdout is not None
        assert next_line(job.stderr) == "Stuck: is here\n"
        assert job.wait(60) == 128 + number
        said = "pixieioc: interrupted, nothing is kept\n" if number == signal.SIGINT else ""
        assert (without_compiling(job.stderr.read()), job.stdout.read()) == (said, "")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_second_signal_ends_a_job_that_does_not_come_to_notice_the_first(tmp_path: Path) -> None:
    """As when what it prints is not taken."""
    with _job(tmp_path, signal.SIGTERM, "time.sleep(60)") as job:
        assert job.stderr is not None
        assert next_line(job.stderr) == "Stuck: is here\n"
        for _ in range(50):
            job.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                job.wait(0.3)
                break
        assert job.returncode == 128 + signal.SIGTERM
        left = f"{tmp_path}/out/events.parquet.part-*"
        assert without_compiling(job.stderr.read()) == f"pixieioc: ended at once; what is left of its files: {left}\n"
    [part] = (tmp_path / "out").iterdir()
    assert part.match(left)


def test_a_signal_is_remembered_and_raised_where_it_is_asked_for() -> None:
    before = {number: signal.getsignal(number) for number in NUMBERS}
    for number in NUMBERS:
        with Interruption() as interruption:
            interruption.check()
            signal.raise_signal(number)
            signal.raise_signal(number)  # a terminal and whoever started the program both pass it on
            with pytest.raises(Interrupted) as caught:
                interruption.check()
            assert (caught.value.exit_code, str(caught.value)) == (128 + number, number.name)
    assert {number: signal.getsignal(number) for number in NUMBERS} == before


def test_what_is_ignored_stays_so() -> None:
    """As with nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Interruption() as interruption:
            signal.raise_signal(signal.SIGHUP)
            interruption.check()
    finally:
        signal.signal(signal.SIGHUP, before)
