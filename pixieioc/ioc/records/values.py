"""The values that a record can have: what the program gives it, made into one of them or refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from pixieioc.pvinfo.model import LONGEST_STRING, PvInfo

_RANGE = (np.iinfo(np.int32).min, np.iinfo(np.int32).max)
#: Types of numbers that need not be whole, by the elements of arrays.
_FLOATS = {"FLOAT": np.float32, "DOUBLE": np.float64}
_INTEGER = re.compile(r"\s*([+-]?)(0x[0-9a-f]+|0[0-7]*|[1-9][0-9]*)\s*", re.ASCII | re.IGNORECASE)


def form_of(info: PvInfo, name: str, labels: tuple[str, ...]) -> Callable[[Any], Any]:
    """The function that makes a value of the program into one as the record keeps it; ValueError if there is none.

    Texts are cut, and whole numbers of an array clipped, to what fits. An enum, whose states are `labels`, takes a
    label or an index.
    """
    if labels:
        return lambda value: index_of(value, labels)
    if info.is_text or info.record in ("stringin", "stringout"):
        longest = info.length - 1 if info.is_text else LONGEST_STRING
        return lambda value: _text(value, longest)
    if info.record == "waveform":
        return lambda value: _array(value, info, name)
    return int if info.record in ("longin", "longout", "int64in", "int64out") else float


def _text(value: Any, longest: int) -> str:
    # The part that fits, and of characters those that can be sent: a lone surrogate cannot.
    return str(value).replace("\0", " ").encode("utf-8", "replace")[:longest].decode("utf-8", "ignore")


def _array(value: Any, info: PvInfo, name: str) -> Any:
    whole = info.element not in _FLOATS
    if whole and (given := np.asarray(value)).dtype != np.int32:
        value = np.clip(np.nan_to_num(given), *_RANGE)
    # A copy: what its giver does to the array afterwards is no change of the record.
    array = np.atleast_1d(np.array(value, _FLOATS.get(info.element, np.int32)))
    if len(array) > info.length:
        raise ValueError(f"{name}: {len(array)} elements, {info.length} fit")
    if info.full and len(array) < info.length:
        array = np.concatenate([array, np.full(info.length - len(array), 0 if whole else np.nan, array.dtype)])
    return array


def index_of(value: Any, labels: tuple[str, ...]) -> int:
    """The index of a label, or an index as such, also one that is written as text; ValueError names what there is."""
    if isinstance(value, str) and value in labels:
        return labels.index(value)
    number = integer(value) if isinstance(value, str) else value
    if isinstance(number, int | float) and number in range(len(labels)):
        return int(number)
    known = ", ".join(f"{i} {label}" for i, label in enumerate(labels))
    raise ValueError(f"{value!r} is none of: {known}")


def integer(text: str) -> int | None:
    """The integer that a text is written as, in C's notation (0x10, 010 is octal); None: it is written otherwise."""
    found = _INTEGER.fullmatch(text)
    if found is None:
        return None
    sign, digits = found.groups()
    base = 16 if digits[1:2] in ("x", "X") else 8 if digits[0] == "0" else 10
    return int(sign + digits, base)


def as_text(value: Any, labels: tuple[str, ...], precision: int) -> str:
    """A value, or one element of it, as a text: labels of an enum, numbers with their precision."""
    if labels:
        return labels[value]
    if isinstance(value, float):
        return f"{value:.{precision}f}" if abs(value) < 1e16 else f"{value:.{max(precision, 6)}e}"
    return str(value)


def same(a: Any, b: Any) -> bool:
    """Whether two values of a record are equal; NaN equals itself."""
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return np.array_equal(a, b)
    return a == b or (a != a and b != b)
