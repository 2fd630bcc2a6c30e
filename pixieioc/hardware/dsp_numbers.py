"""Numbers as XIA's SDK makes them for a module's signal processor: 32 bits, most of them without a sign."""

from __future__ import annotations

import math

import numpy as np

MAX32 = 0xFFFFFFFF


def truncated(value: float) -> int:
    """A number as the SDK takes it: what is after the point is cut off, negative ones wrap to large unsigned ones.

    What no integer can hold is 0.
    """
    return int(value) & MAX32 if abs(value) < 9.2e18 else 0


def whole(value: float) -> int:
    """The same, rounded."""
    return truncated(value + math.copysign(0.5, value))


def float_bits(value: float) -> int:
    """The bits of a float as the SDK makes them: what does not fit is cut off."""
    with np.errstate(over="ignore"):
        near = np.float32(value)
    return int((near if abs(near) <= abs(value) else np.nextafter(near, np.float32(0))).view(np.uint32))


def float_of(bits: int) -> float:
    """And back; bits that are all 0 are the smallest number."""
    return float(np.uint32(bits).view(np.float32)) if bits else 2.0**-127


def filter_length(value: int, other: int, least: int) -> tuple[int, int]:
    """One of the two lengths of a filter, and the other: they have 127 together. Sums wrap, as the SDK's."""
    if (value + other) & MAX32 > 127:
        value = (127 - other) & MAX32
    if value >= least:
        return value, other
    return least, 127 - least if (least + other) & MAX32 > 127 else other
