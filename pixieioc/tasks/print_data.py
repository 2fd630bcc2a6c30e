"""PrintData: shows what flows through the chain."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from pixieioc.pipeline import Parameter, Task


class PrintData(Task):
    """Prints a line about each item, at a limited rate, and passes the items on."""

    interval = Parameter(1.0, doc="Shortest time between two printed items.", unit="s", low=0, high=3600, live=True)

    def do_start(self) -> None:
        self._next = 0.0

    def do_work(self, datum: Any) -> None:
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + self.interval
            print(f"item {self.counter + 1}: {describe(datum)}")
        self.send(datum)


def describe(datum: Any) -> str:
    """One line about an item: arrays by type, length and range, everything else as it is."""
    match datum:
        case np.ndarray():
            range_ = f" {datum.min()}..{datum.max()}" if datum.size and datum.dtype.kind in "iufb" else ""
            return f"{datum.dtype}{list(datum.shape)}{range_}"
        case dict():
            return "{" + ", ".join(f"{key}: {describe(value)}" for key, value in datum.items()) + "}"
        case list():
            return "[" + ", ".join(describe(value) for value in datum) + "]"
        case _:
            return repr(datum)
