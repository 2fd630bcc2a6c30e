"""The IOC's process variables as records that know no protocol: value, alarm, time, what a put does, who observes.

A transport, such as Channel Access, sees them from outside: it observes what changes and writes what its clients put.
"""

from __future__ import annotations

from pixieioc.ioc.records.alarm import INVALID, MAJOR, MINOR, NO_ALARM, AlarmStatus
from pixieioc.ioc.records.client import RESTORING
from pixieioc.ioc.records.pvs import Pvs
from pixieioc.ioc.records.record import Change, Client, Observer, Put, PutRefused, Record, Stamp, stamp

__all__ = [
    "INVALID",
    "MAJOR",
    "MINOR",
    "NO_ALARM",
    "RESTORING",
    "AlarmStatus",
    "Change",
    "Client",
    "Observer",
    "Put",
    "PutRefused",
    "Pvs",
    "Record",
    "Stamp",
    "stamp",
]
