"""One module's stream of events as the order of time sees it: its period, and how far it has come."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pixieioc.listmode.events import Events
from pixieioc.listmode.survey import NEVER, State


class Position(NamedTuple):
    """A time of a counter, ns, in one of its periods."""

    period: int
    time: int


#: Behind everything.
END = Position(2**62, 2**62)
#: A CFD time is less, ns.
CFD_NS = 16


class Stream:
    """What is known of a module."""

    def __init__(self, period: int = 0) -> None:
        self.state = np.zeros(len(State), np.int64)
        self.state[State.PERIOD], self.state[State.MARK] = period, NEVER
        self.quiet = False  #: it was read and had nothing
        self.ignored = False  #: it should have more, but nothing has come for too long: it is not waited for
        self.apart = False  #: its times are not those of the others
        self.began: Position | None = None  #: the first time that was believed
        self.heard: float | None = None  #: when events came last, or when it was first read, s
        self.undecided: Events | None = None  #: events that those to come will judge
        self.undecided_read = np.empty(0)  #: when each of them was read, s

    @property
    def known(self) -> bool:
        """Whether any of its times has been believed."""
        return bool(self.state[State.KNOWN])

    @property
    def period(self) -> int:
        """The counter's period."""
        return int(self.state[State.PERIOD])

    @property
    def origin(self) -> int:
        """Where the cell of its last event begins, ns."""
        return int(self.state[State.ORIGIN])

    @property
    def position(self) -> Position:
        """Its latest time."""
        return Position(self.period, int(self.state[State.LATEST]))

    @property
    def mark(self) -> Position | None:
        """No event of it that is still to come is earlier; None if nothing is known."""
        if not self.known:
            return None
        mark, wrap = int(self.state[State.MARK]), int(self.state[State.WRAP])
        if wrap and NEVER // 2 < mark < 0:  # some of the period before may still come
            return Position(self.period - 1, mark + wrap - CFD_NS)
        return Position(self.period, mark - CFD_NS)

    @property
    def own_limit(self) -> Position | None:
        """What can be let out of it while it is apart from the others; everything once it is not any more."""
        return END if self.quiet or not self.apart else self.mark

    def hear(self, now: float | None) -> None:
        """Events have come: after a silence, their times may be later by that."""
        silent = now - self.heard if now is not None and self.heard is not None else 0.0
        self.state[State.SILENT] = round(silent * 1e9)
        self.heard, self.ignored = now, False

    def limit(self, horizon: Position | None, recorded: bool) -> Position | None:
        """Nothing of it that is still to come is earlier; None if nothing can be said.

        `horizon`: how far any module had come when it was read.
        """
        if self.ignored or self.apart or (self.quiet and recorded):
            return END
        if self.quiet:
            return None if horizon is None else Position(horizon.period, horizon.time + CFD_NS + 1)
        return self.mark
