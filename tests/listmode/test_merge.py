"""Nearly sorted parts are put in order, however many they are and however their times lie."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixieioc.listmode import merge

#: How the times of all parts lie: spread evenly, in bursts far apart, nearly all at once, all at once, over 2^62 ns.
SPREADS = {
    "even": lambda rng, count: rng.integers(0, 1_000_000, count),
    "bursts": lambda rng, count: rng.choice([0, 10**9, 10**15], count) + rng.integers(0, 50, count),
    "nearly all at once": lambda rng, count: np.where(rng.random(count) < 0.01, 10**12, rng.integers(0, 5, count)),
    "all at once": lambda rng, count: np.full(count, 7),
    "over all times": lambda rng, count: rng.integers(-(2**61), 2**61, count),
}


@pytest.mark.parametrize("spread", SPREADS)
@given(seed=st.integers(0, 2**32), parts=st.integers(1, 20), each=st.integers(1, 300))
def test_the_order_is_that_of_a_stable_sort(spread: str, seed: int, parts: int, each: int) -> None:
    rng = np.random.default_rng(seed)
    times = np.sort(SPREADS[spread](rng, parts * each).reshape(parts, each), axis=1)
    swapped = rng.integers(0, each, (parts, 2))  # nearly in order
    for part, (a, b) in zip(times, swapped, strict=True):
        part[[a, b]] = part[[b, a]]
    whole, rest = times.ravel().astype(np.int64), rng.integers(0, 4, parts * each).astype(np.int16)
    order = merge.put_in_order(whole, rest, np.arange(each, parts * each + 1, each))
    assert np.array_equal(order, np.lexsort((rest, whole)))


def test_values_are_picked_in_order() -> None:
    out = np.empty(3, np.uint16)
    merge.pick(np.array([2, 0, 1], np.int32), np.array([10, 20, 30], np.uint16), out)
    assert out.tolist() == [30, 10, 20]
