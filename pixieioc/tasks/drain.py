"""How long the end of a run waits for what others have to confirm."""

from __future__ import annotations

import math

#: The part of StopTimeout that is waited at most: after all of it the task is killed, and can count nothing.
_SHARE = 0.8


class Drain:
    """It begins with the end of a run, and goes on while things are confirmed, but no longer than is allowed.

    `now` is that of a clock that does not jump, in seconds.
    """

    def __init__(self, stop_timeout: float) -> None:
        self._longest = _SHARE * stop_timeout
        self._end_by = math.inf
        self._began = False

    def begin(self, now: float) -> None:
        """The run is to end; only the first time counts."""
        if not self._began:
            self._began, self._end_by = True, now + self._longest

    def is_over(self, now: float, stalled: float, patience: float) -> bool:
        """Whether to give up: nothing has been confirmed for `patience` seconds, or there is no more time."""
        return self._began and (stalled >= patience or now >= self._end_by)
