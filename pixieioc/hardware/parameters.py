"""The parameters of a channel: units, limits and steps for each kind of module, and what a write makes of a value.

The modules keep whole numbers in variables of their signal processor, as they are named here; most values are rounded
and clamped to those without an error, and a negative one becomes the largest. The facts are measurements of XIA's SDK.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from pixieioc.hardware.crate import REVISION_H, REVISIONS, ModuleInfo
from pixieioc.hardware.dsp_numbers import MAX32, filter_length, float_bits, float_of, truncated, whole
from pixieioc.hardware.error import HardwareError

_H = REVISIONS[REVISION_H]
_OLD = ("B", "C", "D")
#: Bits of CHANNEL_CSRA.
GOOD, POSITIVE, HISTOGRAM, GAIN = 1 << 2, 1 << 5, 1 << 7, 1 << 14
#: Samples of a trace that the firmware has room for.
_FIFO_LENGTH, _SAMPLES_H = 20470, 4000


@dataclass(frozen=True)
class Limits:
    """What a parameter can be now, in its unit; `step` 0: any number."""

    low: float
    high: float
    step: float


@dataclass(frozen=True)
class _Plain:
    """A parameter that is one variable, `low..high` of `unit` (ticks, QDC samples, or numbers)."""

    variable: str
    unit: str
    low: int
    high: int


_TICKS, _QDC, _NUMBER = "ticks", "qdc", "number"
_PLAIN: dict[str, _Plain] = {
    "BASELINE_PERCENT": _Plain("BaselinePercent", _NUMBER, 1, 99),
    "BLCUT": _Plain("BLcut", _NUMBER, 0, MAX32),
    "CFDDelay": _Plain("CFDDelay", _TICKS, 1, 63),
    "CFDScale": _Plain("CFDScale", _NUMBER, 0, 7),
    "CHANNEL_CSRA": _Plain("ChanCSRa", _NUMBER, 0, MAX32),
    "ChanTrigStretch": _Plain("ChanTrigStretch", _TICKS, 1, 4095),
    "EMIN": _Plain("EnergyLow", _NUMBER, 0, MAX32),
    "ExtTrigStretch": _Plain("ExtTrigStretch", _TICKS, 1, 4095),
    "ExternDelayLen": _Plain("ExternDelayLen", _TICKS, 0, 511),
    "FASTTRIGBACKLEN": _Plain("FastTrigBackLen", _TICKS, 1, 4095),
    "FtrigoutDelay": _Plain("FtrigoutDelay", _TICKS, 0, 511),
    "INTEGRATOR": _Plain("Integrator", _NUMBER, 0, 7),
    "MultiplicityMaskH": _Plain("MultiplicityMaskH", _NUMBER, 0, MAX32),
    "MultiplicityMaskL": _Plain("MultiplicityMaskL", _NUMBER, 0, MAX32),
    "RESET_DELAY": _Plain("ResetDelay", _TICKS, 0, 255),
    "VetoStretch": _Plain("VetoStretch", _TICKS, 1, 4095),
    **{f"QDCLen{i}": _Plain(f"QDCLen{i}", _QDC, 1, 32767) for i in range(8)},
}
#: Parameters that have rules of their own, below.
_OTHERS = (
    "TRIGGER_RISETIME", "TRIGGER_FLATTOP", "TRIGGER_THRESHOLD", "ENERGY_RISETIME", "ENERGY_FLATTOP", "TAU",
    "TRACE_LENGTH", "TRACE_DELAY", "VOFFSET", "XDT", "BINFACTOR", "BASELINE_AVERAGE", "CFDThresh",
)  # fmt: skip
_IN_US = (
    "TRIGGER_RISETIME", "TRIGGER_FLATTOP", "ENERGY_RISETIME", "ENERGY_FLATTOP", "TAU", "TRACE_LENGTH", "TRACE_DELAY",
    "XDT",
)  # fmt: skip
#: All channel parameters but CHANNEL_CSRB, which the SDK has disabled, with their units.
UNITS: dict[str, str] = {
    **{name: "" if plain.unit == _NUMBER else "us" for name, plain in _PLAIN.items()},
    **{name: "us" if name in _IN_US else "" for name in _OTHERS},
    "BASELINE_PERCENT": "%",
    "VOFFSET": "V",
}
_DEFAULTS = {
    "TRIGGER_THRESHOLD": 100, "TAU": 0.5, "TRACE_LENGTH": 1, "TRACE_DELAY": 0.4, "XDT": 0.06, "BASELINE_PERCENT": 10,
    "BINFACTOR": 1, "BASELINE_AVERAGE": 3, "FASTTRIGBACKLEN": 0.1, "CFDDelay": 0.08, "QDCLen0": 0.3, "QDCLen1": 0.1,
    "QDCLen2": 0.1, "QDCLen3": 0.1, "QDCLen4": 0.2, "QDCLen5": 0.2, "QDCLen6": 0.4, "QDCLen7": 0.4,
    "ExtTrigStretch": 0.5, "VetoStretch": 0.3, "ChanTrigStretch": 0.5,
}  # fmt: skip


def tick_us(info: ModuleInfo) -> float:
    """The length of a tick of the module's clock."""
    return 0.008 if info.adc_mhz == 250 else 0.01


