"""What happens when tasks fail, die, hang, or never come to an end; and afterwards."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest

from pixieioc.pipeline import Cause, Error, Refused, Status, watchdog
from tests.recorder import Recorder
from tests.stopwatch import Stopwatch

CHAIN = ("ToySource", "ToyFilter", "ToySink")


def _run_well(pipeline: Recorder) -> None:
    """A start replaces what has failed; a good run follows."""
    pipeline.configure({"items": 10, "fail_at": -1, "exit_at": -1, "hang_at": -1, "delay": 0.0, "fail_start": False})
    pipeline.start()
    assert pipeline.wait(60) is Status.WAITING
    assert pipeline.reported("ToySink", "numbers") == "0 1 2 3 4 5 6 7 8 9"
    assert not pipeline.errors


def test_an_exception_is_told_whole_and_the_others_flush(pipeline: Recorder) -> None:
    pipeline.chain_of(*CHAIN)
    pipeline.configure({"items": 0, "fail_at": 5, "length": 10})
    before = time.time()
    pipeline.start()
    assert pipeline.wait(60) is Status.PANICKING
    name, error = pipeline.heard_errors[0]
    assert (name, str(error), error.task) == ("ToyFilter", "ValueError: cannot work with item 5", "ToyFilter")
    assert 'raise ValueError(f"cannot work with item {number}")' in error.traceback
    assert before <= error.time <= time.time()
    assert (error.run, error.cause) == (1, Cause.ERROR)
    # What had passed the task reached the end of the chain, whose tasks came to their normal end.
    assert pipeline.reported("ToySink", "numbers") == "0 1 2 3 4"
    assert pipeline.reported("ToySink", "stopped")
    assert pipeline.processes["ToySource"].status is Status.WAITING
    # The source's other items were swallowed and counted, and so was the bad one.
    told = pipeline.reported
    assert told("ToySource", "messages_out") == told("ToyFilter", "messages_out") + told("ToyFilter", "dropped")
    _run_well(pipeline)


@pytest.mark.parametrize("length", [10, 200_000], ids=["small items", "items in shared memory"])
@pytest.mark.parametrize("victim", CHAIN)
def test_a_killed_task_is_noticed_within_a_second(pipeline: Recorder, victim: str, length: int) -> None:
    pipeline.chain_of(*CHAIN)
    pipeline.configure({"items": 0, "delay": 0.005, "length": length})
    pipeline.start()
    pipeline.until(lambda: pipeline.reported("ToySink", "counter") > 10)
    os.kill(pipeline.reported(victim, "process_id"), signal.SIGKILL)
    began = Stopwatch()
    pipeline.until(lambda: pipeline.status is Status.PANICKING)
    assert began.taken < 1
    assert pipeline.wait(60) is Status.PANICKING
    assert began.taken < 2
    error = pipeline.errors[0]
    assert (str(error), error.cause) == (f"{victim}: its process was killed by signal 9", Cause.LOST)
    if victim != "ToySink":
        assert pipeline.reported("ToySink", "stopped")
        count = pipeline.reported("ToySink", "counter")
        assert pipeline.reported("ToySink", "numbers") == " ".join(map(str, range(count)))
    if victim == "ToyFilter":  # what died with it is accounted for
        assert pipeline.reported("ToyFilter", "balance") > 0
        assert pipeline.reported("ToySource", "dropped") >= 0
    _run_well(pipeline)


def test_a_process_that_ends_by_itself_is_lost(pipeline: Recorder) -> None:
    pipeline.chain_of(*CHAIN)
    pipeline.configure({"exit_at": 3})
    pipeline.start()
    assert pipeline.wait(60) is Status.PANICKING
    assert str(pipeline.errors[0]) == "ToyFilter: its process ended with exit code 3"
    _run_well(pipeline)


def test_sys_exit_in_a_callback_is_an_error_like_any_other(pipeline: Recorder) -> None:
    pipeline.chain_of("ToySource", "ToyExiter")
    pipeline.start()
    assert pipeline.wait(60) is Status.PANICKING
    assert str(pipeline.errors[0]) == "SystemExit: giving up"


def test_what_cannot_be_sent_names_type_and_task(pipeline: Recorder) -> None:
    pipeline.chain_of("ToyLiar", "ToySink")
    pipeline.start()
    assert pipeline.wait(60) is Status.PANICKING
    assert "ToyLiar: cannot send the payload['inside']: type set" in str(pipeline.errors[0])


def test_a_hanging_task_is_killed_after_its_limit(pipeline: Recorder) -> None:
    pipeline.chain_of(*CHAIN)
    pipeline.configure({"hang_at": 2, "ToyFilter": {"hang_timeout": 2}})
    pipeline.start()
    began = Stopwatch()
    assert pipeline.wait(60) is Status.PANICKING
    assert began.elapsed > 1.5
    assert began.taken < 5
    assert (pipeline.errors[0].cause, pipeline.errors[0].task) == (Cause.HANG, "ToyFilter")
    says = r"has been busy with one item for \d+ s, without a heart beat for \d+ s \(hang_timeout is 2 s\)"
    assert re.search(says, str(pipeline.errors[0]))
    assert pipeline.reported("ToySink", "numbers") == "0 1"
    _run_well(pipeline)


@pytest.mark.parametrize("limit", [60, 0])
def test_long_work_is_no_hang(pipeline: Recorder, limit: float) -> None:
    pipeline.chain_of(*CHAIN)
    pipeline.configure({"hang_timeout": limit, "delay": 13.0, "items": 1})
    pipeline.watchdog.stall_timeout = 5.0  # who works is not stalled either
    pipeline.start()
    assert pipeline.wait(60) is Status.WAITING
    assert pipeline.errors == []
    assert max(r["busy_time"] for _, name, r in pipeline.heard_reports if name == "ToyFilter" and "busy_time" in r) > 8


def test_signs_of_life_keep_a_task_from_being_killed(pipeline: Recorder) -> None:
    pipeline.chain_of("ToySource", "ToyBeating")
    pipeline.configure({"hang_timeout": 2.0, "work_time": 4.5, "items": 1})
    pipeline.run_through()


def test_a_limit_that_is_raised_holds_at_once(pipeline: Recorder) -> None:
    pipeline.chain_of(*CHAIN)
    pipeline.configure({"hang_timeout": 4.0, "delay": 6.0, "items": 1})
    pipeline.start()
    pipeline.until(lambda: pipeline.reported("ToyFilter", "busy_time") > 0.5)
    began = Stopwatch()
    pipeline.configure({"ToyFilter": {"hang_timeout": 30}})
    assert began.taken < 0.5  # not when the task is through with its item
    assert pipeline.wait(60) is Status.WAITING
    assert pipeline.errors == []


def test_a_task_that_waits_for_a_full_link_does_not_hang(pipeline: Recorder) -> None:
    pipeline.chain_of(*CHAIN)
    pipeline.configure(
        {"items": 0, "delay": 1.5, "length": 10, "hang_timeout": 10.0, "ToySource": {"hang_timeout": 3.0}}
    )
    pipeline.start()
    pipeline.until(lambda: pipeline.reported("ToyFilter", "queue_free") == 0, 60)
    beats = pipeline.reported("ToySource", "heart_beat")
    pipeline.until(lambda: pipeline.reported("ToySource", "heart_beat") > beats + 3)
    assert pipeline.reported("ToySource", "busy_time") < 1
    assert pipeline.status is Status.RUNNING
    pipeline.abort()
    assert pipeline.wait(60) is Status.WAITING


def test_a_process_that_is_stopped_is_killed_after_its_limit(pipeline: Recorder) -> None:
    pipeline.chain_of(*CHAIN)
    pipeline.configure({"hang_timeout": 3.0})
    process = psutil.Process(pipeline.reported("ToySink", "process_id"))
    process.suspend()
    pipeline.until(lambda: pipeline.reported("ToySink", "heart_beat_age") > 2)
    pipeline.until(lambda: pipeline.status is Status.PANICKING)
    # It can be stopped in the middle of its work, which is noticed earlier: then it is busy with that.
    stopped = r"its process has not run for \d+ s"
    busy = r"has been busy with one item for \d+ s, without a heart beat for \d+ s"
    assert re.fullmatch(rf"ToySink: ({stopped}|{busy}) \(hang_timeout is 3 s\)", str(pipeline.errors[0]))
    psutil.wait_procs([process], timeout=60)  # before that, none can take its place
    _run_well(pipeline)


def test_a_start_that_fails_ends_the_others_and_is_raised(pipeline: Recorder) -> None:
    pipeline.chain_of("ToySource", "ToyHolder", "ToyFilter", "ToySink")
    pipeline.configure({"fail_start": True})
    with pytest.raises(Error, match="start: ToyFilter: OSError: there is no tape in the drive"):
        pipeline.start()
    assert pipeline.wait(60) is Status.PANICKING
    assert pipeline.reported("ToySource", "counter") == 0
    _run_well(pipeline)


def test_a_task_that_is_lost_while_it_is_configured_is_said_to_be_lost(pipeline: Recorder) -> None:
    pipeline.chain_of(*CHAIN)
    os.kill(pipeline.reported("ToyFilter", "process_id"), signal.SIGKILL)
    with pytest.raises(Refused, match="ToyFilter: its process was killed by signal 9") as refused:
        pipeline.configure({"ToyFilter": {"delay": 0.1}})
    assert refused.value.cause is Cause.LOST
    _run_well(pipeline)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that do nothing wrong have the time that they need to end, on a busy computer, too."""
    for name in ("_GRACE", "_DROPPED", "_SHORTLY"):
        monkeypatch.setattr(watchdog, name, 30.0)


