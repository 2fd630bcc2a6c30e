"""What a task with a crate makes of a command that comes in the moment in which a boot has ended."""

from __future__ import annotations

from typing import Any

import pytest

from pixieioc.hardware import HardwareError
from pixieioc.pipeline import Error
from pixieioc.tasks.take_data import TakeData
from pixieioc.testing import run_task

BOOT = {"boot": True, "run_time": 0.01}


class _Prompt(TakeData):
    """Its crate has booted before it looks whether it has."""

    def __init__(self) -> None:
        super().__init__(implementation="simulated", modules=2, boot_at_start=False)

    def do_configure(self, config: dict[str, Any]) -> None:
        super().do_configure(config)
        assert self.owner.wait(60)


class _Faulty(_Prompt):
    """One module cannot adjust its offsets."""

    def do_configure(self, config: dict[str, Any]) -> None:
        super().do_configure(config)

        def fail(module: int) -> None:
            raise HardwareError("Pixie16AdjustOffsets", -505, "device hardware failure", module=module)

        self.owner.crate.adjust_offsets = fail


def test_a_command_right_behind_a_boot_finds_the_settings_that_the_boot_has_given() -> None:
    outcome = run_task(_Prompt, settings={**BOOT, "copy_to": "M01", "copy_TRIGGER_THRESHOLD": True})
    assert set(outcome.in_use) >= {"TRIGGER_THRESHOLD", "SLOW_FILTER_RANGE"}
    assert outcome.reports["settings_changes"] == ""


def test_a_tool_that_fails_right_behind_a_boot_is_refused_with_the_reason() -> None:
    with pytest.raises(Error, match=r"Pixie16AdjustOffsets of module 0: device hardware failure \(-505\)"):
        run_task(_Faulty, settings={**BOOT, "adjust_offsets": True})
