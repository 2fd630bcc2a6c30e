"""What the process that reads knows of one process variable: what of it is news, and whether it is still there.

A server that hangs says nothing, as one whose value does not change; so who is silent is asked. Time is an argument.
"""

from __future__ import annotations

from collections.abc import Callable

from pixieioc.site_pvs.reading import NO_ANSWER, NOT_CONNECTED, OK, Reading, down
from pixieioc.site_pvs.tally import Tally

#: How long one that is connected may be silent until it is asked, and how long it may take to answer then, in seconds.
SILENT, ANSWERS = 4.0, 4.0
#: How long one is looked for until it is taken to be not there, in seconds.
SEARCHED = 3.0
_SEARCHING = Reading(NO_ANSWER, why="it is being looked for")


class Followed:
    """`on_news` is called with each change of what is known."""

    def __init__(self, began: float, on_news: Callable[[Reading], None]) -> None:
        self._on_news = on_news
        self._began = began
        self._heard = began
        self._last = _SEARCHING
        self._there = False  #: it was connected, and nothing has said since that it is not
        self.tally = Tally()

    def tell(self, reading: Reading, now: float) -> None:
        """The library says that a value has come, or that there is none."""
        self._heard = now
        if reading.state == NOT_CONNECTED:
            self._lose(reading)
            return
        self._there = True
        self.tally.note(reading)
        self._show(reading)

    def is_due(self, now: float) -> bool:
        """Whether it must be asked now, since it is silent; it is not there if it was looked for without success."""
        if not self._there:
            if now - self._began > SEARCHED and self._last.state != NOT_CONNECTED:
                self._show(down())
            return False
        return now - self._heard > SILENT

    def asked(self, answer: Reading, now: float) -> None:
        """What it has answered when it was silent; that it is gone is told when it happens."""
        self._heard = now
        if answer.state == NO_ANSWER:
            self._show(self._last.unanswered(answer.why))
        elif answer.state == OK and self._last.state != OK:
            self._show(answer)

    def answer(self, reading: Reading) -> Reading:
        """The answer to who asks: that one is not there is known only once it was looked for."""
        return self._last if reading.state == NOT_CONNECTED and self._last is _SEARCHING else reading

    def _lose(self, reading: Reading) -> None:
        """It is gone; a library says so at first, too, of what it has not found yet."""
        if self._there:
            self._there = False
            self.tally.note(reading)
            self._show(reading)

    def _show(self, reading: Reading) -> None:
        if reading.state == OK or reading != self._last:
            self._last = reading
            self._on_news(reading)
