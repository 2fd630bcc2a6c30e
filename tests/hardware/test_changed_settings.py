"""What was changed since a file of settings was loaded belongs to a module, also while that is not read."""

from __future__ import annotations

import pytest

from pixieioc.hardware.changed_settings import ChangedSettings
from pixieioc.hardware.crate import ModuleInfo


def _module(slot: int, serial: int) -> ModuleInfo:
    return ModuleInfo(slot, "F", serial, 14, 500)


A, B, C = _module(2, 1002), _module(3, 1003), _module(4, 1004)
TAU, RANGE, MASK = ("TAU", (0, 3)), ("SLOW_FILTER_RANGE", (1,)), ("MultiplicityMaskL", (1, 15))
NOTHING = ChangedSettings("", "")


def test_those_of_modules_that_are_not_there_come_back_with_them() -> None:
    both = NOTHING.now("", "a.json", [A, B], {TAU: 44.0, RANGE: 4.0, MASK: 7.0})
    other = both.now("", "a.json", [C], {TAU: 50.0})
    assert (other.of([C]), other.of([A, B])) == ({TAU: 50.0}, {TAU: 44.0, RANGE: 4.0, MASK: 7.0})
    assert [str(each) for each in other.absent([A, C])] == ["serial number 1003 (slot 3)"]
    assert other.now("", "a.json", [A, B], {}).of([A, B]) == {}  # as they are in the file again


def test_a_module_is_known_again_in_another_slot_and_another_one_in_its_slot_is_not_taken_for_it() -> None:
    both = NOTHING.now("", "a.json", [A, B], {TAU: 44.0, RANGE: 4.0})
    assert both.of([_module(3, 1003), _module(5, 1002)]) == {("SLOW_FILTER_RANGE", (0,)): 4.0, ("TAU", (1, 3)): 44.0}
    assert both.of([_module(2, 9)]) == {}


def test_modules_of_one_serial_number_are_known_by_their_slots() -> None:
    alike = [_module(2, 0), _module(3, 0)]
    both = NOTHING.now("", "a.json", alike, {TAU: 44.0, RANGE: 4.0})
    assert both.of(alike[::-1]) == {("TAU", (1, 3)): 44.0, ("SLOW_FILTER_RANGE", (0,)): 4.0}
    assert both.of([_module(4, 0)]) == {}


def test_what_was_changed_in_another_file_waits_for_that_file() -> None:
    both = NOTHING.now("", "a.json", [A, B], {TAU: 44.0, RANGE: 4.0})
    alone = both.now("", "b.json", [A], {TAU: 45.0})
    assert alone.of([A, B]) == {TAU: 45.0}
    assert alone.now("", "a.json", [A], {}).of([A, B]) == {RANGE: 4.0}


def test_a_file_has_all_of_it_and_one_that_is_damaged_says_so() -> None:
    both = NOTHING.now("c.json", "a.json", [A, B], {TAU: 44.0, RANGE: 4.0, MASK: 7.0})
    assert ChangedSettings.parse(both.content()) == both
    for damaged in (both.content().replace(b"44.0", b"45.0"), both.content()[:-30], b"[]", b"{}"):
        with pytest.raises(ValueError, match="damaged"):
            ChangedSettings.parse(damaged)
