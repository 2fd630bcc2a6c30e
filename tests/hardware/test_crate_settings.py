"""The settings of a crate: what is read after a write, what is refused, and in which order several are written."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from pixieioc.hardware import Crate, Firmware, HardwareError, ModuleInfo
from pixieioc.hardware.crate_settings import CrateSettings
from pixieioc.hardware.sdk import SdkCrate
from pixieioc.hardware.setting_table import BITS, CHANNEL_SETTINGS, GROUPS, KINDS, MODULE_SETTINGS, Setting, range_of
from pixieioc.hardware.simulated import SimulatedCrate
from tests.hardware.simulation import Simulation

MODULES = (
    ModuleInfo(2, "D", 1002, 12, 100),
    ModuleInfo(3, "F", 1003, 16, 250),
    ModuleInfo(4, "F", 1004, 14, 500),
    ModuleInfo(5, "H", 1005, 14, 250),
)
Maker = Callable[[Simulation], Crate]


def _sdk(simulation: Simulation) -> Crate:
    simulation.control(*(f"slot {each.slot} {each.revision} {each.adc_mhz} {each.adc_bits}" for each in MODULES))
    return SdkCrate(simulation.library)


@pytest.fixture(params=[_sdk, lambda _: SimulatedCrate(MODULES, 0.0)], ids=["sdk", "simulated"])
def crate(request: pytest.FixtureRequest, simulation: Simulation) -> Crate:
    """A booted crate with one module of each kind."""
    made: Crate = request.param(simulation)
    sets = [
        Firmware(*simulation.firmware(each.revision.lower(), each.adc_mhz, each.adc_bits, 46540), kind=each.kind)
        for each in MODULES
    ]
    made.open([each.slot for each in MODULES])
    made.boot(sets)
    return made


def _apply(settings: CrateSettings, place: tuple[int, ...], **values: float) -> None:
    settings.apply({(name, place): value for name, value in values.items()})


def _of(settings: CrateSettings, place: tuple[int, ...], *names: str) -> list[float]:
    return [settings.value((name, place)) for name in names]


def test_a_value_is_what_the_module_answers_and_what_it_changes_is_read_too(crate: Crate) -> None:
    settings = CrateSettings(crate, 32)
    _apply(settings, (2, 3), TRIGGER_RISETIME=0.1, TRIGGER_THRESHOLD=100)
    _apply(settings, (2, 3), TRIGGER_RISETIME=0.2033)
    assert _of(settings, (2, 3), "TRIGGER_RISETIME", "TRIGGER_THRESHOLD") == pytest.approx([0.2, 50])
    _apply(settings, (3, 31), CFDDelay=0.0333)
    assert _of(settings, (3, 31), "CFDDelay") == pytest.approx([0.032])
    _apply(settings, (1,), SLOW_FILTER_RANGE=4)
    assert _of(settings, (1, 15), "ENERGY_RISETIME", "ENERGY_FLATTOP") == pytest.approx([25 * 0.128, 10 * 0.128])


@pytest.mark.parametrize(
    ("place", "values", "text"),
    [
        ((2, 3), {"TRIGGER_THRESHOLD": -1}, "TRIGGER_THRESHOLD of module 2, channel 3: -1 is not possible, only 0 to"),
        ((2, 3), {"VOFFSET": -1.6}, "-1.6 is not possible, only -1.5 to 1.499954224 V in a module F-500-14"),
        ((1, 0), {"CFDDelay": 0.63}, "0.63 is not possible, only 0.008 to 0.504 us in a module F-250-16"),
        ((0, 0), {"ExternDelayLen": 5}, "5 is not possible, only 0 to 2.55 us in a module D-100-12"),
        ((2, 0), {"TRIGGER_RISETIME": 1.2}, "only 0.02 to 1.17 us with TRIGGER_FLATTOP = 0.1"),
        ((2, 0), {"ENERGY_RISETIME": 9}, "with ENERGY_FLATTOP = 0.4 and SLOW_FILTER_RANGE = 2"),
        ((2, 16), {"XDT": 1}, "XDT of module 2: has 16 channels only"),
        ((2,), {"SLOW_FILTER_RANGE": 7}, "SLOW_FILTER_RANGE of module 2: 7 is not possible, only 1 to 6"),
        ((2,), {"SlotID": 3}, "SlotID of module 2: is read only"),
    ],
)
def test_what_a_module_would_clamp_is_refused_and_nothing_is_changed(
    crate: Crate, place: tuple[int, ...], values: dict[str, float], text: str
) -> None:
    settings = CrateSettings(crate, 32)
    before = settings.copied()
    with pytest.raises(HardwareError) as refused:
        settings.apply({("EMIN", (2, 1)): 7, **{(name, place): value for name, value in values.items()}})
    assert text in str(refused.value)
    settings.read()
    assert settings.values == before


def test_several_that_depend_on_each_other_are_written_in_an_order_that_is_possible(crate: Crate) -> None:
    settings = CrateSettings(crate, 32)
    sets = (
        {"TRIGGER_RISETIME": 1.0, "TRIGGER_FLATTOP": 0.2, "TRIGGER_THRESHOLD": 30},
        {"TRIGGER_THRESHOLD": 20, "TRIGGER_FLATTOP": 1.0, "TRIGGER_RISETIME": 0.2},
        {"TRACE_DELAY": 4, "TRACE_LENGTH": 8, "ENERGY_FLATTOP": 1.28, "ENERGY_RISETIME": 6.4, "BLCUT": 99, "TAU": 3},
        {"ENERGY_RISETIME": 1.28, "ENERGY_FLATTOP": 7.68, "TRACE_LENGTH": 5, "TRACE_DELAY": 0.5},
    )
    _apply(settings, (2,), SLOW_FILTER_RANGE=3)
    for values in sets:
        _apply(settings, (2, 0), **values)
        assert {name: settings.value((name, (2, 0))) for name in values} == pytest.approx(values, abs=0.03)


def test_the_range_of_the_filters_is_written_before_what_it_makes_possible(crate: Crate) -> None:
    settings = CrateSettings(crate, 32)
    settings.apply(
        {("ENERGY_RISETIME", (2, 5)): 40.0, ("ENERGY_FLATTOP", (2, 5)): 5.12, ("SLOW_FILTER_RANGE", (2,)): 6}
    )
    assert _of(settings, (2, 5), "ENERGY_RISETIME", "ENERGY_FLATTOP") == pytest.approx([40.32, 5.12])


def test_bits_are_those_of_the_register_and_the_other_way_round(crate: Crate) -> None:
    settings = CrateSettings(crate, 32)
    place = (3, 20)
    assert _of(settings, place, "GoodChannel", "Polarity", "CaptureTrace") == [1, 1, 0]
    _apply(settings, place, CaptureTrace=1, Polarity=0, RejectPileup=3)
    assert settings.value(("CHANNEL_CSRA", place)) == 1 << 2 | 1 << 8 | 1 << 15 | 1 << 16
    _apply(settings, place, CHANNEL_CSRA=1 << 10)
    assert _of(settings, place, "GoodChannel", "EnableCFD", "RejectPileup") == [0, 1, 0]


@pytest.mark.parametrize("value", [2**32 - 2, 2**32 - 4, 2**31])
def test_each_bit_of_a_register_counts_whatever_the_others_are(crate: Crate, value: int) -> None:
    settings, place = CrateSettings(crate, 32), (3, 20)
    _apply(settings, place, MultiplicityMaskL=2**32 - 1)
    _apply(settings, place, MultiplicityMaskL=value)
    assert settings.value(("MultiplicityMaskL", place)) == value
    assert crate.read_channel(3, 20, "MultiplicityMaskL") == value


def test_a_role_that_one_module_has_moves_to_another(crate: Crate) -> None:
    settings = CrateSettings(crate, 16)
    _apply(settings, (0,), ChassisMaster=1)
    with pytest.raises(HardwareError, match="209"):
        _apply(settings, (1,), ChassisMaster=1)
    assert settings.values["ChassisMaster"] == [1, 0, 0, 0]
    settings.apply({("ChassisMaster", (1,)): 1, ("ChassisMaster", (0,)): 0})
    assert settings.values["ChassisMaster"] == [0, 1, 0, 0]


def test_what_each_start_sets_is_left_to_it(crate: Crate) -> None:
    settings = CrateSettings(crate, 16)
    for name in ("HOST_RT_PRESET", "SYNCH_WAIT", "IN_SYNCH"):
        with pytest.raises(HardwareError, match=f"{name} of module 1: is read only"):
            _apply(settings, (1,), **{name: 1})


def test_what_was_read_is_the_same_when_it_is_written_again(crate: Crate) -> None:
    settings, place = CrateSettings(crate, 16), (2, 0)
    for name, values in (("TRACE_LENGTH", (4.02, 4.06, 8.06)), ("VOFFSET", (-1.0, 0.016)), ("TRACE_DELAY", (0.29,))):
        for value in values:  # which the SDK would cut off to the step below, as they come from a decimal number
            _apply(settings, place, **{name: value})
            read = settings.value((name, place))
            assert read == pytest.approx(value, abs=2.3e-5)
            _apply(settings, place, **{name: value + 1e-3})
            _apply(settings, place, **{name: read})
            assert settings.value((name, place)) == read


def test_the_sdk_refuses_during_a_run_and_all_stays_as_it_was(crate: Crate) -> None:
    settings = CrateSettings(crate, 16)
    before = settings.copied()
    crate.start()
    with pytest.raises(HardwareError, match="218"):
        _apply(settings, (0, 0), EMIN=5)
    crate.end()
    settings.read()
    assert settings.values == before


def test_a_write_that_fails_in_the_middle_takes_the_others_back(simulation: Simulation) -> None:
    simulation.control()
    crate = SdkCrate(simulation.library)
    crate.open([2])
    system, fippi, code, variables = simulation.firmware()
    crate.boot([Firmware(system, fippi, code, variables)])
    settings = CrateSettings(crate, 16)
    before = settings.copied()
    simulation.control("fail Pixie16WriteSglModPar code 506 count 1")  # which comes after those of channels
    changes: dict[Setting, float] = {("TRIGGER_RISETIME", (0, channel)): 0.5 for channel in range(16)}
    with pytest.raises(HardwareError, match="Pixie16WriteSglModPar of module 0: device dma failure: CrateID"):
        settings.apply({("CrateID", (0,)): 3, **changes})
    settings.read()
    assert settings.values == before


def test_of_several_those_that_are_possible_come_into_use_and_the_others_are_told(crate: Crate) -> None:
    settings = CrateSettings(crate, 32)
    at = {(name, (2, 3)): value for name, value in {"TRIGGER_RISETIME": 5.0, "TAU": 44.0, "VOFFSET": 2.0}.items()}
    more = {("SLOW_FILTER_RANGE", (1,)): 9.0, ("EMIN", (1, 7)): 55.0, ("EMIN", (0, 17)): 55.0}
    impossible = settings.apply_possible({**at, **more})
    assert list(impossible) == [
        ("SLOW_FILTER_RANGE", (1,)), ("TRIGGER_RISETIME", (2, 3)), ("VOFFSET", (2, 3)), ("EMIN", (0, 17))
    ]  # fmt: skip
    texts = [str(each) for each in impossible.values()]
    assert texts[0] == "SLOW_FILTER_RANGE of module 1: 9 is not possible, only 1 to 6"
    assert "channel 3: 5 is not possible, only 0.02 to" in texts[1]
    assert texts[3] == "EMIN of module 0: has 16 channels only"
    assert _of(settings, (2, 3), "TAU") == pytest.approx([44.0])
    assert _of(settings, (1, 7), "EMIN") == [55]
    assert settings.values == CrateSettings(crate, 32).values


def test_what_the_module_itself_refuses_keeps_nothing_else_of_it_out_of_use() -> None:
    crate = SimulatedCrate(MODULES, 0.0)
    crate.open([each.slot for each in MODULES])
    crate.boot(())
    settings, write = CrateSettings(crate, 32), crate.write_channel
    asked: list[tuple[int, int, str]] = []

    def refuse(module: int, channel: int, name: str, value: float) -> float:
        asked.append((module, channel, name))
        if name == "TRIGGER_FLATTOP" and channel == 3:
            raise HardwareError("Pixie16WriteSglChanPar", -303, "invalid value", module=module, channel=channel)
        return write(module, channel, name, value)

    crate.write_channel = refuse
    values = {"TRIGGER_RISETIME": 0.2, "TRIGGER_FLATTOP": 0.3, "TAU": 44.0}
    wanted = {(name, (2, channel)): value for name, value in values.items() for channel in (3, 4)}
    assert list(settings.apply_possible(wanted)) == [("TRIGGER_FLATTOP", (2, 3))]
    assert _of(settings, (2, 4), *values) == pytest.approx([0.2, 0.3, 44.0])
    assert _of(settings, (2, 3), "TRIGGER_RISETIME", "TAU") == pytest.approx([0.2, 44.0])
    assert len(asked) == 6  # nothing was written twice


@pytest.mark.parametrize("seed", range(3))
def test_any_settings_can_be_had_from_any_others_at_once(crate: Crate, seed: int) -> None:
    """Settings that were read once are possible together, whatever has been written since."""
    settings, chance = CrateSettings(crate, 32), random.Random(seed)
    known: list[dict[str, list[Any]]] = []
    for _ in range(60):
        module = chance.randrange(4)
        place = (module, chance.randrange(3))
        changes: dict[Setting, float] = {}
        for name in chance.sample(sorted(set(CHANNEL_SETTINGS) - {"TAU"}), 6):
            limits = range_of(MODULES[module], name)
            value = chance.uniform(max(limits.low, -2), min(limits.high, 2000))
            changes[name, place] = int(value) if CHANNEL_SETTINGS[name].whole else value
        if chance.random() < 0.2:
            changes["SLOW_FILTER_RANGE", (module,)] = chance.randint(1, 6)
        try:
            settings.apply(changes)
        except HardwareError:
            continue
        known.append(settings.copied())
    assert len(known) > 5
    for values in chance.sample(known, 5):
        wanted: dict[Setting, float] = {
            (name, (m, c)): values[name][m][c] for name in CHANNEL_SETTINGS for m in range(4) for c in range(3)
        }
        ranges: list[Any] = values["SLOW_FILTER_RANGE"]
        wanted |= {("SLOW_FILTER_RANGE", (m,)): ranges[m] for m in range(4)}
        settings.apply(wanted)
        assert {key: settings.value(key) for key in wanted} == pytest.approx(wanted)


def test_the_table_knows_every_parameter_and_the_groups_only_those() -> None:
    assert len(CHANNEL_SETTINGS) == 37
    assert len(MODULE_SETTINGS) == 14
    for names in GROUPS.values():
        assert set(names) <= {*CHANNEL_SETTINGS, *BITS}
    for name, info in CHANNEL_SETTINGS.items():
        for kind in KINDS:
            limits = range_of(kind, name)
            assert info.low <= limits.low < limits.high <= info.high
