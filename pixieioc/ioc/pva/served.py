"""One process variable that has clients: what changes of it goes to p4p, which answers them in its own threads."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from pixieioc.ioc.pva.lane import Lane
from pixieioc.ioc.pva.source import Source


class Served:
    """Used in the event loop. `pv` is p4p's; what would wait for p4p's threads is done by the lane."""

    def __init__(self, name: str, source: Source, pv: Any, lane: Lane) -> None:
        self.name = name
        self.source = source
        self.pv = pv
        self._open = False
        self._outdated = False  # by what came while it was being opened
        self._waiting: list[Callable[[], None]] = []
        opening = functools.partial(pv.open, source.whole())
        lane.hand_over(opening, f"{name} could not be served", self._opened)
        source.begin(self._post)

    def when_open(self, function: Callable[[], None]) -> None:
        """Calls `function` when clients see what is posted: now, or soon."""
        if self._open:
            function()
        else:
            self._waiting.append(function)

    def end(self) -> None:
        """The last client has gone."""
        self.source.end()

    def _opened(self) -> None:
        self._open = True
        if self._outdated:
            self._post(self.source.whole())
        waiting, self._waiting = self._waiting, []
        for function in waiting:
            function()

    def _post(self, change: Any) -> None:
        if self._open:
            self.pv.post(change)
        else:
            self._outdated = True
