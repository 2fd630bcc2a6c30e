"""The end of a run in all modules, some of which fail."""

from __future__ import annotations

import pytest

from pixieioc.hardware.ending import LONGEST, end_all
from pixieioc.hardware.error import HardwareError


class Modules:
    """Those with these numbers do not end, which takes a second each."""

    def __init__(self, *stuck: int) -> None:
        self.stuck, self.told, self.now = stuck, list[int](), 0.0

    def end(self, module: int) -> None:
        self.told.append(module)
        if module in self.stuck:
            self.now += 1.0
            raise HardwareError("Pixie16EndRun", -214, "module task timeout", module=module, log=(f"log of {module}",))

    def end_all(self) -> None:
        end_all(13, self.end, lambda: self.now)


def test_all_are_told() -> None:
    modules = Modules()
    modules.end_all()
    assert modules.told == list(range(13))


def test_those_behind_one_that_fails_are_told_too() -> None:
    modules = Modules(2, 5)
    with pytest.raises(HardwareError) as caught:
        modules.end_all()
    assert modules.told == list(range(13))
    error = caught.value
    assert (error.call, error.module, error.code, error.timed_out) == ("Pixie16EndRun", 2, -214, True)
    assert error.text == "module task timeout"
    assert ": module task timeout (-214); also module 5: module task timeout (-214); the SDK's log" in str(error)
    assert error.log == ("log of 2", "log of 5")


def test_a_crate_of_which_no_module_ends_is_given_up_in_time_and_with_the_reason() -> None:
    modules = Modules(*range(13))
    with pytest.raises(
        HardwareError, match=r"of module 0: module task timeout \(-214\); also module 1: .*any more: module 4, 5"
    ):
        modules.end_all()
    assert modules.told == list(range(4))
    assert modules.now == LONGEST
