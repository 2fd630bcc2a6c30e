"""Alarms as PVAccess has them: of what kind an EPICS alarm status is, and its name, as the QSRV of Base says."""

from __future__ import annotations

from pixieioc.ioc.records import AlarmStatus

NONE, DEVICE, DRIVER, RECORD, DATABASE, CONFIGURATION, UNDEFINED, CLIENT = range(8)

#: By the alarm status of a record: the status of PVAccess, and the message.
_KINDS = {
    AlarmStatus.NO_ALARM: (NONE, ""),
    AlarmStatus.HIHI: (DEVICE, "HIHI"),
    AlarmStatus.HIGH: (DEVICE, "HIGH"),
    AlarmStatus.LOLO: (DEVICE, "LOLO"),
    AlarmStatus.LOW: (DEVICE, "LOW"),
    AlarmStatus.STATE: (DEVICE, "STATE"),
    AlarmStatus.COMM: (DRIVER, "COMM"),
    AlarmStatus.SOFT: (RECORD, "SOFT"),
    AlarmStatus.UDF: (DRIVER, "UDF"),
}


def kind_of(status: int) -> tuple[int, str]:
    """Status and message of an alarm status."""
    return _KINDS.get(status, (UNDEFINED, ""))
