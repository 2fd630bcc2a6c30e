"""What was read and waits: nothing is lost, and the order stays."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pixieioc.tasks.backlog import Backlog
from pixieioc.tasks.items import WordBlock

blocks = st.lists(st.dictionaries(st.integers(0, 3), st.integers(0, 50), max_size=4), max_size=20)


@given(blocks, st.integers(1, 500))
def test_what_comes_in_goes_out_in_its_order(lengths: list[dict[int, int]], size: int) -> None:
    numbers = iter(range(10**6))
    words = [{m: np.array([next(numbers) for _ in range(n)], np.uint32) for m, n in each.items()} for each in lengths]
    backlog = Backlog()
    for block in words:
        backlog.add(block)
    assert backlog.bytes == sum(each.nbytes for block in words for each in block.values())
    largest = max((sum(each.nbytes for each in block.values()) for block in words), default=0)
    out: list[WordBlock] = []
    while backlog:
        count, block = backlog.first(size)
        assert backlog.first(size)[0] == count > 0  # nothing has happened by looking
        assert sum(each.nbytes for each in block.values()) <= max(size, largest)
        backlog.remove(count)
        out.append(block)
    assert backlog.bytes == 0
    for module in range(4):
        sent, came = (
            np.concatenate([np.empty(0, np.uint32), *(block[module] for block in of if module in block)])
            for of in (words, out)
        )
        assert np.array_equal(sent, came)
        assert (module in {m for b in words for m in b}) == (module in {m for b in out for m in b})
