"""The settings of channels and modules that can be seen and written: XIA's parameters, and the bits that have a name.

CHANNEL_CSRB, ModID, MODULE_CSRA, MODULE_FORMAT and MAX_EVENTS are not here: the SDK has them disabled, they can neither
be read nor written. Bits have the names that pypixie16 gives them.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

from pixieioc.hardware.crate import RUN_TIME, ModuleInfo
from pixieioc.hardware.parameters import UNITS, ChannelSettings, Limits

#: A name, and the module, or module and channel.
Setting = tuple[str, tuple[int, ...]]
_MAX32 = 0xFFFFFFFF
#: One module of each kind whose limits differ.
KINDS = tuple(ModuleInfo(2, letter, 0, 14, mhz) for letter, mhz in (("D", 100), ("F", 250), ("F", 500), ("H", 250)))


@dataclass(frozen=True)
class SettingInfo:
    """A parameter: what it means, the limits that no module exceeds, and how many digits behind the point matter.

    `read_only`: the SDK, or the start of a run, sets it.
    """

    name: str
    doc: str
    unit: str
    low: float
    high: float
    whole: bool
    precision: int = 3
    read_only: bool = False


@dataclass(frozen=True)
class BitInfo:
    """Some bits of a register as a setting of their own; `labels` are those of its values, from 0 up."""

    name: str
    register: str
    shift: int
    labels: tuple[str, ...]
    doc: str

    @property
    def is_switch(self) -> bool:
        """Whether it is one bit."""
        return len(self.labels) == 2

    @property
    def mask(self) -> int:
        """The bits, in the register."""
        return (2 ** (len(self.labels) - 1).bit_length() - 1) << self.shift

    def of(self, register: float) -> int:
        """The value in a register."""
        return (int(register) & self.mask) >> self.shift

    def put_into(self, register: float, value: float) -> int:
        """A register with this value."""
        return int(register) & ~self.mask | int(value) << self.shift & self.mask


_DOCS = {
    "TRIGGER_RISETIME": "Length of the fast (trigger) filter; the threshold read back changes with it.",
    "TRIGGER_FLATTOP": "Gap of the fast (trigger) filter.",
    "TRIGGER_THRESHOLD": "Threshold of the fast filter, in ADC units.",
    "ENERGY_RISETIME": "Length of the slow (energy) filter, in steps that SLOW_FILTER_RANGE determines.",
    "ENERGY_FLATTOP": "Gap of the slow (energy) filter, in steps that SLOW_FILTER_RANGE determines.",
    "TAU": "Decay time of the preamplifier, for the pole-zero correction; a write also determines BLCUT again.",
    "TRACE_LENGTH": "Length of the recorded traces.",
    "TRACE_DELAY": "Part of the trace before the trigger.",
    "VOFFSET": "DC offset of the input.",
    "XDT": "Time between two samples of an ADC trace; recorded traces do not depend on it.",
    "BASELINE_PERCENT": "Where an adjustment of the offsets puts the baseline, as a part of the ADC's range.",
    "EMIN": "Lowest energy that enters the MCA histogram.",
    "BINFACTOR": "The MCA histogram has one bin for 2 to this power energies.",
    "BASELINE_AVERAGE": "Baselines are averaged over 2 to this power; 3 or 4 give the best resolution.",
    "CHANNEL_CSRA": "Control register of the channel; its bits have names of their own.",
    "BLCUT": "Largest step of the baseline that is averaged; found by the module, best left alone.",
    "INTEGRATOR": "Integral mode of the energy: disabled in the firmware.",
    "FASTTRIGBACKLEN": "Length of the trigger on the backplane: the coincidence window.",
    "CFDDelay": "Delay of the CFD.",
    "CFDScale": "Weight w of the CFD: delayed signal times (1 - w/8), minus the signal.",
    "CFDThresh": "Threshold of the CFD; above the signal, events have a CFD that is forced.",
    "ExtTrigStretch": "Length to which the external (module) validation trigger is stretched.",
    "VetoStretch": "Length to which the veto is stretched.",
    "ChanTrigStretch": "Length to which the channel validation trigger is stretched.",
    "ExternDelayLen": "Delay of the signal before it is validated.",
    "FtrigoutDelay": "Delay of the fast trigger's output.",
    "MultiplicityMaskL": "Coincidence logic, lower word.",
    "MultiplicityMaskH": "Coincidence logic, upper word.",
    "RESET_DELAY": "Time after a reset of the preamplifier in which the signal is ignored.",
    **{f"QDCLen{i}": f"Length of QDC sum {i}." for i in range(8)},
}
_PRECISION = {"TRIGGER_THRESHOLD": 2, "TAU": 4, "VOFFSET": 5, "XDT": 2}


@functools.cache
def range_of(info: ModuleInfo, name: str) -> Limits:
    """What a channel parameter can be in modules of a kind, if the other parameters allow the most."""
    found = [_limits_with(info, name, filter_range) for filter_range in (1, 6)]
    return Limits(min(x.low for x in found), max(x.high for x in found), min(x.step for x in found))


def _limits_with(info: ModuleInfo, name: str, filter_range: int) -> Limits:
    """The limits of a parameter with this SLOW_FILTER_RANGE, beside the other parameters at their least."""
    settings = ChannelSettings(info, lambda: filter_range)
    settings.variables |= {"FastLength": 2, "FastGap": 0, "SlowLength": 2, "SlowGap": 3, "TraceLength": 1023}
    return settings.limits(name)


def _channel(name: str) -> SettingInfo:
    ranges = [range_of(info, name) for info in KINDS]
    whole = all(each.step == 1 for each in ranges)
    unit = "ADC" if name == "TRIGGER_THRESHOLD" else UNITS[name]
    low, high = min(each.low for each in ranges), max(each.high for each in ranges)
    return SettingInfo(name, _DOCS[name], unit, low, high, whole, _PRECISION.get(name, 3))


#: Of each channel, by name.
CHANNEL_SETTINGS = {name: _channel(name) for name in _DOCS}


def _module(
    name: str, doc: str, high: float = _MAX32, *, low: float = 0, unit: str = "", read_only: bool = False
) -> SettingInfo:  # fmt: skip
    return SettingInfo(name, doc, unit, low, high, name != RUN_TIME, 3, read_only)


#: Of each module, by name.
MODULE_SETTINGS = {
    each.name: each
    for each in (
        _module(
            "SLOW_FILTER_RANGE",
            "Step of the energy filters: 2 to this power ticks; a write changes ENERGY_* and BLCUT of all channels.",
            6,
            low=1,
        ),
        _module("FAST_FILTER_RANGE", "Step of the fast filters; always 0.", 0, read_only=True),
        _module(
            "SYNCH_WAIT",
            "Whether modules start and end together; set by TakeData's Synchronous.",
            1,
            read_only=True,
        ),
        _module(
            "IN_SYNCH",
            "Whether the clocks go on at the next start; set by TakeData's ClearClocks.",
            1,
            read_only=True,
        ),
        _module(
            RUN_TIME,
            "Time after which a run ends in the module; set by each start.",
            1e9,
            unit="s",
            read_only=True,
        ),
        _module("MODULE_CSRB", "Control register of the module; its bits have names of their own."),
        _module("FastTrigBackplaneEna", "Fast triggers on the backplane: lower half to the left, upper to the right."),
        *(
            _module(f"TrigConfig{i}", "Trigger configuration, with a meaning that depends on firmware.")
            for i in range(4)
        ),
        _module("CrateID", "Number of the crate, which is in each record.", 15),
        _module("SlotID", "Slot of the module, which is in each record.", read_only=True),
        _module("MODULE_NUMBER", "Number of the module.", read_only=True),
    )
}

_NO_YES = ("No", "Yes")
#: Bits of CHANNEL_CSRA, by name.
CHANNEL_BITS = {
    each.name: each
    for each in (
        BitInfo("FastTrigSelect", "CHANNEL_CSRA", 0, ("Group", "External"), "Where the fast trigger comes from."),
        BitInfo(
            "ModValSignal", "CHANNEL_CSRA", 1, ("Global", "Module gate"), "Where the module validation comes from."
        ),
        BitInfo(
            "GoodChannel",
            "CHANNEL_CSRA",
            2,
            _NO_YES,
            "Whether the channel is recorded; without it, it may still trigger others.",
        ),
        BitInfo(
            "ChanValSignal",
            "CHANNEL_CSRA",
            3,
            ("Channel validation", "Channel gate"),
            "Where the channel validation comes from.",
        ),
        BitInfo("RejectIfFull", "CHANNEL_CSRA", 4, _NO_YES, "Whether hits are refused while the memory is full."),
        BitInfo("Polarity", "CHANNEL_CSRA", 5, ("Negative", "Positive"), "Direction of the pulses."),
        BitInfo("EnableVeto", "CHANNEL_CSRA", 6, _NO_YES, "Whether a veto rejects hits."),
        BitInfo("CaptureHistogram", "CHANNEL_CSRA", 7, _NO_YES, "Whether the module fills the MCA histogram."),
        BitInfo("CaptureTrace", "CHANNEL_CSRA", 8, _NO_YES, "Whether traces are recorded."),
        BitInfo("EnableQDC", "CHANNEL_CSRA", 9, _NO_YES, "Whether QDC sums are recorded."),
        BitInfo("EnableCFD", "CHANNEL_CSRA", 10, _NO_YES, "Whether the CFD determines the time."),
        BitInfo("EnableModVal", "CHANNEL_CSRA", 11, _NO_YES, "Whether a hit needs the module validation."),
        BitInfo("CaptureSums", "CHANNEL_CSRA", 12, _NO_YES, "Whether energy sums and baseline are recorded."),
        BitInfo("EnableChannelVal", "CHANNEL_CSRA", 13, _NO_YES, "Whether a hit needs the channel validation."),
        BitInfo(
            "Gain", "CHANNEL_CSRA", 14, ("0.625", "2.5"), "Gain of the input; a change also determines BLCUT again."
        ),
        BitInfo(
            "RejectPileup",
            "CHANNEL_CSRA",
            15,
            ("All", "Single", "Pileup", "Pileup only"),
            "Which hits are kept: all; single ones; all, those piled up without energy; those piled up alone.",
        ),
        BitInfo("SkipLargePulses", "CHANNEL_CSRA", 17, _NO_YES, "Whether large pulses are recorded without a trace."),
        BitInfo("GroupTrigSignal", "CHANNEL_CSRA", 18, ("Local", "External"), "Where the group trigger comes from."),
        BitInfo("ChannelVetoSignal", "CHANNEL_CSRA", 19, ("Front", "Channel"), "Where the channel's veto comes from."),
        BitInfo("ModVetoSignal", "CHANNEL_CSRA", 20, ("Front", "Module"), "Where the module's veto comes from."),
        BitInfo("ExtTimestamps", "CHANNEL_CSRA", 21, _NO_YES, "Whether external time stamps are recorded."),
    )
}
#: Bits of MODULE_CSRB, by name; BackplanePullup, Director and ChassisMaster belong to one module of the crate only.
MODULE_BITS = {
    each.name: each
    for each in (
        BitInfo("BackplanePullup", "MODULE_CSRB", 0, _NO_YES, "Whether this module pulls up the backplane's lines."),
        BitInfo("Director", "MODULE_CSRB", 4, _NO_YES, "Whether this module directs several crates."),
        BitInfo("ChassisMaster", "MODULE_CSRB", 6, _NO_YES, "Whether this module leads the run of the crate."),
        BitInfo("GlobalFastTrigger", "MODULE_CSRB", 7, _NO_YES, "Whether this module gives the global fast trigger."),
        BitInfo("ExternalTrigger", "MODULE_CSRB", 8, _NO_YES, "Whether this module gives the external trigger."),
        BitInfo("ExternalInhibit", "MODULE_CSRB", 10, _NO_YES, "Whether the INHIBIT input is used."),
        BitInfo("DistributeClocks", "MODULE_CSRB", 11, _NO_YES, "Whether clocks are distributed among crates."),
        BitInfo("SortEvents", "MODULE_CSRB", 12, _NO_YES, "Whether the module sorts its events by time."),
        BitInfo("ConnectFastTriggerBP", "MODULE_CSRB", 13, _NO_YES, "Whether fast triggers reach the backplane."),
    )
}
BITS = {**CHANNEL_BITS, **MODULE_BITS}
#: What the SDK's CopyDSPParameters copies together, and everything.
GROUPS: dict[str, tuple[str, ...]] = {
    "Filters": ("TRIGGER_RISETIME", "TRIGGER_FLATTOP", "TRIGGER_THRESHOLD", "ENERGY_RISETIME", "ENERGY_FLATTOP"),
    "Analog": ("VOFFSET", "Polarity", "Gain"),
    "Histogram": ("EMIN", "BINFACTOR"),
    "Decay": ("TAU",),
    "Trace": ("TRACE_LENGTH", "TRACE_DELAY", "CaptureTrace", "SkipLargePulses"),
    "Baseline": ("BASELINE_PERCENT", "BASELINE_AVERAGE", "BLCUT"),
    "Cfd": ("CFDDelay", "CFDScale", "CFDThresh", "EnableCFD"),
    "Stretches": ("FASTTRIGBACKLEN", "ExtTrigStretch", "VetoStretch", "ChanTrigStretch"),
    "Delays": ("ExternDelayLen", "FtrigoutDelay"),
    "Multiplicity": ("MultiplicityMaskL", "MultiplicityMaskH"),
    "Qdc": (*(f"QDCLen{i}" for i in range(8)), "EnableQDC"),
    "AllSettings": tuple(CHANNEL_SETTINGS),
}
