"""The values that a record can have: what a program or a client gives it, made into one of them or refused."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from pixieioc.ioc.ca import conversion, dbr
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


class Values:
    """What the values of one record may be, and how they are told from what was sent; `labels` are those of an enum."""

    def __init__(self, info: PvInfo, name: str, labels: tuple[str, ...]) -> None:
        self.native = native_type(info)
        self.length = info.length
        self._info = info
        self._name = name
        self._labels = labels
        #: A value from within the program, as the record keeps it: texts cut and whole numbers of an array clipped to
        #: what fits. Raises ValueError.
        self.own: Callable[[Any], Any] = (
            self.index
            if labels
            else self._own_text
            if info.is_text or self.native == dbr.STRING
            else self._own_array
            if info.record == "waveform"
            else int
            if self.native == dbr.LONG
            else float
        )

    # -- from within --------------------------------------------------------------------------------------------------

    def _own_text(self, value: Any) -> str:
        limit = (self.length if self._info.is_text else dbr.STRING_SIZE) - 1
        # The part that fits, and of characters those that can be sent: a lone surrogate cannot.
        return str(value).replace("\0", " ").encode("utf-8", "replace")[:limit].decode("utf-8", "ignore")

    def _own_array(self, value: Any) -> Any:
        if self.native == dbr.LONG and (given := np.asarray(value)).dtype != np.int32:
            value = np.clip(np.nan_to_num(given), *dbr.RANGES[dbr.LONG])
        # A copy: what its giver does to the array afterwards is no change of the record.
        array = np.atleast_1d(np.array(value, np.float64 if self.native == dbr.DOUBLE else np.int32))
        if len(array) > self.length:
            raise ValueError(f"{self._name}: {len(array)} elements, {self.length} fit")
        if self._info.full and len(array) < self.length:
            unknown = np.nan if self.native == dbr.DOUBLE else 0
            array = np.concatenate([array, np.full(self.length - len(array), unknown, array.dtype)])
        return array

    # -- from a client ------------------------------------------------------------------------------------------------

    def accept(self, kind: int, count: int, payload: bytes) -> Any:
        """What a client sent, as a value of this record; Unconvertible says why it cannot be one.

        It is converted as by EPICS Base. What Base would take with a loss (the beginning of a text, a number modulo the
        size of a type, the first of several elements) is refused; docs/puts.md says it in full.
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
        if self.native == dbr.STRING:
            return value if isinstance(value, str) else conversion.shown(value, single=kind == dbr.FLOAT)
        return self._accept_number(value)

    def _accept_text(self, sent: Any) -> str:
        """One string is the text; numbers of any type, also several written as strings, are its characters."""
        if isinstance(sent, list) and len(sent) < 2:
            value = "".join(sent)
        else:
            codes = np.array([*map(conversion.whole, sent)], float) if isinstance(sent, list) else sent
            value = _text_of(codes)
        if len(value.encode()) >= self.length:
            raise dbr.Unconvertible(f"the text has {len(value.encode())} bytes, {self.length - 1} fit")
        return value

    def _accept_array(self, sent: Any) -> Any:
        if len(sent) > self.length:
            raise dbr.Unconvertible(f"{len(sent)} elements, {self.length} fit")
        is_whole = self.native != dbr.DOUBLE
        if isinstance(sent, list):
            sent = np.array([*map(conversion.whole if is_whole else conversion.number, sent)], float)
        return _whole(sent, *dbr.RANGES[self.native]).astype(np.int32) if is_whole else sent.astype(np.float64)

    def _accept_number(self, value: Any) -> float | int:
        is_whole = self.native != dbr.DOUBLE or self._info.record.startswith("int64")
        if isinstance(value, str):
            value = dict(self._info.named).get(value, value)
        if isinstance(value, str):
            value = conversion.whole(value) if is_whole else conversion.number(value)
        if not is_whole:
            return float(value)
        if not math.isfinite(value):
            raise dbr.Unconvertible(f"{value!r} is not a whole number")
        low, high = (-(2**53), 2**53) if self.native == dbr.DOUBLE else dbr.RANGES[self.native]
        if not low <= int(value) <= high:
            raise dbr.Unconvertible(f"{value!r} does not fit: must be from {low} to {high}")
        return int(value)

    def _accept_index(self, value: Any) -> int:
        if isinstance(value, float) and math.isfinite(value):
            value = int(value)
        return self.index(value)

    def index(self, value: Any) -> int:
        """The index of a label, or an index as such, also one that is written as text."""
        labels = self._labels
        if isinstance(value, str) and value in labels:
            return labels.index(value)
        number = conversion.integer(value) if isinstance(value, str) else value
        if isinstance(number, int | float) and number in range(len(labels)):
            return int(number)
        known = ", ".join(f"{i} {label}" for i, label in enumerate(labels))
        raise dbr.Unconvertible(f"{value!r} is none of: {known}")

    # -- to look at ---------------------------------------------------------------------------------------------------

    def shown(self, value: Any, precision: int) -> str:
        """A value, or one element of it, as a text: labels of an enum, numbers with their precision."""
        if self._labels:
            return self._labels[value]
        if isinstance(value, float):
            return f"{value:.{precision}f}" if abs(value) < 1e16 else f"{value:.{max(precision, 6)}e}"
        return str(value)


def same(a: Any, b: Any) -> bool:
    """Whether two values of a record are equal; NaN equals itself."""
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return np.array_equal(a, b)
    return a == b or (a != a and b != b)


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
