"""The life of a pipeline: make, connect, configure, run again and again, quit."""

from __future__ import annotations

import itertools
import os
import stat

import psutil
import pytest

from pixieioc.pipeline import Cause, Error, Pipeline, Refused, Status
from pixieioc.pipeline.capacity import CAPACITY
from pixieioc.pipeline.procedure import Procedure
from tests.recorder import Recorder
from tests.stopwatch import Stopwatch


def test_an_unknown_task_is_refused_with_the_known_names(pipeline: Recorder) -> None:
    with pytest.raises(ValueError, match=r"no task class 'TakeDat'; there are: .*TakeData"):
        pipeline.create_task("TakeDat")
    assert not pipeline.processes


def test_a_task_is_there_once(pipeline: Recorder) -> None:
    pipeline.create_task("ToySink")
    assert pipeline.processes["ToySink"].known
    with pytest.raises(ValueError, match="ToySink: this pipeline has such a task already"):
        pipeline.create_task("ToySink")


@pytest.mark.parametrize(
    ("name", "says"), [("ToyUnready", "no detector is connected"), ("ToyQuitter", "its process ended with exit code 5")]
)
def test_a_task_that_cannot_be_made(pipeline: Recorder, name: str, says: str) -> None:
    with pytest.raises(Error, match=f"{name}: .*{says}"):
        pipeline.create_task(name)
    assert not pipeline.processes


def test_one_process_a_task(pipeline: Recorder) -> None:
    pipeline.chain_of("ToySource", "ToySink")
    pids = {process.task.pid for process in pipeline.processes.values()}
    assert len(pids | {os.getpid()}) == 3
    assert pids == {pipeline.reported(name, "process_id") for name in ("ToySource", "ToySink")}


def test_sockets_are_private_and_local(pipeline: Recorder) -> None:
    pipeline.chain_of("ToySource", "ToySink")
    folder = pipeline.processes.folder
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for process in pipeline.processes.values():
        connections = psutil.Process(process.task.pid).net_connections("inet")
        assert not connections


def test_items_arrive_once_and_in_order(pipeline: Recorder) -> None:
    pipeline.chain_of("ToySource", "ToyFilter", "ToySink")
    pipeline.start()
    assert pipeline.status is Status.RUNNING
    assert pipeline.wait(60) is Status.WAITING
    assert pipeline.reported("ToySink", "numbers") == "0 1 2 3 4 5 6 7 8 9"
    assert pipeline.reported("ToySink", "total") == 4500
    for name in ("ToySource", "ToyFilter", "ToySink"):
        assert pipeline.reported(name, "counter") == 10
        assert (pipeline.reported(name, "dropped"), pipeline.reported(name, "balance")) == (0, 0)
        assert pipeline.processes[name].status is Status.WAITING


def test_bytes_out_are_bytes_in(pipeline: Recorder) -> None:
    pipeline.chain_of("ToySource", "ToyFilter", "ToySink")
    pipeline.start()
    pipeline.wait(60)
    assert pipeline.reported("ToySource", "bytes_out") == pipeline.reported("ToyFilter", "bytes_in") > 8000
    assert pipeline.reported("ToyFilter", "bytes_out") == pipeline.reported("ToySink", "bytes_in")
    assert pipeline.reported("ToySink", "bytes_out") == 0


def test_only_the_named_tasks_take_part(pipeline: Recorder) -> None:
    pipeline.chain_of("ToySource", "ToySink")
    pipeline.create_task("ToyFilter")
    pipeline.start()
    pipeline.wait(60)
    assert pipeline.reported("ToyFilter", "counter") == 0
    assert pipeline.processes["ToyFilter"].status is Status.WAITING
    pipeline.connect(["ToySource", "ToyFilter", "ToySink"])
    pipeline.start()
    pipeline.wait(60)
    assert pipeline.reported("ToyFilter", "counter") == 10


def test_connecting_what_is_not_there(pipeline: Recorder) -> None:
    pipeline.create_task("ToySource")
    with pytest.raises(ValueError, match="ToySnk: no such task in this pipeline; there are: ToySource"):
        pipeline.connect(["ToySource", "ToySnk"])
    with pytest.raises(ValueError, match="at most once"):
        pipeline.connect(["ToySource", "ToySource"])
    with pytest.raises(ValueError, match="at least one task"):
        pipeline.connect([])


