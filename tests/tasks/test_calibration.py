"""What energies mean: keV of events and of bins, exactly the same events in both, and what has no calibration."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixieioc.pipeline import Refused
from pixieioc.pipeline.validate import validate
from pixieioc.tasks.calibration import ENERGIES, Calibration, InUse, bin_of
from pixieioc.tasks.energy_spectra import EnergySpectra

BINS = st.sampled_from([16, 100, 2048, 65536])


def calibration(*channels: tuple[float, float, float]) -> Calibration:
    """That of the channels of module 0: offset, gain, quadratic."""
    columns = [[[channel[i] for channel in channels]] for i in range(3)]
    return Calibration.of(dict(zip(("cal_offset", "cal_gain", "cal_quadratic"), columns, strict=True)))


@st.composite
def numbers(draw: st.DrawFn) -> tuple[float, float, float]:
    """A calibration that is possible."""
    gain = draw(st.floats(0.001, 10))
    bend = draw(st.floats(-0.9, 1)) * gain / (2 * ENERGIES)
    return draw(st.floats(-100, 100)), gain, bend


@given(numbers(), BINS, st.integers(0, 2**32))
def test_a_histogram_of_events_in_kev_is_the_spectrum(of: tuple[float, float, float], bins: int, seed: int) -> None:
    used = calibration((0, 0, 0), of)
    energy = np.random.default_rng(seed).integers(0, ENERGIES, 1000).astype("<u2")
    kev = used.of_events(np.zeros(1000, "u1"), np.ones(1000, "u1"), energy)
    found = np.searchsorted(used.edges(0, 1, bins).astype(np.float32), kev, "right") - 1
    assert found.tolist() == (energy.astype(np.int64) * bins // ENERGIES).tolist()
    # Neighbours stay apart, so that nothing is lost by 32 bits.
    near = used.of_events(np.zeros(ENERGIES, "u1"), np.ones(ENERGIES, "u1"), np.arange(ENERGIES, dtype="<u2"))
    assert (np.diff(near) > 0).all()


@given(numbers(), BINS, st.data())
def test_a_region_in_kev_has_the_bins_that_it_touches(of: tuple[float, float, float], bins: int, data: Any) -> None:
    used = calibration(of)
    edges: list[float] = used.edges(0, 0, bins).tolist()
    number = data.draw(st.integers(0, bins - 1))
    # What is shown can be written: it selects the bin that it was shown for.
    assert bin_of(used.energy(0, 0, edges[number]), bins, last=False) == number
    assert bin_of(used.energy(0, 0, edges[number + 1]), bins, last=True) == number
    inside = edges[number] + data.draw(st.floats(0.01, 0.99)) * (edges[number + 1] - edges[number])
    for last in (False, True):
        assert bin_of(used.energy(0, 0, inside), bins, last=last) == number
    assert bin_of(used.energy(0, 0, edges[0] - 1), bins, last=False) == -1
    assert bin_of(used.energy(0, 0, edges[-1] + 10 * of[1] * ENERGIES), bins, last=False) == bins


def test_without_a_gain_there_are_no_kev() -> None:
    used = calibration((7, 0, 0), (0, 0.1, 0))
    module = np.array([0, 0, 0, 1], "u1")
    kev = used.of_events(module, np.array([0, 1, 2, 1], "u1"), np.full(4, 1000, "<u2"))
    assert [math.isnan(value) for value in kev.tolist()] == [True, False, True, True]
    assert kev[1] == 100
    assert not used.has(0, 0)
    assert math.isnan(used.energy(0, 0, 100))
    assert np.isnan(used.edges(0, 0, 16)).all()
    assert list(used.channels) == ["M00:C01"]


def test_the_version_is_that_of_the_numbers() -> None:
    one = calibration((1, 0.1, 0))
    assert one.version == calibration((1, 0.1, 0), (5, 0, 0)).version != calibration((1, 0.1, 1e-9)).version
    named = Calibration.of({"cal_offset": [[1.0]], "cal_gain": [[0.1]], "channel_name": [["A"]]})
    assert named.channels == {"M00:C00": {"offset": 1.0, "gain": 0.1, "quadratic": 0.0, "name": "A"}}
    assert (named.version, calibration((1, 0, 0)).version, Calibration.of({}).version) == (one.version, "", "")


def test_kev_increase_with_the_energy() -> None:
    task = {"FillSpectra": EnergySpectra}
    given: dict[str, Any] = {"modules": 1, "channels": 2, "cal_gain": 0.1, "cal_quadratic": -7.6e-7}
    assert validate({"FillSpectra": given}, task)["FillSpectra"]["cal_quadratic"] == [[-7.6e-7, -7.6e-7]]
    turns = r"cal_quadratic of M00:C01 = -7.7e-07: must be above -7.62939e-07 with cal_gain = 0.1, so that keV increase"
    with pytest.raises(Refused, match=turns):
        validate({"FillSpectra": {**given, "cal_quadratic": {"M00:C01": -7.7e-7}}}, task)
    with pytest.raises(
        Refused, match=r"cal_gain of M00:C00 = -1: must be a number from 1e-06 to 1000 \(keV/ADU\), or 0 for none"
    ):
        validate({"FillSpectra": {**given, "cal_gain": -1}}, task)


def test_what_metadata_say_of_a_change() -> None:
    settings: dict[str, Any] = {"cal_offset": [[0.0]], "cal_gain": [[0.0]], "cal_quadratic": [[0.0]]}
    in_use = InUse(settings)
    run = in_use.begin()
    assert run.about() == {
        "formula": "keV = offset + gain * energy + quadratic * energy^2",
        "version": None,
        "channels": {},
        "changes": 0,
    }
    settings["cal_gain"] = [[0.1]]
    in_use.change(settings, 12.0)
    in_use.change(settings, 13.0)  # the same
    file = in_use.begin()
    about = run.about()
    now = {"version": in_use.now.version, "channels": {"M00:C00": {"offset": 0.0, "gain": 0.1, "quadratic": 0.0}}}
    assert (about["version"], about["changes"], about["changed_at"], about["at_end"]) == (None, 1, 12.0, now)
    assert {name: file.about()[name] for name in (*now, "changes")} == {**now, "changes": 0}
