"""Branches with real processes: what each task gets, what is missed, who may fail without ending the run."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from pixieioc.pipeline import Cause, Error, Pipeline, Status
from pixieioc.pipeline.graph import Branch, Graph
from tests.recorder import Recorder
from tests.stopwatch import Stopwatch

SAMPLED = Graph(("ToySource", "ToySink"), (Branch("ToySource", ("Online",), "sampling"),))
CLASSES = {"ToySource": "ToySource", "ToySink": "ToySink", "Online": "ToyFilter"}


def _connect(pipeline: Recorder, graph: Graph, classes: dict[str, str]) -> None:
    pipeline.follow(pipeline.creating({name: classes.get(name, name) for name in graph.tasks}))
    pipeline.follow(pipeline.connecting(graph))


def _balance(pipeline: Pipeline) -> dict[str, tuple[int, int, int]]:
    """By task: what was handed to it, what it handled or missed, what it was told of as lost."""
    found: dict[str, tuple[int, int, int]] = {}
    for link in pipeline.graph.links:
        source, target = (pipeline.processes[name].reports for name in (link.source, link.target))
        found[link.target] = (
            source["messages_out"],
            target["counter"] + target["missed"],
            target["balance"] + target["dropped"],
        )
    return found


@contextmanager
def _stopped(pipeline: Pipeline, name: str) -> Iterator[None]:
    """The task's process does not run meanwhile."""
    pid = pipeline.processes[name].task.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with suppress(ProcessLookupError):  # the pipeline may have killed it
            os.kill(pid, signal.SIGCONT)


def test_a_lossless_branch_gets_all_items(pipeline: Recorder) -> None:
    graph = Graph(
        ("ToySource", "ToyFilter", "ToySink"), (Branch("ToyFilter", ("Other", "Last")), Branch("Other", ("More",)))
    )
    _connect(pipeline, graph, {"Other": "ToyFilter", "Last": "ToySink", "More": "ToySink"})
    for items in (200, 30):  # again and again, in the same processes
        pipeline.configure({"ToySource": {"items": items, "length": 20_000}, "Other": {"delay": 0.001}})
        pipeline.run_through()
        for sink in ("ToySink", "Last", "More"):
            assert pipeline.reported(sink, "numbers") == " ".join(map(str, range(items)))
        assert _balance(pipeline) == dict.fromkeys(graph.tasks[1:], (items, items, 0))
        assert pipeline.reported("ToyFilter", "bytes_out") == pipeline.reported("ToySink", "bytes_in")


def test_what_a_slow_sampling_branch_cannot_take_is_missed_and_counted(pipeline: Recorder) -> None:
    _connect(pipeline, SAMPLED, CLASSES)
    pipeline.configure({"ToySource": {"items": 500, "length": 20_000}, "Online": {"delay": 0.02}})
    pipeline.run_through()
    assert pipeline.reported("ToySink", "counter") == 500
    assert 0 < pipeline.reported("Online", "missed") < 500
    assert pipeline.reported("Online", "missed_bytes") > 80_000 * pipeline.reported("Online", "missed")
    assert _balance(pipeline) == {"ToySink": (500, 500, 0), "Online": (500, 500, 0)}
    missed = [report["missed"] for _, name, report in pipeline.heard_reports if name == "Online" and "missed" in report]
    assert missed[-1] == pipeline.reported("Online", "missed")
    pipeline.configure({"ToySource": {"items": 3, "pause": 0.1}, "Online": {"delay": 0}})
    pipeline.run_through()
    assert _balance(pipeline)["Online"] == (3, 3, 0), "the counts are those of a run"


def test_a_stopped_process_on_a_sampling_branch_stops_nobody(pipeline: Recorder) -> None:
    _connect(pipeline, SAMPLED, CLASSES)
    pipeline.configure(
        {"ToySource": {"items": 2000, "length": 20_000, "pause": 0.0005}, "Online": {"hang_timeout": 60}}
    )
    pipeline.start()
    with _stopped(pipeline, "Online"):
        pipeline.until(lambda: pipeline.processes["ToySink"].finished, 60)
        assert pipeline.reported("ToySink", "counter") == 2000
        assert pipeline.reported("Online", "missed") > 1000, "told by the task before it"
        assert pipeline.status is Status.RUNNING
    pipeline.wait(60)
    assert not pipeline.errors
    assert _balance(pipeline) == {"ToySink": (2000, 2000, 0), "Online": (2000, 2000, 0)}


def test_a_branch_that_does_not_end_is_killed_after_the_time_for_a_stop(pipeline: Recorder) -> None:
    _connect(pipeline, SAMPLED, CLASSES)
    pipeline.watchdog.stop_timeout = 1.0
    pipeline.configure({"ToySource": {"items": 100, "length": 20_000, "pause": 0.005}, "Online": {"hang_timeout": 60}})
    pipeline.start()
    with _stopped(pipeline, "Online"):
        pipeline.until(lambda: pipeline.processes["ToySink"].finished, 60)
        began = Stopwatch()
        assert pipeline.wait(60) is Status.WAITING
        assert began.elapsed > 0.5
        assert began.taken < 6
    assert not pipeline.errors, "the run was a good one"
    assert [(name, error.cause) for name, error in pipeline.heard_errors] == [("Online", Cause.TIMEOUT)]
    pipeline.run_through()
    assert _balance(pipeline)["ToySink"] == (100, 100, 0)


