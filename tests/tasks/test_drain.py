"""The end of a run waits as long as something is confirmed, and no longer than a Stop allows."""

from __future__ import annotations

import math

import pytest

from pixieioc.tasks.drain import Drain


def test_it_goes_on_while_something_is_confirmed() -> None:
    drain = Drain(math.inf)
    seen = [drain.is_over(now, now // 3, 5.0) for now in range(100)]
    assert not any(seen)
    assert [drain.is_over(now, 33, 5.0) for now in range(100, 106)] == [False] * 4 + [True] * 2


@pytest.mark.parametrize("again", [101.0, 105.0])
def test_after_a_stop_it_ends_before_the_task_is_killed(again: float) -> None:
    drain = Drain(8.0)
    assert not drain.is_over(100.0, 0, 10.0)
    drain.stop(100.0)
    drain.stop(again)
    assert not drain.is_over(106.0, 6, 10.0)
    assert drain.is_over(106.5, 7, 10.0)
