"""Fields of records as process variables of their own: `.EGU`, `.SEVR`, `.HIHI`, ..., and long strings (`$`).

A field is a record that follows another. It is made when a client connects to it, and gone with the last one.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable
from typing import Any

from pixieioc.access.model import DEFAULT
from pixieioc.ioc.ca import dbr
from pixieioc.ioc.ca import field_rules as rule
from pixieioc.ioc.ca.field_table import FIELDS, Field
from pixieioc.ioc.ca.values import native_type
from pixieioc.ioc.ca.view import View
from pixieioc.ioc.records import Client, PutRefused, Record
from pixieioc.ioc.records.rights import ACKNOWLEDGING, Security, security_of
from pixieioc.ioc.records.rights import FIELDS as OTHERS
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


def find_field(view: View, name: str) -> View | None:
    """The field `name` of a record, as in `EGU` or `DESC$`; None if it has none such."""
    field = _field(view.record.info, name)
    if field is None:
        return None
    found = view.fields.get(name)
    if found is None:
        found = view.fields[name] = _FieldView(view, name, field)
    return found


def has_field(info: PvInfo, name: str) -> bool:
    """Whether a record has a field, or a field as a long string (`$`)."""
    return _field(info, name) is not None


def _field(info: PvInfo, name: str) -> Field | None:
    fields = FIELDS[info.record]
    if not name.endswith("$"):
        return fields.get(name)
    if name == "VAL$":
        return _VALUE if native_type(info) == dbr.STRING else None
    field = fields.get(name[:-1])
    return field if field is not None and field.type in _TEXTS else None


class _FieldView(View):
    """A field as a record of its own, which follows another: it has that one's alarm and time."""

    def __init__(self, parent: View, name: str, field: Field) -> None:
        self._parent = parent  # for as long as a client has it
        self._field = field
        # A menu may have more choices than an enum.
        super().__init__(Record(_info(field, parent, name), f"{parent.name}.{name}", labels=field.choices))
        self.native = _NATIVE.get(field.type, self.native)
        self._takes_always = name == "DISP"
        writers = ACKNOWLEDGING if name in ("ACKS", "ACKT") else OTHERS
        self._otherwise = writers if field.write is not None else DEFAULT
        self.follow(0)

    @property
    def owner(self) -> Record:
        """The record that it is a field of."""
        return self._parent.owner

    @property
    def security(self) -> Security:
        """The group of its record; what can be written of a record without one has a group all the same."""
        if self._field is _VALUE:
            return self._parent.security
        return security_of(self.owner, 1, self._otherwise)

    @property
    def is_writable(self) -> bool:
        """Whether this field can be written: the value of a record only if the record can be."""
        return self._field.write is not None and (self._field is not _VALUE or self._parent.is_writable)

    def check_enabled(self) -> None:
        """Raises PutRefused if the record is disabled; that can be changed."""
        if not self._takes_always:
            self.owner.check_enabled()

    def follow(self, events: int) -> None:
        parent = self._parent.record
        value = self._field.value(parent)
        if self.record.info.record in _WHOLE and isinstance(value, float):  # a limit that is not set is no whole number
            value = int(value) if math.isfinite(value) else 0
        self.record.post(value, parent.stamp, severity=parent.severity, status=parent.status)

    def put(self, value: Any, client: Client) -> Awaitable[None] | None:
        """Does what writing the field does."""
        self.check_enabled()
        if self._field.write is None or not self.is_writable:
            raise PutRefused(f"{self.name} cannot be written")
        return self.owner.follow(self._field.write(self._parent.record, value, client))


def _info(field: Field, parent: View, name: str) -> PvInfo:
    of = parent.record.info
    doc = f"{field.doc} of {of.doc}"
    if name.endswith("$"):
        longest = 1 + len(str(field.value(parent.record)).encode())
        longest = dbr.STRING_SIZE if field is _VALUE else max(_LONG_STRING, longest)
        return text_pv("field", doc, longest)
    match field.type:
        case "STRING" | "LINK":
            return PvInfo("field", "stringin", doc, "")
        case "MENU":
            return PvInfo("field", "mbbi", doc, labels=field.choices[:16])
        case "NUMBER" if parent.native == dbr.LONG:
            return PvInfo("field", "longin", doc, 0, of.unit)
        case "NUMBER" if of.record in ("int64in", "int64out"):
            return PvInfo("field", "int64in", doc, 0, of.unit)
        case "NUMBER" | "DOUBLE":
            precision = of.precision if of.record in ("ai", "ao", "waveform") else _PRECISION
            return PvInfo("field", "ai", doc, math.nan, of.unit, precision)
        case "ULONG":
            return PvInfo("field", "int64in", doc, 0)
        case "UCHAR" | "SHORT" | "USHORT" | "LONG":
            return PvInfo("field", "longin", doc, 0)
