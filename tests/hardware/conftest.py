"""A simulated crate for each test."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.hardware.simulation import Simulation


@pytest.fixture
def simulation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Simulation:
    """A copy of the library for this test alone; this process runs in its folder, where the library writes its log."""
    made = Simulation(tmp_path)
    monkeypatch.chdir(tmp_path)
    for name, value in made.environment.items():
        if name != "PIXIE16_SIM_CONTROL":  # what is simulated is read from one file in all tests of this process
            monkeypatch.setenv(name, value)
    return made
