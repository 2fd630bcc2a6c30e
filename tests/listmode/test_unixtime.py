"""Unix time of events in the three modes."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from pixieioc.listmode import events as ev
from pixieioc.listmode.events import Events
from pixieioc.listmode.unixtime import UnixClock


def _at(*seconds: float) -> Events:
    events = ev.allocate(ev.BASE_COLUMNS, len(seconds), zero=True)
    events["time"][:] = [round(s * 1e9) for s in seconds]
    return events


def _stamps(clock: UnixClock, period: int, events: Events) -> NDArray[np.float64]:
    unix = np.empty(ev.size(events))
    clock.stamp([(period, 0, ev.size(events))], events, unix)
    return unix


def test_periods_that_travel_together_are_stamped_together() -> None:
    times, unix = iter([1000.0, 2000.0]), np.empty(4)
    clock = UnixClock("now", lambda: next(times))
    clock.stamp([(0, 0, 2), (1, 2, 2), (1, 2, 4)], _at(50, 51, 7, 9), unix)
    assert unix.tolist() == [1000.0, 1001.0, 2000.0, 2002.0]


def test_now_is_when_the_first_event_of_a_period_is_seen() -> None:
    times = iter([1000.0, 2000.0])
    clock = UnixClock("now", lambda: next(times))
    assert _stamps(clock, 0, _at(50, 51.5)).tolist() == [1000.0, 1001.5]
    assert _stamps(clock, 0, _at(60)).tolist() == [1010.0]
    assert _stamps(clock, 1, _at(3, 4)).tolist() == [2000.0, 2001.0]
    assert _stamps(clock, 0, _at(61)).tolist() == [1011.0]  # a late one of the first period


def test_start_times_are_taken_one_a_period() -> None:
    clock = UnixClock("start times", lambda: 0.0, [100.0, 500.0], gap=10.0)
    assert _stamps(clock, 0, _at(5, 6)).tolist() == [100.0, 101.0]
    assert _stamps(clock, 1, _at(0, 30)).tolist() == [500.0, 530.0]
    assert clock.estimated == 0
    # A third period is not on the list: it begins a gap after the end of the second.
    assert _stamps(clock, 2, _at(7)).tolist() == [540.0]
    assert clock.estimated == 1


def test_the_gap_is_estimated_from_the_end_of_the_period_before() -> None:
    clock = UnixClock("estimated gap", lambda: 777.0, gap=35.0)
    assert _stamps(clock, 0, _at(10, 20)).tolist() == [777.0, 787.0]
    assert _stamps(clock, 1, _at(1, 2)).tolist() == [787.0 + 35, 788.0 + 35]
    assert clock.estimated == 0
    known = UnixClock("estimated gap", lambda: 777.0, [5.0], gap=1.0)
    assert _stamps(known, 0, _at(10)).tolist() == [5.0]


def test_no_events_need_no_time() -> None:
    assert len(_stamps(UnixClock("now", lambda: 1 / 0), 0, _at())) == 0


def test_resolution_is_better_than_a_microsecond() -> None:
    clock = UnixClock("now", lambda: 1.8e9)
    stamps = _stamps(clock, 0, _at(0, 1e-6, 2.5e6))
    assert stamps - 1.8e9 == pytest.approx(np.array([0, 1e-6, 2.5e6]), abs=5e-7)
