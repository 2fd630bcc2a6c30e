"""Defining tasks, and what a single one does."""

from __future__ import annotations

import itertools

import pytest

from pixieioc.pipeline import Error, Parameter, Refused, Report, Task
from pixieioc.pipeline.task import HEART_BEAT_INTERVAL
from tests.pipeline import toys
from tests.recorder import Recorder


def test_defining_a_task_registers_it() -> None:
    assert Task.class_registry["ToySource"] is toys.ToySource


def test_an_underscore_keeps_a_base_class_out_of_the_registry() -> None:
    class _Base(Task):
        pass

    assert "_Base" not in Task.class_registry


@pytest.mark.parametrize("name", ["rate", "status", "run_id", "_popen", "_config", "send", "poll", "parameter_values"])
def test_a_task_cannot_overwrite_what_every_task_has(name: str) -> None:
    with pytest.raises(TypeError, match=f"cannot define {name}"):
        type("Bad", (Task,), {name: Parameter(1, doc="")})


def test_constructor_arguments_are_parameters() -> None:
    task = toys.ToySource(items=3)
    assert (task.items, task.length) == (3, 100)
    with pytest.raises(Refused, match="ToySource.items = -1: must be"):
        toys.ToySource(items=-1)
    with pytest.raises(Refused, match="ToySource.itmes: ToySource has no such parameter; did you mean items"):
        toys.ToySource(itmes=1)


def test_a_parameter_cannot_be_assigned() -> None:
    with pytest.raises(AttributeError, match="ToySource.items is a parameter: set it with configure"):
        toys.ToySource().items = 4


def test_declarations_are_readable_from_the_class() -> None:
    assert list(toys.ToySource.parameters()) == ["items", "length", "pause"]
    assert isinstance(toys.ToySource.items, Parameter)
    assert isinstance(toys.ToySink.total, Report)
    assert {"status", "counter", "rate", "total"} <= set(toys.ToySink.reports())


def test_a_task_without_a_pipeline_says_so() -> None:
    with pytest.raises(Error, match=r"started by Pipeline.create_task"):
        toys.ToySource().run()


def test_callbacks_in_the_order_of_a_life(pipeline: Recorder) -> None:
    pipeline.chain_of("ToySource", "ToyCallbacks")
    pipeline.configure({"ToyCallbacks": {"value": 2}})
    pipeline.until(lambda: "wait" in pipeline.told("ToyCallbacks", "called"))
    pipeline.start()
    pipeline.wait(10)
    called = pipeline.told("ToyCallbacks", "called").split()
    called.remove("wait")
    assert called == ["init", "connect(True,False,True)", "configure(value)", "start", "work", "stop"]


def test_reports_are_merged_limited_and_complete(pipeline: Recorder) -> None:
    pipeline.chain_of("ToyReporter")
    pipeline.start()
    pipeline.wait(10)
    times = [when for when, _, report in pipeline.heard_reports if "ticks" in report]
    assert len(times) <= 4  # one at the start and one at the end, and at most two a second between
    assert pipeline.told("ToyReporter", "ticks") == 1000
    assert pipeline.told("ToyReporter", "undeclared") == 1000


def test_heart_beats_at_most_once_a_second(pipeline: Recorder) -> None:
    pipeline.chain_of("ToyBeating")
    pipeline.until(lambda: pipeline.told("ToyBeating", "heart_beat") >= 4)
    beats: dict[int, float] = {}
    last_beat = 0.0
    for _, _, report in pipeline.heard_reports:
        last_beat = report.get("last_beat", last_beat)
        if "heart_beat" in report:
            assert report["heart_beat"] not in beats
            beats[report["heart_beat"]] = last_beat
    numbers = list(beats)
    assert numbers == sorted(numbers)
    assert numbers[0] == 0  # the first report, before the first beat
    # A machine that is busy may make a beat late, or have two told in one report; none comes too early.
    for earlier, later in itertools.pairwise(numbers[1:]):
        assert beats[later] - beats[earlier] >= (later - earlier) * HEART_BEAT_INTERVAL - 1e-9


def test_what_a_task_prints_reaches_the_pipeline(pipeline: Recorder) -> None:
    pipeline.chain_of("ToySource", "ToyFilter")
    pipeline.configure({"talk": True, "items": 3})
    pipeline.start()
    pipeline.wait(10)
    lines = [line for name, text in pipeline.heard_prints for line in text.split("\n") if name == "ToyFilter"]
    assert lines == ["item 0", "item 1", "item 2"]
