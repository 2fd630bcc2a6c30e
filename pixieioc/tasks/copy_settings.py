"""Copies settings of one channel to others, as commands: `CopyTRIGGER_THRESHOLD`, or a group of them, `CopyFilters`."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pixieioc.hardware.crate_settings import CrateSettings
from pixieioc.hardware.setting_table import CHANNEL_BITS, CHANNEL_SETTINGS, GROUPS, Setting
from pixieioc.pipeline import Error, Parameter

_ONE = re.compile(r"M(\d{2}):C(\d{2})")
_SOME = re.compile(r"M(\d{2})(?::C(\d{2})(?:-C(\d{2}))?)?")
_ALL = "all"


def _check_from(text: str) -> None:
    if not _ONE.fullmatch(text):
        raise Error("must be a channel, such as M00:C03")


def _check_to(text: str) -> None:
    for part in _parts(text):
        if part != _ALL and not _SOME.fullmatch(part):
            raise Error(
                f"{part!r}: must be {_ALL}, or a list of modules (M01), channels (M00:C03) and ranges of channels "
                "(M00:C04-C07), with commas between them"
            )


def _parts(text: str) -> list[str]:
    return [part for part in re.split(r"[,\s]+", text) if part]


def _command(name: str, names: tuple[str, ...]) -> Parameter[bool]:
    what = name if len(names) == 1 else ", ".join(names) if len(names) < len(CHANNEL_SETTINGS) else "all settings"
    return Parameter(
        False,
        command=True,
        access="EX",
        shared=True,
        section="modules",
        device=True,
        pv=f"Copy{name}",
        doc=f"Copies {what} of CopyFrom to CopyTo.",
    )


#: What each command copies.
_COPIED = {**{name: (name,) for name in (*CHANNEL_SETTINGS, *CHANNEL_BITS)}, **GROUPS}
_COMMANDS = {f"copy_{name}": names for name, names in _COPIED.items()}
_Commands = type("_Commands", (), {f"copy_{name}": _command(name, names) for name, names in _COPIED.items()})


class CopySettings(_Commands):
    """What a task has that can copy settings."""

    copy_from = Parameter(
        "M00:C00", shared=True, section="modules", rule=_check_from, doc="The channel that settings are copied from."
    )
    copy_to = Parameter(
        _ALL,
        shared=True,
        section="modules",
        rule=_check_to,
        doc="Where settings are copied to: all, or modules and channels, such as M00:C04-C07, M02.",
    )

    def check_copies(self, config: Mapping[str, Any], channels: Sequence[int]) -> None:
        """Error if new values name channels that there are not: `channels` says how many each module has."""
        for name in ("copy_from", "copy_to"):
            for part in _parts(config.get(name, "")):
                try:
                    deque(_places(part, channels), maxlen=0)
                except Error as error:
                    raise Error(f"{name} = {config[name]}: {error}") from None

    def copies(self, commands: Iterable[str], settings: CrateSettings) -> dict[Setting, float]:
        """The values that the copying commands among these give; Error if there is no such channel."""
        names = [name for command in commands for name in _COMMANDS.get(command, ())]
        if not names:
            return {}
        channels = channels_in(settings)
        source = next(_places(self.copy_from, channels))
        found = dict.fromkeys(place for part in _parts(self.copy_to) for place in _places(part, channels))
        targets = [place for place in found if place != source]
        if not targets:
            raise Error(f"CopyTo = {self.copy_to}: names no channel but {self.copy_from}, which is copied from")
        return {(name, place): settings.value((name, source)) for name in names for place in targets}


def channels_in(settings: CrateSettings) -> list[int]:
    """How many channels each module has."""
    return [len(settings.channels_of(module)) for module in range(settings.modules)]


def _places(text: str, channels: Sequence[int]) -> Iterator[tuple[int, int]]:
    """The channels that a part of a list names; Error if there are none such."""
    if text == _ALL:
        yield from ((module, channel) for module, count in enumerate(channels) for channel in range(count))
        return
    found: Any = _SOME.fullmatch(text)
    module = int(found[1])
    if module >= len(channels):
        raise Error(f"{text}: there are modules 0 to {len(channels) - 1}")
    most = channels[module] - 1
    first = int(found[2]) if found[2] else 0
    last = int(found[3] or found[2]) if found[2] else most
    if first > last:
        raise Error(f"{text}: the first channel of a range must not be above the last")
    if last > most:
        raise Error(f"{text}: module {module} has channels 0 to {most}")
    yield from ((module, channel) for channel in range(first, last + 1))
