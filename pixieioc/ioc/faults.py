"""Faults of the IOC's own code: what fails in the event loop is counted and logged, and the loop goes on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

log = logging.getLogger(__name__)

#: Different ones that are remembered as logged.
_LOGGED = 1000


class Faults:
    """Hears of everything in a loop that nobody else has caught; the same is logged once, with its traceback."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.count = 0
        #: Shows it to operators, once there is somebody who can.
        self.shown_by: Callable[[asyncio.AbstractEventLoop, dict[str, Any]], None] | None = None
        self._logged: set[str] = set()
        loop.set_exception_handler(self._heard)

    def _heard(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.count += 1
        if self.shown_by is not None:
            self.shown_by(loop, context)
        error = context.get("exception")
        what = f"{context.get('message')}: {error!r}"
        if what in self._logged or len(self._logged) >= _LOGGED:
            return
        self._logged.add(what)
        log.error("%s; this is a fault of the IOC, please report it", context.get("message"), exc_info=error)
