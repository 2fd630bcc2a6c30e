"""Regions of interest: how many events are in a window of a spectrum, and how many of them above the background."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


def sums(spectra: Ints, low: Ints, high: Ints, background: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Counts and net counts of windows: arrays like `low` and `high`, one row a spectrum; 0 where there is no window.

    `spectra` are rows of bins, a window is the bins `low` to `high`, both included; a negative `high` is no window. The
    net counts are those of EPICS' mca record: at each edge of the window the background is the mean of the edge's bin
    and `background` bins on either side of it, between the edges it is a straight line. So a window of w bins has

        net = counts - w (mean at low + mean at high) / 2

    Bins beyond the end of the spectrum are not counted in a mean. With a negative `background` nothing is subtracted.
    """
    bins = spectra.shape[1]
    is_there = (high >= 0) & (low <= high) & (high < bins)
    low, high = np.where(is_there, low, 0), np.where(is_there, high, 0)
    below = np.zeros((len(spectra), bins + 1), np.int64)
    np.cumsum(spectra, axis=1, out=below[:, 1:])

    def inside(first: Ints, last: Ints) -> Ints:
        return np.take_along_axis(below, last + 1, axis=1) - np.take_along_axis(below, first, axis=1)

    def mean(edge: Ints) -> NDArray[np.float64]:
        first, last = np.maximum(edge - background, 0), np.minimum(edge + background, bins - 1)
        return inside(first, last) / (last - first + 1)

    counts = np.where(is_there, inside(low, high), 0).astype(np.float64)
    if background < 0:
        return counts, counts.copy()
    net = counts - (high - low + 1) * (mean(low) + mean(high)) / 2
    return counts, np.where(is_there, net, 0.0)
