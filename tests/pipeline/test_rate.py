"""Rates over a window: what they are the rates of, and over which time."""

from __future__ import annotations

import numpy as np

from pixieioc.pipeline.rate import RateWindow


def test_a_rate_is_that_of_the_window_and_not_of_less_than_the_shortest_time() -> None:
    rate = RateWindow(2.0, 0.5, 100.0, 0)
    assert rate.rates(100.4, 40) is None
    assert rate.rates(100.5, 50) == (100.0,)
    assert rate.rates(101.0, 100) == (100.0,)
    still = [rate.rates(101.0 + tenth / 10, 100) for tenth in range(1, 31)]  # it stands still from now on
    assert still[-1] == (0.0,)


def test_several_counts_and_arrays_of_them() -> None:
    rate = RateWindow(0.0, 0.5, 0.0, 0, np.zeros(2))
    rates = rate.rates(0.5, 10, np.array([4.0, 6.0]))
    assert rates is not None
    events, channels = rates
    assert (events, channels.tolist()) == (20.0, [8.0, 12.0])
    rate.begin(10.0, 0, np.zeros(2))  # counts begin again
    assert rate.rates(10.2, 1, np.ones(2)) is None
    rates = rate.rates(11.0, 1, np.ones(2))
    assert rates is not None
    events, channels = rates
    assert (events, channels.tolist()) == (1.0, [1.0, 1.0])


def test_without_a_shortest_time_a_moment_is_no_time() -> None:
    rate = RateWindow(3.0, 0.0, 5.0, 1)
    assert rate.rates(5.0, 2) is None
    assert rate.rates(6.0, 4) == (3.0,)
