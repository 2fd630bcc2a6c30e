"""Times and presets of a run are those of its source."""

from __future__ import annotations

import pytest

from tests.running_ioc import Ioc
from tests.stopwatch import Stopwatch


def test_a_preset_real_time_ends_in_the_source(ioc: Ioc) -> None:
    ioc.put("PresetMode", "Real time")
    ioc.put("PresetReal", 0.1)
    ioc.put("Acquire", 1)  # the first run compiles
    ioc.put("PresetReal", 0.4)
    lasted, took = list[float](), list[float]()
    for _ in range(5):
        began = Stopwatch()
        ioc.put("Acquire", 1)
        lasted.append(began.elapsed)
        took.append(began.taken)
        assert ioc.get("ElapsedReal_RBV") == pytest.approx(0.4, abs=1e-6)
        assert ioc.get("RunEndReason_RBV") == "Preset"
        assert ioc.get("Progress_RBV") == 100
        assert ioc.get("TimeRemaining_RBV") == 0
        assert 0 < ioc.get("ElapsedLive_RBV") <= 0.4
    assert min(lasted) >= 0.4
    assert sorted(took)[2] < 1.0
    hits = ioc.get("DummyData:REPORT:EventsMade_RBV")
    assert ioc.get("DummyData:REPORT:ElapsedReal_RBV") == pytest.approx(0.4)
    assert hits == pytest.approx(2 * 1000 * 0.4, abs=6 * 800**0.5)


def test_the_dead_time_of_a_run_stays_until_the_next(ioc: Ioc) -> None:
    ioc.put("DummyData:DeadTime", 200.0)
    ioc.put("PresetMode", "Real time")
    ioc.put("PresetReal", 1.0)
    ioc.put("Acquire", 1)
    dead = ioc.get("DeadTime_RBV")
    assert 5 < dead < 50
    assert ioc.get("ElapsedLive_RBV") == pytest.approx(1.0 - dead / 100, abs=1e-6)
    beats = ioc.get("DummyData:HeartBeat")
    ioc.until("DummyData:HeartBeat", lambda now: now > beats + 1)
    assert ioc.get("DeadTime_RBV") == dead
    ioc.put("DummyData:DeadTime", 0.0)
    ioc.put("Acquire", 1)
    assert ioc.get("DeadTime_RBV") == 0


def test_an_operators_stop_has_the_time_of_the_data(ioc: Ioc) -> None:
    done = ioc.put_later("Acquire", 1)
    ioc.until("ElapsedReal_RBV", lambda now: now > 0.3)
    ioc.put("Stop", 1)
    done.result(60)
    real = ioc.get("ElapsedReal_RBV")
    assert real == ioc.get("DummyData:REPORT:ElapsedReal_RBV") > 0
    assert ioc.get("RunEndReason_RBV") == "Operator stop"


def test_how_long_a_task_is_busy_is_shown_and_no_hang(ioc: Ioc) -> None:
    ioc.put("Brake:Delay", 4.5)
    done = ioc.put_later("Acquire", 1)
    ioc.until("Brake:BusyTime_RBV", lambda busy: busy > 1)
    began = Stopwatch()
    ioc.put("Brake:HangTimeout", 30.0)  # while it is busy
    assert began.taken < 1.5
    assert ioc.get("Brake:HangTimeout_RBV") == 30
    ioc.until("Brake:BusyTime_RBV", lambda busy: busy > 3)
    assert ioc.get("Brake:BusyTime_RBV.SEVR") == "MINOR"
    assert ioc.get("Brake:HeartBeatAge_RBV.SEVR") == "NO_ALARM"  # the process runs
    ioc.put("Abort", 1, 8)
    done.result(60)
    assert ioc.get("Brake:ERROR") == "OK"


def test_values_of_tasks_are_unknown_after_quit(ioc: Ioc) -> None:
    ioc.put("Quit", 1)
    assert ioc.get("Brake:MemUsed_RBV.SEVR") == "INVALID"
    assert ioc.get("Brake:BusyTime_RBV.SEVR") == "INVALID"
    ioc.put("PresetMode", "Real time")
    ioc.put("PresetReal", 0.1)
    ioc.put("Acquire", 1)
    assert ioc.get("Brake:MemUsed_RBV.SEVR") == "NO_ALARM"
