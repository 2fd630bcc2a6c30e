"""The values that a client may send: made into values of a record as EPICS Base does, or refused."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pixieioc.ioc.ca import conversion, dbr
from pixieioc.ioc.records.values import index_of
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
_ELEMENTS = {"CHAR": dbr.CHAR, "LONG": dbr.LONG, "DOUBLE": dbr.DOUBLE}


def native_type(info: PvInfo) -> int:
    """The DBR type that a record's value has by itself."""
    return _ELEMENTS[info.element] if info.record == "waveform" else _NATIVE[info.record]


class Accepting:
    """What the values of one record may be, of which DBR type they are; `labels` are those of an enum."""

    __slots__ = ("_info", "_labels", "_length", "_native")

    def __init__(self, info: PvInfo, native: int, labels: tuple[str, ...]) -> None:
        self._info = info
        self._native = native
        self._length = info.length
        self._labels = labels

    def accept(self, kind: int, count: int, payload: bytes) -> Any:
        """What a client sent, as a value of this record; Unconvertible says why it cannot be one.

        It is converted as by EPICS Base. What Base would take with a loss (the beginning of a text, a number modulo the
        size of a type, the first of several elements) is refused; docs/reference/puts.md says it in full.
        """
        sent = dbr.unpack(kind, count, payload)
        if self._info.is_text:
            return self._accept_text(sent)
        if self._info.record == "waveform":
            return self._accept_array(sent)
        if len(sent) != 1:
            raise dbr.Unconvertible(f"{len(sent)} elements, 1 fits" if len(sent) else "no value was sent")
        value = sent[0].item() if isinstance(sent, np.ndarray) else sent[0]
        if self._labels:
            return self._accept_index(value)
        if self._native == dbr.STRING:
            return value if isinstance(value, str) else conversion.shown(value, single=kind == dbr.FLOAT)
        return self._accept_number(value)

    def _accept_text(self, sent: Any) -> str:
        """One string is the text; numbers of any type, also several written as strings, are its characters."""
        if isinstance(sent, list) and len(sent) < 2:
            value = "".join(sent)
        else:
            codes = np.array([*map(conversion.whole, sent)], float) if isinstance(sent, list) else sent
            value = _text_of(codes)
        if len(value.encode()) >= self._length:
            raise dbr.Unconvertible(f"the text has {len(value.encode())} bytes, {self._length - 1} fit")
        return value

    def _accept_array(self, sent: Any) -> Any:
        if len(sent) > self._length:
            raise dbr.Unconvertible(f"{len(sent)} elements, {self._length} fit")
        is_whole = self._native != dbr.DOUBLE
        if isinstance(sent, list):
            sent = np.array([*map(conversion.whole if is_whole else conversion.number, sent)], float)
        return _whole(sent, *dbr.RANGES[self._native]).astype(np.int32) if is_whole else sent.astype(np.float64)

    def _accept_number(self, value: Any) -> float | int:
        is_whole = self._native != dbr.DOUBLE or self._info.record.startswith("int64")
        if isinstance(value, str):
            value = dict(self._info.named).get(value, value)
        if isinstance(value, str):
            value = conversion.whole(value) if is_whole else conversion.number(value)
        if not is_whole:
            return float(value)
        if not math.isfinite(value):
            raise dbr.Unconvertible(f"{value!r} is not a whole number")
        low, high = (-(2**53), 2**53) if self._native == dbr.DOUBLE else dbr.RANGES[self._native]
        if not low <= int(value) <= high:
            raise dbr.Unconvertible(f"{value!r} does not fit: must be from {low} to {high}")
        return int(value)

    def _accept_index(self, value: Any) -> int:
        if isinstance(value, float) and math.isfinite(value):
            value = int(value)
        try:
            return index_of(value, self._labels)
        except ValueError as error:
            raise dbr.Unconvertible(str(error)) from None


def _text_of(codes: Any) -> str:
    """Bytes of UTF-8 as a text. Numbers that are no characters of Channel Access may be UTF-16, letter by letter."""
    whole = _whole(codes, -128, 0xFFFF)
    try:
        if whole.max(initial=0) <= 255:
            # Some programs have signed bytes, and send those beyond ASCII as negative numbers.
            return dbr.decode((whole & 0xFF).astype(np.uint8).tobytes())
    except dbr.Unconvertible:
        if codes.dtype == np.uint8 or whole.min() < 0:
            raise
    # Phoebus sends the code of each letter as a DBR_LONG.
    try:
        return _whole(codes, 0, 0xFFFF).astype("<u2").tobytes().decode("utf-16-le").partition("\0")[0]
    except UnicodeDecodeError as error:
        raise dbr.Unconvertible(f"the numbers are no text: {error}") from None


def _whole(values: Any, low: int, high: int) -> Any:
    """The numbers of an array, truncated; Unconvertible names the first that is none from `low` to `high`."""
    truncated = np.trunc(values)
    wrong = values[~((truncated >= low) & (truncated <= high))]  # NaN is neither
    if len(wrong):
        raise dbr.Unconvertible(f"{wrong[0].item()!r} is not a number from {low} to {high}")
    return truncated.astype(np.int64)
