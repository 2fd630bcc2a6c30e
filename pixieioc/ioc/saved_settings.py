"""Which of the files of settings is used after a restart, and what of it: rules without files, clock or records.

The latest statement counts: what was written to a setting, unless the configuration file says something else of it than
it did then. What the command line says of a setting counts in any case.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from pixieioc.ioc import sav
from pixieioc.ioc.sav import BadFile, Saved
from pixieioc.ioc.text import shortened
from pixieioc.pvinfo.model import PvInfo

#: As many sentences are told in a process variable, and in the log, and so many characters of each.
_TOLD, _LOGGED, _LONGEST = 12, 1000, 300


def is_kept(pv: PvInfo) -> bool:
    """Whether the IOC keeps a process variable's value over a restart: the settings that no device keeps itself."""
    return pv.saved and not pv.in_device


@dataclass(frozen=True)
class Choice:
    """The file that is used (None: none can be), its name, and why others that are newer are not."""

    saved: Saved | None
    name: str
    rejected: tuple[str, ...] = ()


def choose(candidates: Iterable[tuple[str, Callable[[], bytes]]], configuration: str) -> Choice:
    """The first of some files, newest first, that is whole and of this configuration."""
    rejected: list[str] = []
    for name, content in candidates:
        try:
            saved = sav.read(content())
            check_whole(saved, configuration)
        except (BadFile, OSError) as error:
            rejected.append(f"{name} is not used: {getattr(error, 'strerror', None) or error}")
        else:
            return Choice(saved, name, tuple(rejected))
    return Choice(None, "", tuple(rejected))


def check_whole(saved: Saved, configuration: str) -> None:
    """BadFile says why a file is none that this IOC has written with this configuration."""
    if not saved.is_whole:
        raise BadFile("it is damaged, or was not written by this program: it has no sum")
    if saved.configuration != configuration:
        raise BadFile(f"it is of another configuration ({saved.configuration}); SR_restore loads it all the same")


@dataclass
class Plan:
    """What is to be written, by name, and sentences about what is not; `lost` is whether that is for want of a setting
    that can have it, rather than because something else was said later.
    """

    writes: dict[str, str] = field(default_factory=dict[str, str])
    left: list[str] = field(default_factory=list[str])
    lost: bool = False


def planned(
    saved: Saved,
    present: Callable[[str], str | None],
    overridden: Collection[str],
    shown: Callable[[str, str], str] = lambda _, text: text,
) -> Plan:
    """What of a file is to be restored. `present` is what a setting is without it; None: there is no such setting.

    Only what somebody has written can be put aside; `shown` is a value for people.
    """
    plan = Plan(left=[f"{name}: {why}" for name, why in saved.unreadable.items()], lost=bool(saved.unreadable))
    for name, value in saved.values.items():
        now = present(name)
        is_field = "." in name  # which are in a file only if they were set, if only with another one
        before = saved.configured.get(name, value if is_field else None)
        if before is None or (value == now and not is_field):
            continue
        if now is None:
            plan.left.append(f"{name}: there is no such setting now")
            plan.lost = True
        elif name in overridden:
            plan.left.append(f"{name}: the command line says {shown(name, now)}, not {shown(name, value)}")
        elif before != now:
            says = f"the configuration says {shown(name, now)} now, {shown(name, before)} before"
            plan.left.append(f"{name}: {says}; {shown(name, value)} was saved")
        else:
            plan.writes[name] = value
    return plan


def with_present_states(saved: Saved, states: Mapping[str, Sequence[str]]) -> tuple[Saved, list[str]]:
    """What is saved, with the numbers that its states have now, and sentences about those that are none any more."""
    values, left = dict(saved.values), list[str]()
    for name, state in saved.states.items():
        if name not in values or name not in states:
            continue
        if state in states[name]:
            values[name] = str(states[name].index(state))
        else:
            left.append(f"{name}: {state!r} was saved, and is none of its states now: {', '.join(states[name])}")
            del values[name]
    return replace(saved, values=values), left


def held(saved: Saved | None, configured: Mapping[str, str]) -> dict[str, str]:
    """What stays saved of settings that the command line says, for the next start that does not; `configured` is what
    the file says of them.
    """
    kept = dict(configured)
    for name, text in configured.items():
        if saved is not None and saved.configured.get(name) == text:
            kept[name] = saved.values.get(name, text)
    return kept


def in_words(texts: Collection[str]) -> str:
    """Some sentences as one text, of many the first ones."""
    some = [shortened(text, _LONGEST) for text in islice(texts, _TOLD)]
    more = len(texts) - len(some)
    return "; ".join(some) + (f"; and {more} more, see the log" if more else "")


def for_the_log(texts: Collection[str]) -> list[str]:
    """The same as lines: of very many the first ones, and how many more there are."""
    some = [shortened(text, _LONGEST) for text in islice(texts, _LOGGED)]
    more = len(texts) - len(some)
    return some + [f"and {more} more"] * bool(more)
