"""What a record says of its value besides it: limits, unit, labels, as types with limits (DBR_CTRL) carry them."""

from __future__ import annotations

import math

from pixieioc.ioc.ca import dbr
from pixieioc.pvinfo.model import PvInfo


def meta_of(info: PvInfo, labels: tuple[str, ...]) -> dbr.Meta:
    """All of it."""
    return dbr.Meta(info.unit, info.precision, labels, display_limits(info), _alarm_limits(info), drive_limits(info))


def _alarm_limits(info: PvInfo) -> tuple[float, float, float, float]:
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
