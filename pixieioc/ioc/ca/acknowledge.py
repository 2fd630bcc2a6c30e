"""Acknowledging alarms as alarm handlers do over Channel Access: a record's ACKS and ACKT, as EPICS Base has them.

ACKS is the highest severity that nobody has acknowledged. With ACKT (YES unless it is written) an alarm that has gone
still wants to be acknowledged; without it, ACKS follows the present severity down.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pixieioc.ioc.ca import dbr
from pixieioc.ioc.ca.listeners import DBE_ALARM
from pixieioc.pvinfo.model import SEVERITIES

if TYPE_CHECKING:
    from pixieioc.ioc.ca.record import Client, Record

_KINDS = {dbr.PUT_ACKT: ("ACKT", 2), dbr.PUT_ACKS: ("ACKS", len(SEVERITIES))}


@dataclass(frozen=True)
class Acknowledgement:
    """What a client sent as DBR_PUT_ACKS or DBR_PUT_ACKT."""

    kind: int
    value: int

    def __repr__(self) -> str:
        return f"{_KINDS[self.kind][0]} {self.value}"


def is_one(kind: int) -> bool:
    """Whether a DBR type is one of the two."""
    return kind in _KINDS


def unpack(kind: int, count: int, payload: bytes) -> Acknowledgement:
    """What was sent; Unconvertible if it is nothing that can be."""
    name, choices = _KINDS[kind]
    value = int.from_bytes(payload[:2])
    if count != 1 or len(payload) < 2 or value >= choices:
        raise dbr.Unconvertible(f"{name} {value} (of {count} elements): must be one number from 0 to {choices - 1}")
    return Acknowledgement(kind, value)


def perform(record: Record, acknowledgement: Acknowledgement, client: Client) -> None:
    """Does what a client has sent."""
    if acknowledgement.kind == dbr.PUT_ACKT:
        set_transient(record, acknowledgement.value)
    else:
        acknowledge(record, acknowledgement.value, client)


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
        record.acks = dbr.NO_ALARM
        record.renew(DBE_ALARM)


def set_transient(record: Record, ackt: int) -> None:
    """Says whether an alarm that has gone wants to be acknowledged."""
    if ackt == record.ackt:
        return
    record.ackt = ackt
    if not ackt:
        record.acks = min(record.acks, record.severity)
    record.renew(DBE_ALARM)


def note(record: Record, severity: int) -> None:
    """An alarm has changed, to this severity."""
    if severity != record.acks and (severity > record.acks or not record.ackt):
        record.acks = severity
