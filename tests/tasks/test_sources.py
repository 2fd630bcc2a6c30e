"""DummyData, and TakeData where there is no hardware."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from pixieioc.pipeline import Error, Refused, Status
from tests.recorder import Recorder


def test_dummy_data_runs_for_its_time_at_its_rate(pipeline: Recorder, tmp_path: Path) -> None:
    pipeline.chain_of("DummyData", "ConvertToEvents", "KeepEvents")
    pipeline.configure({"run_time": 1.0, "channel_rate": 2000, "modules": 2, "channels": 3, "seed": 5})
    pipeline.configure({"keep_in": str(tmp_path / "kept.npz")})
    pipeline.run_through()
    events = dict(np.load(tmp_path / "kept.npz"))
    assert len(events["time"]) == pytest.approx(12_000, abs=6 * 12_000**0.5)
    assert set(zip(events["module"].tolist(), events["channel"].tolist(), strict=True)) == {
        (m, c) for m in (0, 1) for c in (0, 1, 2)
    }
    assert events["time"].max() < 1e9
    assert pipeline.reported("ConvertToEvents", "corrupt_regions") == 0
    # There are lines over a background.
    spectrum = np.histogram(events["energy"], 256, (0, 65536))[0]
    assert spectrum[6617 // 256] > 5 * spectrum[9500 // 256]


def test_dummy_data_without_end_is_stopped(pipeline: Recorder) -> None:
    pipeline.chain_of("DummyData", "ConvertToEvents")
    pipeline.start()
    pipeline.until(lambda: pipeline.reported("ConvertToEvents", "events") > 100)
    pipeline.stop()
    assert pipeline.wait(60) is Status.WAITING


def test_take_data_says_what_is_missing(pipeline: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))  # no configuration of pypixie16 in there
    pipeline.chain_of("TakeData", "ConvertToEvents")
    with pytest.raises(Error) as caught:
        pipeline.start()
    pipeline.wait(60)
    if importlib.util.find_spec("pixie16") is None:
        assert "the package pypixie16 is needed: pip install 'pixieioc[hardware]'" in str(caught.value)
    else:
        assert "no section [Firmware.default] in " in str(caught.value) or "cannot be imported" in str(caught.value)


def test_take_data_needs_slots(pipeline: Recorder) -> None:
    pipeline.create_task("TakeData")
    for slots in ([2, 3], [2, 2], [1], [2.5]):  # of one module
        with pytest.raises(Refused, match="slots"):
            pipeline.configure({"slots": slots})
