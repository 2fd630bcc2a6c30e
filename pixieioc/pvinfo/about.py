"""What follows from how a process variable is described: whose it is, when it is archived, which alarms it can have."""

from __future__ import annotations

import math
from collections.abc import Iterator

from pixieioc.pvinfo.model import SEVERITIES, Archive, PvInfo


def task_of(pv: PvInfo) -> str:
    """The task whose own it is; empty for those of the pipeline, channels and the IOC."""
    return pv.owner if pv.section == "task" else ""


def module_of(pv: PvInfo) -> str:
    """What the names of all channels of its module begin with: `M00`, or `Singles:M00`; otherwise empty."""
    if pv.section != "channel":
        return ""
    module = f"M{pv.source.index[0]:02d}"
    return f"{pv.owner}:{module}" if pv.owner else module


def archive_of(pv: PvInfo) -> Archive:
    """When it is archived: states and settings always, what a run counts during a run; arrays and commands never."""
    if pv.archive is not None:
        return pv.archive
    if pv.record in ("waveform", "stringin") or pv.access:
        return ""
    return "always" if pv.is_enum or pv.role == "readback" or pv.section == "ioc" else "running"


def info_tags(pv: PvInfo, prefix: str) -> Iterator[tuple[str, str]]:
    """Its `info` tags, which say to an archiver and to a save and restore what to do with it.

    What follows from a process variable of the same IOC has its name with this prefix.
    """
    match archive_of(pv):
        case "always":
            yield "archive", "monitor, 1.0, VAL"
        case "running":
            yield "archive", f"monitor, 1.0, VAL, controllingPV={prefix}Acquire_RBV"
        case "":
            pass
    if pv.saved:
        yield "autosaveFields", "VAL"


def may_alarm(pv: PvInfo) -> bool:
    """True for what has a severity at times: by its value, or by circumstances."""
    return pv.has_alarm or pv.alarm.besides is not None


def severities_of(pv: PvInfo) -> set[str]:
    """The severities that it can have."""
    of_limits = (pv.severity_of_limit(i) for i in range(len(pv.limits)))
    besides = () if pv.alarm.besides is None else (pv.alarm.besides[0],)
    return {*pv.severities, *of_limits, *besides} - {"NO_ALARM"}


def alarms_of(pv: PvInfo) -> list[str]:
    """When it has which severity, as phrases: "MINOR from 75 % up", "MAJOR: Write error"."""
    unit = f" {pv.unit}" if pv.unit else ""
    phrases: list[str] = []
    for severity in SEVERITIES[1:]:
        labels = [label for label, of in zip(pv.labels, pv.severities, strict=False) if of == severity]
        phrases += [f"{severity}: {', '.join(labels)}"] if labels else []
    for i, (limit, side) in enumerate(zip(pv.limits, ("down", "down", "up", "up"), strict=True)):
        phrases += [] if math.isnan(limit) else [f"{pv.severity_of_limit(i)} from {limit:.10g}{unit} {side}"]
    return [*phrases, " ".join(pv.alarm.besides)] if pv.alarm.besides else phrases
