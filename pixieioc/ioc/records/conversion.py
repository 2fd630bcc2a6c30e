"""Numbers from texts and texts from numbers, as EPICS Base has them, but for what only begins like a number."""

from __future__ import annotations

import math
import re

from pixieioc.ioc.records.values import integer

_DECIMAL = re.compile(r"\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?\s*", re.ASCII | re.IGNORECASE)
_HEXADECIMAL = re.compile(r"\s*[+-]?0x[0-9a-f]+\s*", re.ASCII | re.IGNORECASE)
_SPECIAL = re.compile(r"\s*[+-]?(nan|inf|infinity)\s*", re.IGNORECASE)
#: What looks decimal to a person and octal to a computer.
_AMBIGUOUS = re.compile(r"\s*[+-]?0[0-9]", re.ASCII)
_DECIMALS = 6


class Unconvertible(ValueError):
    """A value that has no form in the type that was asked for, or that was sent."""


def decode(data: bytes) -> str:
    """Text up to the first NUL; Unconvertible if it is not UTF-8."""
    try:
        return data.partition(b"\0")[0].decode()
    except UnicodeDecodeError as error:
        raise Unconvertible(f"text is not UTF-8: {error}") from None


def number(text: str) -> float:
    """The number that a text is as a whole: decimal, hexadecimal, NaN or infinite; Unconvertible if it is none."""
    if _HEXADECIMAL.fullmatch(text):
        return float(int(text, 16))
    if _SPECIAL.fullmatch(text):
        return float(text)
    if not _DECIMAL.fullmatch(text):
        raise Unconvertible(f"{text!r} is not a number")
    value = float(text)
    if math.isinf(value):
        raise Unconvertible(f"{text!r} does not fit: must be from -1.8e308 to 1.8e308")
    return value


def whole(text: str) -> float | int:
    """The number that a text for a whole number is: an integer in C's notation, or a decimal one, to be truncated.

    One with an exponent must be whole. Unconvertible if it is neither.
    """
    value = integer(text)
    if value is not None:
        return value
    if _AMBIGUOUS.match(text):
        raise Unconvertible(f"{text!r} begins with 0, as an octal number does, and is none")
    value = number(text)
    if not text.strip().lstrip("+-")[0].isdecimal() or ("e" in text.lower() and value != math.trunc(value)):
        raise Unconvertible(f"{text!r} is not a whole number")
    return value


def shown(value: float | int, *, single: bool = False) -> str:
    """A number that is put to a string, as Base writes it there; `single`: it came in 32 bits."""
    if isinstance(value, int):
        return str(value)
    if abs(value) <= 1e7:
        return f"{value:.{_DECIMALS}f}"
    if math.isnan(value):
        return "nan"
    if abs(value) >= 1e8 if single else abs(value) > 1e16:
        return f"{value:{_DECIMALS + (6 if single else 7)}.{_DECIMALS}e}"
    return f"{value:.3f}"
