"""How fast counts grow, over a window of time."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any


class RateWindow:
    """Rates of counts over about the last `window` seconds, at least over `shortest`; counts may be arrays, too."""

    def __init__(self, window: float, shortest: float, now: float, *counts: Any) -> None:
        self._window, self._shortest = window, shortest
        self.begin(now, *counts)

    def begin(self, now: float, *counts: Any) -> None:
        """Counts from here, as at the beginning of a run."""
        self._samples: deque[tuple[float, Sequence[Any]]] = deque([(now, counts)])

    @property
    def since(self) -> float:
        """When the counts were made that the next rates are counted from."""
        return self._samples[0][0]

    def rates(self, now: float, *counts: Any) -> tuple[Any, ...] | None:
        """What each of the counts grows by per second; None as long as there is no time to tell."""
        samples = self._samples
        then, before = samples[0]
        seconds = now - then
        if now - samples[-1][0] >= self._shortest:
            samples.append((now, counts))
        while len(samples) > 1 and now - samples[1][0] >= self._window:
            samples.popleft()
        if seconds < self._shortest or seconds <= 0:
            return None
        return tuple((count - old) / seconds for count, old in zip(counts, before, strict=True))
