"""The DBR types that values of a record have by themselves, and which whole numbers those hold."""

from __future__ import annotations

from pixieioc.ioc.ca import dbr
from pixieioc.pvinfo.model import PvInfo

#: The type of a record's value in Channel Access.
_NATIVE = {
    "ai": dbr.DOUBLE,
    "ao": dbr.DOUBLE,
    "int64in": dbr.DOUBLE,
    "int64out": dbr.DOUBLE,
    "longin": dbr.LONG,
    "longout": dbr.LONG,
    "bi": dbr.ENUM,
    "bo": dbr.ENUM,
    "mbbi": dbr.ENUM,
    "mbbo": dbr.ENUM,
    "stringin": dbr.STRING,
    "stringout": dbr.STRING,
}
_ELEMENTS = {"CHAR": dbr.CHAR, "LONG": dbr.LONG, "FLOAT": dbr.FLOAT, "DOUBLE": dbr.DOUBLE}


def native_type(info: PvInfo) -> int:
    """The DBR type that a record's value has by itself."""
    return _ELEMENTS[info.element] if info.record == "waveform" else _NATIVE[info.record]


def whole_range(info: PvInfo, native: int) -> tuple[int, int] | None:
    """The whole numbers that a client can have; None: its numbers need not be whole.

    Channel Access has whole numbers of 64 bits as DOUBLE, which holds those up to 2^53.
    """
    if native == dbr.DOUBLE:
        return (-(2**53), 2**53) if info.record.startswith("int64") else None
    return dbr.RANGES.get(native)
