"""Events per second of each channel in a point: its counts by the real time of the run.

The rates that the IOC shows are those of the moment, and a run that is over has none.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

_KIND = {"dtype": "number", "dtype_numpy": "<f8", "shape": [], "units": "1/s", "precision": 1}


class Rates:
    """Those of `channels` of the device `name`, whose signals' names are joined by `joint`."""

    def __init__(self, name: str, channels: Iterable[str], joint: str) -> None:
        self._elapsed = joint.join((name, "elapsed_real"))
        self._counts = {joint.join((name, one, "rate")): joint.join((name, one, "counts")) for one in channels}

    @property
    def keys(self) -> list[str]:
        """The names of the rates in events."""
        return list(self._counts)

    def read(self, readings: Any) -> dict[str, Any]:
        """From what was read of the device."""
        seconds = readings[self._elapsed]["value"]
        return {
            key: {**readings[counts], "value": readings[counts]["value"] / seconds if seconds else 0.0}
            for key, counts in self._counts.items()
        }

    def describe(self, described: Any) -> dict[str, Any]:
        """From the data keys of the device."""
        return {key: {"source": described[counts]["source"], **_KIND} for key, counts in self._counts.items()}
