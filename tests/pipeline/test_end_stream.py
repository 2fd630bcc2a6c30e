"""A task that closes slowly ends its stream first: those behind it end meanwhile, the run when all are through."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pixieioc.pipeline import Status
from tests.recorder import Recorder

CHAIN = ("ToySource", "ToyCloser", "ToySink")


def test_the_tasks_behind_end_meanwhile_and_the_run_when_all_are_through(pipeline: Recorder, tmp_path: Path) -> None:
    fifo = tmp_path / "closing"
    os.mkfifo(fifo)
    pipeline.chain_of(*CHAIN)
    pipeline.configure({"items": 3, "fifo": str(fifo)})
    for _ in range(2):
        pipeline.start()
        pipeline.until(lambda: pipeline.processes["ToySink"].finished)
        assert pipeline.reported("ToySink", "numbers") == "0 1 2"
        assert not pipeline.processes["ToyCloser"].finished
        assert not pipeline.at_rest
        fifo.write_bytes(b"go on")
        assert pipeline.wait(60) is Status.WAITING
    assert pipeline.heard_errors == []


@pytest.mark.parametrize(
    ("wrong", "text"),
    [("late", "data were sent behind the end of the stream"), ("early", "ToyCloser: end_stream() is for do_stop")],
)
def test_what_comes_behind_the_end_of_a_stream_or_an_end_too_early_is_an_error(
    pipeline: Recorder, wrong: str, text: str
) -> None:
    pipeline.chain_of(*CHAIN)
    pipeline.configure({"items": 3, wrong: True})
    pipeline.start()
    assert pipeline.wait(60) is Status.PANICKING
    [error] = pipeline.heard_errors
    assert text in str(error)
    assert pipeline.processes["ToySink"].finished
