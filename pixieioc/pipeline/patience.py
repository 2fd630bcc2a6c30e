"""How long the answer of a task is waited for: a rule without a clock."""

from __future__ import annotations


class Patience:
    """Ends when an answer has been owed for `seconds`, since `now`, in which the task was not starting or compiling.

    Also one that has just said that it has started has the whole time again: only now has it come to the answer.
    """

    def __init__(self, now: float, seconds: float) -> None:
        self._since, self._seconds = now, seconds

    def is_over(self, now: float, *, starting: bool) -> bool:
        """To be asked again and again, with whether the task is starting at this time."""
        if starting:
            self._since = now
        return now - self._since > self._seconds
