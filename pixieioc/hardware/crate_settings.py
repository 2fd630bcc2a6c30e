"""The settings of all modules of a crate as they were read from them, and how new ones reach the modules.

Whatever was written, the channel is read again: what a value is, the module says, and one write can change others.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from typing import Any

from pixieioc.hardware.crate import Crate
from pixieioc.hardware.error import HardwareError
from pixieioc.hardware.setting_plan import FILTER_RANGE, KnownSettings
from pixieioc.hardware.setting_table import CHANNEL_BITS, CHANNEL_SETTINGS, MODULE_BITS, MODULE_SETTINGS, Setting


class CrateSettings(KnownSettings):
    """The settings of the modules of a booted crate; what is read only is 0: the SDK or the start of a run sets it."""

    def __init__(self, crate: Crate, channels: int) -> None:
        """Reads all; HardwareError if that fails."""
        super().__init__(crate.modules, channels)
        self._crate = crate
        self.read()

    def read(self, places: Iterable[tuple[int, ...]] | None = None) -> None:
        """Reads the settings of some modules and channels, or all."""
        if places is None:
            every = range(self.modules)
            places = [place for m in every for place in ((m,), *((m, channel) for channel in self.channels_of(m)))]
        for place in places:
            if len(place) == 1:
                self._read_module(*place)
            else:
                self._read_channel(*place)

    def apply(self, changes: Mapping[Setting, float]) -> None:
        """Has the modules use new values: all, or if one of them is not possible, none; HardwareError then."""
        plan, impossible = self.plan(changes)
        for refusal in impossible.values():
            raise refusal
        if not plan:
            return
        before = self.copied()
        touched = self._touched(name_place for name_place, _ in plan)
        try:
            for (name, place), value in plan:
                self._write(name, place, value)
            self.read(touched)
        except HardwareError:
            with suppress(HardwareError):
                self.read(touched)
                for (name, place), value in self.plan(_settings_in(before, touched))[0]:
                    self._write(name, place, value)
            with suppress(HardwareError):
                self.read(touched)
            raise

    def apply_possible(self, changes: Mapping[Setting, float]) -> dict[Setting, HardwareError]:
        """Has the modules use those of the new values that are possible; returns why each of the others is not.

        HardwareError if something has failed: then some of them are in use.
        """
        impossible: dict[Setting, HardwareError] = {}
        while True:
            plan, unfit = self.plan({key: value for key, value in changes.items() if key not in impossible})
            impossible |= unfit
            refused = self._write_accepted(plan)
            self.read(self._touched(setting for setting, _ in plan))
            if not refused:
                return impossible
            impossible |= refused  # what was to come behind them is planned anew

    def _write_accepted(self, plan: Iterable[tuple[Setting, float]]) -> dict[Setting, HardwareError]:
        """Writes until a module refuses something; then nothing more in that place. Returns what was refused."""
        refused: dict[Setting, HardwareError] = {}
        for (name, place), value in plan:
            if any(place[: len(other)] == other for _, other in refused):
                continue
            try:
                self._write(name, place, value)
            except HardwareError as error:
                if not error.refuses:
                    raise
                refused[name, place] = error
        return refused

    # -- reading ------------------------------------------------------------------------------------------------------

    def _read_module(self, module: int) -> None:
        for name, info in MODULE_SETTINGS.items():
            if not info.read_only:
                value = self._crate.read_module(module, name)
                self.values[name][module] = int(value) if info.whole else value
        for name, bits in MODULE_BITS.items():
            self.values[name][module] = bits.of(self.values[bits.register][module])

    def _read_channel(self, module: int, channel: int) -> None:
        for name, info in CHANNEL_SETTINGS.items():
            self.values[name][module][channel] = _number(self._crate.read_channel(module, channel, name), info.whole)
        for name, bits in CHANNEL_BITS.items():
            self.values[name][module][channel] = bits.of(self.values[bits.register][module][channel])

    def _touched(self, written: Iterable[Setting]) -> set[tuple[int, ...]]:
        """The modules and channels that are read again after these were written."""
        found: set[tuple[int, ...]] = set()
        for name, place in written:
            found.add(place)
            if name == FILTER_RANGE:
                found |= {(*place, channel) for channel in self.channels_of(*place)}
        return found

    def _write(self, name: str, place: tuple[int, ...], value: float) -> None:
        if len(place) == 1:
            self._crate.write_module(place[0], name, value)
        else:
            self._crate.write_channel(place[0], place[1], name, value)


def _settings_in(values: Mapping[str, list[Any]], places: Collection[tuple[int, ...]]) -> dict[Setting, float]:
    """Those of some modules and channels that can be written, without bits: their registers are among them."""
    found: dict[Setting, float] = {}
    for place in places:
        known = MODULE_SETTINGS if len(place) == 1 else CHANNEL_SETTINGS
        for name, info in known.items():
            if not info.read_only:
                value: Any = values[name]
                for index in place:
                    value = value[index]
                found[name, place] = value
    return found


def _number(value: float, whole: bool) -> int | float:
    """A number that was read. A module into which nothing was ever loaded has 0 everywhere: that may be read as 0/0."""
    if math.isnan(value):
        return 0.0
    # A BINFACTOR of 0 is read as 2^32. Ticks times their length is not exactly what a decimal number says.
    return int(value) % 2**32 if whole else float(f"{value:.12g}")
