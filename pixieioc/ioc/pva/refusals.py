"""What clients get in place of what they may not have: nothing, INVALID, and the reason as the alarm's message."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from p4p.nt import NTScalar  # pyright: ignore[reportMissingTypeStubs]
from p4p.server.raw import SharedPV  # pyright: ignore[reportMissingTypeStubs]

from pixieioc.ioc.pva.alarms import DATABASE
from pixieioc.ioc.records import INVALID

NO_READ = "no read access"


class Refusals:
    """One process variable of p4p's for each reason, while it has clients."""

    def __init__(self) -> None:
        self._pvs: dict[str, Any] = {}

    def pv(self, why: str) -> Any:
        """What a client gets; used in p4p's threads."""
        pv = self._pvs.get(why)
        if pv is None:
            pv, text = SharedPV(handler=_Handler(self, why)), NTScalar("s")
            pv.open(text.wrap({"alarm": {"severity": INVALID, "status": DATABASE, "message": why}}))
            self._pvs[why] = pv
        return pv

    def take(self, wanted: Callable[[str], bool]) -> list[Any]:
        """Those whose reason is wanted, which no more clients will get: when they are closed, theirs come back."""
        return [self._pvs.pop(why) for why in list(self._pvs) if wanted(why)]

    def drop(self, why: str, pv: Any) -> None:
        """Its last client has gone."""
        if self._pvs.get(why) is pv:
            self._pvs.pop(why, None)


class _Handler:
    """What p4p calls for one of them."""

    def __init__(self, refusals: Refusals, why: str) -> None:
        self._refusals = refusals
        self._why = why

    def put(self, pv: Any, op: Any) -> None:
        op.done(error=self._why)

    def onLastDisconnect(self, pv: Any) -> None:  # noqa: N802
        self._refusals.drop(self._why, pv)
