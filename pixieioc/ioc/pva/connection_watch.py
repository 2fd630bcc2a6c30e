"""Keeps clients of PVAccess, and those that only connect, from using up the file descriptors of the IOC."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection

from pixieioc.counted import counted
from pixieioc.ioc.pva import libevent
from pixieioc.ioc.pva.connections import Connections
from pixieioc.ioc.pva.lane import Lane
from pixieioc.ioc.pva.to_loop import ToLoop
from pixieioc.ioc.records import faults

log = logging.getLogger(__name__)

#: Connections beyond those of clients: of some that are told why they are no clients, and of some that say nothing.
OTHERS = 8
#: Seconds after which connections are counted again, and after which the same is told again.
_COUNTED, _TOLD = 1.0, 10.0
#: Seconds for which pvxs' thread pauses when it cannot take a client.
_PAUSE = 0.1
_FAILED = "connections of PVAccess could not be counted"


class ConnectionWatch:
    """From now on there are hardly more connections at the port than clients may be, and no others if files get scarce.

    `admitted` gives the other ends of clients, in any thread; it may also name some that have gone.
    """

    def __init__(self, port: int, clients: int, lane: Lane, admitted: Callable[[], Collection[str]]) -> None:
        self._connections = Connections(port)
        self._most = clients + OTHERS
        self._lane, self._admitted = lane, admitted
        self._to_loop = ToLoop()
        self._told: dict[str, float] = {}  #: when each sentence was told last
        self._ended = 0  #: connections, since that was told
        self._counting = self._pausing = False
        self._stop_listening = libevent.listen(self._exhausted)
        self._again()

    def end(self) -> None:
        """Looks no more; to be called when pvxs has stopped."""
        self._timer.cancel()
        self._stop_listening()
        self._lane.hand_over(self._connections.close, _FAILED)

    def _again(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(_COUNTED, self._again)
        if not self._counting:
            self._counting = True
            self._lane.hand_over(self._count, _FAILED, self._counted)

    def _count(self) -> None:
        """In a thread of its own: many take long."""
        if not self._pausing:
            self._connections.keep()
        if self._connections.may_be_more_than(self._most):
            self._note(self._connections.end_surplus(self._admitted(), self._most))

    def _note(self, ended: int) -> None:
        """In any thread."""
        if ended:
            self._to_loop.tell(self._add, ended)

    def _add(self, ended: int) -> None:
        self._ended += ended

    def _counted(self) -> None:
        self._counting = False
        if self._ended:
            how_many = counted(self._ended, "connection", "connections")
            if self._tell("PVAccess: ended %s that were no clients': there were too many", how_many):
                self._ended = 0

    def _exhausted(self, text: str) -> None:
        """In pvxs' thread, which cannot take a client: while it pauses, files get what there is."""
        self._to_loop.tell(self._tell, "PVAccess: %s; clients must wait", text)
        self._pausing = True
        self._connections.give_way()
        try:
            self._note(self._connections.end_surplus(self._admitted(), 0))
        except OSError as error:
            self._to_loop.tell(faults.report, _FAILED, error)
        time.sleep(_PAUSE)
        self._pausing = False
        self._connections.keep()

    def _tell(self, text: str, what: str) -> bool:
        """Logs it, unless that was done just now."""
        now = time.monotonic()
        if due := now - self._told.get(text, -_TOLD) >= _TOLD:
            self._told[text] = now
            log.warning(text, what)
        return due
