"""Slips of a task's author: told where they are made, once, and the next run is a good one."""

from __future__ import annotations

import pytest

from pixieioc.pipeline import Status
from tests.recorder import Recorder

SLIPS = {
    "type": ("ToySlips.total = 'many': must be a whole number up to 2^53", 'self.total = "many"'),
    "name": ("ToySlips.ack: the pipeline's messages use this word", 'self.report({"ack": 1})'),
    "frame": ("ToySlips.counter: every task has this report", "self.counter = 5"),
    "undeclared": ("ToySlips.what = {1, 2}: cannot be reported", 'self.report({"what": {1, 2}})'),
    "return": ("ToySlips.do_work returned {'number': 1}, which nobody gets", ""),
    "thread": ("KeyError: 'no such key'", '{}["no such key"]'),
    "send in a thread": ("ToySlips: data are sent by the callbacks only", ""),
}


def test_each_slip_is_told_at_its_line(pipeline: Recorder) -> None:
    pipeline.chain_of("ToySource", "ToySlips")
    pipeline.configure({"items": 3, "pause": 0.0})
    for slip, (says, line) in SLIPS.items():
        pipeline.heard_errors.clear()
        pipeline.configure({"slip": slip})
        pipeline.start()
        assert pipeline.wait(60) is Status.PANICKING, slip
        [(task, error)] = pipeline.heard_errors
        assert task == "ToySlips"
        assert str(error).startswith(says)
        assert line in error.traceback
        if line and slip != "thread":  # the line of the task is the last that is shown
            assert line in "\n".join(error.traceback.strip().splitlines()[-3:])
    pipeline.configure({"slip": ""})
    pipeline.run_through(60)


@pytest.mark.parametrize("slip", ["type"])
def test_a_slip_in_every_run_is_one_error_in_every_run(pipeline: Recorder, slip: str) -> None:
    pipeline.chain_of("ToySource", "ToySlips")
    pipeline.configure({"items": 3, "slip": slip})
    for run in (1, 2, 3):
        pipeline.start()
        assert pipeline.wait(60) is Status.PANICKING
        assert len(pipeline.heard_errors) == run
