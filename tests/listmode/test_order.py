"""Time order across blocks and modules."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pixieioc.listmode import events as ev
from pixieioc.listmode.events import Events
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


def test_one_module_is_sorted_within_its_window() -> None:
    order = _order()
    out = _times(order.feed(_events([10, 5, 500, 450]), {0: 16}))
    assert out == [5, 10]
    out += _times(order.feed(_events([700, 690]), {0: 8}))
    assert out == [5, 10, 450, 500]
    assert order.held == 2
    out += _times(order.finish())
    assert out == [5, 10, 450, 500, 690, 700]
    assert (order.late, order.held) == (0, 0)


def test_modules_wait_for_each_other() -> None:
    order = _order()
    assert _times(order.feed(_events([1000, 2000, 3000], 0), {0: 12, 1: 4})) == []  # module 1 has shown nothing yet
    out = _times(order.feed(_events([1500, 2500], 1), {0: 0, 1: 8}))
    assert out == [1000, 1500, 2000]
    assert _times(order.finish()) == [2500, 3000]


def test_a_module_that_has_nothing_is_not_waited_for() -> None:
    order = _order()
    assert _times(order.feed(_events([1000, 2000], 0), {0: 8, 1: 0})) == [1000]


def test_what_comes_too_late_is_marked_and_counted() -> None:
    order = _order()
    assert _times(order.feed(_events([1000, 2000, 3000]), {0: 12})) == [1000, 2000]
    (late, *_) = order.feed(_events([1500, 3500]), {0: 8})
    assert late.events["time"].tolist() == [1500, 3000]
    assert (late.events["flags"] & ev.FLAG_LATE > 0).tolist() == [True, False]
    assert order.late == 1


def test_memory_is_bounded_by_letting_the_earliest_go() -> None:
    order = _order(most=1000)
    out = 0
    for i in range(50):
        stretches = order.feed(_events(list(range(1000 * i, 1000 * i + 1000, 10)), 0), {0: 400, 1: 1})
        out += sum(ev.size(s.events) for s in stretches)
        assert order.held <= 1000
    assert out + order.held == 5000
    assert order.late == 0


def test_a_counter_that_begins_anew_starts_a_period() -> None:
    order = _order()
    stretches = order.feed(_events([50 * SECOND, 51 * SECOND, 10, 20, 5]), {0: 20}) + order.finish()
    assert [(s.period, s.events["time"].tolist()) for s in stretches] == [
        (0, [50 * SECOND, 51 * SECOND]),
        (1, [5, 10, 20]),
    ]
    assert order.resets == 1


def test_a_reset_between_blocks_and_modules() -> None:
    order = _order()
    stretches = order.feed(_events([60 * SECOND], 0), {0: 4, 1: 4})
    stretches += order.feed(_events([60 * SECOND + 10], 1), {0: 0, 1: 4})
    stretches += order.feed(_events([7, 5000], 0), {0: 8, 1: 0})
    stretches += order.feed(_events([8, 6000], 1), {0: 0, 1: 8})
    stretches += order.finish()
    assert [(s.period, t) for s in stretches for t in s.events["time"].tolist()] == [
        (0, 60 * SECOND),
        (0, 60 * SECOND + 10),
        (1, 7),
        (1, 8),
        (1, 5000),
        (1, 6000),
    ]
    assert order.late == 0


def test_time_that_goes_back_a_little_is_no_reset() -> None:
    order = _order()
    order.feed(_events([30 * SECOND, 11 * SECOND]), {0: 8})
    assert order.resets == 0


def test_sub_tick_times_decide() -> None:
    order = _order()
    stretches = order.feed(_events([100, 110, 110], cfd=[9.5, -2.0, -1.0]), {0: 12}) + order.finish()
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
        [stretch] = order.feed(events, {0: 4 * len(times)}) + order.finish()
        assert stretch.events["energy"].tolist() == expected


def test_a_part_that_starts_in_the_past_costs_no_more() -> None:
    """All that follows a time far ahead is taken out and sorted: still in order, in a moment."""
    random = np.random.default_rng(5)
    times = np.concatenate([[10**6], np.sort(random.integers(0, 10**6, 200_000)), random.integers(0, 10**6, 50_000)])
    order = _order(window=2**60, most=10**7)
    [stretch] = order.feed(_events(times.tolist()), {0: 1}) + order.finish()
    assert np.array_equal(stretch.events["time"], np.sort(times))


def test_traces_stay_with_their_events() -> None:
    events = ev.allocate((*ev.BASE_COLUMNS, *ev.EXTRA_COLUMNS), 4, zero=True)
    events["time"][:] = [3000, 1000, 4000, 2000]
    events["trace_length"][:] = [2, 2, 4, 0]
    events["trace_start"][:] = [0, 2, 4, 8]
    events["traces"] = np.array([3, 3, 1, 1, 4, 4, 4, 4], "<u2")
    order = _order(window=5000)
    first = order.feed(events, {0: 40})
    stretches = first + order.finish()
    found = {
        int(t): s.events["traces"][b : b + n].tolist()
        for s in stretches
        for t, b, n in zip(s.events["time"], s.events["trace_start"], s.events["trace_length"], strict=True)
    }
    assert found == {1000: [1, 1], 2000: [], 3000: [3, 3], 4000: [4, 4, 4, 4]}


@settings(max_examples=200)
@given(st.data(), st.integers(1, 3), st.integers(0, 200))
def test_nothing_is_lost_doubled_or_out_of_order(data: st.DataObject, modules: int, window: int) -> None:
    order = _order(window=window, most=40)
    clocks = [0] * modules
    fed: list[tuple[int, int]] = []
    out: list[Stretch] = []
    for _ in range(data.draw(st.integers(0, 8))):
        chunks: list[Events] = []
        words: dict[int, int] = {}
        for module in range(modules):
            steps = data.draw(st.lists(st.integers(-window, 300), max_size=12))
            times = np.maximum(0, clocks[module] + np.cumsum([0, *steps]))[1:].tolist()
            clocks[module] = times[-1] if times else clocks[module]
            fed += [(time, module) for time in times]
            chunks.append(_events(times, module))
            words[module] = 4 * len(times)
        out += order.feed(ev.concatenate(chunks), words)
    out += order.finish()
    events = ev.concatenate([s.events for s in out])
    assert sorted(zip(events["time"].tolist(), events["module"].tolist(), strict=True)) == sorted(fed)
    in_time = events["time"][events["flags"] & ev.FLAG_LATE == 0]
    assert (np.diff(in_time) >= 0).all()
    assert order.late == int((events["flags"] & ev.FLAG_LATE > 0).sum())