def test_connect_names_those_that_do_not_answer(pipeline: Recorder) -> None:
    pipeline.follow(pipeline.creating(["ToySource", "ToySink"]))
    pipeline.send_kill("ToySink")
    with pytest.raises(RuntimeError, match=r"connect: ToySink: .*killed by signal 9") as failure:
        pipeline.connect(["ToySource", "ToySink"])
    assert isinstance(failure.value, Error)
    assert (failure.value.task, failure.value.cause) == ("ToySink", Cause.LOST)


def test_a_parameter_that_needs_a_new_process_gets_one(pipeline: Recorder) -> None:
    pipeline.chain_of("ToyDevice", "ToySink")
    before = pipeline.reported("ToyDevice", "process_id")
    pipeline.configure({"ToyDevice": {"device": "first", "other": 3}})
    assert pipeline.reported("ToyDevice", "process_id") == before
    sink = pipeline.reported("ToySink", "process_id")
    pipeline.configure({"ToyDevice": {"device": "second"}})
    assert pipeline.reported("ToyDevice", "process_id") != before
    assert pipeline.reported("ToyDevice", "opened") == "second"
    assert pipeline.settings["ToyDevice"]["other"] == 3
    assert pipeline.reported("ToySink", "process_id") == sink
    pipeline.run_through()


def test_a_start_without_a_chain(pipeline: Recorder) -> None:
    pipeline.create_task("ToySource")
    with pytest.raises(Refused, match="start: no tasks are connected"):
        pipeline.start()


def test_runs_again_and_again_in_the_same_processes(pipeline: Recorder) -> None:
    pipeline.chain_of("ToySource", "ToyFilter", "ToySink")
    pids = {name: process.task.pid for name, process in pipeline.processes.items()}
    for count in (3, 0, 5):
        if count:
            pipeline.configure({"items": count})
            pipeline.start()
        else:
            pipeline.start()
            pipeline.stop()
        pipeline.wait(60)
        if count:
            assert pipeline.reported("ToySink", "counter") == count
    assert pids == {name: process.task.pid for name, process in pipeline.processes.items()}
    assert pipeline.run_id == 3


def test_a_run_that_ends_before_its_source_has_begun_counts_from_zero(pipeline: Recorder) -> None:
    pipeline.chain_of("ToySource", "ToySink")
    pipeline.configure({"items": 3})
    pipeline.start()
    pipeline.wait(60)
    assert pipeline.reported("ToySource", "messages_out") == 3

    def aborted() -> Procedure[None]:
        starting = pipeline.starting()
        yield next(starting)  # the sink has begun
        pipeline.abort()
        yield from starting

    pipeline.follow(aborted())
    pipeline.wait(60)
    assert pipeline.run_id == 2
    for task, count in itertools.product(("ToySource", "ToySink"), ("messages_out", "counter", "dropped", "balance")):
        assert pipeline.reported(task, count) == 0, (task, count)


@pytest.mark.parametrize(("length", "held"), [(10, 20), (500_000, 40)], ids=["small", "more than the memory of a link"])
def test_no_event_is_lost_at_a_stop(pipeline: Recorder, length: int, held: int) -> None:
    pipeline.chain_of("ToySource", "ToyFilter", "ToyHolder", "ToySink")
    pipeline.configure({"items": 0, "delay": 0.001, "length": length})
    pipeline.start()
    pipeline.until(lambda: pipeline.reported("ToyHolder", "counter") > held)
    pipeline.stop()
    assert pipeline.status is Status.DYING
    assert pipeline.wait(60) is Status.WAITING
    sent = pipeline.reported("ToySource", "counter")
    assert pipeline.reported("ToySink", "numbers") == " ".join(str(i) for i in range(sent))
    assert pipeline.reported("ToySink", "total") == length * sum(range(sent))
    assert pipeline.reported("ToySink", "stopped")


def test_stop_while_stopped_does_nothing(pipeline: Recorder) -> None:
    pipeline.chain_of("ToySource", "ToySink")
    pipeline.stop()
    pipeline.abort()
    assert pipeline.status is Status.WAITING
    pipeline.start()
    assert pipeline.wait(60) is Status.WAITING


