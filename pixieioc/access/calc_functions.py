"""What the operators and functions of CALC expressions do: with the numbers of C, which have infinity and NaN."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

Unary = Callable[[float], float]
Binary = Callable[[float, float], float]

_HALF, _WHOLE = 2**31, 2**32


def literal(text: str) -> float:
    """A number as it is written; in hexadecimal it is one of 32 bits with a sign."""
    return float(_signed(int(text, 16))) if text.startswith("0X") else float(text)


def _signed(bits: int) -> int:
    bits &= _WHOLE - 1
    return bits - _WHOLE if bits >= _HALF else bits


def _integer(x: float) -> int:
    """A number as the 32 bits of a whole one, with a sign; what does not fit is what Base's cast makes of it."""
    if x < 0:
        return _cast(x)
    return _signed(int(x)) if x < 2.0**63 else 0


def _cast(x: float) -> int:
    """A number as a C compiler for x86 casts it to 32 bits: what does not fit is the least number that does."""
    return int(x) if -_HALF - 1 < x < _HALF else -_HALF


def _bits(x: float) -> int:
    return _integer(x) & (_WHOLE - 1)


def _total(function: Unary) -> Unary:
    """A function of `math` that gives NaN where it is not defined, and infinity where it is too large, as in C."""

    def made(x: float) -> float:
        try:
            return function(x)
        except ValueError:
            return math.nan
        except OverflowError:
            return math.inf

    return made


def _logarithm(function: Unary) -> Unary:
    return lambda x: -math.inf if x == 0 else _total(function)(x)


def _sinh(x: float) -> float:
    return math.copysign(_total(math.sinh)(abs(x)), x)


def _divide(x: float, y: float) -> float:
    if y != 0 or math.isnan(y):
        return x / y
    return math.nan if x == 0 or math.isnan(x) else math.copysign(math.inf, x) * math.copysign(1, y)


def _modulo(x: float, y: float) -> float:
    divisor = _cast(y)
    return math.fmod(_cast(x), divisor) if divisor else math.nan


def _fmod(x: float, y: float) -> float:
    return math.nan if y == 0 or math.isinf(x) else math.fmod(x, y)


def _power(x: float, y: float) -> float:
    try:
        return math.pow(x, y)
    except OverflowError:
        return math.copysign(math.inf, x) if y % 2 == 1 else math.inf
    except ValueError:
        if x != 0:
            return math.nan
        return math.copysign(math.inf, x) if y % 2 == 1 else math.inf


def _nearest(x: float) -> float:
    return float(_cast(x + 0.5 if x >= 0 else x - 0.5))


def _greatest(values: Sequence[float]) -> float:
    """The greatest; NaN if there is one."""
    return math.nan if any(map(math.isnan, values)) else max(values)


def _least(values: Sequence[float]) -> float:
    """The least; NaN if there is one."""
    return math.nan if any(map(math.isnan, values)) else min(values)


def _infinite(x: float) -> float:
    """The sign of infinity, 0 for everything else: as the C library has it."""
    return math.copysign(1, x) if math.isinf(x) else 0.0


CONSTANTS: Mapping[str, float] = {"PI": math.pi, "D2R": math.pi / 180, "R2D": 180 / math.pi}

UNARY: Mapping[str, Unary] = {
    "!": lambda x: x == 0,
    "-": lambda x: -x,
    "~": lambda x: ~_integer(x),
    "NOT": lambda x: ~_integer(x),
    "ABS": abs,
    "ACOS": _total(math.acos),
    "ASIN": _total(math.asin),
    "ATAN": math.atan,
    "CEIL": lambda x: math.ceil(x) if math.isfinite(x) else x,
    "COS": _total(math.cos),
    "COSH": _total(math.cosh),
    "EXP": _total(math.exp),
    "FLOOR": lambda x: math.floor(x) if math.isfinite(x) else x,
    "ISINF": _infinite,
    "LN": _logarithm(math.log),
    "LOG": _logarithm(math.log10),
    "LOGE": _logarithm(math.log),
    "NINT": _nearest,
    "SIN": _total(math.sin),
    "SINH": _sinh,
    "SQR": _total(math.sqrt),
    "SQRT": _total(math.sqrt),
    "TAN": _total(math.tan),
    "TANH": math.tanh,
}

#: Functions of two arguments. Base has those of ATAN2 the other way round.
PAIRS: Mapping[str, Binary] = {"ATAN2": lambda x, y: math.atan2(y, x), "FMOD": _fmod}

#: Functions of any number of arguments.
VARIADIC: Mapping[str, Callable[[Sequence[float]], float]] = {
    "FINITE": lambda values: float(all(map(math.isfinite, values))),
    "ISNAN": lambda values: float(any(map(math.isnan, values))),
    "MAX": _greatest,
    "MIN": _least,
}

#: Operators between two values, with their priorities: the higher binds first, and equal ones from left to right.
BINARY: Mapping[str, tuple[int, Binary]] = {
    "||": (1, lambda x, y: x != 0 or y != 0),
    "|": (1, lambda x, y: _integer(x) | _integer(y)),
    "OR": (1, lambda x, y: _integer(x) | _integer(y)),
    "XOR": (1, lambda x, y: _integer(x) ^ _integer(y)),
    "&&": (2, lambda x, y: x != 0 and y != 0),
    "&": (2, lambda x, y: _integer(x) & _integer(y)),
    "AND": (2, lambda x, y: _integer(x) & _integer(y)),
    "<<": (2, lambda x, y: _signed(_integer(x) << (_integer(y) & 31))),
    ">>": (2, lambda x, y: _integer(x) >> (_integer(y) & 31)),
    ">>>": (2, lambda x, y: _bits(x) >> (_bits(y) & 31)),
    "!=": (3, lambda x, y: x != y),
    "#": (3, lambda x, y: x != y),
    "=": (3, lambda x, y: x == y),
    "==": (3, lambda x, y: x == y),
    "<": (3, lambda x, y: x < y),
    "<=": (3, lambda x, y: x <= y),
    ">": (3, lambda x, y: x > y),
    ">=": (3, lambda x, y: x >= y),
    "+": (4, lambda x, y: x + y),
    "-": (4, lambda x, y: x - y),
    "*": (5, lambda x, y: x * y),
    "/": (5, _divide),
    "%": (5, _modulo),
    "**": (6, _power),
    "^": (6, _power),
}
