"""The list of all process variables: a line each for people, or JSON for programs."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

from pixieioc.export.text import one_line
from pixieioc.pvinfo.about import alarms_of, archive_of, task_of
from pixieioc.pvinfo.description import Description
from pixieioc.pvinfo.model import LIMIT_NAMES, PvInfo
from pixieioc.pvinfo.watching import watching_of


def listing(description: Description) -> str:
    """One line each: name, type, access, section, what is kept of it, unit or states, alarms, meaning."""
    rows = [(description.prefix + name, *_cells(pv)) for name, pv in description.pvs.items()]
    widths = [min(max(map(len, column)), 44) for column in zip(*rows, strict=True)]
    lines = ("  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
    return "\n".join(lines) + "\n"


def as_json(description: Description) -> str:
    """One JSON object: the prefix, the chain of tasks, and all that is known of each process variable."""
    content = {
        "prefix": description.prefix,
        "chain": list(description.graph.chain),
        "branches": [dataclasses.asdict(branch) for branch in description.graph.branches],
        "pvs": [as_plain(pv) for pv in description.pvs.values()],
    }
    return json.dumps(content, ensure_ascii=False) + "\n"


def _cells(pv: PvInfo) -> tuple[str, ...]:
    kind = f"{pv.record} {pv.element}[{pv.length}]" if pv.record == "waveform" else pv.record
    kept = " ".join(word for word in (archive_of(pv), "saved" if pv.saved else "") if word)
    about = ", ".join(pv.labels) or pv.unit
    return (
        kind,
        pv.access or "-",
        pv.section,
        kept or "-",
        about or "-",
        "; ".join(alarms_of(pv)) or "-",
        one_line(pv.doc),
    )


def as_plain(pv: PvInfo) -> dict[str, Any]:
    """All that is known of a process variable in the types of JSON; what has no limit has null there."""
    plain = {
        "name": pv.name,
        "record": pv.record,
        "section": pv.section,
        "role": pv.role,
        "task": task_of(pv),
        "doc": pv.doc,
        "unit": pv.unit,
        "precision": pv.precision,
        "labels": list(pv.labels),
        "severities": list(pv.severities),
        "alarm_limits": {name: _known(limit) for name, limit in zip(LIMIT_NAMES, pv.limits, strict=True)},
        "hysteresis": pv.hysteresis,
        "alarm_delay": watching.delay if (watching := watching_of(pv)) else None,
        "alarms": alarms_of(pv),
        "guidance": pv.guidance,
        "drive_limits": [_known(limit) for limit in pv.drive],
        "access": pv.access,
        "archive": archive_of(pv),
        "saved": pv.saved,
    }
    return plain | ({"element": pv.element, "length": pv.length} if pv.record == "waveform" else {})


def _known(limit: float) -> float | None:
    return limit if math.isfinite(limit) else None
