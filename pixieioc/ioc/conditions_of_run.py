"""What conditions were in one run: at its start, at its end, and in between; all that counts was valid within it.

The process that reads tells what is news once a period, so some of that is older than the run: what it had heard
before it was asked for the start does not count, and what it had heard when it was asked for the end does. Then the
least value is at most that of start and end, and the greatest at least that, in the record as in the file.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

from pixieioc.site_pvs import NO_ANSWER, OK, Reading, Tally
from pixieioc.tasks.sidecar import Condition

#: How long a process variable may take to answer at the start of a run, while that goes on, and at its end, which waits
#: for it; in seconds.
START_WAIT, END_WAIT = 5.0, 0.05
_UNANSWERED = "it did not answer within {:g} s; this is what was known before"
#: A reading to be kept: its index, the time, and whether it is kept in any case.
Keep = Callable[[int, Reading, float, bool], None]


class ConditionsOfRun:
    """Begins with what is `known`, and hands what belongs into the file to `keep`. The time is an argument."""

    def __init__(self, names: Sequence[str], known: Sequence[Reading], began: float, keep: Keep) -> None:
        self._names, self._began, self._keep = names, began, keep
        self._start = list(known)
        self._end: list[Reading] | None = None
        self._tallies = [Tally() for _ in names]
        self._counting, self._over = False, False
        #: Of those that have not answered at the start: what has come since, for it is to stand behind that.
        self._early: dict[int, list[tuple[Reading, float]]] = {index: [] for index in range(len(names))}
        self._open: set[int] = set()  #: which have not answered at the end

    # -- the start ----------------------------------------------------------------------------------------------------

    def start_asked(self, known: Sequence[Reading]) -> None:
        """All that was heard before the run is known; what comes from now on was heard in it."""
        self._counting = True
        for index in self._early:
            self._start[index] = known[index]

    def start_answered(self, index: int, answer: Reading) -> None:
        """What one reads at the start."""
        if index in self._early:
            self._settle(index, _merged(self._start[index], answer, START_WAIT))

    def start_is_over(self, why: str = _UNANSWERED.format(START_WAIT)) -> None:
        """Who has not answered does not any more."""
        for index in tuple(self._early):
            self._settle(index, self._start[index].unanswered(why))

    def _settle(self, index: int, start: Reading) -> None:
        self._start[index] = start
        self._keep(index, start, self._began, True)
        for reading, now in self._early.pop(index):
            self._keep(index, reading, now, False)

    # -- while it goes on ---------------------------------------------------------------------------------------------

    def news(self, readings: dict[int, Reading], tallies: dict[int, Tally], now: float) -> None:
        """What has come since the last news."""
        if not self._counting or self._over:
            return
        for index, tally in tallies.items():
            self._tallies[index].add(tally)
        for index, reading in readings.items():
            if reading.state == OK:  # the answer of one that was silent was no update
                tally = self._tallies[index]
                (tally.widen if index in tallies else tally.include)(reading)
            if index in self._early:
                self._early[index].append((reading, now))
            else:
                self._keep(index, reading, now, False)

    # -- the end ------------------------------------------------------------------------------------------------------

    def end_begins(self, known: Sequence[Reading]) -> None:
        """The run is over, and asks what they read now."""
        self._end = [each.unanswered(_UNANSWERED.format(END_WAIT)) for each in known]

    def end_asked(self, known: Sequence[Reading]) -> None:
        """All that was heard in the run is known: who is there by that is waited for."""
        self.end_begins(known)
        self._over = True
        self._open = {index for index, each in enumerate(known) if each.state == OK}

    def end_answered(self, index: int, answer: Reading) -> None:
        """What one reads at the end."""
        if self._end is not None:
            self._end[index] = _merged(self._end[index], answer, END_WAIT)
            self._open.discard(index)

    @property
    def is_finished(self) -> bool:
        """Whether its end is known."""
        return self._end is not None

    @property
    def is_answered(self) -> bool:
        """Whether nothing more is to be waited for at the end."""
        return self._over and not self._open

    def finish(self, now: float) -> None:
        """Nothing is waited for any more."""
        self._over = True
        self.start_is_over("it had not answered when the run ended")
        for index, reading in enumerate(self._end or ()):
            self._keep(index, reading, now, True)

    def conditions(self) -> list[Condition]:
        """What the record says, as far as it is known."""
        return [self._condition(index) for index in range(len(self._names))]

    def _condition(self, index: int) -> Condition:
        tally, start = copy.copy(self._tallies[index]), self._start[index]
        end = None if self._end is None else self._end[index]
        tally.include(start)
        if end is not None:
            (tally.widen if tally.numbers else tally.include)(end)
        return Condition(
            pv=self._names[index],
            start=start,
            end=end,
            updates=tally.updates,
            disconnections=tally.disconnections,
            minimum=tally.minimum,
            maximum=tally.maximum,
            mean=tally.mean,
            worst_severity=tally.worst,
        )


def _merged(known: Reading, answer: Reading, seconds: float) -> Reading:
    """The answer; if there is none in time, what was known, and that it is not certain."""
    return known.unanswered(answer.why or _UNANSWERED.format(seconds)) if answer.state == NO_ANSWER else answer
