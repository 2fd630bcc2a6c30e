"""The Channel Access server: records by name, circuits, searches and beacons."""

from __future__ import annotations

import asyncio
import functools
import logging
import os
import socket
from collections.abc import Callable, Iterable
from typing import Self, TypeVar

from pixieioc.ioc.ca import dbr, hosts, names, sockets
from pixieioc.ioc.ca.acceptor import Acceptor
from pixieioc.ioc.ca.beacons import Beacons
from pixieioc.ioc.ca.circuit import Circuit
from pixieioc.ioc.ca.environment import Environment
from pixieioc.ioc.ca.limits import Limits
from pixieioc.ioc.ca.pinned import check_caproto
from pixieioc.ioc.ca.searches import Searches
from pixieioc.ioc.ca.view import View, Views
from pixieioc.ioc.records import Client, Record, faults
from pixieioc.ioc.records.rights import ALL, READ_ONLY, Rights
from pixieioc.ioc.records.security import Security
from pixieioc.ioc.records.told import Told
from pixieioc.ioc.records.written import PutListener

log = logging.getLogger(__name__)

#: Complaints about clients that are logged in a period of this many seconds; the others are counted.
_COMPLAINTS, _COMPLAINTS_PERIOD = 20, 10.0
#: Bytes of requests that are taken from a client at a time.
_INBOX = 64 * 1024
#: Seconds that a start waits for the addresses of hosts to be ignored.
_LOOK_UP = 2.0
#: Names that are remembered as logged when their handling has failed.
_NAMES = 1000

T = TypeVar("T")
D = TypeVar("D")


def _alone(otherwise: D) -> Callable[[Callable[[Server, str], T]], Callable[[Server, str], T | D]]:
    """For methods that say what a name is: one whose handling fails costs that name alone, which is `otherwise`."""

    def made(method: Callable[[Server, str], T]) -> Callable[[Server, str], T | D]:
        @functools.wraps(method)
        def guarded(server: Server, name: str) -> T | D:
            try:
                return method(server, name)
            except Exception as error:
                server.note_name(name, error)
                return otherwise

        return guarded

    return made


