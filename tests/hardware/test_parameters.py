"""The table of parameters and the simulated SDK, which were written apart, make the same of what is written."""

from __future__ import annotations

import math
import random
from pathlib import Path

import pytest

from pixieioc.hardware import Crate, Firmware, HardwareError, ModuleInfo
from pixieioc.hardware.parameters import UNITS, ChannelSettings
from pixieioc.hardware.sdk import SdkCrate
from pixieioc.hardware.simulated import SimulatedCrate
from tests.hardware.simulation import Simulation

MODULES = (
    ModuleInfo(2, "D", 1002, 12, 100),
    ModuleInfo(3, "F", 1003, 16, 250),
    ModuleInfo(4, "F", 1004, 14, 500),
    ModuleInfo(5, "H", 1005, 14, 250),
)
SLOTS = tuple(info.slot for info in MODULES)


def _crates(simulation: Simulation) -> tuple[Crate, Crate]:
    """XIA's interface, and the simulation in this process; the same modules, booted."""
    lines = [f"slot {each.slot} {each.revision} {each.adc_mhz} {each.adc_bits}" for each in MODULES]
    simulation.control(*lines)
    crates = SdkCrate(simulation.library), SimulatedCrate(MODULES)
    sets = [
        Firmware(*simulation.firmware(each.revision.lower(), each.adc_mhz, each.adc_bits, 46540), kind=each.kind)
        for each in MODULES
    ]
    for crate in crates:
        crate.open(SLOTS)
        crate.boot(sets)
    return crates


def _answer(crate: Crate, module: int, name: str, value: float) -> float:
    """What is read back, or the code of the refusal."""
    try:
        return crate.write_channel(module, 0, name, value)
    except HardwareError as error:
        return error.code


def _all(crate: Crate, module: int) -> dict[str, float]:
    return {name: crate.read_channel(module, 0, name) for name in UNITS}


def test_both_have_the_same_defaults(simulation: Simulation) -> None:
    first, second = _crates(simulation)
    for module in range(len(MODULES)):
        assert _all(first, module) == pytest.approx(_all(second, module))


@pytest.mark.parametrize("seed", range(4))
def test_both_make_the_same_of_any_sequence_of_writes(simulation: Simulation, seed: int) -> None:
    first, second = _crates(simulation)
    chance = random.Random(seed)
    names = sorted({*UNITS, "CHANNEL_CSRB"})
    for _ in range(400):
        module, name = chance.randrange(len(MODULES)), chance.choice(names)
        value = chance.choice([0.0, -1.0, 1.0, 1e6, 0.0333, chance.uniform(0, 2), chance.uniform(0, 200), -0.3])
        if chance.random() < 0.03:
            slow = chance.randint(1, 6)
            assert first.write_module(module, "SLOW_FILTER_RANGE", slow) == slow
            assert second.write_module(module, "SLOW_FILTER_RANGE", slow) == slow
        assert _answer(first, module, name, value) == pytest.approx(_answer(second, module, name, value)), (name, value)
    for module in range(len(MODULES)):
        assert _all(first, module) == pytest.approx(_all(second, module))


def test_limits_are_what_a_module_takes(simulation: Simulation) -> None:
    crate, _ = _crates(simulation)
    for module, info in enumerate(MODULES):
        for name in sorted(UNITS):
            settings = ChannelSettings(info, lambda: 2)
            settings.set_defaults()
            limits = settings.limits(name)
            assert crate.read_channel(module, 1, name) == pytest.approx(settings.read(name), rel=1e-6)
            if name == "TAU":
                assert limits.step == 0
                continue
            before = crate.read_channel(module, 1, name)
            for edge in (limits.low, limits.high):
                assert crate.write_channel(module, 1, name, edge) == pytest.approx(edge, abs=1e-9 * max(1, edge)), name
            if limits.high + limits.step < 2**31 and name not in ("CFDThresh", "TRACE_DELAY", "XDT"):
                above = crate.write_channel(module, 1, name, limits.high + 1.5 * limits.step)
                assert above == pytest.approx(limits.high, abs=limits.step / 2), name
            # In the middle, to the nearest step, or the one below (or above, as revision H does with traces).
            middle = (limits.low + min(limits.high, 1e6)) / 2
            assert crate.write_channel(module, 1, name, middle) == pytest.approx(middle, abs=1.01 * limits.step), name
            assert math.isclose(crate.write_channel(module, 1, name, before), before, rel_tol=1e-6, abs_tol=1e-9), name


def test_settings_files_of_one_are_read_by_the_other(simulation: Simulation, tmp_path: Path) -> None:
    first, second = _crates(simulation)
    first.write_channel(3, 31, "TRIGGER_THRESHOLD", 33)
    first.write_channel(0, 2, "BASELINE_AVERAGE", 5)
    first.write_module(1, "TrigConfig1", 77)
    first.write_module(1, "HOST_RT_PRESET", 3.5)
    first.save_settings(tmp_path / "a.json")
    second.load_settings(tmp_path / "a.json")
    assert second.read_channel(3, 31, "TRIGGER_THRESHOLD") == pytest.approx(33)
    assert second.read_channel(0, 2, "BASELINE_AVERAGE") == 5
    assert (second.read_module(1, "TrigConfig1"), second.read_module(0, "HOST_RT_PRESET")) == (77, 3.5)
    second.write_channel(2, 9, "QDCLen5", 1.5)
    second.save_settings(tmp_path / "b.json")
    first.load_settings(tmp_path / "b.json")
    assert first.read_channel(2, 9, "QDCLen5") == pytest.approx(1.5)
    for module in range(len(MODULES)):
        assert _all(first, module) == pytest.approx(_all(second, module))
