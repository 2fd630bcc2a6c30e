"""What the rights to a record and to its fields follow from."""

from __future__ import annotations

from typing import NamedTuple

from pixieioc.pvinfo.model import Access, PvInfo

#: The access groups of fields of a record that has none: of what acknowledges alarms, and of all others.
ACKNOWLEDGING: Access = "OP"
FIELDS: Access = "EX"


class Security(NamedTuple):
    """What rights follow from: the access groups that decide on reading and on writing, and the level.

    Level 0 is a record's value, 1 are its other fields, as in EPICS Base.
    """

    reading: str
    writing: str
    level: int


def security_of(info: PvInfo) -> Security:
    """That of a record's value. Of a record without a group, alarms can be acknowledged by operators."""
    return Security(info.access or "DEFAULT", info.access or ACKNOWLEDGING, 0)