@pytest.mark.usefixtures("patient")
def test_a_stop_is_bounded(pipeline: Recorder) -> None:
    pipeline.watchdog.stop_timeout = 1.5  # half of it is what one item may take
    pipeline.chain_of(*CHAIN)
    pipeline.configure({"items": 0, "delay": 0.2, "length": 10})
    pipeline.start()
    pipeline.until(lambda: pipeline.reported("ToyFilter", "queue_size") > 5)
    pid = pipeline.reported("ToyFilter", "process_id")
    pipeline.stop()
    began = Stopwatch()
    assert pipeline.wait(60) is Status.PANICKING
    assert began.elapsed > 1.4
    assert began.taken < 3.5
    assert [error.cause for error in pipeline.errors] == [Cause.TIMEOUT]
    assert "ToyFilter: did not end within 1.5 s: " in str(pipeline.errors[0])
    assert str(pipeline.errors[0]).endswith("items still waited for it and are discarded")
    assert psutil.pid_exists(pid)  # it answers: it was told, not killed
    told = pipeline.processes["ToyFilter"].reports
    assert told["dropped"] > 0
    assert pipeline.reported("ToySource", "messages_out") == told["counter"] + told["dropped"]
    assert pipeline.reported("ToySink", "stopped")
    _run_well(pipeline)


