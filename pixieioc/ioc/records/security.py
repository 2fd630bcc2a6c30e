"""What the rights to a record and to its fields follow from."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pixieioc.access.model import DEFAULT

if TYPE_CHECKING:
    from pixieioc.ioc.records.record import Record

#: The access groups of fields of a record that has none: of what acknowledges alarms, and of all others.
ACKNOWLEDGING, FIELDS = "OP", "EX"


class Security(NamedTuple):
    """What rights follow from: the access groups that decide on reading and on writing, and the level.

    Level 0 is a record's value, 1 are its other fields, as in EPICS Base.
    """

    reading: str
    writing: str
    level: int


def security_of(record: Record, level: int = 0, otherwise: str = ACKNOWLEDGING) -> Security:
    """That of a record's value, or (level 1) of a field; what of a record without a group is written is `otherwise`'s.

    Alarms of such a record can be acknowledged by operators.
    """
    return Security(record.group or DEFAULT, record.group or otherwise, level)