def test_start_while_running_is_illegal_and_changes_nothing(pipeline: Recorder) -> None:
    pipeline.chain_of("ToySource", "ToySink")
    pipeline.configure({"items": 0, "pause": 0.01})
    pipeline.start()
    with pytest.raises(Refused, match="START is illegal while ▶️ RUNNING"):
        pipeline.start()
    with pytest.raises(Refused, match="CONNECT is illegal while ▶️ RUNNING"):
        pipeline.connect(["ToySource"])
    assert pipeline.run_id == 1
    pipeline.stop()
    assert pipeline.wait(60) is Status.WAITING
    assert pipeline.reported("ToySource", "counter") == pipeline.reported("ToySink", "counter")


def test_an_abort_discards_and_counts(pipeline: Recorder) -> None:
    pipeline.chain_of("ToySource", "ToyFilter", "ToySink")
    pipeline.configure({"items": 0, "delay": 0.05, "length": 10})
    pipeline.start()
    pipeline.until(lambda: pipeline.reported("ToyFilter", "queue_size") > 5)
    pipeline.abort()
    began = Stopwatch()
    assert pipeline.wait(60) is Status.WAITING
    assert began.taken < 0.5
    told = pipeline.reported
    sent, taken = told("ToySource", "messages_out"), told("ToyFilter", "counter")
    assert told("ToyFilter", "messages_out") == told("ToySink", "counter") + told("ToySink", "dropped")
    # What the filter took and could not hand on counts with what it discarded unseen.
    assert sent == told("ToyFilter", "messages_out") + told("ToyFilter", "dropped")
    assert sent > taken


def test_a_full_link_slows_the_source_and_shows(pipeline: Recorder) -> None:
    pipeline.chain_of("ToySource", "ToyFilter", "ToySink")
    pipeline.configure({"items": 0, "length": 100_000, "delay": 0.1})
    pipeline.start()
    pipeline.until(lambda: pipeline.reported("ToyFilter", "queue_use") == 100)
    sent, taken = pipeline.reported("ToySource", "messages_out"), pipeline.reported("ToyFilter", "counter")
    # They are not counted at the same time: what is taken is told later than what was sent.
    pipeline.until(lambda: pipeline.reported("ToyFilter", "counter") > taken)
    assert sent - pipeline.reported("ToyFilter", "counter") <= CAPACITY + 2
    assert pipeline.reported("ToyFilter", "queue_size") <= CAPACITY
    # The source holds no more than the link does: 0.8 MB an item.
    assert pipeline.reported("ToySource", "mem_used") < 150
    pipeline.configure({"delay": 0.0})
    pipeline.stop()
    assert pipeline.wait(60) is Status.WAITING
    assert pipeline.reported("ToySink", "counter") == pipeline.reported("ToySource", "counter")


def test_configuration_reaches_the_tasks(pipeline: Recorder) -> None:
    pipeline.chain_of("ToySource", "ToySink")
    pipeline.configure({"items": 2, "ToySource": {"length": 7}})
    pipeline.start()
    pipeline.wait(60)
    assert pipeline.reported("ToySink", "total") == 7
    assert pipeline.settings["ToySource"] == {"items": 2, "length": 7, "pause": 0.0, "hang_timeout": 60.0}


def test_initial_values_come_from_task_kwargs() -> None:
    with Recorder({"items": 4, "ToyFilter": {"talk": True}, "LoadFiles": {"block_size": 4}}) as pipeline:
        pipeline.chain_of("ToySource", "ToyFilter", "ToySink")
        pipeline.start()
        pipeline.wait(60)
        assert pipeline.reported("ToySink", "counter") == 4
        assert len(pipeline.heard_prints) >= 1
    with Recorder({"itmes": 4}) as pipeline, pytest.raises(Refused, match="itmes: no task has this name"):
        pipeline.create_task("ToySource")


def test_bad_configuration_is_refused_whole(pipeline: Recorder) -> None:
    pipeline.chain_of("ToySource", "ToySink")
    before = pipeline.settings
    with pytest.raises(Refused, match="ToySource.length = -1: must be a whole number from 0 to 10000000"):
        pipeline.configure({"items": 3, "length": -1})
    assert pipeline.settings == before
    pipeline.start()
    pipeline.wait(60)
    assert pipeline.reported("ToySink", "counter") == 10


