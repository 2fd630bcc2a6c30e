"""The end of a run waits as long as something is confirmed, and no longer than a Stop allows."""

from __future__ import annotations

import math

from pixieioc.tasks.drain import Drain


def test_a_run_that_goes_on_has_patience_and_its_end_has_not() -> None:
    drain = Drain(math.inf)
    assert not drain.is_over(100.0, 1e6, 5.0)
    drain.begin(200.0)
    assert not drain.is_over(200.0, 4.9, 5.0)
    assert drain.is_over(200.0, 5.0, 5.0)
    assert not drain.is_over(1e9, 4.9, 5.0)


def test_it_ends_before_the_task_is_killed_however_often_it_is_stopped() -> None:
    drain = Drain(8.0)
    drain.begin(100.0)
    drain.begin(105.0)
    assert not drain.is_over(106.0, 1.0, 10.0)
    assert drain.is_over(106.5, 1.0, 10.0)
