"""The DBR types: how a value with its alarm, time and limits is laid out in a Channel Access message."""

from __future__ import annotations

import math
import struct
from typing import Any

import numpy as np
from caproto import ChannelType  # pyright: ignore[reportMissingTypeStubs]  # it has none

from pixieioc.ioc.records.conversion import Unconvertible, decode

STRING, SHORT, FLOAT, ENUM, CHAR, LONG, DOUBLE = (
    int(ChannelType[name]) for name in ("STRING", "INT", "FLOAT", "ENUM", "CHAR", "LONG", "DOUBLE")
)
STSACK_STRING, CLASS_NAME = int(ChannelType.STSACK_STRING), int(ChannelType.CLASS_NAME)
PUT_ACKT, PUT_ACKS = int(ChannelType.PUT_ACKT), int(ChannelType.PUT_ACKS)
HIGHEST_DATA_TYPE = int(ChannelType.CTRL_DOUBLE)

#: Seconds from the Unix epoch to that of EPICS, 1990-01-01.
EPICS_EPOCH = 631152000
_EPICS_EPOCH_NS = EPICS_EPOCH * 1_000_000_000
STRING_SIZE, UNITS_SIZE, LABEL_SIZE, LABELS = 40, 8, 26, 16

#: struct code, numpy type and size of an element, by base type.
_CODES = {SHORT: "h", FLOAT: "f", ENUM: "H", CHAR: "B", LONG: "i", DOUBLE: "d"}
_SCALARS = {base: struct.Struct(f">{code}") for base, code in _CODES.items()}
_ARRAYS = {SHORT: ">i2", FLOAT: ">f4", ENUM: ">u2", CHAR: "u1", LONG: ">i4", DOUBLE: ">f8"}
ELEMENT_SIZE = {STRING: STRING_SIZE, SHORT: 2, FLOAT: 4, ENUM: 2, CHAR: 1, LONG: 4, DOUBLE: 8}
_FLOAT_MAX = (2 - 2**-23) * 2.0**127
#: The integers' ranges, for limits and conversions.
RANGES = {SHORT: (-(2**15), 2**15 - 1), ENUM: (0, 2**16 - 1), CHAR: (0, 255), LONG: (-(2**31), 2**31 - 1)}

#: The head before the value by base type, for types with status, and with status and time.
_STS_HEAD = [struct.Struct(f">hh{pad}") for pad in ("", "", "", "", "x", "", "4x")]
_TIME_HEAD = [struct.Struct(f">hhII{pad}") for pad in ("", "2x", "", "2x", "3x", "", "4x")]
TIME_DOUBLE = int(ChannelType.TIME_DOUBLE)
#: What most monitors are, whole: status, severity, stamp (seconds, nanoseconds), value; its size is a multiple of 8.
TIME_DOUBLE_FORM = struct.Struct(">hhII4xd")
_PLAIN, _STS, _TIME, _GR, _CTRL = range(5)


#: Values in big-endian bytes.
Buffer = bytes | memoryview


def epics_time(stamp: int) -> tuple[int, int]:
    """A Unix time in ns as seconds and nanoseconds since the epoch of EPICS, before which there is no time."""
    return divmod(max(0, stamp - _EPICS_EPOCH_NS), 1_000_000_000)


class Meta:
    """What a type with limits carries besides the value."""

    __slots__ = ("control", "labels", "limits", "precision", "units")

    def __init__(
        self,
        units: str = "",
        precision: int = 0,
        labels: tuple[str, ...] = (),
        display: tuple[float, float] = (0.0, 0.0),
        alarm: tuple[float, float, float, float] = (math.nan, math.nan, math.nan, math.nan),
        control: tuple[float, float] = (0.0, 0.0),
    ) -> None:
        """`display` and `control` are (low, high), `alarm` is (lolo, low, high, hihi)."""
        self.units = _cut(units, UNITS_SIZE - 1)
        self.precision = precision
        self.labels = tuple(label.encode() for label in labels)
        lolo, low, high, hihi = alarm
        self.limits = (display[1], display[0], hihi, high, low, lolo)
        self.control = (control[1], control[0])


