"""An exception in a callback: told at once and once, wherever in the chain, and the others come to their normal end."""

from __future__ import annotations

import pytest

from pixieioc.pipeline import Cause, Error, Status
from tests.recorder import Recorder
from tests.stopwatch import Stopwatch

CHAINS = {
    "first": ("ToyRaiser", "ToyFilter", "ToySink"),
    "middle": ("ToySource", "ToyRaiser", "ToySink"),
    "last": ("ToySource", "ToyFilter", "ToyRaiser"),
}
#: Much less than the time after which processes are killed.
AT_ONCE = 3.0


def _good_run(pipeline: Recorder) -> None:
    pipeline.heard_errors.clear()
    pipeline.configure({"raise_in": ""})
    pipeline.run_through(60)
    assert pipeline.status is Status.WAITING
    assert pipeline.heard_errors == []
    sink = "ToySink" if "ToySink" in pipeline.chain else "ToyRaiser"
    assert pipeline.reported(sink, "counter") == 5


def _told_once(pipeline: Recorder, callback: str, what: str = "KeyError") -> None:
    """The one error is that of the callback, with the line that raised it."""
    assert [(name, error.cause) for name, error in pipeline.heard_errors] == [("ToyRaiser", Cause.ERROR)]
    [(_, error)] = pipeline.heard_errors
    assert str(error).startswith(f"{what}: ")
    assert f"in {callback}" in str(error)
    assert "raise errors[self.what]" in error.traceback


@pytest.mark.parametrize("what", ["KeyError", "SystemExit", "KeyboardInterrupt"])
@pytest.mark.parametrize("position", CHAINS)
def test_in_a_run(pipeline: Recorder, position: str, what: str) -> None:
    pipeline.chain_of(*CHAINS[position])
    pipeline.configure({"what": what})
    if position != "first":
        pipeline.configure({"items": 5, "pause": 0.15, "length": 10})
    in_turn = ["work", "report", "stop", *(["wait"] if position != "first" else [])]
    for callback in in_turn if what == "KeyError" else ["work", "stop"]:
        pipeline.configure({"raise_in": callback, "what": what})
        pipeline.heard_errors.clear()
        began = Stopwatch()
        _start(pipeline)
        assert pipeline.wait(60) is Status.PANICKING
        assert began.taken < AT_ONCE
        _told_once(pipeline, callback, what)
        for name in pipeline.chain:
            if name != "ToyRaiser":
                assert pipeline.processes[name].status is Status.WAITING
        if position != "last":
            assert pipeline.reported("ToySink", "stopped")
        _good_run(pipeline)


def _start(pipeline: Recorder) -> None:
    """Starts a run, which may fail before all tasks have answered."""
    try:
        pipeline.start()
    except Error as error:
        assert "ToyRaiser" in str(error)  # noqa: PT017 - it need not be raised


@pytest.mark.parametrize("position", CHAINS)
def test_before_and_after_a_run(pipeline: Recorder, position: str) -> None:
    pipeline.chain_of(*CHAINS[position])
    if position != "first":
        pipeline.configure({"items": 5, "pause": 0.0, "length": 10})
    # Configuring and connecting are refused; nothing has failed, and the pipeline goes on as it was.
    with pytest.raises(Error, match=r"ToyRaiser: KeyError: 'in configure'"):
        pipeline.configure({"raise_in": "configure"})
    assert pipeline.heard_errors == []
    pipeline.until(lambda: any("raise errors[self.what]" in text for _, text in pipeline.heard_prints))
    pipeline.configure({"raise_in": "connect"})
    with pytest.raises(RuntimeError, match=r"connect: ToyRaiser: KeyError: 'in connect'"):
        pipeline.connect(list(CHAINS[position]))
    assert pipeline.heard_errors == []
    pipeline.configure({"raise_in": ""})
    pipeline.connect(list(CHAINS[position]))
    _good_run(pipeline)
    # Without a run, after one.
    pipeline.configure({"raise_in": "wait idle"})
    pipeline.until(lambda: pipeline.status is Status.PANICKING, AT_ONCE)
    _told_once(pipeline, "wait idle")
    _good_run(pipeline)
    # At a start.
    pipeline.configure({"raise_in": "start"})
    began = Stopwatch()
    with pytest.raises(Error, match="start: ToyRaiser: KeyError: 'in start'"):
        pipeline.start()
    assert pipeline.wait(60) is Status.PANICKING
    assert began.taken < AT_ONCE
    _told_once(pipeline, "start")
    _good_run(pipeline)
    # At the end of the process.
    pipeline.configure({"raise_in": "quit"})
    began = Stopwatch()
    pipeline.quit()
    assert began.taken < AT_ONCE
    _told_once(pipeline, "quit")
    assert (pipeline.status, len(pipeline.processes)) == (Status.WAITING, 0)


def test_when_the_process_begins(pipeline: Recorder) -> None:
    pipeline.task_kwargs = {"ToyRaiser": {"raise_in": "init"}}
    with pytest.raises(Error, match=r"ToyRaiser: KeyError: 'in init'"):
        pipeline.create_task("ToyRaiser")
    _told_once(pipeline, "init")
    assert len(pipeline.processes) == 0


@pytest.mark.parametrize("position", CHAINS)
def test_two_callbacks_that_fail_in_one_run_are_two_errors_and_no_more(pipeline: Recorder, position: str) -> None:
    pipeline.chain_of(*CHAINS[position])
    pipeline.configure({"raise_in": "work"})
    _start(pipeline)
    assert pipeline.wait(60) is Status.PANICKING
    pipeline.heard_errors.clear()
    pipeline.quit()
    assert pipeline.heard_errors == []
