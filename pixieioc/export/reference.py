"""The reference of all process variables, as a page for people."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping

from pixieioc.export.text import one_line
from pixieioc.pvinfo.about import alarms_of, archive_of, may_alarm
from pixieioc.pvinfo.description import Description, TaskInfo, pairs
from pixieioc.pvinfo.model import PvInfo, Section
from pixieioc.pvinfo.watching import watching_of

PAGE = """\
# Process variables of {prefix}

Written by `pixieioc generate` from the declarations of the tasks; another configuration has others. The chain is
{chain}.

All names begin with the prefix `{prefix}`. `X, X_RBV` are a setting and its readback: what was written, and what is
used. *Access* says who may write: OP operators, EX experts, EN engineers; what has none can be read only. *Kept* says
what the other files make of it: `a` is archived always, `r` during a run, `s` is a setting that is saved and
restored.
"""
TITLES: Mapping[Section, str] = {
    "run": "Run control",
    "files": "Files",
    "crate": "The crate",
    "modules": "Modules",
    "errors": "Errors",
    "task": "Tasks",
    "channel": "Channels",
    "ioc": "The IOC",
}
COLUMNS = (
    "| PV | type | unit, states, range | access | kept | what it is | when in alarm |\n|---|---|---|---|---|---|---|"
)
KEPT = 4


def reference(description: Description) -> str:
    """`PVS.md`."""
    parts = [PAGE.format(prefix=description.prefix, chain=description.graph)]
    for section, title in TITLES.items():
        pvs = description.of_section(section)
        if not pvs:
            continue
        parts.append(f"## {title}\n")
        match section:
            case "task":
                parts += _tasks(description)
            case "channel":
                parts += _all_channels(pvs)
            case _:
                parts.append(_table(pvs))
    parts.append(_left_out(description))
    return "\n".join(parts)


def _tasks(description: Description) -> Iterator[str]:
    """What all tasks have stands once; then what is each one's own."""
    common = _common(description.tasks)
    names = ", ".join(f"`{task.name}`" for task in description.tasks)
    yield f"### Every task\n\n`$(T)` is one of {names}.\n\n{_table(common, '$(T):')}"
    known = {pv.own_name for pv in common}
    for task in description.tasks:
        own = [pv for pv in task.pvs if pv.own_name not in known]
        yield f"### {task.name}\n\n{task.doc}\n" + (f"\n{_table(own, f'{task.name}:')}" if own else "")


def _common(chain: tuple[TaskInfo, ...]) -> list[PvInfo]:
    """Those of the first task that all tasks have, alike."""
    first, *others = chain
    alike = [{_cells(pv, pv.own_name) for pv in task.pvs} for task in others]
    return [pv for pv in first.pvs if all(_cells(pv, pv.own_name) in cells for cells in alike)] if others else []


def _all_channels(pvs: list[PvInfo]) -> Iterator[str]:
    """Those without a task's name, then those of each task that has such names of its own."""
    for task in dict.fromkeys(pv.owner for pv in pvs):
        of_task = [pv for pv in pvs if pv.owner == task]
        heading = f"### Channels of {task}\n\n" if task else ""
        yield heading + _channels(of_task, f"{task}:" if task else "")


def _channels(pvs: list[PvInfo], before: str) -> str:
    """One row for what all channels, or all modules, have; `before` is what their names begin with."""
    modules = sorted({f"M{pv.source.index[0]:02d}" for pv in pvs})
    of_channels = [pv for pv in pvs if len(pv.source.index) > 1]
    channels = sorted({f"C{pv.source.index[1]:02d}" for pv in of_channels})
    text = f"`M$(MM)` is the module, {_span(modules)}"
    text += f"; `C$(CC)` the channel, {_span(channels)}" if channels else ""
    numbered = sorted({_first(pv.pattern).format(pv.source.number + 1) for pv in pvs if pv.source.number is not None})
    text += f"; `$(N)` a number: `{'`, `'.join(numbered)}`.\n\n" if numbered else ".\n\n"
    rows = [
        *_rows(of_channels, f"{before}M$(MM):C$(CC):"),
        *_rows((pv for pv in pvs if len(pv.source.index) == 1), f"{before}M$(MM):"),
    ]
    return text + "\n".join([COLUMNS, *rows]) + "\n"


