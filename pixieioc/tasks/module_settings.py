"""The settings of modules and channels as parameters of a task, by XIA's names, and the bits that have names."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from pixieioc.hardware.crate import ModuleInfo
from pixieioc.hardware.crate_settings import CrateSettings
from pixieioc.hardware.setting_table import (
    BITS,
    CHANNEL_BITS,
    CHANNEL_SETTINGS,
    MODULE_BITS,
    MODULE_SETTINGS,
    BitInfo,
    Setting,
    SettingInfo,
    range_of,
)
from pixieioc.pipeline import Parameter

#: Those of modules that can be written; the others are the SDK's, or of the start of a run.
_OF_MODULES = {name: info for name, info in MODULE_SETTINGS.items() if not info.read_only}
_OF_MODULES_ALL: dict[str, SettingInfo | BitInfo] = {**_OF_MODULES, **MODULE_BITS}
_OF_CHANNELS_ALL: dict[str, SettingInfo | BitInfo] = {**CHANNEL_SETTINGS, **CHANNEL_BITS}
#: All settings that are parameters, by name.
SETTINGS: dict[str, SettingInfo | BitInfo] = {**_OF_MODULES_ALL, **_OF_CHANNELS_ALL}


def _parameter(info: SettingInfo | BitInfo, per: Any) -> Parameter[Any]:
    more: dict[str, Any] = {"doc": info.doc, "pv": info.name, "per": per, "device": True}
    if isinstance(info, BitInfo):
        more["choices"] = info.labels
    else:
        more |= {"unit": info.unit, "low": info.low, "high": info.high, "precision": info.precision}
    first = parameter_value(info.name, 0 if isinstance(info, BitInfo) else max(info.low, 0))
    return Parameter([[first]] if per == "channel" else [first], **more)


def parameter_value(name: str, value: float) -> Any:
    """A setting's number as the parameter has it: bits are True or False, or a label."""
    info = SETTINGS[name]
    if isinstance(info, BitInfo):
        return bool(value) if info.is_switch else info.labels[int(value)]
    return int(value) if info.whole else float(value)


def number_of(name: str, value: Any) -> float:
    """A parameter's value as the number that the module has."""
    info = SETTINGS[name]
    return info.labels.index(value) if isinstance(info, BitInfo) and isinstance(value, str) else value


#: A class with nothing but the declarations, in the order of the tables.
DeclaredSettings = type(
    "DeclaredSettings",
    (),
    {
        **{name: _parameter(info, "module") for name, info in _OF_MODULES_ALL.items()},
        **{name: _parameter(info, "channel") for name, info in _OF_CHANNELS_ALL.items()},
    },
)


def writes_of(changes: Mapping[str, Any]) -> dict[Setting, float]:
    """What is to be written, of changes by parameter and place."""
    return {
        (name, place): number_of(name, value)
        for name, of_name in changes.items()
        if name in SETTINGS
        for place, value in of_name.items()
    }


def in_use(settings: CrateSettings, modules: int, channels: int) -> dict[str, Any]:
    """All values that the modules have, for parameters of this many modules and channels."""
    missing = {name: number_of(name, _parameter_default(name)) for name in SETTINGS}
    found: dict[str, Any] = {}
    for name in SETTINGS:
        rows: list[Any] = settings.values[name][:modules]
        if name in _OF_MODULES_ALL:
            rows = rows + [missing[name]] * (modules - len(rows))
            found[name] = [parameter_value(name, value) for value in rows]
        else:
            there = [
                [*row[: len(settings.channels_of(m))], *[missing[name]] * (channels - len(settings.channels_of(m)))]
                for m, row in enumerate(rows)
            ]
            there += [[missing[name]] * channels] * (modules - len(there))
            found[name] = [[parameter_value(name, value) for value in row] for row in there]
    return found


def _parameter_default(name: str) -> Any:
    parameter: Parameter[Any] = vars(DeclaredSettings)[name]
    return parameter.default_of_one


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[tuple[Setting, float]]:
    """The settings whose values are not as `before`, with the new values."""
    for name in SETTINGS:
        if before[name] == after[name]:
            continue
        for module, (old, new) in enumerate(zip(before[name], after[name], strict=True)):
            if not isinstance(new, list):
                if new != old:
                    yield (name, (module,)), new
            else:
                yield from (
                    ((name, (module, channel)), value) for channel, value in enumerate(new) if value != old[channel]
                )


def limits_of(modules: list[ModuleInfo]) -> dict[str, dict[tuple[int, ...], tuple[float, float]]]:
    """The lowest and highest value of channel parameters, by module."""
    found: dict[str, dict[tuple[int, ...], tuple[float, float]]] = {}
    for name in CHANNEL_SETTINGS:
        for module, info in enumerate(modules):
            limits = range_of(ModuleInfo(2, info.revision, 0, info.adc_bits, info.adc_mhz), name)
            if math.isfinite(limits.high):
                found.setdefault(name, {})[module,] = (limits.low, limits.high)
    return found


def answer(settings: CrateSettings, settings_named: Iterator[Setting] | list[Setting]) -> dict[str, dict[Any, Any]]:
    """What is in use of some settings, as a task answers it."""
    found: dict[str, dict[Any, Any]] = {}
    for name, place in settings_named:
        found.setdefault(name, {})[place] = parameter_value(name, settings.value((name, place)))
    return found


__all__ = [
    "BITS",
    "SETTINGS",
    "DeclaredSettings",
    "answer",
    "differences",
    "in_use",
    "limits_of",
    "number_of",
    "parameter_value",
    "writes_of",
]