def clock_divider(info: ModuleInfo) -> int:
    """ADC samples per tick."""
    return 2 if info.adc_mhz == 250 else info.adc_mhz // 100


def filter_range_for(info: ModuleInfo, rise_us: float, flat_top_us: float) -> int:
    """The smallest SLOW_FILTER_RANGE that has room for an energy filter, the largest one if none has."""
    groups = ((filter_range, tick_us(info) * 2**filter_range) for filter_range in range(1, 7))
    return next((n for n, group in groups if whole(rise_us / group) + whole(flat_top_us / group) <= 127), 6)


def _clamp(value: int, low: int, high: int) -> int:
    return max(low, min(high, value))


def _default_variables() -> dict[str, int]:
    plain = {each.variable: 0 for each in _PLAIN.values()}
    zero = ("FastThresh", "PreampTau", "TraceLength", "PAFlength", "TriggerDelay", "PeakSep", "Xwait")
    return {
        **plain, **dict.fromkeys(zero, 0), "FastLength": 10, "FastGap": 10, "SlowLength": 25, "SlowGap": 10,
        "OffsetDAC": 32768, "ChanCSRa": GOOD | POSITIVE, "CFDThresh": 1, "Log2Ebin": MAX32, "Log2Bweight": 0,
    }  # fmt: skip


