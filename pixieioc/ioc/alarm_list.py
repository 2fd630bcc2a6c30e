"""What is in alarm now: causes first, then the worst, with what to do, and the screen that shows more."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from pixieioc.pvinfo.about import task_of
from pixieioc.pvinfo.model import SEVERITIES, PvInfo
from pixieioc.pvinfo.overview import ALARM_SCREENS
from pixieioc.pvinfo.watching import is_error

INVALID = SEVERITIES.index("INVALID")
#: Values of one task that may be INVALID by themselves; more of them are one entry.
_FEW = 2
#: What is said of values of a task whose process is gone.
_FOLLOWS = "Nobody knows these values: their task is gone. The next start, or Reset, makes it again."


@dataclass(frozen=True)
class InAlarm:
    """A process variable that is in alarm: its severity, its value in words, and the Unix time since when."""

    pv: PvInfo
    severity: int
    value: str
    since: float


@dataclass(frozen=True)
class Entry:
    """One row of the list. `text` says what is in alarm."""

    severity: int
    since: float
    text: str
    guidance: str
    screen: str
    #: What others follow from comes first, what follows from others, or is a sum of them, last of its severity.
    cause: bool = False
    summary: bool = False


def entries(alarms: Iterable[InAlarm]) -> list[Entry]:
    """The rows: causes, then the worst severity, then the oldest; many channels, or values of a lost task, are one."""
    groups: dict[tuple[str, int, str], list[InAlarm]] = {}
    for alarm in alarms:
        groups.setdefault((_group(alarm), alarm.severity, screen_of(alarm.pv)), []).append(alarm)
    rows: list[Entry] = []
    for group in groups.values():
        group.sort(key=lambda alarm: (alarm.since, alarm.pv.name))
        one = _entry(group[0])
        name = group[0].pv.own_name
        if group[0].pv.section == "channel" and len(group) > 1:
            others = "1 other" if len(group) == 2 else f"{len(group) - 1} others"
            of_all = replace(one, text=f"{one.text} (and {name} of {others})")
            rows.append(replace(of_all, guidance=_FOLLOWS, summary=True) if one.severity == INVALID else of_all)
        elif len(group) > _FEW:
            text = f"{task_of(group[0].pv)}: {len(group)} values are not valid"
            rows.append(replace(one, text=text, guidance=_FOLLOWS, summary=True))
        else:
            rows += [_entry(alarm) for alarm in group]
    return sorted(rows, key=lambda row: (not row.cause, -row.severity, row.summary, row.since, row.text))


def _group(alarm: InAlarm) -> str:
    """What makes several alarms one row; most are alone."""
    pv = alarm.pv
    if pv.section == "channel":
        return pv.own_name
    return task_of(pv) if alarm.severity == INVALID and task_of(pv) and not pv.alarm.explains else pv.name


def _entry(alarm: InAlarm) -> Entry:
    pv = alarm.pv
    value = f" is {alarm.value}" if alarm.value else ""
    invalid = alarm.severity == INVALID
    says_why = invalid and pv.alarm.explains  # of all that are INVALID
    follows = bool(pv.alarm.omitted) or (invalid and pv.source.kind == "report")
    return Entry(
        alarm.severity, alarm.since, f"{pv.name}{value}", pv.guidance or pv.doc, screen_of(pv),
        cause=is_error(pv), summary=follows and not says_why,
    )  # fmt: skip


def screen_of(pv: PvInfo) -> str:
    """The screen that shows more: a name of ALARM_SCREENS, or a task."""
    return task_of(pv) or {"channel": "Rates", "ioc": "Expert"}.get(pv.section, "Run")


def screen_number(screen: str, chain: Sequence[str]) -> int:
    """The number of a screen in the process variables of the list."""
    names = (*ALARM_SCREENS, *chain)
    return names.index(screen) if screen in names else 0