def _first(pattern: str) -> str:
    """The part of a name that has the number: `ROI{}` of `ROI{}:Low`."""
    return next(part for part in pattern.split(":") if "{}" in part)


def _span(names: list[str]) -> str:
    return f"`{names[0]}`" if len(names) == 1 else f"`{names[0]}` to `{names[-1]}`"


def _table(pvs: Iterable[PvInfo], prefix: str = "") -> str:
    return "\n".join([COLUMNS, *_rows(pvs, prefix)]) + "\n"


def _rows(pvs: Iterable[PvInfo], prefix: str) -> Iterator[str]:
    """One row for each name behind the prefix; a setting and its readback share theirs, and what is numbered, too."""
    named: dict[str, PvInfo] = {}
    for pv in pvs:
        named.setdefault(_shown(pv), pv)
    both = [(setpoint, readback) for setpoint, readback in pairs(named.values()) if setpoint and readback]
    readbacks = {setpoint.source: readback for setpoint, readback in both}
    for pv in named.values():
        if pv.role == "readback" and any(pv is readback for readback in readbacks.values()):
            continue
        cells = _cells(pv, prefix + _shown(pv))
        if (readback := readbacks.get(pv.source)) is not None:
            other = _cells(readback, prefix + _shown(readback))
            cells = (f"{cells[0]}, {other[0]}", *cells[1:KEPT], other[KEPT] + cells[KEPT], *cells[KEPT + 1 :])
        yield _row(cells)


def _shown(pv: PvInfo) -> str:
    """The name behind that of its task or channel, with $(N) for the number of what is numbered."""
    return pv.pattern.format("$(N)") or pv.own_name


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(one_line(cell).replace('|', chr(92) + '|') for cell in cells)} |"


def _cells(pv: PvInfo, name: str) -> tuple[str, ...]:
    kept = {"always": "a", "running": "r", "": ""}[archive_of(pv)] + ("s" if pv.saved else "")
    alarm = f"{'; '.join(alarms_of(pv))}. {pv.guidance}".strip() if may_alarm(pv) else ""
    watching = watching_of(pv)
    if watching is not None and watching.delay:
        alarm += f" (After {watching.delay} s in the alarm handler.)"
    return (f"`{name}`", _type(pv), ", ".join(_about(pv)), pv.access, kept, pv.doc, alarm)


def _type(pv: PvInfo) -> str:
    if pv.is_text:
        return f"text, {pv.length} bytes"
    return f"{pv.record} {pv.element}[{pv.length}]" if pv.record == "waveform" else pv.record


def _about(pv: PvInfo) -> Iterator[str]:
    if pv.labels:
        yield ", ".join(pv.labels)
    elif pv.unit:
        yield pv.unit
    low, high = pv.drive
    if math.isfinite(low) and math.isfinite(high):
        yield f"{low:.16g} to {high:.16g}"
    elif math.isfinite(low):
        yield f"at least {low:.16g}"
    elif math.isfinite(high):
        yield f"at most {high:.16g}"


def _left_out(description: Description) -> str:
    """What has severities and is not in the alarm tree, and why."""
    left = {pv.own_name: pv.alarm.omitted for pv in description.pvs.values() if may_alarm(pv) and pv.alarm.omitted}
    rows = [f"| `{name}` | {reason} |" for name, reason in left.items()]
    return (
        "\n".join(["## Not in the alarm tree\n", "| PV | why not, although it has severities |\n|---|---|", *rows])
        + "\n"
    )
