"""Regions of interest: counts and net counts of windows, as EPICS' mca record has them."""

from __future__ import annotations

import numpy as np
import pytest

from pixieioc.tasks.regions import sums


def _one(spectrum: np.ndarray, low: int, high: int, background: int) -> tuple[float, float]:
    counts, net = sums(spectrum[None].astype(np.int64), np.array([[low]]), np.array([[high]]), background)
    return counts.item(), net.item()


def _as_mca(spectrum: np.ndarray, low: int, high: int, background: int) -> float:
    """Bin by bin: what is above a straight line between the means at the two edges."""
    left, right = (np.mean(spectrum[max(edge - background, 0) : edge + background + 1]) for edge in (low, high))
    line = np.linspace(left, right, high - low + 1) if high > low else np.array([left])
    return float((spectrum[low : high + 1] - line).sum())


def test_a_peak_on_a_slope_is_what_stands_above_the_slope() -> None:
    bins = np.arange(200)
    slope = 1000 - 3 * bins
    peak = np.zeros(200, int)
    peak[95:106] = [1, 4, 20, 90, 200, 300, 200, 90, 20, 4, 1]
    assert _one(slope + peak, 80, 120, 2) == ((slope + peak)[80:121].sum(), peak.sum())


@pytest.mark.parametrize("background", [0, 1, 5, 300])
@pytest.mark.parametrize(("low", "high"), [(0, 255), (3, 3), (10, 11), (250, 255), (0, 0), (40, 90)])
def test_net_counts_are_those_of_the_formula(low: int, high: int, background: int) -> None:
    spectrum = np.random.default_rng(1).poisson(50, 256)
    counts, net = _one(spectrum, low, high, background)
    assert counts == spectrum[low : high + 1].sum()
    if (low, high) == (0, 255) or high > low:
        assert net == pytest.approx(_as_mca(spectrum, low, high, background))
    else:  # one bin has one edge twice
        assert net == pytest.approx(spectrum[low] - np.mean(spectrum[max(low - background, 0) : low + background + 1]))


def test_without_background_and_without_a_window() -> None:
    spectrum = np.full(16, 7)
    assert _one(spectrum, 2, 5, -1) == (28, 28)
    assert _one(spectrum, 2, 5, 1) == (28, 0)
    assert _one(spectrum, 0, -1, 1) == (0, 0)


def test_each_spectrum_has_its_own_windows() -> None:
    spectra = np.arange(64).reshape(2, 32)
    counts, net = sums(spectra, np.array([[0, 5], [1, 31]]), np.array([[3, 5], [-1, 31]]), 0)
    assert counts.tolist() == [[0 + 1 + 2 + 3, 5], [0, 63]]
    assert net.tolist() == [[0, 0], [0, 0]]
