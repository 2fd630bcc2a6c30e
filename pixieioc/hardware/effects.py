"""What the settings of a channel make of its hits: one table for the modules that are simulated, and for DummyData."""

from __future__ import annotations

from typing import NamedTuple

from pixieioc.detector.crate import Channel
from pixieioc.hardware.parameters import ChannelSettings
from pixieioc.hardware.setting_table import CHANNEL_BITS

#: The smaller gain of an input, as a share of the larger one.
SMALLER_GAIN = 0.625 / 2.5


class Input(NamedTuple):
    """What comes into a channel, and what no setting of it determines.

    With the larger gain, the ADC has `adc_per_kev` units per keV and the energy `energy_per_kev`; where VOFFSET is 0,
    the baseline is `offset_volts` from the middle of the ADC's range of 3 V. The others are as in `Channel`.
    """

    adc_per_kev: float
    energy_per_kev: float
    offset_volts: float = 0.0
    pileup: bool = True
    dead_us: float = 0.0
    cfd_fails_kev: float = 0.0


def channel_of(settings: ChannelSettings, source: Input) -> Channel:
    """What a channel with these settings makes of hits."""
    read, register = settings.read, settings.variables["ChanCSRa"]

    def has(bit: str) -> bool:
        return CHANNEL_BITS[bit].of(register) > 0

    gain = 1.0 if has("Gain") else SMALLER_GAIN
    adc_per_kev = gain * source.adc_per_kev
    return Channel(
        gain=gain * source.energy_per_kev,
        adc_per_kev=adc_per_kev,
        baseline=baseline(settings, source.offset_volts),
        seen=has("Polarity"),
        good=has("GoodChannel"),
        threshold_kev=read("TRIGGER_THRESHOLD") / adc_per_kev,
        fast_us=read("TRIGGER_RISETIME") + read("TRIGGER_FLATTOP"),
        rise_us=read("ENERGY_RISETIME"),
        flat_top_us=read("ENERGY_FLATTOP"),
        pileup=source.pileup,
        reject=CHANNEL_BITS["RejectPileup"].of(register),
        dead_us=source.dead_us,
        cfd=has("EnableCFD"),
        cfd_from_kev=read("CFDThresh") / adc_per_kev,
        cfd_fails_kev=source.cfd_fails_kev,
        trace_us=read("TRACE_LENGTH") if has("CaptureTrace") else 0.0,
        delay_us=read("TRACE_DELAY"),
        qdc_us=tuple(read(f"QDCLen{i}") for i in range(8)) if has("EnableQDC") else (),
        energy_sums=has("CaptureSums"),
        external_time=has("ExtTimestamps"),
    )


def baseline(settings: ChannelSettings, offset_volts: float) -> float:
    """Where the baseline of a channel is, in ADC units."""
    full = 2.0**settings.info.adc_bits
    volts = settings.read("VOFFSET") + offset_volts
    return min(max((0.5 + volts / 3) * full, 0.0), full - 1)


def adjust_offset(settings: ChannelSettings, offset_volts: float) -> None:
    """Sets VOFFSET so that the baseline is where BASELINE_PERCENT wants it."""
    volts = 3 * (settings.read("BASELINE_PERCENT") / 100 - 0.5) - offset_volts
    settings.write("VOFFSET", min(max(volts, -1.5), 1.5))
