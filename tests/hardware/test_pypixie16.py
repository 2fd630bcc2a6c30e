"""pypixie16 from PyPI, unmodified, runs on the simulated SDK, and its data are read exactly."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pixieioc.listmode.variant import variant
from tests.hardware.simulation import Simulation, decoded

needs_pypixie16 = pytest.mark.skipif(importlib.util.find_spec("pixie16") is None, reason="pypixie16 is not installed")


@needs_pypixie16
def test_init_and_boot_to_end_run(simulation: Simulation) -> None:
    simulation.configure_pypixie16()
    simulation.control("rate 2000")
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("pypixie16_session.py"), simulation.folder],
        cwd=simulation.folder,
        env={**os.environ, **simulation.environment},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    if "libEGL" in done.stderr or "libGL" in done.stderr:
        pytest.skip(f"pypixie16 cannot be imported here: {done.stderr.splitlines()[-1]}")
    assert done.returncode == 0, done.stderr
    assert "failed with Error Code" not in done.stdout + done.stderr
    seen = json.loads((simulation.folder / "seen.json").read_text())
    assert seen["read_back"] == pytest.approx(50)
    assert (seen["running"], seen["ended"]) == (True, True)
    assert [each["adc_msps"] for each in seen["information"]] == [500, 500]
    for module, slot in enumerate((2, 5)):
        events = decoded(np.fromfile(simulation.folder / f"module{module}.bin", "<u4"), variant(500, 35207))
        counts = np.bincount(events["channel"], minlength=16)
        assert counts.tolist() == seen["statistics"][module]["output_counts"]
        assert counts.min() > 100
        assert set(events["slot"]) == {slot}
        assert events["time"].max() <= 1e9 * seen["statistics"][module]["real_time"][0]
        traced = events["channel"][events["trace_length"] > 0] if "trace_length" in events else []
        assert set(traced) == ({2} if module else set())
        # The CFD is on in channel 4 alone.
        cfd = events["cfd"][events["channel"] == 4]
        assert len(np.unique(cfd)) > len(cfd) / 2
        assert set(events["cfd"][events["channel"] != 4]) == {-2.0}
    [first, second] = json.loads((simulation.folder / "settings.json").read_text())
    assert first["channel"]["input"]["TraceLength"][4] == second["channel"]["input"]["TraceLength"][4] == 250
