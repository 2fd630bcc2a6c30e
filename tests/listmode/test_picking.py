"""Columns follow an order, whether what goes out lay side by side in the block or not, or had waited."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pixieioc.listmode import picking
from pixieioc.listmode.picking import MIXED, NEW


@pytest.mark.parametrize("kind", ["u1", "u2", "u4", "u8"])
@settings(deadline=None)
@given(seed=st.integers(0, 2**32), held=st.integers(0, 3000), size=st.integers(0, 5000), share=st.floats(0, 0.3))
def test_values_are_put_in_order(kind: str, seed: int, held: int, size: int, share: float) -> None:
    random = np.random.default_rng(seed)
    before, column = (random.integers(0, 200, count).astype(kind) for count in (held, size))
    before.flags.writeable = column.flags.writeable = False
    numbers = np.arange(held + size, dtype=np.uint32)
    for at in np.flatnonzero(random.random(held + size) < share):
        other = min(held + size - 1, at + random.integers(0, 4))
        numbers[[at, other]] = numbers[[other, at]]
    middle, count = held + size // 2, held + size
    ways = [
        [(0, count, MIXED)],
        [(0, held, MIXED), (held, count, 0)],
        [(0, held, MIXED), (held, middle, 0), (middle, count, MIXED)],
    ]
    if not held:
        ways.append([(0, count, NEW)])
    for way in ways:
        pieces, places = np.array(way, np.int64), np.empty(count + 1, np.uint32)
        found = picking.displaced(numbers, held, pieces, places)
        out = np.empty(count, kind)
        picking.put(numbers, held, pieces, places[:found], before, column, out)
        assert np.array_equal(out, np.concatenate([before, column])[numbers])
