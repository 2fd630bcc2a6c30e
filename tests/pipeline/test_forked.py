"""The fork server is killed or stands still: its tasks are not lost, and one that really ends is noticed."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from multiprocessing import util
from pathlib import Path

import psutil
import pytest

from pixieioc.pipeline import Cause, Status
from pixieioc.pipeline.process import prepare
from tests.recorder import Recorder
from tests.stopwatch import Stopwatch

CHAIN = ("ToySource", "ToyFilter", "ToySink")


def _fork_server() -> psutil.Process:
    below = psutil.Process().children()
    return next(each for each in below if "forkserver" in " ".join(each.cmdline()) and each.status() != "zombie")


def _kill_fork_server() -> None:
    server = _fork_server()
    server.kill()
    os.waitid(os.P_PID, server.pid, os.WEXITED | os.WNOWAIT)  # it has ended; multiprocessing finds that out itself


@pytest.fixture
def running(pipeline: Recorder) -> Iterator[Recorder]:
    """A chain in a run; at the end none of its processes is left, although nobody is their parent any more."""
    pipeline.chain_of(*CHAIN)
    processes = [psutil.Process(each.task.pid) for each in pipeline.processes.values()]
    pipeline.configure({"items": 0, "delay": 0.005})
    pipeline.start()
    pipeline.until(lambda: pipeline.reported("ToySink", "counter") > 5)
    yield pipeline
    pipeline.close()
    prepare()  # a new server, which finds out itself what became of the old one
    psutil.wait_procs(processes, timeout=1)
    assert not [each for each in processes if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]


def _run_again(pipeline: Recorder) -> None:
    pipeline.configure({"items": 10, "delay": 0.0})
    pipeline.start()
    assert pipeline.wait(60) is Status.WAITING
    assert pipeline.reported("ToySink", "numbers") == "0 1 2 3 4 5 6 7 8 9"


def _sockets_of_fork_servers() -> list[str]:
    return [file.name for file in Path(util.get_temp_dir()).glob("listener-*")]


def test_a_run_goes_on_without_the_fork_server(running: Recorder) -> None:
    sockets = len(_sockets_of_fork_servers())
    pids = [running.reported(name, "process_id") for name in CHAIN]
    _kill_fork_server()
    count = running.reported("ToySink", "counter")
    running.until(lambda: running.reported("ToySink", "counter") > count + 5)
    assert all(process.alive for process in running.processes.values())
    running.stop()
    assert running.wait(60) is Status.WAITING
    _run_again(running)
    assert [running.reported(name, "process_id") for name in CHAIN] == pids
    prepare()
    assert len(_sockets_of_fork_servers()) == sockets  # that of the old one is gone


def test_a_task_that_is_killed_behind_the_fork_server_is_noticed_and_replaced(running: Recorder) -> None:
    _kill_fork_server()
    os.kill(running.reported("ToyFilter", "process_id"), signal.SIGKILL)
    began = Stopwatch()
    running.until(lambda: running.status is Status.PANICKING)
    assert began.taken < 1
    assert running.errors[0].cause is Cause.LOST
    assert str(running.errors[0]).startswith("ToyFilter: its process has ended, nobody knows how")
    assert running.wait(60) is Status.PANICKING
    _run_again(running)


def test_a_task_that_is_killed_while_the_fork_server_stands_still_is_noticed(running: Recorder) -> None:
    server = _fork_server()
    server.suspend()
    try:
        running.send_kill("ToySink")
        began = Stopwatch()
        running.until(lambda: running.status is Status.PANICKING)
        assert began.taken < 1
        assert running.wait(60) is Status.PANICKING
    finally:
        server.resume()
    _run_again(running)


def test_all_are_killed_behind_the_fork_server(running: Recorder) -> None:
    _kill_fork_server()
    running.kill()
    assert not running.processes
