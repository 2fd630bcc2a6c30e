"""The PVAccess server: p4p's, which answers in threads of its own, and the records, which live in the event loop."""

from __future__ import annotations

import asyncio
import functools
import importlib
import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from p4p.server import DynamicProvider  # pyright: ignore[reportMissingTypeStubs]
from p4p.server import Server as _P4pServer  # pyright: ignore[reportMissingTypeStubs]

from pixieioc.ioc.pva.admission import Admission
from pixieioc.ioc.pva.connection_watch import ConnectionWatch
from pixieioc.ioc.pva.lane import Lane
from pixieioc.ioc.pva.names import Names
from pixieioc.ioc.pva.operations import Operation, Operations
from pixieioc.ioc.pva.provider import Provider
from pixieioc.ioc.pva.readers import Readers
from pixieioc.ioc.pva.refusals import NO_READ
from pixieioc.ioc.pva.served import Served
from pixieioc.ioc.pva.source import RecordSource
from pixieioc.ioc.pva.structures import Offer
from pixieioc.ioc.pva.to_loop import ToLoop
from pixieioc.ioc.pva.writes import Writes
from pixieioc.ioc.records import Record
from pixieioc.ioc.records.rights import Gate
from pixieioc.ioc.records.security import Security

log = logging.getLogger(__name__)
# At level DEBUG p4p describes a server that has just started, and holds Python's lock while it waits for pvxs' threads.
# They may need that lock just then, for a client that is back at once: the whole IOC would stand still for ever.
logging.getLogger("p4p").setLevel(logging.INFO)

#: Seconds after which clients that were turned away may try again.
_AGAIN = 10.0


@dataclass(frozen=True)
class Address:
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


@dataclass(frozen=True)
class Limits:
    """What clients may cost: how many there may be, and of each the channels and the puts that have not completed."""

    clients: int = 1000
    channels: int = 100_000
    puts: int = 1000


class Server:
    """Serves records, and what more is offered by its name."""

    def __init__(
        self,
        records: Iterable[Record],
        gate: Gate,
        address: Address,
        limits: Limits,
        more: Mapping[str, Offer] | None = None,
    ) -> None:
        self._names = Names(records, more or {})
        self._address = address
        self._readers = Readers(gate)
        self._lane = Lane()
        self._operations = Operations(self._lane)
        self._writes = Writes(gate, self._operations, limits.puts)
        #: By p4p's process variables, those that have clients.
        self.served: dict[Any, Served] = {}
        #: What p4p asks, in its threads.
        admission = Admission(limits.clients, limits.channels, self._present)
        self.asked = Provider(self._names, self._refusal, admission, self._operations, self, ToLoop())
        self._trying_again: asyncio.TimerHandle | None = None
        self._most_clients = limits.clients
        self._admitted = admission.admitted
        self._connections: ConnectionWatch | None = None
        self._server: Any = None
        self._provider: Any = None
        self.port = 0

    async def start(self) -> None:
        """Answers from now on; OSError if that cannot be."""
        # It must be held: p4p does not.
        self._provider = DynamicProvider("pixieioc", self.asked)
        make = functools.partial(_P4pServer, providers=[self._provider], conf=self._address.variables(), useenv=True)
        try:
            self._server = await self._lane.do(make)
        except RuntimeError as error:
            where = ", ".join(f"{name} = {value}" for name, value in self._address.variables().items())
            raise OSError(f"PVAccess cannot be served: {error}{f' ({where})' if where else ''}") from error
        conf = self._server.conf()
        self.port = int(conf["EPICS_PVAS_SERVER_PORT"])
        self._connections = ConnectionWatch(self.port, self._most_clients, self._lane, self._admitted)
        log.info(
            "PVAccess on %s, TCP port %d, UDP port %s",
            conf["EPICS_PVAS_INTF_ADDR_LIST"], self.port, conf["EPICS_PVAS_BROADCAST_PORT"],
        )  # fmt: skip

    async def stop(self) -> None:
        """Closes everything, when all answers have been given; clients see the disconnect at once."""
        server, self._server = self._server, None
        if self._trying_again is not None:
            self._trying_again.cancel()
        if server is not None:
            await self._lane.do(server.stop)
            if self._connections is not None:
                self._connections.end()
            self._lane.close()

    def review_rights(self) -> None:
        """Has clients connect again to what some of them may read, or may no longer: then it is decided again."""
        changed = self._readers.review()
        self._come_back(lambda what: any(map(changed, _securities(what))))

    def regrouped(self, record: Record, before: Security) -> None:
        """The same for a record, and all that is made of it, whose access group is another one now."""
        if self._readers.differ(before, record.security):
            self._come_back(lambda what: record in _records(what))

    def _come_back(self, wanted: Callable[[Record | Offer], bool]) -> None:
        """Has the clients of what is wanted connect again, and those that may not read something."""
        served = [(pv, each.name) for pv, each in self.served.items() if wanted(self._named(each.name))]
        for pv, name in served:
            self.asked.forget(name, pv)
        self._disconnect([pv for pv, _ in served] + self.asked.refusals.take(NO_READ.__eq__))

    def _named(self, name: str) -> Record | Offer:
        what = self._names.find(name)
        assert what is not None, name
        return what

    def _disconnect(self, pvs: list[Any]) -> None:
        """Has the clients of p4p's process variables, which nobody else gets any longer, come back."""

        def close() -> None:
            self._present()  # it is answered when p4p has done what it was doing: a client may just have got one
            for pv in pvs:
                pv.close()

        if pvs:
            self._lane.hand_over(close, "clients could not be disconnected")

    def _present(self) -> list[str]:
        """The other ends of all channels."""
        server = self._server
        if server is None:
            return []
        report = importlib.import_module("p4p._gw").Server_report(server._S)
        return [peer for *_, peer, _, _ in report]

    def _refusal(self, what: Record | Offer, peer: str) -> str:
        may = all(self._readers.may(security, peer) for security in _securities(what))
        return "" if may else NO_READ

    # -- what happens in p4p's threads, in the event loop -------------------------------------------------------------

    def wanted(self, name: str, pv: Any) -> Any:
        """A client has come to a process variable, the first one; gives what it reads."""
        what = self._named(name)
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

    def turned_away(self) -> None:
        """A client has got nothing, since there are too many, or the IOC was busy: it comes back after a while."""
        if self._trying_again is None:
            self._trying_again = asyncio.get_running_loop().call_later(_AGAIN, self._try_again)

    def _try_again(self) -> None:
        self._trying_again = None
        self._disconnect(self.asked.refusals.take(NO_READ.__ne__))


def _securities(what: Record | Offer) -> Iterable[Security]:
    """What the rights to it follow from."""
    return (what.security,) if isinstance(what, Record) else what.securities


def _records(what: Record | Offer) -> Collection[Record]:
    """What it is made of."""
    return (what,) if isinstance(what, Record) else what.records
