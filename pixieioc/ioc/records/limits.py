"""The limits that a record tells its clients: of what is shown, of what may be written, of its alarms."""

from __future__ import annotations

import math

from pixieioc.pvinfo.model import PvInfo


def alarm_limits(info: PvInfo) -> tuple[float, float, float, float]:
    """The limits that have a severity."""
    if not any(info.limit_severities):
        return info.limits
    lolo, low, high, hihi = (
        limit if info.severity_of_limit(i) != "NO_ALARM" else math.nan for i, limit in enumerate(info.limits)
    )
    return lolo, low, high, hihi


def display_limits(info: PvInfo) -> tuple[float, float]:
    """LOPR and HOPR: 0 to 100 of a percentage, otherwise those of what may be written; 0, 0: none."""
    return (0.0, 100.0) if info.unit == "%" else drive_limits(info)


def drive_limits(info: PvInfo) -> tuple[float, float]:
    """DRVL and DRVH, which are two or none; 0, 0: none."""
    return info.drive if all(map(math.isfinite, info.drive)) else (0.0, 0.0)
