"""Defining tasks, and what a single one does."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pixieioc.pipeline import Error, Parameter, Refused, Report, Status, Task
from tests.pipeline import toys
from tests.recorder import Recorder
from tests.running_ioc import ROOT

VITALS = {"heart_beat", "heart_beat_age", "busy_time"}


def test_defining_a_task_registers_it() -> None:
    assert Task.class_registry["ToySource"] is toys.ToySource


def test_an_underscore_keeps_a_base_class_out_of_the_registry() -> None:
    class _Base(Task):
        pass

    assert "_Base" not in Task.class_registry


@pytest.mark.parametrize("name", ["rate", "status", "run_id", "_popen", "_config", "send", "parameter_values"])
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
    assert list(toys.ToySource.parameters()) == ["hang_timeout", "items", "length", "pause"]
    assert isinstance(toys.ToySource.items, Parameter)
    assert isinstance(toys.ToySink.total, Report)
    assert {"status", "counter", "rate", "total"} <= set(toys.ToySink.reports())


def test_a_task_without_a_pipeline_says_so() -> None:
    with pytest.raises(Error, match=r"started by Pipeline.create_task"):
        toys.ToySource().run()


def test_callbacks_in_the_order_of_a_life(pipeline: Recorder) -> None:
    pipeline.chain_of("ToySource", "ToyCallbacks")
    pipeline.configure({"ToyCallbacks": {"value": 2}})
    pipeline.until(lambda: "wait" in pipeline.reported("ToyCallbacks", "called"))
    pipeline.start()
    pipeline.wait(60)
    called = pipeline.reported("ToyCallbacks", "called").split()
    called.remove("wait")
    assert called == ["init", "connect(True,False,True)", "configure(value)", "start", "work", "stop"]


def test_reports_are_merged_limited_and_complete(pipeline: Recorder) -> None:
    pipeline.chain_of("ToyReporter")
    pipeline.start()
    pipeline.wait(60)
    times = [when for when, _, report in pipeline.heard_reports if "ticks" in report]
    # One at the start and one at the end, and at most two a second between.
    assert len(times) <= 3 + 2 * (times[-1] - times[0])
    assert pipeline.reported("ToyReporter", "ticks") == 1000
    assert pipeline.reported("ToyReporter", "undeclared") == 1000


def test_vital_signs_come_once_a_second_whatever_the_task_does(pipeline: Recorder) -> None:
    pipeline.chain_of("ToySource", "ToyHog")
    pipeline.configure({"hog": 5.0, "items": 1})
    pipeline.start()
    pipeline.until(lambda: pipeline.reported("ToyHog", "busy_time") > 3)  # although it lets no thread of its run
    assert pipeline.reported("ToyHog", "heart_beat_age") > 2
    assert pipeline.wait(60) is Status.WAITING
    pipeline.until(lambda: pipeline.reported("ToyHog", "heart_beat_age") < 2)
    assert pipeline.reported("ToyHog", "busy_time") < 1
    vitals = [
        (when, report) for when, name, report in pipeline.heard_reports if name == "ToyHog" and report.keys() >= VITALS
    ]
    beats = [report["heart_beat"] for _, report in vitals]
    assert beats == sorted(beats)
    assert vitals[-1][0] - vitals[1][0] > 0.75 * (len(vitals) - 2)


def test_a_task_may_have_names_of_the_loop(pipeline: Recorder) -> None:
    pipeline.chain_of("ToySource", "ToyNames")
    pipeline.configure({"items": 5})
    pipeline.run_through()
    assert pipeline.reported("ToyNames", "calls") == "5 x work, then stop"


def test_what_a_task_prints_reaches_the_pipeline(pipeline: Recorder) -> None:
    pipeline.chain_of("ToySource", "ToyFilter")
    pipeline.configure({"talk": True, "items": 3})
    pipeline.start()
    pipeline.wait(60)
    lines = [line for name, text in pipeline.heard_prints for line in text.split("\n") if name == "ToyFilter"]
    assert lines == ["item 0", "item 1", "item 2"]


_TOO_LATE = """
from pixieioc.pipeline.control import Wiring
from tests.pipeline.toys import ToySource
task = ToySource()
task.wiring = Wiring("ipc:///nowhere/control", "ToySource.1", "ipc:///nowhere/1")
task.run()
"""


def test_a_process_that_begins_when_its_pipeline_has_ended_ends_without_a_word() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _TOO_LATE], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
