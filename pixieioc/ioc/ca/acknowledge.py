"""Acknowledging alarms as alarm handlers do over Channel Access: DBR_PUT_ACKS and DBR_PUT_ACKT."""

from __future__ import annotations

from dataclasses import dataclass

from pixieioc.ioc.ca import dbr
from pixieioc.ioc.records import Client, Record
from pixieioc.ioc.records.acknowledge import acknowledge, set_transient
from pixieioc.pvinfo.model import SEVERITIES

_KINDS = {dbr.PUT_ACKT: ("ACKT", 2), dbr.PUT_ACKS: ("ACKS", len(SEVERITIES))}


@dataclass(frozen=True)
class Acknowledgement:
    """What a client sent as DBR_PUT_ACKS or DBR_PUT_ACKT."""

    kind: int
    value: int

    @property
    def field(self) -> str:
        """The field that it writes."""
        return _KINDS[self.kind][0]

    def before(self, record: Record) -> int:
        """The value of that field."""
        return record.ackt if self.kind == dbr.PUT_ACKT else record.acks

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