@pytest.mark.usefixtures("patient")
def test_a_hang_with_a_stop_costs_nobody_else(pipeline: Recorder) -> None:
    pipeline.watchdog.stop_timeout = 1.0
    pipeline.chain_of("ToySource", "ToyKeeper", "ToyFilter", "ToySink")
    pipeline.configure({"items": 0, "length": 10, "hang_at": 3})
    pipeline.start()
    pipeline.until(lambda: pipeline.reported("ToyKeeper", "queue_free") == 0)
    pids = {name: pipeline.reported(name, "process_id") for name in pipeline.processes}
    pipeline.stop()
    began = Stopwatch()
    assert pipeline.wait(60) is Status.PANICKING
    assert began.elapsed > 0.9
    assert began.taken < 3
    assert [error.task for error in pipeline.errors] == ["ToyFilter"]
    assert "did not end within 1 s: it has been busy with one item for" in str(pipeline.errors[0])
    assert [name for name, pid in pids.items() if not psutil.pid_exists(pid)] == ["ToyFilter"]
    kept = pipeline.processes["ToyKeeper"].reports
    assert (
        kept["kept"] == kept["counter"] == pipeline.reported("ToySource", "messages_out")
    )  # all that was read is kept
    assert pipeline.reported("ToySink", "stopped")
    assert pipeline.reported("ToySink", "numbers") == "0 1 2"
    _run_well(pipeline)


def test_a_task_that_dies_while_idle_is_replaced_by_the_next_start(pipeline: Recorder) -> None:
    pipeline.chain_of(*CHAIN)
    pipeline.send_kill("ToySink")
    pipeline.until(lambda: pipeline.status is Status.PANICKING)
    assert pipeline.errors[0].run == 0
    _run_well(pipeline)


def test_connecting_again_leaves_the_panic(pipeline: Recorder) -> None:
    pipeline.chain_of(*CHAIN)
    pipeline.configure({"fail_at": 0})
    pipeline.start()
    assert pipeline.wait(60) is Status.PANICKING
    pipeline.follow(pipeline.replacing())
    assert pipeline.status is Status.WAITING


def test_the_first_cause_comes_first(pipeline: Recorder) -> None:
    pipeline.chain_of(*CHAIN)
    pipeline.configure({"items": 0, "delay": 0.01})
    pipeline.start()
    for name in ("ToyFilter", "ToySource"):
        pipeline.send_kill(name)
        pipeline.until(lambda name=name: any(error.task == name for error in pipeline.errors))
    pipeline.wait(60)
    assert [error.task for error in pipeline.errors] == ["ToyFilter", "ToySource"]


PARENT = """
import sys, time
from tests.recorder import Recorder
import tests.pipeline.toys
if __name__ == "__main__":
    pipeline = Recorder({"items": 0, "pause": 0.01})
    pipeline.chain_of("ToySource", "ToyFilter", "ToySink")
    pipeline.start()
    if sys.argv[1] == "quit":
        pipeline.stop()
        pipeline.wait(60)
        pipeline.quit()
    print(*(m.task.pid for m in pipeline.processes.values()), flush=True)
    while True:
        pipeline.wait(1)
"""


@pytest.mark.parametrize("ending", ["", "quit"], ids=["in a run", "without tasks"])
def test_nothing_survives_the_parents_sigkill(tmp_path: Path, ending: str) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    root = Path(__file__).parents[2]
    with tempfile.TemporaryDirectory() as temporary:
        with subprocess.Popen(
            [sys.executable, script, ending],
            stdout=subprocess.PIPE,
            text=True,
            cwd=root,
            env={**os.environ, "PYTHONPATH": str(root), "TMPDIR": temporary},
        ) as parent:
            assert parent.stdout is not None
            pids = parent.stdout.readline().split()
            assert len(list(Path(temporary).iterdir())) == 2  # our sockets, and that of multiprocessing
            processes = [psutil.Process(int(pid)) for pid in pids]
            helpers = psutil.Process(parent.pid).children(recursive=True)
            parent.kill()
        _, alive = psutil.wait_procs([*processes, *helpers], timeout=60)
        assert not alive
        assert not list(Path(temporary).iterdir())
