"""Fields of records as records of their own: `.EGU`, `.SEVR`, `.HIHI`, ..., and long strings (`$`)."""

from __future__ import annotations

import math
from collections.abc import Awaitable
from typing import Any

from pixieioc.access.model import DEFAULT
from pixieioc.ioc.records import field_rules as rule
from pixieioc.ioc.records.client import Client, PutRefused
from pixieioc.ioc.records.field_table import FIELDS, Field
from pixieioc.ioc.records.record import Record
from pixieioc.ioc.records.security import ACKNOWLEDGING, Security, security_of
from pixieioc.ioc.records.security import FIELDS as OTHERS
from pixieioc.pvinfo.model import LONGEST_STRING, PvInfo, text_pv

#: Records of whole numbers.
_WHOLE = ("longin", "int64in")
#: Decimals of a number where the record says nothing of them.
_PRECISION = 6
#: Types of fields whose value is a text, which can be long.
_TEXTS = ("STRING", "LINK")
#: The value of a text as a long string.
_VALUE = Field("STRING", rule.value, "Value", rule.write_value)
#: Bytes that a long string has at least.
_LONG_STRING = 256


def field_of(info: PvInfo, name: str) -> Field | None:
    """The field `name` of a record, as in `EGU` or `DESC$`; None if it has none such."""
    fields = FIELDS[info.record]
    if not name.endswith("$"):
        return fields.get(name)
    if name == "VAL$":
        return _VALUE if info.record in ("stringin", "stringout") else None
    field = fields.get(name[:-1])
    return field if field is not None and field.type in _TEXTS else None


def as_text(name: str, field: Field) -> str:
    """The name by which a field that is a text is one of any length."""
    return name if name.endswith("$") or field.type not in _TEXTS else f"{name}$"


def security_of_field(owner: Record, name: str, field: Field) -> Security:
    """The group of its record; what can be written of a record without one has a group all the same."""
    if field is _VALUE:
        return owner.security
    writers = ACKNOWLEDGING if name in ("ACKS", "ACKT") else OTHERS
    return security_of(owner, 1, writers if field.write is not None else DEFAULT)


class FieldRecord(Record):
    """Follows its record, with that one's alarm and time, whenever `take_over` is called."""

    def __init__(self, owner: Record, name: str, field: Field) -> None:
        self._owner, self._field_name = owner, name
        self.field = field
        # A menu may have more choices than an enum.
        super().__init__(_info(field, owner, name), f"{owner.name}.{name}", labels=field.choices)
        self.take_over()

    @property
    def owner(self) -> Record:
        """The record that it is a field of."""
        return self._owner

    @property
    def security(self) -> Security:
        """What the rights to it follow from."""
        return security_of_field(self._owner, self._field_name, self.field)

    @property
    def is_writable(self) -> bool:
        """Whether this field can be written: the value of a record only if the record can be."""
        return self.field.write is not None and (self.field is not _VALUE or self._owner.is_writable)

    def take_over(self) -> None:
        """Posts what follows from the record now."""
        owner = self._owner
        value = self.field.value(owner)
        if self.info.record in _WHOLE and isinstance(value, float):  # a limit that is not set is no whole number
            value = int(value) if math.isfinite(value) else 0
        self.post(value, owner.stamp, severity=owner.severity, status=owner.status)

    def check_enabled(self) -> None:
        """Raises PutRefused if the record is disabled; that can be changed."""
        if self._field_name != "DISP":
            self._owner.check_enabled()

    def write(self, value: Any, client: Client) -> Awaitable[None] | None:
        """Does what writing the field does."""
        self.check_enabled()
        if self.field.write is None or not self.is_writable:
            raise PutRefused(f"{self.name} cannot be written")
        return self._owner.follow(self.field.write(self._owner, value, client))


def _info(field: Field, owner: Record, name: str) -> PvInfo:
    of = owner.info
    named = f"{of.name}.{name}"
    doc = f"{field.doc} of {of.doc}"
    if name.endswith("$"):
        longest = 1 + len(str(field.value(owner)).encode())
        longest = LONGEST_STRING + 1 if field is _VALUE else max(_LONG_STRING, longest)
        return text_pv(named, doc, longest)
    match field.type:
        case "STRING" | "LINK":
            return PvInfo(named, "stringin", doc, "")
        case "MENU":
            return PvInfo(named, "mbbi", doc, labels=field.choices[:16])
        case "NUMBER" if of.record in ("longin", "longout"):
            return PvInfo(named, "longin", doc, 0, of.unit)
        case "NUMBER" if of.record in ("int64in", "int64out"):
            return PvInfo(named, "int64in", doc, 0, of.unit)
        case "NUMBER" | "DOUBLE":
            precision = of.precision if of.record in ("ai", "ao", "waveform") else _PRECISION
            return PvInfo(named, "ai", doc, math.nan, of.unit, precision)
        case "ULONG":
            return PvInfo(named, "int64in", doc, 0)
        case "UCHAR" | "SHORT" | "USHORT" | "LONG":
            return PvInfo(named, "longin", doc, 0)