@dataclass
class ChannelSettings:
    """The settings of one channel; `filter_range` gives SLOW_FILTER_RANGE of its module."""

    info: ModuleInfo
    filter_range: Callable[[], int]
    variables: dict[str, int] = field(default_factory=_default_variables)

    def set_defaults(self) -> None:
        """The settings of a module that was booted without a file."""
        self.variables = _default_variables()
        self.derive()
        for name, value in _DEFAULTS.items():
            self.write(name, value)

    def read(self, name: str) -> float:
        """The value of a parameter, in its unit."""
        v, tick = self.variables, tick_us(self.info)
        group = tick * 2 ** self.filter_range()
        if name in _PLAIN:
            return v[_PLAIN[name].variable] / self._units(_PLAIN[name])
        match name:
            case "TRIGGER_RISETIME":
                return v["FastLength"] * tick
            case "TRIGGER_FLATTOP":
                return v["FastGap"] * tick
            case "TRIGGER_THRESHOLD":
                return v["FastThresh"] / (v["FastLength"] * clock_divider(self.info))
            case "ENERGY_RISETIME":
                return v["SlowLength"] * group
            case "ENERGY_FLATTOP":
                return v["SlowGap"] * group
            case "TAU":
                return float_of(v["PreampTau"])
            case "TRACE_LENGTH":
                return v["TraceLength"] / self.info.adc_mhz
            case "TRACE_DELAY":
                return self.delay * tick
            case "VOFFSET":
                return 3 * (v["OffsetDAC"] / 65536 - 0.5)
            case "XDT":
                return v["Xwait"] * 0.01
            case "BINFACTOR":
                return 2**32 - v["Log2Ebin"]
            case "BASELINE_AVERAGE":
                return -v["Log2Bweight"] & MAX32
            case "CFDThresh":
                return v["CFDThresh"]
            case _:
                raise self._refusal("Pixie16ReadSglChanPar", name)

    def write(self, name: str, value: float) -> None:
        """Takes a value over as the SDK does, with what else it changes; HardwareError where it refuses."""
        v = self.variables
        ticks = value * (125 if self.info.adc_mhz == 250 else 100)
        groups = ticks / 2 ** self.filter_range()
        if name in _PLAIN:
            self._write_plain(name, value)
            return
        match name:
            case "TRIGGER_RISETIME":  # the stored threshold is not rescaled: what is read of it changes
                v["FastLength"], v["FastGap"] = filter_length(whole(ticks), v["FastGap"], 2)
            case "TRIGGER_FLATTOP":
                v["FastGap"], v["FastLength"] = filter_length(whole(ticks), v["FastLength"], 0)
            case "TRIGGER_THRESHOLD":
                v["FastThresh"] = _clamp(truncated(value * v["FastLength"] * clock_divider(self.info)), 0, 65535)
            case "ENERGY_RISETIME":
                v["SlowLength"], v["SlowGap"] = filter_length(whole(groups), v["SlowGap"], 2)
                self.derive()
            case "ENERGY_FLATTOP":
                v["SlowGap"], v["SlowLength"] = filter_length(whole(groups), v["SlowLength"], 3)
                self.derive()
            case "TAU":
                v["PreampTau"] = float_bits(value)
                if self.info.revision != _H:
                    self.find_baseline_cut()
            case "TRACE_LENGTH":
                v["TraceLength"] = self._samples(value)
            case "TRACE_DELAY":
                delay = truncated(ticks)
                # Ticks are compared with samples, as the SDK does.
                delay = v["TraceLength"] // 2 if delay > v["TraceLength"] else delay
                self._set_delay(v["TriggerDelay"], min(delay, 1023))
            case "VOFFSET":  # what is too low becomes the largest, too
                v["OffsetDAC"] = _clamp(truncated(65536 * (value / 3 + 0.5)), 0, 65535)
            case "XDT":
                step = self._scope_step
                wait = max(step, whole(value * 100))
                v["Xwait"] = (-(-wait // step) if wait > v["Xwait"] else wait // step) * step & MAX32
            case "BINFACTOR":
                v["Log2Ebin"] = -_clamp(truncated(value), 1, 6) & MAX32
            case "BASELINE_AVERAGE":
                v["Log2Bweight"] = -_clamp(truncated(value), 0, 16) & MAX32
            case "CFDThresh":
                if not 1 <= truncated(value) <= 65535:
                    raise HardwareError(
                        "Pixie16WriteSglChanPar",
                        -301,
                        f"invalid channel parameter: {name} = {value:g}, must be 1..65535",
                    )
                v["CFDThresh"] = truncated(value)
            case _:
                raise self._refusal("Pixie16WriteSglChanPar", name)

    def limits(self, name: str) -> Limits:
        """What a parameter can be, with the other settings as they are now."""
        v, tick = self.variables, tick_us(self.info)
        group = tick * 2 ** self.filter_range()
        if name in _PLAIN:
            unit = 1 / self._units(_PLAIN[name])
            low, high = self._range(name)
            return Limits(low * unit, high * unit, unit)
        match name:
            case "TRIGGER_RISETIME":
                return Limits(2 * tick, (127 - v["FastGap"]) * tick, tick)
            case "TRIGGER_FLATTOP":
                return Limits(0, (127 - v["FastLength"]) * tick, tick)
            case "TRIGGER_THRESHOLD":
                step = 1 / (v["FastLength"] * clock_divider(self.info))
                return Limits(0, 65535 * step, step)
            case "ENERGY_RISETIME":
                return Limits(2 * group, (127 - min(v["SlowGap"], 125)) * group, group)
            case "ENERGY_FLATTOP":
                return Limits(3 * group, (127 - min(v["SlowLength"], 124)) * group, group)
            case "TAU":
                return Limits(0, math.inf, 0)  # a negative one is taken, and means nothing
            case "TRACE_LENGTH":
                return Limits(0, self._samples(math.inf) / self.info.adc_mhz, self._trace_step / self.info.adc_mhz)
            case "TRACE_DELAY":
                return Limits(0, min(1023, v["TraceLength"]) * tick, tick)
            case "VOFFSET":
                return Limits(-1.5, 1.5 - 3 / 65536, 3 / 65536)
            case "XDT":
                return Limits(
                    self._scope_step * 0.01,
                    MAX32 // self._scope_step * self._scope_step * 0.01,
                    self._scope_step * 0.01,
                )
            case "BINFACTOR":
                return Limits(1, 6, 1)
            case "BASELINE_AVERAGE":
                return Limits(0, 16, 1)
            case "CFDThresh":
                return Limits(1, 65535, 1)
            case _:
                raise self._refusal("limits", name)

    @property
    def delay(self) -> int:
        """Ticks of the trace before the trigger."""
        return self.variables["PAFlength"] - self.variables["TriggerDelay"]

    def derive(self) -> None:
        """What follows from the energy filter; the delay of the trace is kept."""
        v, delay = self.variables, self.delay
        v["PeakSep"] = v["SlowLength"] + v["SlowGap"]
        self._set_delay((v["PeakSep"] - 1) << self.filter_range(), delay)

    def _set_delay(self, trigger: int, delay: int) -> None:
        """Both must fit into the memory for traces; what is before the trigger comes first."""
        v = self.variables
        v["PAFlength"] = trigger + delay if trigger + delay <= _FIFO_LENGTH else _FIFO_LENGTH - 1
        v["TriggerDelay"] = v["PAFlength"] - delay

    def find_baseline_cut(self) -> int:
        """Sets BLCUT to what fits to the energy filter."""
        self.variables["BLcut"] = 20 + int(2 * math.sqrt(self.variables["SlowLength"] * 2 ** self.filter_range()))
        return self.variables["BLcut"]

    @property
    def _scope_step(self) -> int:
        return 8 if self.info.adc_mhz == 250 else 6

    @property
    def _trace_step(self) -> int:
        return 32 if self.info.revision == _H else 10 if self.info.adc_mhz == 500 else 2

    def _samples(self, us: float) -> int:
        most, step = _SAMPLES_H if self.info.revision == _H else _FIFO_LENGTH, self._trace_step
        samples = most if us == math.inf else min(truncated(us * self.info.adc_mhz), _FIFO_LENGTH)
        if self.info.revision == _H:
            return most if samples > most else -(-(samples // 2 * 2) // step) * step
        return samples // step * step

    def _units(self, plain: _Plain) -> float:
        """Units in a microsecond."""
        if plain.unit == _NUMBER:
            return 1
        if plain.unit == _TICKS:
            return 125 if self.info.adc_mhz == 250 else 100
        return 250 if self.info.adc_mhz == 250 else 100

    def _range(self, name: str) -> tuple[int, int]:
        low, high = _PLAIN[name].low, _PLAIN[name].high
        if name == "FASTTRIGBACKLEN" and self.info.adc_mhz == 250:
            low = 2
        if name in ("ExternDelayLen", "FtrigoutDelay") and self.info.revision in _OLD:
            high = 255
        return low, high

    def _write_plain(self, name: str, value: float) -> None:
        plain, before = _PLAIN[name], self.variables[_PLAIN[name].variable]
        if name == "INTEGRATOR":
            value = min(max(0.0, value), 7.0)
        units = value * self._units(plain)
        number = truncated(units) if plain.unit == _NUMBER else whole(units)
        self.variables[plain.variable] = _clamp(number, *self._range(name))
        toggled = before ^ self.variables[plain.variable]
        if name == "CHANNEL_CSRA" and toggled & GAIN and self.info.revision != _H:
            self.find_baseline_cut()

    def _refusal(self, call: str, name: str) -> HardwareError:
        if name == "CHANNEL_CSRB":
            return HardwareError(call, -304, f"channel parameter disabled: {name}")
        return HardwareError(call, -301, f"invalid channel parameter: {name}")
