"""One process variable that has clients: what changes of it goes to p4p, which answers them in its own threads."""

from __future__ import annotations

from typing import Any

from pixieioc.ioc.pva.source import Source


class Served:
    """Used in the event loop. `pv` is p4p's, which has `whole` when it is open."""

    __slots__ = ("_open", "_outdated", "name", "pv", "source", "whole")

    def __init__(self, name: str, source: Source, pv: Any) -> None:
        self.name = name
        self.source = source
        self.pv = pv
        self.whole = source.whole()
        self._open = False
        self._outdated = False  # by what came while it was being opened
        source.begin(self._post)

    def opened(self) -> None:
        """From now on clients see what is posted, and what was meanwhile."""
        self._open = True
        self.whole = None
        if self._outdated:
            self._post(self.source.whole())

    def end(self) -> None:
        """The last client has gone."""
        self.source.end()

    def _post(self, change: Any) -> None:
        if self._open:
            self.pv.post(change)
        else:
            self._outdated = True
