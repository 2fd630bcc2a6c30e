"""The values that a record can have: what a program or a client gives it, made into one of them or refused."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

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
        return array

    # -- from a client ------------------------------------------------------------------------------------------------

    def accept(self, kind: int, count: int, payload: bytes) -> Any:
        """What a client sent, as a value of this record; Unconvertible says why it cannot be one."""
        sent = dbr.unpack(kind, count, payload)
        if self._info.is_text:
            return self._accept_text(sent)
        if not len(sent):
            raise dbr.Unconvertible("no value was sent")
        if self._info.record == "waveform":
            return self._accept_array(sent)
        value = sent[0].item() if isinstance(sent, np.ndarray) else sent[0]
        if self._labels:
            return self.index(value)
        return str(value) if self.native == dbr.STRING else self._accept_number(value)

    def _accept_text(self, sent: Any) -> str:
        value = dbr.decode(sent.astype(np.uint8).tobytes()) if isinstance(sent, np.ndarray) else "".join(sent[:1])
        if isinstance(sent, np.ndarray) and sent.dtype != np.uint8:
            raise dbr.Unconvertible("this is a text: send characters or a string")
        if len(value.encode()) >= self.length:
            raise dbr.Unconvertible(f"the text has {len(value.encode())} bytes, {self.length - 1} fit")
        return value

    def _accept_array(self, sent: Any) -> Any:
        if not isinstance(sent, np.ndarray):
            raise dbr.Unconvertible("this is an array: send numbers")
        if len(sent) > self.length:
            raise dbr.Unconvertible(f"{len(sent)} elements, {self.length} fit")
        if self.native == dbr.LONG:
            low, high = dbr.RANGES[dbr.LONG]
            wrong = sent[~((sent >= low) & (sent <= high) & (sent == np.trunc(sent)))]  # NaN is neither
            if len(wrong):
                raise dbr.Unconvertible(f"{wrong[0].item()!r} is not a whole number from {low} to {high}")
        return sent

    def _accept_number(self, value: Any) -> float | int:
        if isinstance(value, str):
            value = dict(self._info.named).get(value, value)
        if isinstance(value, str):
            try:
                value = int(value, 0) if value.strip().lstrip("+-").lower().startswith("0x") else float(value)
            except ValueError:
                raise dbr.Unconvertible(f"{value!r} is not a number") from None
        if self.native == dbr.DOUBLE and not self._info.record.startswith("int64"):
            return float(value)
        if not math.isfinite(value) or value != int(value):
            raise dbr.Unconvertible(f"{value!r} is not a whole number")
        low, high = dbr.RANGES[dbr.LONG] if self.native == dbr.LONG else (-(2**53), 2**53)
        if not low <= value <= high:
            raise dbr.Unconvertible(f"{value!r} does not fit: must be from {low} to {high}")
        return int(value)

    def index(self, value: Any) -> int:
        """The index of a label, or an index as such, also one that is written as text."""
        labels = self._labels
        if isinstance(value, str):
            if value in labels:
                return labels.index(value)
            value = int(value) if value.strip().isdecimal() else value
        if isinstance(value, int | float) and value in range(len(labels)):
            return int(value)
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
