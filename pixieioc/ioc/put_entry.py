"""A put as a line of JSON in the form of caPutLog, with what became of it."""

from __future__ import annotations

import functools
import math
import time
from typing import Any

import msgspec
import numpy as np

from pixieioc.ioc.records.written import Written
from pixieioc.ioc.text import shortened

#: Most of a value that is logged, as by caPutLog: so many bytes, or characters of a text, or as many texts.
_LONGEST, _TEXTS = 400, 10
_encode = msgspec.json.Encoder().encode


def line_of(put: Written) -> bytes:
    """The line, with its end. The time is that at which the put came, in local time."""
    date, at = _time(put.stamp // 1_000_000_000)
    entry: dict[str, Any] = {
        "date": date,
        "time": f"{at}.{put.stamp // 1_000_000 % 1000:03}",
        "host": put.client.host,
        "user": put.client.user,
        "address": put.client.address,
        "pv": put.name,
    }
    for name, value in (("new", put.new), ("old", put.old)):
        entry[name] = _elements(value) if put.is_array else _plain(value)
        if put.is_array:
            entry[f"{name}-size"] = _size(value)
    entry["outcome"] = put.outcome
    if put.why:
        entry["why"] = shortened(put.why, _LONGEST)
    return _encode(entry) + b"\n"


@functools.lru_cache(maxsize=2)
def _time(seconds: int) -> tuple[str, str]:
    local = time.localtime(seconds)
    return time.strftime("%Y-%m-%d", local), time.strftime("%H:%M:%S", local)


def _plain(value: Any) -> Any:
    """A single value; of what is sent as several, for a record that takes one, the first ones."""
    match value:
        case np.generic() if value.dtype == np.float32 and np.isfinite(value):
            return float(f"{value:.8g}")
        case np.generic():
            return _plain(value.item())
        case float() if not math.isfinite(value):
            return "Nan" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
        case str():
            return value[:_LONGEST]
        case None | int() | float():
            return value
        case _:
            return _elements(value)


def _elements(value: Any) -> list[Any]:
    """An array, or a long string as the one element that it is to caPutLog."""
    if value is None:
        return []
    if isinstance(value, str):
        return [value[:_LONGEST]]
    array = np.atleast_1d(np.asarray(value))
    most = _TEXTS if array.dtype.kind in "US" else _LONGEST // array.dtype.itemsize
    return [_plain(element) for element in array[:most]]


def _size(value: Any) -> int:
    """The number of elements, of a text that of its bytes with the end."""
    if isinstance(value, str):
        return len(value.encode()) + 1 if value else 0
    return 0 if value is None else np.atleast_1d(np.asarray(value)).size
