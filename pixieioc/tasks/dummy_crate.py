"""The crate that DummyData simulates: parameters that a module has too are settings of simulated modules."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import Any

from pixieioc.detector.crate import BadCrate, Channel, Crate, Module, wrong_detector, wrong_source
from pixieioc.detector.pulse import ADC_TOP, BASELINE
from pixieioc.hardware import CHANNELS, HardwareError, ModuleInfo
from pixieioc.hardware.crate_settings import CrateSettings
from pixieioc.hardware.effects import Input, channel_of
from pixieioc.hardware.parameters import filter_range_for
from pixieioc.hardware.simulated import SimulatedCrate
from pixieioc.listmode.variant import SLOT_FIRST
from pixieioc.pipeline import Error
from pixieioc.tasks.crate import CrateFacts, layout_of, per_module

#: Parameters that are settings of a module, by the names that they have there.
SETTINGS = {
    "ENERGY_RISETIME": "energy_rise",
    "ENERGY_FLATTOP": "energy_flat_top",
    "TRACE_LENGTH": "trace_length",
    "CaptureTrace": "traces",
    "EnableQDC": "qdc",
    "CaptureSums": "energy_sums",
    "ExtTimestamps": "external_time",
}
#: Settings that DummyData does not have: a module with these sees every hit, as far as one can.
_FIXED: dict[str, float] = {"TRIGGER_RISETIME": 0, "TRIGGER_FLATTOP": 0, "TRIGGER_THRESHOLD": 0, "CFDThresh": 1}
_FIXED_BITS: dict[str, float] = {"EnableCFD": 1, "Gain": 1}
#: The trigger is at this share of a trace.
_TRIGGER = 0.3
#: The baseline, from the middle of the ADC's range of 3 V.
_OFFSET_VOLTS = 3 * (BASELINE / (ADC_TOP + 1) - 0.5)
#: The parameters that what is wrong with a crate is about; other values have the names of theirs.
_PARAMETERS = {"layout": "adc_mhz", "detector": "detectors", "trace_us": "trace_length", **SETTINGS}


def source_of(text: str) -> tuple[str, float]:
    """Name and weight of `name` or `name:weight`."""
    name, _, weight = text.partition(":")
    try:
        return name, float(weight or 1)
    except ValueError:
        raise Error(f"sources: {text!r} must be a name or name:weight, as 60Co:2") from None


def check_detectors(names: list[str]) -> None:
    """Error if there is no such detector."""
    if problem := next(filter(None, map(wrong_detector, names)), ""):
        raise Error(problem)


def check_sources(texts: list[str]) -> None:
    """Error if there is no such source, or none of such a weight."""
    if problem := next(filter(None, (wrong_source(source_of(text)) for text in texts)), ""):
        raise Error(problem)


def problems_of(settings: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What is wrong with values of parameters that do not fit together, by name."""
    facts = list(CrateFacts.do_check(settings))
    yield from facts
    modules, detectors = settings["modules"], settings["detectors"]
    if len(detectors) not in (1, modules):
        yield "detectors", f"has {len(detectors)} values: must be one for all, or one for each of {modules} modules"
    elif not facts:
        try:
            crate_of(settings)
        except BadCrate as error:
            yield from ((_PARAMETERS.get(name, name), text) for name, text in error.problems)


def crate_of(settings: Mapping[str, Any]) -> Crate:
    """The crate that values of parameters describe; BadCrate if there is none such."""
    count = settings["modules"]
    detectors = per_module(settings["detectors"], count, "detectors")
    return Crate(
        tuple(_module(number, detector, settings) for number, detector in enumerate(detectors)),
        settings["channels"],
        settings["channel_rate"],
        tuple(map(source_of, settings["sources"])),
        background=settings["background"],
        coincidence=settings["coincidence"],
        backwards=settings["backwards"],
        external_mhz=settings["external_clock"],
        corrupt_rate=settings["corrupt_rate"],
        truncate_rate=settings["truncate_rate"],
        reset_interval=settings["reset_interval"],
    )


def in_use(settings: Mapping[str, Any]) -> dict[str, float]:
    """What module 0 makes of its filter and its traces, whole steps, where that is not what the parameters say."""
    channel = _module(0, "", {**settings, "traces": True}).channel(0)
    made = {
        "energy_rise": channel.rise_us, "energy_flat_top": channel.flat_top_us, "trace_length": channel.trace_us
    }  # fmt: skip
    # Ticks times their length are not exactly what a decimal number says.
    exact = {name: float(f"{value:.12g}") for name, value in made.items()}
    return {name: value for name, value in exact.items() if value != settings[name]}


def _module(number: int, detector: str, settings: Mapping[str, Any]) -> Module:
    layout = layout_of(settings["adc_mhz"], settings["firmware_revision"], number)
    rates, revisions = (
        per_module(settings[name], settings["modules"], name) for name in ("adc_mhz", "firmware_revision")
    )
    info = ModuleInfo(SLOT_FIRST, "H" if layout.channels > CHANNELS else "F", 0, 14, int(rates[number]))
    adc_per_kev = (ADC_TOP - BASELINE) / settings["full_scale"]
    source = Input(
        adc_per_kev, settings["energy_gain"], _OFFSET_VOLTS, settings["pileup"], settings["dead_time"],
        settings["cfd_failure"],
    )  # fmt: skip
    wanted = tuple((name, float(settings[parameter])) for name, parameter in SETTINGS.items())
    try:
        channel = _channel(info, source, wanted)
    except HardwareError as error:
        raise BadCrate([(error.call, f"module {number}: {error.text}")]) from None
    return Module(info.adc_mhz, int(revisions[number]), str(detector), (channel,))


@functools.lru_cache(maxsize=16)
def _channel(info: ModuleInfo, source: Input, wanted: tuple[tuple[str, float], ...]) -> Channel:
    """A channel of a module of this kind that is set so; HardwareError for what it cannot be set to."""
    crate = SimulatedCrate([info], 0.0)
    crate.open([info.slot])
    crate.boot([])
    channel, values = crate.settings_of(0, 0), dict(wanted)
    for name, value in _FIXED.items():
        channel.write(name, value)
    slow = filter_range_for(info, values["ENERGY_RISETIME"], values["ENERGY_FLATTOP"])
    # From the shortest filter; what a module would clamp is refused, in its words.
    channel.variables |= {"SlowLength": 2, "SlowGap": 3}
    module = CrateSettings(crate, 1)
    here = {(name, (0, 0)): value for name, value in {**_FIXED_BITS, **values}.items()}
    module.apply({("SLOW_FILTER_RANGE", (0,)): slow, **here})
    trace = channel.read("TRACE_LENGTH")
    eighth = trace / 8 // channel.limits("QDCLen0").step * channel.limits("QDCLen0").step
    for name, value in {"TRACE_DELAY": _TRIGGER * trace, **{f"QDCLen{i}": eighth for i in range(8)}}.items():
        channel.write(name, value)
    return channel_of(channel, source)
