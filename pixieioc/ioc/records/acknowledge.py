"""Acknowledging alarms: the highest severity of a record that nobody has acknowledged, as EPICS Base keeps it.

An alarm that has gone still wants to be acknowledged if the record is transient (it is unless that is changed);
otherwise what is unacknowledged follows the present severity down.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixieioc.ioc.records.alarm import NO_ALARM
from pixieioc.ioc.records.change import Change

if TYPE_CHECKING:
    from pixieioc.ioc.records.record import Client, Record


def acknowledge(record: Record, severity: int, client: Client) -> None:
    """Acknowledges alarms up to a severity: a higher one, which the client has not seen, stays."""
    if severity < record.acks:
        return
    had = record.acks
    forget(record)
    if had and record.on_acknowledge is not None:
        record.on_acknowledge(client)


def forget(record: Record) -> None:
    """Nothing wants to be acknowledged: it has been by other means."""
    if record.acks:
        record.acks = NO_ALARM
        record.renew(Change.ALARM)


def set_transient(record: Record, ackt: int) -> None:
    """Says whether an alarm that has gone wants to be acknowledged."""
    if ackt == record.ackt:
        return
    record.ackt = ackt
    if not ackt:
        record.acks = min(record.acks, record.severity)
    record.renew(Change.ALARM)


def note(record: Record, severity: int) -> None:
    """An alarm has changed, to this severity."""
    if severity != record.acks and (severity > record.acks or not record.ackt):
        record.acks = severity
