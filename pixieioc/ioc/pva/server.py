"""The PVAccess server: p4p's, which answers in threads of its own, and the records, which live in the event loop."""

from __future__ import annotations

import functools
import logging
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from p4p.server import DynamicProvider  # pyright: ignore[reportMissingTypeStubs]
from p4p.server import Server as _P4pServer  # pyright: ignore[reportMissingTypeStubs]

from pixieioc.ioc.pva.lane import Lane
from pixieioc.ioc.pva.operations import Operation, Operations
from pixieioc.ioc.pva.provider import Provider
from pixieioc.ioc.pva.readers import Readers
from pixieioc.ioc.pva.served import Served
from pixieioc.ioc.pva.source import RecordSource
from pixieioc.ioc.pva.structures import Offer
from pixieioc.ioc.pva.to_loop import ToLoop
from pixieioc.ioc.pva.writes import Writes
from pixieioc.ioc.records import Record
from pixieioc.ioc.records.rights import Gate, Security, security_of

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Place:
    """Where the server listens: what is empty or 0 follows from the EPICS_PVAS_ variables, or their defaults."""

    interfaces: tuple[str, ...] = ()
    port: int = 0
    broadcast_port: int = 0

    def variables(self) -> dict[str, str]:
        """The same as EPICS_PVAS_ variables."""
        given = {
            "EPICS_PVAS_INTF_ADDR_LIST": " ".join(self.interfaces),
            "EPICS_PVAS_SERVER_PORT": str(self.port or ""),
            "EPICS_PVAS_BROADCAST_PORT": str(self.broadcast_port or ""),
        }
        return {name: value for name, value in given.items() if value}


class Server:
    """Serves records, and what more is offered by its name."""

    def __init__(
        self,
        records: Iterable[Record],
        gate: Gate,
        place: Place,
        puts: int,
        more: Mapping[str, Offer] | None = None,
    ) -> None:
        self._names: dict[str, Record | Offer] = {record.name: record for record in records} | dict(more or {})
        self._place = place
        self._readers = Readers(gate)
        self._lane = Lane()
        self._operations = Operations(self._lane)
        self._writes = Writes(gate, self._operations, puts)
        #: By p4p's process variables, those that have clients.
        self.served: dict[Any, Served] = {}
        #: What p4p asks, in its threads.
        self.asked = Provider(self._names, self._refusal, self._operations, self, ToLoop())
        self._server: Any = None
        self._provider: Any = None
        self.port = 0

    async def start(self) -> None:
        """Answers from now on; OSError if that cannot be."""
        # It must be held: p4p does not.
        self._provider = DynamicProvider("pixieioc", self.asked)
        make = functools.partial(_P4pServer, providers=[self._provider], conf=self._place.variables(), useenv=True)
        try:
            self._server = await self._lane.do(make)
        except RuntimeError as error:
            raise OSError(f"PVAccess cannot be served: {error}") from error
        conf = self._server.conf()
        self.port = int(conf["EPICS_PVAS_SERVER_PORT"])
        log.info(
            "PVAccess on %s, TCP port %d, UDP port %s",
            conf["EPICS_PVAS_INTF_ADDR_LIST"], self.port, conf["EPICS_PVAS_BROADCAST_PORT"],
        )  # fmt: skip

    async def stop(self) -> None:
        """Closes everything, when all answers have been given; clients see the disconnect at once."""
        server, self._server = self._server, None
        if server is not None:
            await self._lane.do(server.stop)
            self._lane.close()

    def review_rights(self) -> None:
        """Has clients connect anew to what some of them may read, or may no longer: then it is decided anew."""
        changed = self._readers.review()
        for pv, served in self.served.items():
            if any(map(changed, _securities(self._names[served.name]))):
                self._disconnect(pv, served)

    def regrouped(self, record: Record, before: Security) -> None:
        """The same for a record, and all that is made of it, whose access group is another one now."""
        if not self._readers.differ(before, security_of(record)):
            return
        for pv, served in self.served.items():
            if record in _records(self._names[served.name]):
                self._disconnect(pv, served)

    def _disconnect(self, pv: Any, served: Served) -> None:
        self._lane.hand_over(pv.close, f"clients of {served.name} could not be disconnected")

    def _refusal(self, what: Record | Offer, peer: str) -> str:
        may = all(self._readers.may(security, peer) for security in _securities(what))
        return "" if may else "no read access"

    # -- what happens in p4p's threads, in the event loop -------------------------------------------------------------

    def wanted(self, name: str, pv: Any) -> Any:
        """A client has come to a process variable, the first one; gives what it reads."""
        what = self._names[name]
        source = RecordSource(what) if isinstance(what, Record) else what.make()
        served = self.served[pv] = Served(name, source, pv)
        return served.whole

    def opened(self, pv: Any) -> None:
        """It can be posted to."""
        if (served := self.served.get(pv)) is not None:
            served.opened()

    def unwanted(self, pv: Any) -> None:
        """The last one has gone."""
        if (served := self.served.pop(pv, None)) is not None:
            served.end()

    def put(self, pv: Any, operation: Operation) -> None:
        """A client wants to write."""
        if (served := self.served.get(pv)) is None:
            self._operations.answer(operation.number, "the process variable is being closed")
            return
        self._writes.write(served.name, served.source.record, operation)


def _securities(what: Record | Offer) -> Iterable[Security]:
    """What the rights to it follow from."""
    return (security_of(what),) if isinstance(what, Record) else what.securities


def _records(what: Record | Offer) -> Collection[Record]:
    """What it is made of."""
    return (what,) if isinstance(what, Record) else what.records