@pytest.mark.parametrize("how", ["fail_at", "exit_at"])
def test_a_failure_on_a_sampling_branch_does_not_end_the_run(pipeline: Recorder, how: str) -> None:
    graph = Graph(("ToySource", "ToySink"), (Branch("ToySource", ("Before", "Online", "Behind"), "sampling"),))
    _connect(pipeline, graph, {"Before": "ToyFilter", "Online": "ToyFilter", "Behind": "ToySink"})
    pipeline.configure({"ToySource": {"items": 200, "pause": 0.005}, "Online": {how: 5}})
    pipeline.start()
    pipeline.wait(60)
    assert pipeline.status is Status.WAITING
    assert not pipeline.errors
    assert [name for name, _ in pipeline.heard_errors] == ["Online"]
    assert pipeline.reported("ToySink", "counter") == 200
    # What it had sent last may end with its process.
    assert pipeline.reported("Behind", "counter") in ([5] if how == "fail_at" else range(6))
    assert pipeline.reported("Behind", "stopped"), "what is behind the failure flushes"
    assert pipeline.reported("Before", "missed") > 100, "its branch has ended"
    assert pipeline.reported("Before", "counter") + pipeline.reported("Before", "missed") == 200
    pipeline.configure({"Online": {how: -1}})
    pipeline.run_through()  # with a new process in the place of the failed one
    assert _balance(pipeline)["Online"][2] == 0


@pytest.mark.parametrize("how", ["fail_at", "exit_at"])
def test_a_failure_on_a_lossless_branch_ends_the_run(pipeline: Recorder, how: str) -> None:
    graph = Graph(("ToySource", "ToySink"), (Branch("ToySource", ("Other",)),))
    _connect(pipeline, graph, {"Other": "ToyFilter"})
    pipeline.configure({"ToySource": {"items": 0, "pause": 0.001}, "Other": {how: 5}})
    pipeline.start()
    pipeline.wait(60)
    assert pipeline.status is Status.PANICKING
    assert [error.task for error in pipeline.errors] == ["Other"]
    assert pipeline.reported("ToySink", "counter") + pipeline.reported("ToySink", "dropped") > 0
    assert pipeline.reported("ToySink", "stopped")
    pipeline.configure({"Other": {how: -1}, "ToySource": {"items": 10}})
    pipeline.run_through()
    assert _balance(pipeline) == {"ToySink": (10, 10, 0), "Other": (10, 10, 0)}


def test_a_task_of_a_sampling_branch_that_cannot_start_ends_the_start(pipeline: Recorder) -> None:
    _connect(pipeline, SAMPLED, CLASSES)
    pipeline.configure({"Online": {"fail_start": True}})
    with pytest.raises(Error, match="start: Online: .*there is no tape in the drive"):
        pipeline.start()
    pipeline.wait(60)
    assert pipeline.status is Status.PANICKING
    assert [error.task for error in pipeline.errors] == ["Online"]
    pipeline.configure({"Online": {"fail_start": False}})
    pipeline.run_through()


def test_stop_and_abort_with_branches(pipeline: Recorder) -> None:
    graph = Graph(
        ("ToySource", "ToyFilter", "ToySink"),
        (Branch("ToyFilter", ("Other",)), Branch("ToySource", ("Online",), "sampling")),
    )
    _connect(pipeline, graph, {"Other": "ToySink", "Online": "ToySink"})
    pipeline.configure({"ToySource": {"items": 0, "length": 1000}})
    for end in (pipeline.stop, pipeline.abort, pipeline.stop):
        pipeline.start()
        pipeline.until(lambda: pipeline.reported("Other", "counter") > 20)
        end()
        assert pipeline.wait(60) is Status.WAITING
        assert not pipeline.errors
        for task, (out, came, lost) in _balance(pipeline).items():
            if end == pipeline.stop:
                assert (came, lost) == (out, 0), task
            else:  # of the last item, not every task need have got it (or missed it) when the abort comes
                link = pipeline.graph.before(task)
                assert link is not None
                there = pipeline.processes[link.source].links[link.output]
                assert abs(there.sent + there.missed - out) <= 1, task
                assert came + lost >= there.sent + there.missed, task


def test_a_branch_begins_behind_the_last_task_of_a_chain(pipeline: Recorder) -> None:
    graph = Graph(("ToySource",), (Branch("ToySource", ("Online",), "sampling"),))
    _connect(pipeline, graph, CLASSES)
    for delay in (0.0, 0.02):
        pipeline.configure({"ToySource": {"items": 200, "length": 20_000}, "Online": {"delay": delay}})
        pipeline.run_through()
        assert _balance(pipeline) == {"Online": (200, 200, 0)}
        assert pipeline.reported("ToySource", "counter") == 200
    assert pipeline.reported("Online", "missed") > 0


def test_another_graph_of_the_same_tasks(pipeline: Recorder) -> None:
    _connect(pipeline, SAMPLED, CLASSES)
    pipeline.run_through()
    pipeline.connect(["ToySource", "Online", "ToySink"])
    pipeline.run_through()
    assert _balance(pipeline) == {"ToySink": (10, 10, 0), "Online": (10, 10, 0)}
    pipeline.connect(["ToySource", "ToySink"], [Branch("ToySource", ("Online",))])
    pipeline.run_through()
    assert _balance(pipeline) == {"ToySink": (10, 10, 0), "Online": (10, 10, 0)}
    files = {path.name for path in pipeline.processes.folder.iterdir()}
    assert sum("." in name and name.split(".")[1].isdigit() for name in files) == 3, "one further link: three files"


def test_a_graph_that_cannot_be_is_refused(pipeline: Recorder) -> None:
    pipeline.follow(pipeline.creating(["ToySource", "ToySink"]))
    with pytest.raises(ValueError, match="there is no task Nobody to begin behind"):
        pipeline.connect(["ToySource"], [Branch("Nobody", ("ToySink",))])
    with pytest.raises(ValueError, match="Nobody: no such task in this pipeline"):
        pipeline.connect(["ToySource"], [Branch("ToySource", ("Nobody",))])
