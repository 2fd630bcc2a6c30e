"""Runs that are in order are merged, however many they are and however their keys lie; columns follow."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pixieioc.listmode import merge

#: How the keys of all runs lie: spread evenly, in bursts far apart, nearly all at once, all at once, over 2^62.
SPREADS = {
    "even": lambda rng, count: rng.integers(0, 1_000_000, count),
    "bursts": lambda rng, count: rng.choice([0, 10**9, 10**15], count) + rng.integers(0, 50, count),
    "nearly all at once": lambda rng, count: np.where(rng.random(count) < 0.01, 10**12, rng.integers(0, 5, count)),
    "all at once": lambda rng, count: np.full(count, 7),
    "over all times": lambda rng, count: rng.integers(-(2**61), 2**61, count),
}


@pytest.mark.parametrize("spread", SPREADS)
@settings(deadline=None)
@given(seed=st.integers(0, 2**32), runs=st.integers(2, 20), longest=st.integers(1, 3000))
def test_the_order_is_that_of_a_stable_sort(spread: str, seed: int, runs: int, longest: int) -> None:
    rng = np.random.default_rng(seed)
    ends = np.cumsum(rng.integers(0, longest + 1, runs))
    keys = SPREADS[spread](rng, ends[-1]).astype(np.int64)
    bounds = np.stack([np.concatenate([[0], ends[:-1]]), ends], axis=1)
    for begin, end in bounds:
        keys[begin:end].sort()
    size, order = len(keys), np.arange(len(keys), dtype=np.uint32)
    spare, rows, out = np.empty(2 * size, np.int64), np.empty(2 * size, np.uint32), np.empty(size, np.uint32)
    merge.merge_runs(keys, order, bounds, spare, rows, np.empty(2 * runs, np.int64), out)
    assert np.array_equal(out, np.argsort(keys, kind="stable"))


def test_what_is_behind_is_moved_to_its_place_unless_that_takes_too_long() -> None:
    keys, order = np.array([1, 5, 3, 3, 9, 2]), np.arange(6, dtype=np.uint32)
    low = np.array([2, 3, 5], np.uint32)
    assert merge.settle(keys, order, low, 3, 0, 100)
    assert keys.tolist() == [1, 2, 3, 3, 5, 9]
    assert order.tolist() == [0, 5, 2, 3, 1, 4]
    assert not merge.settle(np.arange(100)[::-1].copy(), np.arange(100, dtype=np.uint32), order[1:], 1, 0, 0)
