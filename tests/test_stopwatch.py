"""What the bounds of the tests measure."""

from __future__ import annotations

import pytest

from tests import stopwatch
from tests.stopwatch import Stopwatch


@pytest.mark.parametrize(
    ("elapsed", "waited", "taken"),
    [
        (2.0, 0.0, 2.0),  # a computer at rest
        (2.0, 0.5, 1.5),
        (2.0, 1.99, 0.2),  # one that is busy all the time: a bound is ten times as long, and not endless
        (30.0, 60.0, 3.0),  # processors and disks are counted one by one
    ],
)
def test_what_a_computer_did_for_others_is_not_counted(
    monkeypatch: pytest.MonkeyPatch, elapsed: float, waited: float, taken: float
) -> None:
    clock = [100.0, 7.0]
    monkeypatch.setattr(stopwatch.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(stopwatch, "_waited", lambda: clock[1])
    watch = Stopwatch()
    clock[:] = [100.0 + elapsed, 7.0 + waited]
    assert (watch.elapsed, watch.taken, watch.busy) == pytest.approx((elapsed, taken, elapsed - taken))


def test_what_the_kernel_counts_never_goes_back() -> None:
    before = stopwatch._waited()
    assert 0 < before <= stopwatch._waited()


def test_without_the_kernels_count_nine_tenths_may_be_that_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(stopwatch.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(stopwatch, "_PRESSURE", "/nowhere")
    watch = Stopwatch()
    clock[0] = 110.0
    assert watch.taken == pytest.approx(1.0)
