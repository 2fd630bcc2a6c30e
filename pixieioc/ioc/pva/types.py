"""The normative type in which a record is served, as the QSRV of EPICS Base has it."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

from p4p import Type, Value  # pyright: ignore[reportMissingTypeStubs]  # it has none
from p4p.nt import NTScalar  # pyright: ignore[reportMissingTypeStubs]
from p4p.nt.common import alarm, timeStamp  # pyright: ignore[reportMissingTypeStubs]

from pixieioc.ioc.records import Record
from pixieioc.ioc.records.fields import FieldRecord
from pixieioc.pvinfo.model import PvInfo

#: p4p's code for the value of a record.
_CODES = {
    "ai": "d",
    "ao": "d",
    "longin": "i",
    "longout": "i",
    "int64in": "l",
    "int64out": "l",
    "stringin": "s",
    "stringout": "s",
}
#: Those of whole numbers that fields are, and no value is.
_OF_FIELDS = {"UCHAR": "B", "SHORT": "h", "USHORT": "H", "ULONG": "I"}
#: A text is a text, however long: what Channel Access has as an array of characters is a string here.
_ELEMENTS = {"CHAR": "s", "LONG": "ai", "FLOAT": "af", "DOUBLE": "ad"}
#: NTEnum with what says what it is, which p4p's own has only with limits.
_ENUM: list[Any] = [
    ("value", ("S", "enum_t", [("index", "i"), ("choices", "as")])),
    ("alarm", alarm),
    ("timeStamp", timeStamp),
    ("display", ("S", None, [("description", "s")])),
]


def code_of(info: PvInfo) -> str:
    """The code of a record's value, of an enum that of its index."""
    if info.labels:
        return "i"
    return _ELEMENTS[info.element] if info.record == "waveform" else _CODES[info.record]


class Shape(NamedTuple):
    """The type of a record, and a value of it in which changes are said: one for all records that have the type.

    A value of a number has 35 fields: one for each record would be as much as all else that a record has here.
    """

    type: Any
    change: Any


def shape_of(record: Record) -> Shape:
    """That of a record: the same one for all that have the same."""
    if record.labels:
        return _enum()
    of_field = _OF_FIELDS.get(record.field.type) if isinstance(record, FieldRecord) else None
    return _scalar(of_field or code_of(record.info))


@functools.cache
def _enum() -> Shape:
    return _shape(Type(_ENUM, id="epics:nt/NTEnum:1.0"))


@functools.cache
def _scalar(code: str) -> Shape:
    limited = code != "s"
    return _shape(NTScalar.buildType(code, display=True, form=True, control=limited, valueAlarm=limited))


def _shape(type_: Any) -> Shape:
    return Shape(type_, Value(type_))
