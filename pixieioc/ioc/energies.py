"""Spectra and their regions of interest in keV: a view of what is in use, in which regions can be written as well.

The bins are what is kept: a new calibration moves the keV of a region, never the events that are counted in it. What
follows from settings here costs something, so it is made when somebody wants to see it.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np

from pixieioc.ioc.records import Client, PutRefused, Pvs, Record
from pixieioc.ioc.settings import Settings
from pixieioc.pipeline.in_use import copied
from pixieioc.pvinfo.energies import AXIS, CALIBRATED, EDGES, VERSION
from pixieioc.tasks.calibration import PARAMETERS, Calibration, bin_of

#: An edge in keV has the name of the parameter that it shows, and this.
_KEV = "_kev"
#: The settings that what is shown follows from.
_SETTINGS = (*sorted(PARAMETERS), *(name.removesuffix(_KEV) for name in EDGES))
#: What is rounded to six digits is wrong by this share of it at most.
_DIGITS = 5e-6
#: Refuses a put: the record, why, and whose it is.
Refuse = Callable[[Record, str, Client], None]


class Energies:
    """Keeps the process variables in keV current; `refuse` tells of puts that are refused."""

    def __init__(self, pvs: Pvs, settings: Settings, refuse: Refuse) -> None:
        self._pvs, self._settings, self._refuse = pvs, settings, refuse
        self._known: dict[str, dict[str, Any]] = {}
        #: By task: the process variables of a channel, and by edge and number those of its regions.
        self._tasks: dict[str, dict[tuple[int, int], list[str]]] = {}
        for name, record in pvs.items():
            source = record.info.source
            if source.kind == "run" and record.info.pattern in EDGES.values():
                pvs.on_put(name, functools.partial(self._put, name))
            if source.kind == "run" and source.task and self._is_ours(record):
                index = (source.index[0], source.index[1])
                self._tasks.setdefault(source.task, {}).setdefault(index, []).append(name)
        self._with_version = next((task for task, of in settings.used.items() if of.keys() >= PARAMETERS), "")
        settings.watch(self.look)
        self.look()

    @staticmethod
    def _is_ours(record: Record) -> bool:
        return record.info.own_name in (AXIS, CALIBRATED) or record.info.pattern in EDGES.values()

    def look(self) -> None:
        """Settings may have changed: what follows from those that have is out of date."""
        for task in {*self._tasks, self._with_version} - {""}:
            used = self._settings.used[task]
            now = {name: used[name] for name in _SETTINGS if name in used}
            before = self._known.get(task, {})
            if before == now:
                continue
            self._known[task] = _copied(now)
            for index, names in self._tasks.get(task, {}).items():
                if before == {} or _of(before, index) != _of(now, index):
                    for name in names:
                        self._pvs[name].outdate(functools.partial(self._show, name))
            if task == self._with_version:
                self._pvs[VERSION].outdate(self._show_version)

    def _show_version(self) -> None:
        self._pvs.post(VERSION, self._calibration(self._with_version).version)

    def _show(self, name: str) -> None:
        self._pvs.post(name, self._value(self._pvs[name]))

    def _value(self, record: Record) -> Any:
        source = record.info.source
        module, channel = source.index
        calibration, used = self._calibration(source.task), self._settings.used[source.task]
        if record.info.own_name == CALIBRATED:
            return int(calibration.has(module, channel))
        bins: Any = used["bins"]
        edges = calibration.edges(module, channel, bins)
        if record.info.own_name == AXIS:
            return edges[:-1] if calibration.has(module, channel) else np.zeros(0)
        rows: Any = used[source.name.removesuffix(_KEV)]
        number: int = rows[module][channel][source.number]
        # A region without an end has it where the spectrum begins: a number, which screens and cursors can show.
        return float(edges[min(number if source.name == "roi_low_kev" else number + 1, bins)])

    def _calibration(self, task: str) -> Calibration:
        return Calibration.of(self._settings.used[task])

    # -- puts ---------------------------------------------------------------------------------------------------------

    def _put(self, name: str, value: Any, client: Client) -> Awaitable[None] | None:
        """Writes the edge of a region in the bin that has these keV."""
        record = self._pvs[name]
        shown = self._value(record)
        if math.isnan(value) and math.isnan(shown):
            return None  # a cursor of Phoebus writes what it is shown, as NaN is never what it was
        source, last = record.info.source, record.info.source.name == "roi_high_kev"
        setpoint = self._pvs[name.removesuffix("Kev")]
        module, channel = source.index
        calibration = self._calibration(source.task)
        if not calibration.has(module, channel):
            why = f"the channel has no calibration, its CalGain is 0; {setpoint.info.name} takes a bin"
            raise self._refused(record, why, client)
        bins: Any = self._settings.used[source.task]["bins"]
        position = calibration.energy(module, channel, value)
        # Clients show six digits, or as many decimals as there are to be: that can be written again.
        least = 0.5 * 10.0**-record.info.precision
        rounded = max(least, _DIGITS * abs(value))
        doubt = abs(calibration.energy(module, channel, value + rounded) - position)
        found = bin_of(position, bins, last=last, doubt=doubt) if not math.isnan(position) else -1
        if not 0 <= found < bins:
            if math.isclose(value, shown, rel_tol=_DIGITS, abs_tol=least):
                return None  # where a region without an end has it
            first, *_, end = calibration.edges(module, channel, bins)
            raise self._refused(
                record, f"{value:.10g} is in no bin: must be from {first:.10g} to {end:.10g} keV", client
            )
        assert setpoint.put is not None
        return setpoint.put(found, client)

    def _refused(self, record: Record, why: str, client: Client) -> PutRefused:
        self._refuse(record, why, client)
        return PutRefused(why)


def _copied(values: dict[str, Any]) -> dict[str, Any]:
    """Those in use change in place."""
    return {name: copied(value) for name, value in values.items()}


def _of(values: dict[str, Any], index: tuple[int, int]) -> list[Any]:
    return [value[index[0]][index[1]] for value in values.values()]
