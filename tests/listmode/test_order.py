"""Time order across blocks and modules."""

from __future__ import annotations

import numpy as np
import pytest

from pixieioc.listmode import events as ev
from pixieioc.listmode.events import Events
from pixieioc.listmode.flags import FLAG_LATE
from pixieioc.listmode.order import Stretch, TimeOrder

SECOND = 1_000_000_000


def _events(times: list[int], module: int = 0, cfd: list[float] | None = None) -> Events:
    events = ev.allocate(ev.BASE_COLUMNS, len(times), zero=True)
    events["time"][:] = times
    events["module"][:] = module
    events["cfd"][:] = cfd if cfd is not None else 0
    return events


def _times(stretches: list[Stretch]) -> list[int]:
    return [int(time) for stretch in stretches for time in stretch.events["time"]]


def _order(window: int = 100, most: int = 1000) -> TimeOrder:
    return TimeOrder(window, most, 20 * SECOND)


def _going(modules: int = 1, **settings: int) -> TimeOrder:
    """An order that knows its modules, each of which has come to 70 ns."""
    order = _order(**settings)
    order.begin(range(modules))
    order.feed(ev.concatenate([_events(list(range(0, 80, 10)), module) for module in range(modules)]), range(modules))
    return order


def test_one_module_is_sorted_within_its_window() -> None:
    order = _going()
    assert _times(order.feed(_events([100, 90, 500, 450]), [0])) == [*range(0, 80, 10), 90, 100]
    assert _times(order.feed(_events([700, 690]), [0])) == [450, 500]
    assert order.held == 2
    assert _times(order.finish()) == [690, 700]
    assert (order.late, order.held) == (0, 0)


def test_modules_wait_for_each_other() -> None:
    order = _order()
    assert _times(order.feed(_events(list(range(1000, 5000, 500)), 0), [0, 1])) == []  # module 1 has shown nothing yet
    out = _times(order.feed(_events(list(range(1200, 3600, 300)), 1), [1]))
    assert out == [1000, 1200, 1500, 1500, 1800, 2000, 2100, 2400, 2500, 2700]
    assert _times(order.finish()) == [3000, 3000, 3300, 3500, 4000, 4500]


def test_a_quiet_module_holds_up_what_was_read_with_it_and_no_more() -> None:
    """It was read at about the same time: until it is read again and has nothing, an earlier event may still come."""
    order = _going(2)
    assert _times(order.feed(_events([1000, 2000], 0), [0, 1], [1], 1.0)) == sorted(2 * list(range(0, 80, 10)))
    assert _times(order.feed(_events([3000, 4000], 0), [0, 1], [1], 1.05)) == [1000, 2000]
    assert _times(order.feed(_events([2500], 1), [0, 1], [0], 1.10)) == []
    assert _times(order.feed(ev.empty(), [0, 1], [0, 1], 1.15)) == [2500, 3000, 4000]
    assert order.late == 0


def test_what_comes_too_late_is_marked_and_counted() -> None:
    order = _going()
    order.feed(_events([1000, 2000, 3000]), [0])
    (late, *_) = order.feed(_events([500, 3500, 4000]), [0])
    assert late.events["time"].tolist() == [500, 2000, 3000]
    assert (late.events["flags"] & FLAG_LATE > 0).tolist() == [True, False, False]
    assert order.late == 1


def test_memory_is_bounded_by_letting_the_earliest_go() -> None:
    order, out = _order(most=1000), 0
    for i in range(50):
        stretches = order.feed(_events(list(range(1000 * i, 1000 * i + 1000, 10)), 0), [0, 1])
        out += sum(ev.size(s.events) for s in stretches)
        assert order.held <= 1000
    assert out + order.held == 5000
    assert order.late == 0
    assert order.relieved == out


def test_runs_that_are_known_come_one_after_the_other() -> None:
    order = _going(2)
    out = order.begin([0])
    assert _times(out) == sorted(2 * list(range(0, 80, 10)))
    out = order.feed(_events(list(range(5, 85, 10))), [0]) + order.finish()
    assert _times(out) == list(range(5, 85, 10))
    assert {stretch.period for stretch in out} == {1}
    assert (order.resets, order.late) == (1, 0)


def test_time_that_goes_back_a_little_is_no_reset() -> None:
    order = _going()
    order.feed(_events([30 * SECOND] * 8 + [11 * SECOND] * 8), [0])
    order.finish()
    assert order.resets == 0


