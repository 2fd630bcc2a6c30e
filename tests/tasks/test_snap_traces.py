"""SnapTraces: which traces are shown, how much of them, and how often."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.recorder import Recorder

CRATE = {"run_time": 0.6, "seed": 5, "traces": True, "trace_length": 0.4, "channel_rate": 2000}


def _run(tmp_path: Path, snap: dict[str, object], **crate: object) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What the task reported, and the events."""
    with Recorder({"DummyData": CRATE | crate, "SnapTraces": {"channels": 4} | snap}) as pipeline:
        pipeline.chain_of("DummyData", "ConvertToEvents", "SnapTraces", "KeepEvents")
        pipeline.configure({"keep_in": str(tmp_path / "kept.npz")})
        pipeline.run_through()
        return pipeline.processes["SnapTraces"].reports, dict(np.load(tmp_path / "kept.npz"))


def test_what_is_shown_is_the_trace_of_an_event(tmp_path: Path) -> None:
    told, events = _run(tmp_path, {})
    shown, energies = told["trace"], told["trace_energy"]
    assert shown.shape == (1, 4, 200)
    assert told["traces_seen"] == len(events["time"]) > 1000
    assert told["events"] == len(events["time"])
    traces = events["traces"][events["trace_start"][:, None] + np.arange(200)]
    for channel in range(4):
        same = (traces == shown[0, channel]).all(axis=1) & (events["channel"] == channel)
        assert same.sum() == 1
        assert events["energy"][same] == energies[0, channel]


def test_a_trace_is_cut_at_max_samples(tmp_path: Path) -> None:
    told, _ = _run(tmp_path, {"max_samples": 50})
    assert told["trace"].shape == (1, 4, 50)


def test_modules_with_shorter_traces_end_in_nan(tmp_path: Path) -> None:
    told, events = _run(tmp_path, {"modules": 2}, modules=2, adc_mhz=[500, 100])
    shown = told["trace"]
    assert shown.shape == (2, 4, 200)
    assert not np.isnan(shown[0]).any()
    assert (np.isnan(shown[1]).sum(axis=1) == 160).all()
    assert set(events["trace_length"][events["module"] == 1]) == {40}


def test_events_without_traces_show_none(tmp_path: Path) -> None:
    told, events = _run(tmp_path, {}, traces=False)
    assert np.isnan(told["trace"]).all()
    assert told["traces_seen"] == 0
    assert told["events"] == len(events["time"])


def test_at_most_one_trace_in_an_interval_and_none_when_frozen(pipeline: Recorder) -> None:
    pipeline.chain_of("DummyData", "ConvertToEvents", "SnapTraces")
    pipeline.configure({key: value for key, value in CRATE.items() if key != "run_time"})
    pipeline.configure({"SnapTraces": {"interval": 3600}})
    pipeline.start()
    pipeline.until(lambda: pipeline.reported("SnapTraces", "traces_seen") > 2000)
    first = pipeline.reported("SnapTraces", "trace")
    pipeline.until(lambda: pipeline.reported("SnapTraces", "traces_seen") > 8000)
    assert np.array_equal(pipeline.reported("SnapTraces", "trace"), first, equal_nan=True)
    pipeline.configure({"SnapTraces": {"freeze": True, "interval": 0.5, "erase": True}})
    seen = pipeline.reported("SnapTraces", "traces_seen")
    pipeline.until(lambda: pipeline.reported("SnapTraces", "traces_seen") > seen + 4000)
    assert np.isnan(pipeline.reported("SnapTraces", "trace")).all()
    pipeline.configure({"SnapTraces": {"freeze": False}})
    pipeline.until(lambda: not np.isnan(pipeline.reported("SnapTraces", "trace")[0, :4]).any())
    pipeline.stop()
    pipeline.wait(60)


@pytest.mark.parametrize("channels", [2, 3])
def test_channels_beyond_those_that_are_shown_do_no_harm(tmp_path: Path, channels: int) -> None:
    told, _ = _run(tmp_path, {"channels": channels})
    assert told["trace"].shape == (1, channels, 200)
    assert not np.isnan(told["trace"]).any()
