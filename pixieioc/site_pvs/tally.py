"""What has happened to a process variable since somebody last asked: counted, so that a flood of updates costs little.

The process that reads hands over its tallies once a period, and a run adds them up.
"""

from __future__ import annotations

import msgspec

from pixieioc.site_pvs.reading import NOT_CONNECTED, OK, SEVERITIES, Reading


class Tally(msgspec.Struct, omit_defaults=True):
    """Updates that came, and what their values were, of single numbers."""

    updates: int = 0
    disconnections: int = 0
    numbers: int = 0
    minimum: float | None = None
    maximum: float | None = None
    total: float = 0.0
    worst: str = ""

    @property
    def mean(self) -> float | None:
        """Of the values, each counted once."""
        return self.total / self.numbers if self.numbers else None

    def note(self, reading: Reading) -> None:
        """Counts what has come: a value, or that there is none any more."""
        self.disconnections += reading.state == NOT_CONNECTED
        if reading.state == OK:
            self.updates += 1
            self.include(reading)

    def include(self, reading: Reading) -> None:
        """A value was valid that did not come as an update."""
        self.worst = _worse(self.worst, reading.severity)
        if (number := reading.number) is not None:
            self._add(1, number, number, number)

    def widen(self, reading: Reading) -> None:
        """A value was valid that is among those of the mean already, or is not to weigh there."""
        self.worst = _worse(self.worst, reading.severity)
        if (number := reading.number) is not None:
            self._add(0, 0.0, number, number)

    def add(self, other: Tally) -> None:
        """Adds what came later."""
        self.updates += other.updates
        self.disconnections += other.disconnections
        self.worst = _worse(self.worst, other.worst)
        if other.minimum is not None and other.maximum is not None:
            self._add(other.numbers, other.total, other.minimum, other.maximum)

    def _add(self, numbers: int, total: float, low: float, high: float) -> None:
        self.numbers += numbers
        self.total += total
        self.minimum = low if self.minimum is None else min(self.minimum, low)
        self.maximum = high if self.maximum is None else max(self.maximum, high)


def _worse(one: str, other: str) -> str:
    rank = {name: number for number, name in enumerate(SEVERITIES)}
    return max(one, other, key=lambda name: rank.get(name, -1))