def test_sub_tick_times_decide() -> None:
    order = _order()
    stretches = order.feed(_events([100, 110, 110], cfd=[9.5, -2.0, -1.0]), [0]) + order.finish()
    assert [(int(t), float(c)) for s in stretches for t, c in zip(s.events["time"], s.events["cfd"], strict=True)] == [
        (110, -2.0),
        (110, -1.0),
        (100, 9.5),
    ]


def test_order_is_exact_and_stable_over_32_days() -> None:
    last = 2**48 * 10 - 10
    for times, cfd, expected in (
        ([last, 0, last, 0], [1 / 32768, 0, 0, 0], [1, 3, 2, 0]),
        ([last, last], [1 / 32768, 0], [1, 0]),
        ([last, last], [0, 0], [0, 1]),
        ([last, 5, last, 5], [-2, 9.5, -2, -1.5], [3, 1, 0, 2]),
    ):
        events = _events(times, cfd=list(cfd))
        events["energy"][:] = range(len(times))
        order = TimeOrder(2**60, 1000, 2**60)
        out = order.feed(events, [0]) + order.finish()
        assert [energy for stretch in out for energy in stretch.events["energy"].tolist()] == expected


def test_a_part_that_starts_in_the_past_costs_no_more() -> None:
    """All that follows a time far ahead is taken out and sorted: still in order, in a moment."""
    random = np.random.default_rng(5)
    times = np.concatenate([[10**6], np.sort(random.integers(0, 10**6, 200_000)), random.integers(0, 10**6, 50_000)])
    order = _order(window=2**60, most=10**7)
    [stretch] = order.feed(_events(times.tolist()), [0]) + order.finish()
    assert np.array_equal(stretch.events["time"], np.sort(times))


def test_traces_stay_with_their_events() -> None:
    events = ev.allocate((*ev.BASE_COLUMNS, *ev.EXTRA_COLUMNS), 4, zero=True)
    events["time"][:] = [3000, 1000, 4000, 2000]
    events["trace_length"][:] = [2, 2, 4, 0]
    events["trace_start"][:] = [0, 2, 4, 8]
    events["traces"] = np.array([3, 3, 1, 1, 4, 4, 4, 4], "<u2")
    order = _order(window=5000)
    first = order.feed(events, [0])
    stretches = first + order.finish()
    found = {
        int(t): s.events["traces"][b : b + n].tolist()
        for s in stretches
        for t, b, n in zip(s.events["time"], s.events["trace_start"], s.events["trace_length"], strict=True)
    }
    assert found == {1000: [1, 1], 2000: [], 3000: [3, 3], 4000: [4, 4, 4, 4]}


@pytest.mark.parametrize("between", [0, 1, 40], ids=["end to end", "a header between", "few among other words"])
def test_traces_of_two_modules_stay_with_their_events_however_the_streams_are_cut(between: int) -> None:
    random = np.random.default_rng(between)
    times = random.permutation(300) * 10
    order, stretches = _order(window=5000, most=10**6), list[Stretch]()
    for begin in range(0, 300, 50):
        chunks = [_traced(times[begin + 25 * module :][:25], module, between, random) for module in (0, 1)]
        stretches += order.feed(ev.concatenate(chunks), [0, 1])
    stretches += order.finish()
    assert _times(stretches) == sorted(times.tolist())
    for stretch in stretches:
        events = stretch.events
        for time, begin, length in zip(events["time"], events["trace_start"], events["trace_length"], strict=True):
            assert events["traces"][begin : begin + length].tolist() == [time] * length


def _traced(times: np.ndarray, module: int, between: int, random: np.random.Generator) -> Events:
    """Events with traces of up to 8 samples, each of which is the event's time, with other words between them."""
    lengths = random.integers(0, 5, len(times)) * 2
    events = _events(times.tolist(), module) | ev.allocate(ev.EXTRA_COLUMNS, len(times), zero=True)
    events["trace_length"][:] = lengths
    events["trace_start"][:] = np.cumsum(lengths + between) - lengths
    events["traces"] = np.full(int((lengths + between).sum()), 9999, "<u2")
    for time, begin, length in zip(times, events["trace_start"], lengths, strict=True):
        events["traces"][begin : begin + length] = time
    return events
