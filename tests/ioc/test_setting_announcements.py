"""What tasks say that they use, beside what was written: setpoints, what waits, limits, and thousands at once."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import numpy as np
import pytest

from pixieioc.ioc.setting_store import Key, SettingStore
from pixieioc.pipeline.in_use import checked, packed, value_at
from pixieioc.tasks.fill_spectra import FillSpectra
from tests.ioc.ca.peer import conversation
from tests.ioc.test_settings import desk_of_tasks
from tests.pipeline.toy_crate import ToyCrate

RISE: Key = ("Crate", "rise_time", (0, 1))
THRESHOLD: Key = ("Crate", "threshold", (0, 1))


def _store() -> SettingStore:
    values = {name: p.default_for({"modules": 2, "channels": 2}) for name, p in ToyCrate.parameters().items()}
    return SettingStore({"Crate": ToyCrate}, {"Crate": values})


def _seen(store: SettingStore, key: Key) -> tuple[Any, Any, bool]:
    """Setpoint, value in use, and whether it waits."""
    return store.setpoint(key), store.is_used(key), key in store.dirty


def test_a_rounded_value_stays_as_it_was_written_and_nothing_waits() -> None:
    store = _store()
    store.want(RISE, 0.5)
    assert _seen(store, RISE) == (0.5, 0.4, True)
    store.announce("Crate", {"rise_time": {(0, 1): 0.48}}, ())  # the task's answer, as it comes
    assert _seen(store, RISE) == (0.5, 0.48, True)
    store.answer(RISE, 0.5, 0.48)
    assert _seen(store, RISE) == (0.5, 0.48, False)
    store.want(RISE, 0.5)  # once more: that is what came of it
    assert _seen(store, RISE) == (0.5, 0.48, False)
    store.want(RISE, 3.0)
    assert _seen(store, RISE) == (3.0, 0.48, True)
    store.give_up(RISE)
    assert _seen(store, RISE) == (0.5, 0.48, False)
    store.want(RISE, 0.48)  # what is in use, written now
    assert _seen(store, RISE) == (0.48, 0.48, False)


def test_a_value_that_nobody_wrote_takes_its_setpoint_with_it_unless_that_waits() -> None:
    store = _store()
    assert store.announce("Crate", {"threshold": {(0, 1): 48.0, (0, 0): 50.0}}, ()) == [THRESHOLD]
    assert _seen(store, THRESHOLD) == (48.0, 48.0, False)
    store.want(THRESHOLD, 60.0)
    assert store.announce("Crate", {"threshold": {(0, 1): 49.0}}, ()) == [THRESHOLD]
    assert _seen(store, THRESHOLD) == (60.0, 49.0, True)
    assert store.announce("Crate", {"threshold": {(0, 1): 60.0}}, ()) == [THRESHOLD]
    assert _seen(store, THRESHOLD) == (60.0, 60.0, False)


def test_what_a_task_has_not_been_sent_yet_is_not_lost_to_what_it_announces() -> None:
    store = _store()
    store.want(RISE, 0.8)
    store.use(RISE, 0.8)  # its task is just being made, and will be sent it
    assert store.announce("Crate", {"rise_time": [[0.4, 0.4], [0.4, 0.24]]}, [RISE]) == [("Crate", "rise_time", (1, 1))]
    assert _seen(store, RISE) == (0.8, 0.8, False)


def test_a_later_announcement_ends_what_was_written() -> None:
    store = _store()
    store.want(RISE, 0.5)
    store.answer(RISE, 0.5, 0.48)
    store.announce("Crate", {"rise_time": np.full((2, 2), 2.4).tolist(), "steps": 4}, ())
    assert _seen(store, RISE) == (2.4, 2.4, False)
    assert _seen(store, ("Crate", "steps", ())) == (4, 4, False)


def test_limits_are_those_of_all_places_of_a_module() -> None:
    store = _store()
    found = store.limit("Crate", {"rise_time": {(): (0.0, 50.0), (1,): (1.0, 10.0)}, "range": {(1,): (1, 4)}})
    assert len(found) == 5
    assert store.check(("Crate", "rise_time", (0, 0)), 40) == 40.0
    with pytest.raises(ValueError, match=r"must be from 1 to 10 \(us\) at present"):
        store.check(("Crate", "rise_time", (1, 0)), 40)
    assert store.check(("Crate", "range", (0,)), 6) == 6
    with pytest.raises(ValueError, match="must be from 1 to 4 at present"):
        store.check(("Crate", "range", (1,)), 6)


@conversation
async def test_what_waits_is_used_once_its_partner_has_come_into_use() -> None:
    async with desk_of_tasks() as desk:
        low, high = "M00:C01:ROI2:Low", "M00:C01:ROI2:High"
        await desk.put(high, 600)
        await desk.put(low, 700)
        assert desk.shows(low) == (700, 0, "Yes")
        desk.settings.take_in_use("FillSpectra", {"roi_high": {(0, 1, 1): 800}}, {}, time.time())
        assert desk.shows(high)[:2] == (800, 800)
        await _until(lambda: desk.shows(low) == (700, 700, "No"))


async def _until(done: Any) -> None:
    async with asyncio.timeout(60):
        while not done():
            await asyncio.sleep(0)


@conversation
async def test_values_of_one_announcement_have_its_time_stamp_and_others_are_not_touched() -> None:
    async with desk_of_tasks() as desk:
        before = {name: record.stamp for name, record in desk.pvs.items()}
        desk.settings.take_in_use("FillSpectra", {"roi_low": {(0, 0, 0): 3, (0, 1, 0): 4}}, {}, 1.5e9)
        touched = {name for name, record in desk.pvs.items() if record.stamp != before[name]}
        assert touched == {f"M00:C0{c}:ROI1:Low{end}" for c in (0, 1) for end in ("", "_RBV")}
        assert {desk.pvs[name].stamp for name in touched} == {1_500_000_000_000_000_000}


@conversation
async def test_thousands_of_values_at_once_are_taken_over_and_shown_in_slices() -> None:
    """16 224 values of 5408 regions, all of which change, hold up nobody."""
    shape = (13, 16, 26)
    async with desk_of_tasks(modules=13, channels=16, rois=26) as desk:
        numbers = np.arange(np.prod(shape)).reshape(shape) % 1000 + 1
        names = [[[f"r{i}" for i in range(26)]] * 16] * 13
        known, used = FillSpectra.parameters(), desk.settings.used["FillSpectra"]
        values = {"roi_low": numbers, "roi_high": numbers + 20, "roi_name": names}
        message = packed(known, checked("FillSpectra", known, used, values))
        desk.settings.take_in_use("FillSpectra", checked("FillSpectra", known, used, message), {}, time.time())
        assert value_at(used, ("roi_low", (12, 15, 25)), None) == 1 + 5407 % 1000
        last = desk.pvs["M12:C15:ROI26:Name_RBV"]
        turns = 0
        while last.value != "r25":
            await asyncio.sleep(0)
            turns += 1
        assert turns > 5  # in between, the loop has served others
        for name in ("M12:C15:ROI26:Low", "M12:C15:ROI26:Low_RBV"):
            assert desk.pvs[name].value == 1 + 5407 % 1000
