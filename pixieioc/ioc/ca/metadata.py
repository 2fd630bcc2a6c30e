"""What a record says of its value besides it: limits, unit, labels, as types with limits (DBR_CTRL) carry them."""

from __future__ import annotations

from pixieioc.ioc.ca import dbr
from pixieioc.ioc.records.limits import alarm_limits, display_limits, drive_limits
from pixieioc.pvinfo.model import PvInfo


def meta_of(info: PvInfo, labels: tuple[str, ...]) -> dbr.Meta:
    """All of it."""
    return dbr.Meta(info.unit, info.precision, labels, display_limits(info), alarm_limits(info), drive_limits(info))
