"""The order of time in live data: a quiet module, one that is apart, one that is alone."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pixieioc.pipeline import Status
from tests.recorder import Recorder
from tests.stopwatch import Stopwatch
from tests.tasks import clockwork

__all__ = ["clockwork"]  # importing it defines the tasks
CHAIN = ("Clockwork", "ConvertToEvents", "SortEvents", "Latency")


def _by_module(pipeline: Recorder, report: str) -> list[Any]:
    return json.loads(pipeline.reported("Latency", report))


def _run(pipeline: Recorder, events: int, **config: Any) -> float:
    """A run that is stopped when so many events have come to the end while it was going on.

    Says for how long this computer was busy with others.
    """
    pipeline.chain_of(*CHAIN)
    pipeline.configure({"adc_mhz": [250], **config})
    clock = Stopwatch()
    pipeline.start()
    pipeline.until(lambda: sum(_by_module(pipeline, "had")) == events)
    pipeline.stop()
    assert pipeline.wait(60) is Status.WAITING
    assert pipeline.reported("Clockwork", "made") == pipeline.reported("Latency", "events") == events
    return clock.busy


def test_a_quiet_module_beside_a_busy_one(pipeline: Recorder) -> None:
    busy = _run(pipeline, 3003, rates=[1000, 1], Clockwork={"seconds": 2.9995})
    assert pipeline.reported("SortEvents", "late_events") == 0
    assert _by_module(pipeline, "had") == [3000, 3]
    assert max(_by_module(pipeline, "longest")) < 1.0 + busy


@pytest.mark.parametrize("gathered", [False, True])
def test_a_quiet_module_alone_waits_for_nobody(pipeline: Recorder, gathered: bool) -> None:
    chain = [*CHAIN[:1], *["GatherData"] * gathered, *CHAIN[1:]]
    pipeline.chain_of(*chain)
    pipeline.configure({"adc_mhz": [250], "rates": [1.0], "Clockwork": {"seconds": 1.5}})
    clock = Stopwatch()
    pipeline.start()
    pipeline.until(lambda: pipeline.reported("Latency", "events") == 2, 60)
    pipeline.stop()
    assert pipeline.wait(60) is Status.WAITING
    assert pipeline.reported("SortEvents", "late_events") == 0
    assert _by_module(pipeline, "longest")[0] < 1.0 + clock.busy


def test_a_module_that_is_two_hours_ahead_comes_out_in_time_and_is_named(pipeline: Recorder) -> None:
    ahead = {"ahead": [0, 7200]}
    settings = {"Clockwork": {"seconds": 1.9995, **ahead}, "Latency": ahead, "SortEvents": {"max_wait": 0.5}}
    busy = _run(pipeline, 2200, rates=[1000, 100], **settings)
    assert _by_module(pipeline, "flagged") == [0, 200]
    assert pipeline.reported("SortEvents", "late_events") == pipeline.reported("SortEvents", "events_apart") == 200
    fast, apart = _by_module(pipeline, "longest")
    assert fast < 1.0 + busy
    assert apart < 7200 - 7200 + 1.5 + busy
    told = [text for task, text in pipeline.heard_prints if task == "SortEvents"]
    assert len(told) == 1
    assert told[0].startswith("module 1: its counter is 7200.")
    assert "start a new run" in told[0]
