"""Numbers and lists as people say them: durations in minutes and hours, sizes in MB and GB."""

from __future__ import annotations

import math
from collections.abc import Sequence

#: Names that a list has at most.
_NAMED = 10
_SIZES = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


def duration(seconds: float, decimals: int = 1) -> str:
    """A duration: "12.3 s" (with `decimals`), "3 min 20 s", "2 h 05 min", "3 d 4 h"; not known: "-"."""
    if not math.isfinite(seconds):
        return "-"
    if round(seconds, decimals) < 60:
        return f"{seconds:.{decimals}f} s"
    whole = round(seconds)
    minutes, rest = divmod(whole, 60)
    hours, minutes_left = divmod(minutes, 60)
    if not hours:
        return f"{minutes} min {rest:02d} s"
    if hours < 48:
        return f"{hours} h {minutes_left:02d} min"
    return f"{hours // 24} d {hours % 24} h"


def size(count: float) -> str:
    """A number of bytes with three digits: "812 B", "5.87 MB", "1.20 TB"."""
    for unit, name in _SIZES:
        if count >= 0.9995 * unit:
            return f"{_three_digits(count / unit)} {name}"
    return f"{count:.0f} B"


def shortened(text: str, longest: int) -> str:
    """A text that has at most so many characters; what is left out of it is the end."""
    return text if len(text) <= longest else f"{text[: longest - 3]}..."


def listed(names: Sequence[str]) -> str:
    """Names as a part of a sentence: the first ten, and how many more."""
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _three_digits(number: float) -> str:
    return f"{number:.{2 if number < 9.995 else 1 if number < 99.95 else 0}f}"


def round_above(number: float) -> float:
    """The next of 1, 2, 5, 10, 20 ... that is above a number; at least 1."""
    power = 10.0 ** math.floor(math.log10(max(number, 1.0)))
    return next((power * step for step in (1, 2, 5, 10) if power * step > number), 10 * power)
