"""Regions of interest that a configuration gives in keV: as bins, by the calibration of each channel."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pixieioc.config_lines import KeyPath
from pixieioc.config_tables import Problem, name_of
from pixieioc.pipeline import channel_values
from pixieioc.pipeline.channel_values import Shape
from pixieioc.pipeline.declaration import CHANNELS, MODULES, shorten
from pixieioc.pipeline.declare import Value, parameters_of
from pixieioc.tasks.calibration import CALIBRATION, Calibration, bin_of
from pixieioc.tasks.energy_spectra import EnergySpectra

if TYPE_CHECKING:
    from pixieioc.pipeline.task import Task

#: The keys in keV, and the parameters in bins that they stand for.
IN_KEV = {"roi_low_kev": "roi_low", "roi_high_kev": "roi_high"}
_NONE = math.nan
#: Channels that a sentence names at most.
_NAMED = 4


class _Wrong(Exception):
    """What is wrong with regions in keV, as the end of a sentence."""


def with_regions(
    classes: Mapping[str, type[Task]],
    tables: Mapping[str, Mapping[str, Any]],
    calibration: Mapping[str, Value],
    problems: list[Problem],
) -> dict[str, dict[str, Any]]:
    """The tables with regions in bins only; what is wrong is added to `problems`."""
    filled = {task: dict(table) for task, table in tables.items()}
    is_wrong = any(problem.key_path[0] == CALIBRATION for problem in problems if problem.key_path)
    for task, cls in classes.items():
        table = filled.get(task, {})
        for key, parameter in IN_KEV.items():
            if not issubclass(cls, EnergySpectra) or key not in table:
                continue
            key_path, given = ("tasks", task, key), table.pop(key)
            if is_wrong:  # nothing is known of what follows from it
                continue
            if parameter in table:
                problems.append(_problem(key_path, f": {parameter} says the same in bins; give one of them"))
                continue
            try:
                table[parameter] = _in_bins(parameter, given, cls, table, Calibration.of(calibration))
            except (_Wrong, ValueError) as error:
                problems.append(_problem(key_path, f" = {shorten(given)}: {error}"))
    return filled


def _problem(key_path: KeyPath, text: str) -> Problem:
    return Problem(key_path, f"{name_of(key_path)}{text}")


def _in_bins(
    parameter: str, given: object, cls: type[Task], table: Mapping[str, Any], calibration: Calibration
) -> dict[str, list[int]]:
    """The bins of each channel that has regions."""
    modules, channels, bins, rois = (_number(name, cls, table) for name in (MODULES, CHANNELS, "bins", "rois"))
    shape: Shape = (modules, channels, rois)
    kev = channel_values.spread(given, shape, _NONE, (MODULES, CHANNELS))
    unset: Any = parameters_of(cls)[parameter].default_of_one
    found: dict[str, list[int]] = {}
    missing: list[str] = []
    for module, channel in channel_values.places((modules, channels, 0)):
        edges = [_checked(value) for value in kev[module][channel]]
        name = channel_values.channel_name(module, channel)
        if all(map(math.isnan, edges)):
            continue
        if not calibration.has(module, channel):
            missing.append(name)
            continue
        found[name] = list(_bins(parameter, edges, unset, bins, calibration, (module, channel)))
    if missing:
        named = ", ".join(missing[:_NAMED]) + " and others" * (len(missing) > _NAMED)
        raise _Wrong(f"no calibration of {named}: give its gain in [calibration], or {parameter} in bins")
    return found


def _bins(
    parameter: str, edges: list[float], unset: int, bins: int, calibration: Calibration, at: tuple[int, int]
) -> Iterator[int]:
    for kev in edges:
        if math.isnan(kev):
            yield unset
            continue
        found = bin_of(calibration.energy(*at, kev), bins, last=parameter == "roi_high")
        if not 0 <= found < bins:
            first, *_, end = calibration.edges(*at, bins)
            where = channel_values.channel_name(*at)
            raise _Wrong(f"{kev:.10g} is in no bin of {where}: must be from {first:.10g} to {end:.10g} keV")
        yield found


def _checked(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isinf(value):
        raise _Wrong(f"{shorten(value)}: must be a number (keV), or nan for none")
    return float(value)


def _number(name: str, cls: type[Task], table: Mapping[str, Any]) -> int:
    value = table.get(name, parameters_of(cls)[name].default)
    return int(str(parameters_of(cls)[name].check(value)))
