"""The normative type in which a record is served, as the QSRV of EPICS Base has it."""

from __future__ import annotations

import functools
from typing import Any

from p4p import Type  # pyright: ignore[reportMissingTypeStubs]  # it has none
from p4p.nt import NTScalar  # pyright: ignore[reportMissingTypeStubs]
from p4p.nt.common import alarm, timeStamp  # pyright: ignore[reportMissingTypeStubs]

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
#: A text is a text, however long: what Channel Access has as an array of characters is a string here.
_ELEMENTS = {"CHAR": "s", "LONG": "ai", "DOUBLE": "ad"}
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


def type_of(info: PvInfo) -> Any:
    """The type of a record: the same one for all that have the same."""
    return _enum() if info.labels else _scalar(code_of(info))


@functools.cache
def _enum() -> Any:
    return Type(_ENUM, id="epics:nt/NTEnum:1.0")


@functools.cache
def _scalar(code: str) -> Any:
    limited = code != "s"
    return NTScalar.buildType(code, display=True, form=True, control=limited, valueAlarm=limited)
