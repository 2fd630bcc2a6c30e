"""What was changed since a file of settings was loaded, by module: also of modules that are not read at present.

A module is known again by its serial number, wherever it is put; where several have the same one, by its slot, too.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pixieioc.hardware.crate import ModuleInfo
from pixieioc.hardware.setting_table import CHANNEL_SETTINGS, MODULE_SETTINGS, Setting

#: Where a file of changes has its sum.
_SUM = "sha256"
_CHANNEL = "C{:02d}"


@dataclass(frozen=True)
class ModuleChanges:
    """Those of one module since `file` was loaded: by name, and an empty place or the channel."""

    serial: int
    slot: int
    file: str
    values: Mapping[Setting, float]

    def __str__(self) -> str:
        return f"serial number {self.serial} (slot {self.slot})"


@dataclass(frozen=True)
class ChangedSettings:
    """Those of all modules that were ever read.

    `configured` is the name of the file that the configuration has, `file` the one that was in use at last.
    """

    configured: str
    file: str
    modules: tuple[ModuleChanges, ...] = ()

    def of(self, modules: Sequence[ModuleInfo]) -> dict[Setting, float]:
        """Those of these modules since the file was loaded that was in use at last, with the modules' numbers."""
        return {
            (name, (number, *channel)): value
            for number, each in enumerate(self._each(modules))
            if each is not None and each.file == self.file
            for (name, channel), value in each.values.items()
        }

    def absent(self, modules: Sequence[ModuleInfo]) -> tuple[ModuleChanges, ...]:
        """Those of other modules than these."""
        there = self._each(modules)
        return tuple(each for each in self.modules if not any(each is one for one in there))

    def now(
        self, configured: str, file: str, modules: Sequence[ModuleInfo], values: Mapping[Setting, float]
    ) -> ChangedSettings:
        """These modules have these values changed since `file` was loaded; those of others stay."""
        found = [*self.absent(modules)]
        for number, info in enumerate(modules):
            own = {(name, place[1:]): value for (name, place), value in values.items() if place[0] == number}
            found += [ModuleChanges(info.serial, info.slot, file, own)] if own else []
        return ChangedSettings(configured, file, tuple(found))

    def _each(self, modules: Sequence[ModuleInfo]) -> list[ModuleChanges | None]:
        """What there is of each of these modules."""
        found: list[ModuleChanges | None] = []
        for info in modules:
            same = [each for each in self.modules if each.serial == info.serial]
            alone = len(same) == 1 and [one.serial for one in modules].count(info.serial) == 1
            found.append(next((each for each in same if alone or each.slot == info.slot), None))
        return found

    def content(self) -> bytes:
        """That of a file that keeps them; its sum is for `parse`."""
        modules = [
            {"serial number": each.serial, "slot": each.slot, "file": each.file, "changes": _by_name(each.values)}
            for each in self.modules
        ]
        text = {"configured": self.configured, "file": self.file, "modules": modules}
        return json.dumps(text | {_SUM: _sum_of(text)}, indent=1).encode()

    @classmethod
    def parse(cls, content: bytes) -> ChangedSettings:
        """What such a file has; ValueError if it is not what was written."""
        try:
            text: Any = json.loads(content)
            if text.pop(_SUM) != _sum_of(text):
                raise ValueError("it is damaged")
            modules = tuple(
                ModuleChanges(
                    int(each["serial number"]), int(each["slot"]), str(each["file"]), _values(each["changes"])
                )
                for each in text["modules"]
            )
            return cls(str(text["configured"]), str(text["file"]), modules)
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(f"it is damaged: {error}") from None


def _by_name(values: Mapping[Setting, float]) -> dict[str, Any]:
    """A number for each parameter of the module, a table of channels for each parameter of those."""
    found: dict[str, Any] = {}
    for (name, channel), value in values.items():
        if channel:
            found.setdefault(name, {})[_CHANNEL.format(*channel)] = value
        else:
            found[name] = value
    return found


def _values(by_name: Mapping[str, Any]) -> dict[Setting, float]:
    found: dict[Setting, float] = {}
    for name, value in by_name.items():
        if name in MODULE_SETTINGS:
            found[name, ()] = float(value)
        elif name in CHANNEL_SETTINGS:
            found |= {(name, (int(channel[1:]),)): float(one) for channel, one in value.items()}
    return found


def _sum_of(text: object) -> str:
    return hashlib.sha256(json.dumps(text, sort_keys=True).encode()).hexdigest()