class Server:
    """Serves records over Channel Access; a context manager of asyncio.

    `interfaces` are addresses to listen on; None: those of EPICS_CAS_INTF_ADDR_LIST, or all. The other EPICS_CAS_
    variables are honoured as by an EPICS Base server. Raises CannotServe if one of them is not acceptable, or if
    another version of caproto is installed than this server was tested with.
    """

    def __init__(
        self, records: Iterable[Record], interfaces: list[str] | None = None, limits: Limits | None = None
    ) -> None:
        check_caproto()
        self.views = Views(records)
        self.limits = limits or Limits()
        self.circuits: dict[Circuit, None] = {}  #: in the order in which they came
        self.inbox = memoryview(bytearray(_INBOX))
        self.coalesced = 0  #: monitors that slow clients, now gone, have missed
        #: Hears of the puts that are trapped, or of all.
        self.put_listener: PutListener | None = None
        self.all_puts = False
        self.trusts_hosts = True  #: a client is on the host that it says; otherwise on the address that it comes from
        self.name_faults = 0  #: requests for a name whose handling has failed
        self._names_logged: set[str] = set()
        self.port = 0
        self._environment = Environment.read(os.environ)
        self.interfaces = interfaces or list(self._environment.interfaces) or ["0.0.0.0"]
        self._acceptors: list[Acceptor] = []
        self._searches: list[Searches] = []
        self._ignored: set[str] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._complaints = 0

    def add(self, record: Record) -> None:
        """Adds a record; clients that are looking for it find it at once."""
        self.views.add(record)

    @_alone(None)
    def find(self, name: str) -> View | None:
        """What a client means by `name`: a record, one of its fields, a long string, with filters."""
        return names.find(self.views, name)

    @_alone(False)
    def knows(self, name: str) -> bool:
        """Whether there is something of this name."""
        return names.knows(self.views, name)

    def note_name(self, name: str, error: Exception) -> None:
        """Counts a name that could not be handled; it is logged once."""
        self.name_faults += 1
        if name not in self._names_logged and len(self._names_logged) < _NAMES:
            self._names_logged.add(name)
            log.error("the name %.200r could not be handled", name, exc_info=error)

    def rights_to(self, security: Security, client: Client) -> Rights:
        """What `rights` says; nothing can be written while that fails."""
        try:
            return self.rights(security, client)
        except Exception as error:
            faults.report(f"the rights of {client} to the access group {security.writing} could not be found", error)
            return READ_ONLY

    def is_writable(self, view: View, client: Client) -> bool:
        """Whether a client's puts to this are looked at, if only to acknowledge its alarm."""
        return view.takes(dbr.PUT_ACKS) and self.rights_to(view.security, client).write

    def rights(self, security: Security, client: Client) -> Rights:
        """What this client may do with whatever has this security; call `review_rights` when the answer changes."""
        return ALL

    def review_rights(self) -> None:
        """Tells all clients which of their rights have changed."""
        for circuit in list(self.circuits):
            circuit.review_rights()

    def regrouped(self, record: Record) -> None:
        """Tells all clients how their rights to a record have changed, whose access group is another one now."""
        for circuit in list(self.circuits):
            circuit.regrouped(record)

    def told_of(self, name: str, record: Record, client: Client, *, trapped: bool) -> Told | None:
        """The put that a client makes now to what has this name, if it is to be logged."""
        if self.put_listener is None or not (trapped or self.all_puts):
            return None
        return Told(self.put_listener, name, record, client)

    def put_refused(self, record: Record, client: Client, why: str) -> None:
        """Called when a client's value could not be converted for a record."""

    # -- life ---------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Opens the sockets and answers from now on."""
        loop = asyncio.get_running_loop()
        await self._look_up()
        listening: list[socket.socket] = []
        try:
            listening = sockets.listening_tcp(self.interfaces, self._environment.server_port)
            searches = sockets.search_udp(self.interfaces, self._environment.server_port)
        except OSError:
            for sock in listening:
                sock.close()
            for task in self._tasks:
                task.cancel()
            raise
        self.port = listening[0].getsockname()[1]
        self._acceptors = [Acceptor(sock, self._take) for sock in listening]
        self._searches = [Searches(sock, self.port, self._has, self._ignored) for sock in searches]
        beacons = Beacons(self._environment, self.interfaces, self.port)
        self._tasks += [loop.create_task(beacons.run()), loop.create_task(self._check_circuits())]
        if self.port != self._environment.server_port != 0:
            log.warning(
                "TCP port %d is taken by another server on this computer, this one uses port %d; they share the UDP "
                "port, so that clients find both by broadcasts, but not all by this computer's address",
                self._environment.server_port,
                self.port,
            )
        log.info(
            "Channel Access on %s, TCP port %d, UDP port %d", self.interfaces, self.port, self._environment.server_port
        )

    async def _look_up(self) -> None:
        """Finds the addresses of interfaces and of ignored hosts that were given by name."""
        known = await hosts.resolve(self.interfaces, "interfaces", needed="cannot listen for clients on TCP")
        self.interfaces = [known[host][0] for host in self.interfaces if host in known]
        self._ignored.update(filter(hosts.is_address, self._environment.ignored))
        if len(self._ignored) < len(self._environment.ignored):
            looking_up = asyncio.get_running_loop().create_task(self._look_up_ignored())
            self._tasks.append(looking_up)
            _, late = await asyncio.wait({looking_up}, timeout=_LOOK_UP)
            if late:
                log.warning("hosts to be ignored are answered until their addresses are known")

    async def _look_up_ignored(self) -> None:
        for addresses in (await hosts.resolve(self._environment.ignored, "hosts to be ignored")).values():
            self._ignored.update(addresses)

    async def stop(self) -> None:
        """Closes everything; clients see the disconnect at once."""
        for task in self._tasks:
            task.cancel()
        for acceptor in self._acceptors:
            acceptor.close()
        for circuit in list(self.circuits):
            circuit.transport.abort()
        for searches in self._searches:
            searches.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def _has(self, name: bytes) -> bool:
        try:
            return self.knows(name.decode())
        except UnicodeDecodeError:
            return False

    # -- circuits -----------------------------------------------------------------------------------------------------

    def _take(self, sock: socket.socket, address: tuple[str, int]) -> None:
        Circuit(self, self.limits, sock, address)

    def admit(self, circuit: Circuit) -> bool:
        """Takes a new circuit if it is not one too many; the oldest that has not said anything makes place for it."""
        if len(self.circuits) >= self.limits.clients:
            silent = next((other for other in self.circuits if not other.spoken), None)
            if silent is None:
                self.complain(f"{circuit.client.address}: refused, there are {len(self.circuits)} clients")
                return False
            self.dismiss(silent)
            silent.transport.abort()
        self.circuits[circuit] = None
        return True

    def dismiss(self, circuit: Circuit) -> None:
        """Forgets a circuit that has ended."""
        if circuit in self.circuits:
            del self.circuits[circuit]
            self.coalesced += circuit.outbox.coalesced

    def complain(self, about: str) -> None:
        """Logs what a client has done wrong; of very many complaints only some."""
        self._complaints += 1
        if self._complaints <= _COMPLAINTS:
            log.warning("%s", about)
        if self._complaints == _COMPLAINTS:
            asyncio.get_running_loop().call_later(_COMPLAINTS_PERIOD, self._complain_again)

    def _complain_again(self) -> None:
        if self._complaints > _COMPLAINTS:
            log.warning("%d more complaints about clients", self._complaints - _COMPLAINTS)
        self._complaints = 0

    # -- in the background --------------------------------------------------------------------------------------------

    async def _check_circuits(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            for circuit in list(self.circuits):
                try:
                    circuit.check()
                except Exception as error:
                    faults.report("a circuit could not be checked", error)