def test_what_one_task_refuses_no_task_takes(pipeline: Recorder) -> None:
    pipeline.chain_of("ToySource", "ToyFilter", "ToySink")
    with pytest.raises(Refused, match="ToyFilter: 13 brings bad luck"):
        pipeline.configure({"ToySource": {"items": 3}, "ToyFilter": {"refuse": 13}})
    assert pipeline.settings["ToySource"]["items"] == 10
    pipeline.start()
    pipeline.wait(60)
    assert pipeline.reported("ToySink", "counter") == 10
    assert pipeline.status is Status.WAITING


def test_while_running_only_live_parameters_change(pipeline: Recorder) -> None:
    pipeline.chain_of("ToySource", "ToySink")
    pipeline.configure({"items": 0, "pause": 0.01})
    pipeline.start()
    pipeline.configure({"pause": 0.02})
    with pytest.raises(Refused, match="ToySource: items cannot be changed during a run"):
        pipeline.configure({"items": 3})
    assert pipeline.settings["ToySource"]["pause"] == 0.02
    assert pipeline.settings["ToySource"]["items"] == 0
    pipeline.stop()
    pipeline.wait(60)


def test_poll_never_blocks_and_handles_one_message(pipeline: Recorder) -> None:
    pipeline.follow(pipeline.creating(["ToySink", "ToySource"]))
    began = Stopwatch()
    while pipeline.poll():
        began = Stopwatch()
    assert began.taken < 0.1  # the last one, which had nothing to do
    pipeline.heard_reports.clear()
    pipeline.processes.wait(60)
    assert pipeline.poll() is True
    # What the pipeline itself says of the tasks, once a second, is no message.
    assert len([report for _, _, report in pipeline.heard_reports if "heart_beat" not in report]) == 1


def test_quit_shuts_the_processes_down_politely(pipeline: Recorder) -> None:
    pipeline.chain_of("ToySource", "ToySink")
    processes = [psutil.Process(process.task.pid) for process in pipeline.processes.values()]
    pipeline.quit()
    assert not any(process.is_running() for process in processes)
    assert not pipeline.processes
    assert pipeline.status is Status.WAITING
    pipeline.chain_of("ToySource", "ToySink")
    pipeline.start()
    pipeline.wait(60)
    assert pipeline.reported("ToySink", "counter") == 10


def test_kill_ends_a_run_without_drain(pipeline: Recorder) -> None:
    pipeline.chain_of("ToySource", "ToyFilter", "ToySink")
    pipeline.configure({"items": 0, "delay": 10})
    pipeline.start()
    pipeline.kill()
    assert (pipeline.status, len(pipeline.processes)) == (Status.WAITING, 0)


def test_nothing_is_left_in_the_folder(pipeline: Recorder) -> None:
    pipeline.chain_of("ToySource", "ToySink")
    folder = pipeline.processes.folder
    pipeline.quit()
    assert sorted(path.name for path in folder.iterdir()) == ["control"]
    pipeline.close()
    assert not folder.exists()


def test_a_forgotten_pipeline_leaves_nothing() -> None:
    pipeline = Pipeline()
    pipeline.create_task("ToySink")
    folder, process = pipeline.processes.folder, psutil.Process(pipeline.processes["ToySink"].task.pid)
    del pipeline
    assert not folder.exists()
    assert not process.is_running()


@pytest.mark.parametrize("says", [True, False])
def test_a_task_that_says_what_takes_it_long_is_waited_for(pipeline: Recorder, says: bool) -> None:
    pipeline.create_task("ToySink")  # so that the process that the others come from is there
    pipeline.answer_timeout = 3.0
    pipeline.task_kwargs["ToyCompiler"] = {"says": says}
    if says:
        pipeline.create_task("ToyCompiler")
        assert pipeline.heard_starting == [("ToyCompiler", "compiling")]
        assert pipeline.processes["ToyCompiler"].starting == ""
    else:
        with pytest.raises(Error, match="ToyCompiler: its process has said nothing for 3 s"):
            pipeline.create_task("ToyCompiler")