def pack(dbr: int, values: Buffer, status: int, severity: int, stamp: tuple[int, int], meta: Meta) -> bytes:
    """The payload of type `dbr`: `values` (already in that type's base type) behind the head that the type has.

    `stamp` is seconds and nanoseconds since the EPICS epoch. Not padded to whole 8 bytes. Raises Unconvertible.
    """
    kind, base = divmod(dbr, 7)
    if kind > _CTRL:
        raise Unconvertible(f"DBR type {dbr} cannot be read")
    if kind == _PLAIN:
        return bytes(values)
    if kind == _STS or (kind in (_GR, _CTRL) and base == STRING):
        return b"".join((_STS_HEAD[base].pack(status, severity), values))
    if kind == _TIME:
        return b"".join((_TIME_HEAD[base].pack(status, severity, *stamp), values))
    if base == ENUM:
        labels = [label[: LABEL_SIZE - 1] for label in meta.labels[:LABELS]]
        table = b"".join(label.ljust(LABEL_SIZE, b"\0") for label in labels).ljust(LABELS * LABEL_SIZE, b"\0")
        return b"".join((struct.pack(">hhh", status, severity, len(labels)), table, values))
    limits = meta.limits + (meta.control if kind == _CTRL else ())
    precision = f"{'hxx' if base in (FLOAT, DOUBLE) else ''}"
    head = (status, severity, *((meta.precision,) if precision else ()), meta.units.ljust(UNITS_SIZE, b"\0"))
    form = f">hh{precision}{UNITS_SIZE}s{len(limits)}{_CODES[base]}{'x' if base == CHAR else ''}"
    return b"".join((struct.pack(form, *head, *(_limit(limit, base) for limit in limits)), values))


def padded_size(dbr: int) -> int:
    """The size of a payload of type `dbr` with one element, in whole 8 bytes."""
    size = len(pack(dbr, bytes(ELEMENT_SIZE[dbr % 7]), 0, 0, (0, 0), Meta()))
    return size + -size % 8


def _limit(limit: float, base: int) -> float | int:
    """A limit in the base type; what integers cannot hold (NaN: not set) is 0, as in EPICS Base."""
    if base in (FLOAT, DOUBLE):
        return _float(limit) if base == FLOAT else limit
    if not math.isfinite(limit):
        return 0
    low, high = RANGES[base]
    return int(min(max(limit, low), high))


# -- values on their way out ------------------------------------------------------------------------------------------


def numbers(values: Any, base: int) -> Buffer:
    """Numbers (a scalar or an array) in the numeric type `base`; what it cannot hold is clipped to its range.

    Those of an array are not copied once more: they are a view of its big-endian form.
    """
    if isinstance(values, int | float):
        if base == DOUBLE:
            return _SCALARS[DOUBLE].pack(values)
        if base in RANGES:
            low, high = RANGES[base]
            values = (
                0 if values != values else int(min(max(values, low), high))
            )  # NaN is the one that differs from itself
        return _SCALARS[base].pack(_float(values) if base == FLOAT else values)
    array = np.asarray(values)
    if base in RANGES and array.dtype.kind == "f":
        array = np.nan_to_num(array, nan=0.0)
    if base in RANGES:
        array = np.clip(array, *RANGES[base])
    elif base == FLOAT:
        array = np.where(np.isfinite(array), np.clip(array, -_FLOAT_MAX, _FLOAT_MAX), array)
    return array.astype(_ARRAYS[base]).data.cast("B") if array.size else b""


def _float(value: float) -> float:
    """What is finite stays so in 32 bits."""
    return min(max(value, -_FLOAT_MAX), _FLOAT_MAX) if math.isfinite(value) else value


def text(value: str) -> bytes:
    """One DBR_STRING; a longer text is cut, at a whole character."""
    return _cut(value, STRING_SIZE - 1).ljust(STRING_SIZE, b"\0")


def _cut(value: str, size: int) -> bytes:
    """At most `size` bytes of a text, and whole characters."""
    return value.encode("utf-8", "replace")[:size].decode("utf-8", "ignore").encode()


# -- values on their way in -------------------------------------------------------------------------------------------


def unpack(dbr: int, count: int, payload: bytes) -> Any:
    """What a client sent: a list of str for DBR_STRING, a numpy array otherwise.

    Raises Unconvertible if the type cannot be written or the payload is too short.
    """
    if dbr not in ELEMENT_SIZE:
        raise Unconvertible(f"DBR type {dbr} cannot be written")
    if len(payload) < count * ELEMENT_SIZE[dbr]:
        # A single string may be sent without its padding.
        if not (dbr == STRING and count == 1):
            raise Unconvertible(f"{count} elements of DBR type {dbr} need more than {len(payload)} bytes")
        payload = payload.ljust(STRING_SIZE, b"\0")
    if dbr != STRING:
        return np.frombuffer(payload, _ARRAYS[dbr], count)
    parts = [payload[i * STRING_SIZE : (i + 1) * STRING_SIZE] for i in range(count)]
    if not all(b"\0" in part for part in parts):
        raise Unconvertible(f"a string has more than {STRING_SIZE - 1} bytes")
    return [decode(part) for part in parts]


def name(data: bytes) -> str:
    """A name up to the first NUL; what is not UTF-8 is none that is known here."""
    return data.partition(b"\0")[0].decode(errors="replace")
