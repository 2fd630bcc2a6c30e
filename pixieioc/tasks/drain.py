"""How long the end of a run waits for what others have to confirm."""

from __future__ import annotations

import math

#: The part of StopTimeout that is waited at most: after all of it the task is killed, and can count nothing.
_SHARE = 0.8


class Drain:
    """It goes on while something is confirmed now and then, but after a Stop no longer than is allowed.

    `now` is that of a clock that does not jump, in seconds.
    """

    def __init__(self, stop_timeout: float) -> None:
        self._stop_timeout = stop_timeout
        self._confirmed = -1
        self._progress, self._end_by = 0.0, math.inf

    def stop(self, now: float) -> None:
        """The run has been stopped; only the first time counts."""
        self._end_by = min(self._end_by, now + _SHARE * self._stop_timeout)

    def is_over(self, now: float, confirmed: int, patience: float) -> bool:
        """Whether to give up: `confirmed` has not changed for `patience` seconds, or a Stop allows no more."""
        if confirmed != self._confirmed:
            self._confirmed, self._progress = confirmed, now
        return now >= self._end_by or now - self._progress >= patience
