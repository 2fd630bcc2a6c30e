"""Fields of records as process variables of their own: `.EGU`, `.SEVR`, `.HIHI`, ..., and long strings (`$`).

A field is a record that follows another. It is made when a client connects to it, and gone with the last one.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable
from typing import Any

from pixieioc.ioc.ca import dbr
from pixieioc.ioc.ca import field_rules as rule
from pixieioc.ioc.ca.field_table import FIELDS, Field
from pixieioc.ioc.ca.record import Client, Record
from pixieioc.pvinfo.model import PvInfo, text_pv

#: Records of whole numbers.
_WHOLE = ("longin", "int64in")
#: Decimals of a number where the record says nothing of them.
_PRECISION = 6
#: Types of fields whose value is a text, which can be long.
_TEXTS = ("STRING", "LINK")
#: The type in Channel Access of whole numbers that is not LONG; it has none for those of more bits, which are DOUBLE.
_NATIVE = {"SHORT": dbr.SHORT, "UCHAR": dbr.CHAR}
#: The value of a text as a long string.
_VALUE = Field("STRING", rule.value, "Value", rule.write_value)
#: Bytes that a long string has at least.
_LONG_STRING = 256


def find_field(record: Record, name: str) -> Record | None:
    """The field `name` of a record, as in `EGU` or `DESC$`; None if it has none such."""
    field = _field(record, name)
    if field is None:
        return None
    found = record.fields.get(name)
    if found is None:
        found = record.fields[name] = _FieldRecord(record, name, field)
    return found


def has_field(record: Record, name: str) -> bool:
    """Whether a record has a field, or a field as a long string (`$`)."""
    return _field(record, name) is not None


def _field(record: Record, name: str) -> Field | None:
    fields = FIELDS[record.info.record]
    if not name.endswith("$"):
        return fields.get(name)
    if name == "VAL$":
        return _VALUE if record.native == dbr.STRING else None
    field = fields.get(name[:-1])
    return field if field is not None and field.type in _TEXTS else None


class _FieldRecord(Record):
    """A record that is a field of another: it has that one's alarm and time."""

    def __init__(self, parent: Record, name: str, field: Field) -> None:
        self._parent = parent  # for as long as a client has it
        self._field = field
        # A menu may have more choices than an enum.
        super().__init__(_info(field, parent, name), f"{parent.name}.{name}", labels=field.choices)
        self.native = self.values.native = _NATIVE.get(field.type, self.native)
        self._takes_always = name == "DISP"
        if field.write is not None and (field is not _VALUE or parent.put is not None):
            self.put = self._put
        self.follow(0)

    @property
    def owner(self) -> Record:
        """The record that it is a field of."""
        return self._parent

    @property
    def refuses_puts(self) -> bool:
        """Whether the record is disabled; that can be changed."""
        return self._parent.refuses_puts and not self._takes_always

    def follow(self, events: int) -> None:
        parent = self._parent
        value = self._field.value(parent)
        if self.info.record in _WHOLE and isinstance(value, float):  # a limit that is not set is no whole number
            value = int(value) if math.isfinite(value) else 0
        self.post(value, parent.stamp, severity=parent.severity, status=parent.status)

    def _put(self, value: Any, client: Client) -> Awaitable[None] | None:
        assert self._field.write is not None
        return self._field.write(self._parent, value, client)


def _info(field: Field, parent: Record, name: str) -> PvInfo:
    doc, of = f"{field.doc} of {parent.info.doc}", parent.info
    # Whoever may acknowledge all errors may acknowledge alarms.
    access = of.access or ("OP" if name in ("ACKS", "ACKT") else "EX") if field.write is not None else ""
    if name.endswith("$"):
        longest = 1 + len(str(field.value(parent)).encode())
        longest = dbr.STRING_SIZE if field is _VALUE else max(_LONG_STRING, longest)
        return text_pv("field", doc, longest, access=access)
    match field.type:
        case "STRING" | "LINK":
            return PvInfo("field", "stringin", doc, "", access=access)
        case "MENU":
            return PvInfo("field", "mbbi", doc, labels=field.choices[:16], access=access)
        case "NUMBER" if parent.native == dbr.LONG:
            return PvInfo("field", "longin", doc, 0, of.unit, access=access)
        case "NUMBER" if of.record in ("int64in", "int64out"):
            return PvInfo("field", "int64in", doc, 0, of.unit, access=access)
        case "NUMBER" | "DOUBLE":
            precision = of.precision if of.record in ("ai", "ao", "waveform") else _PRECISION
            return PvInfo("field", "ai", doc, math.nan, of.unit, precision, access=access)
        case "ULONG":
            return PvInfo("field", "int64in", doc, 0, access=access)
        case "UCHAR" | "SHORT" | "USHORT" | "LONG":
            return PvInfo("field", "longin", doc, 0, access=access)
