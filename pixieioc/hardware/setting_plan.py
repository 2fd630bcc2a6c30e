"""What is written to modules so that new settings come into use, in an order in which each of them is possible.

None undoes another, and what is not possible is known before anything is written: a value that a module would clamp
without an error, too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from pixieioc.counted import counted
from pixieioc.hardware.crate import ModuleInfo
from pixieioc.hardware.error import HardwareError
from pixieioc.hardware.parameters import ChannelSettings, Limits, clock_divider, tick_us
from pixieioc.hardware.setting_table import (
    BITS,
    CHANNEL_BITS,
    CHANNEL_SETTINGS,
    MODULE_BITS,
    MODULE_SETTINGS,
    Setting,
)

#: What the steps of a module's energy filters follow from.
FILTER_RANGE = "SLOW_FILTER_RANGE"
#: What the limits of a parameter depend on.
_DEPEND_ON = {
    "TRIGGER_RISETIME": ("TRIGGER_FLATTOP",), "TRIGGER_FLATTOP": ("TRIGGER_RISETIME",),
    "TRIGGER_THRESHOLD": ("TRIGGER_RISETIME",), "ENERGY_RISETIME": ("ENERGY_FLATTOP", FILTER_RANGE),
    "ENERGY_FLATTOP": ("ENERGY_RISETIME", FILTER_RANGE), "TRACE_DELAY": ("TRACE_LENGTH",),
}  # fmt: skip
#: What else they change, or are changed by.
_COUPLED = {*_DEPEND_ON, "TRACE_LENGTH"}
#: Parameters in the order in which they are written: what determines others first; BLCUT last, as others overwrite it.
#: Those of one line may be possible in one order only.
_ORDER = (
    ("TRIGGER_RISETIME", "TRIGGER_FLATTOP"),
    ("TRIGGER_THRESHOLD",),
    ("ENERGY_RISETIME", "ENERGY_FLATTOP"),
    ("TRACE_LENGTH",),
    ("TRACE_DELAY",),
    tuple(name for name in CHANNEL_SETTINGS if name not in _COUPLED | {"TAU", "BLCUT"}),
    ("TAU",),
    ("BLCUT",),
)
#: These are cut off to their step by the SDK, also if a value is below by no more than the rounding of a number.
_CUT_OFF = ("TRIGGER_THRESHOLD", "TRACE_LENGTH", "TRACE_DELAY", "VOFFSET")
#: The part of a step that is added to them.
_NUDGE = 1e-4
#: Bits of MODULE_CSRB that only one module may have: they are taken from one before another gets them.
_ROLES = MODULE_BITS["BackplanePullup"].mask | MODULE_BITS["Director"].mask | MODULE_BITS["ChassisMaster"].mask


class KnownSettings:
    """The settings of some modules: `values` are lists `[module]` or `[module][channel]`, by name."""

    def __init__(self, modules: Sequence[ModuleInfo], channels: int) -> None:
        """Nothing is read yet. There are values for `channels` channels of each module; what it does not have is 0."""
        self._modules, self._channels = modules, channels
        count = len(modules)
        self.values: dict[str, list[Any]] = {
            **{name: [0] * count for name in (*MODULE_SETTINGS, *MODULE_BITS)},
            **{name: [[0] * channels for _ in range(count)] for name in (*CHANNEL_SETTINGS, *CHANNEL_BITS)},
        }

    @property
    def modules(self) -> int:
        """How many modules there are."""
        return len(self._modules)

    def channels_of(self, module: int) -> range:
        """The channels that a module has, of those that are looked at."""
        return range(min(self._channels, self._modules[module].channels))

    def value(self, setting: Setting) -> float:
        """The value that was read last."""
        name, place = setting
        found: Any = self.values[name]
        for index in place:
            found = found[index]
        return found

    def copied(self) -> dict[str, list[Any]]:
        """All values, which will not change."""
        return {
            name: [list(row) if isinstance(row, list) else row for row in rows] for name, rows in self.values.items()
        }

    def plan(
        self, changes: Mapping[Setting, float]
    ) -> tuple[list[tuple[Setting, float]], dict[Setting, HardwareError]]:
        """The writes in their order, of what is not so already; and what is not possible, with the reason."""
        wanted = self._with_registers(changes)
        of_modules = {key: value for key, value in wanted.items() if len(key[1]) == 1 and value != self.value(key)}
        impossible = {
            key: refusal
            for key, value in of_modules.items()
            if (refusal := _refusal_of_module(*key, value)) is not None
        }
        for key in impossible:
            del of_modules[key]
        ranges = {place: value for (name, place), value in of_modules.items() if name == FILTER_RANGE}
        plan = [((FILTER_RANGE, place), value) for place, value in ranges.items()]
        by_channel: dict[tuple[int, ...], dict[str, float]] = {}
        for (name, place), value in wanted.items():
            if len(place) == 2:
                by_channel.setdefault(place, {})[name] = value
        for place, of_channel in by_channel.items():
            slow = int(ranges[place[:1]] if place[:1] in ranges else self.values[FILTER_RANGE][place[0]])
            planned, unfit = self._plan_channel(place, of_channel, slow)
            plan += planned
            impossible |= unfit
        rest = [(key, value) for key, value in of_modules.items() if key[0] != FILTER_RANGE]
        rest.sort(key=lambda each: (int(each[1]) & _ROLES).bit_count() if _has_roles(each[0]) else 0)
        return plan + rest, impossible

    def _with_registers(self, changes: Mapping[Setting, float]) -> dict[Setting, float]:
        """The same changes, with bits as values of their registers."""
        wanted = {key: value for key, value in changes.items() if key[0] not in BITS}
        for (name, place), value in changes.items():
            if name in BITS:
                bits = BITS[name]
                register = (bits.register, place)
                wanted[register] = bits.put_into(wanted.get(register, self.value(register)), value)
        return wanted

    def _plan_channel(
        self, place: tuple[int, ...], wanted: Mapping[str, float], slow: int
    ) -> tuple[list[tuple[Setting, float]], dict[Setting, HardwareError]]:
        module, channel = place
        info = self._modules[module]
        plan: list[tuple[Setting, float]] = []
        impossible: dict[Setting, HardwareError] = {}
        if channel not in self.channels_of(module):
            text = f"has {counted(len(self.channels_of(module)), 'channel')} only"
            return [], {(name, place): HardwareError(name, 0, text, module=module) for name in wanted}
        # The same arithmetic as in the module says what each write makes of the others.
        settings, filter_range = self._as_in_module(module, channel), [int(self.values[FILTER_RANGE][module])]
        settings.filter_range = lambda: filter_range[0]
        filter_range[0] = slow
        settings.derive()
        cut_changes = slow != self.values[FILTER_RANGE][module]
        for names in _ORDER:
            left = [name for name in names if name in wanted]
            while left:
                possible = [name for name in left if _fits(settings.limits(name), wanted[name])]
                if not possible:
                    name = left.pop(0)
                    impossible[name, place] = self._impossible(info, name, wanted[name], settings, place)
                for name in possible[:1] if names[0] in _DEPEND_ON else possible:
                    left.remove(name)
                    now = settings.read(name) if name in _COUPLED else self.values[name][module][channel]
                    if _same(now, wanted[name]) and not (name == "BLCUT" and cut_changes):
                        continue
                    value = _uncut(name, wanted[name], settings.limits(name))
                    settings.write(name, value)
                    cut_changes |= name in ("TAU", "CHANNEL_CSRA")
                    plan.append(((name, place), value))
        return plan, impossible

    def _as_in_module(self, module: int, channel: int) -> ChannelSettings:
        """What depends on each other in a channel, as the module has it."""
        info = self._modules[module]
        slow = int(self.values[FILTER_RANGE][module])
        settings, tick = ChannelSettings(info, lambda: slow), tick_us(info)
        read = {name: self.values[name][module][channel] for name in (*_COUPLED, "XDT")}
        v = settings.variables
        v["FastLength"], v["FastGap"] = round(read["TRIGGER_RISETIME"] / tick), round(read["TRIGGER_FLATTOP"] / tick)
        group = tick * 2**slow
        v["SlowLength"], v["SlowGap"] = round(read["ENERGY_RISETIME"] / group), round(read["ENERGY_FLATTOP"] / group)
        v["TraceLength"] = round(read["TRACE_LENGTH"] * info.adc_mhz)
        settings.derive()
        v["PAFlength"] = v["TriggerDelay"] + round(read["TRACE_DELAY"] / tick)
        v["Xwait"] = round(read["XDT"] / 0.01)
        v["FastThresh"] = round(read["TRIGGER_THRESHOLD"] * v["FastLength"] * clock_divider(info))
        return settings

    def _impossible(
        self, info: ModuleInfo, name: str, value: float, settings: ChannelSettings, place: tuple[int, ...]
    ) -> HardwareError:
        limits, about = settings.limits(name), CHANNEL_SETTINGS[name]
        others = {
            other: settings.filter_range() if other == FILTER_RANGE else settings.read(other)
            for other in _DEPEND_ON.get(name, ())
        }
        because = " and ".join(f"{other} = {known:g}" for other, known in others.items())
        suffix = f" with {because}" if because else f" in a module {info.kind}"
        return _refusal(name, value, (limits.low, limits.high), about.unit, place, suffix)


def _refusal_of_module(name: str, place: tuple[int, ...], value: float) -> HardwareError | None:
    """Why a parameter of a module cannot have a value; None if it can."""
    info = MODULE_SETTINGS[name]
    if info.read_only:
        return HardwareError(name, 0, "is read only", module=place[0])
    if not info.low <= value <= info.high or (info.whole and value != int(value)):
        return _refusal(name, value, (info.low, info.high), info.unit, place)
    return None


def _uncut(name: str, value: float, limits: Limits) -> float:
    """What is written so that the nearest step comes of it; the length of a trace is that which the SDK makes of it."""
    if name not in _CUT_OFF:
        return value
    if name != "TRACE_LENGTH":
        value = limits.low + round((value - limits.low) / limits.step) * limits.step
    return value + _NUDGE * limits.step


def _has_roles(setting: Setting) -> bool:
    return setting[0] == "MODULE_CSRB"


def _fits(limits: Limits, value: float) -> bool:
    slack = 1e-6 + 1e-3 * limits.step
    return limits.low - slack <= value <= limits.high + slack


def _same(one: float, other: float) -> bool:
    """Whether a value need not be written; the lowest bit of a register of 32 is more than what is rounded here."""
    return math.isclose(one, other, rel_tol=1e-10, abs_tol=1e-9)


def _refusal(
    name: str, value: float, limits: tuple[float, float], unit: str, place: tuple[int, ...], suffix: str = ""
) -> HardwareError:
    low, high = (f"{x:.10g}" for x in limits)
    of = f" {unit}" if unit else ""
    text = f"{value:.10g} is not possible, only {low} to {high}{of}{suffix}"
    return HardwareError(name, 0, text, module=place[0], channel=place[1] if len(place) > 1 else None)
