"""The Channel Access server: records by name, circuits, searches and beacons."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Iterable

from pixieioc.config import LimitsTable
from pixieioc.ioc.ca import protocol as ca
from pixieioc.ioc.ca import sockets
from pixieioc.ioc.ca.acceptor import Acceptor
from pixieioc.ioc.ca.circuit import Circuit
from pixieioc.ioc.ca.environment import Environment
from pixieioc.ioc.ca.fields import find_field, has_field
from pixieioc.ioc.ca.pinned import check_caproto
from pixieioc.ioc.ca.record import Client, Record
from pixieioc.ioc.ca.searches import Searches

log = logging.getLogger(__name__)

#: Complaints about clients that are logged in so many seconds; the others are counted.
_COMPLAINTS, _COMPLAINTS_PERIOD = 20, 10.0
#: Bytes of requests that are taken from a client at a time.
_INBOX = 64 * 1024


class Server:
    """Serves records over Channel Access; a context manager of asyncio.

    `interfaces` are addresses to listen on; None: those of EPICS_CAS_INTF_ADDR_LIST, or all. The other EPICS_CAS_
    variables are honoured as by an EPICS Base server. Raises ConfigError if one of them is not acceptable, or if
    another version of caproto is installed than this server was tested with.
    """

    def __init__(
        self, records: Iterable[Record], interfaces: list[str] | None = None, limits: LimitsTable | None = None
    ) -> None:
        check_caproto()
        self.records = {record.name: record for record in records}
        self.limits = limits or LimitsTable()
        self.circuits: dict[Circuit, None] = {}  #: in the order in which they came
        self.inbox = memoryview(bytearray(_INBOX))
        self.coalesced = 0  #: monitors that slow clients, now gone, have missed
        self.port = 0
        self._environment = Environment.read(os.environ)
        self.interfaces = interfaces or list(self._environment.interfaces) or ["0.0.0.0"]
        self._acceptors: list[Acceptor] = []
        self._searches: list[Searches] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._complaints = 0

    def add(self, record: Record) -> None:
        """Adds a record; clients that are looking for it find it at once."""
        self.records[record.name] = record

    def find(self, name: str) -> Record | None:
        """The record that a client means by `name`: a record, one of its fields, or a long string (`NAME.DESC$`)."""
        record = self.records.get(name)
        if record is not None:
            return record
        base, field = _split(name)
        record = self.records.get(base)
        if record is None or field == "VAL" or (field == "VAL$" and record.info.is_text):
            return record
        return find_field(record, field)

    def knows(self, name: str) -> bool:
        """Whether there is something of this name."""
        if name in self.records:
            return True
        base, field = _split(name)
        record = self.records.get(base)
        if record is None or not field:
            return False
        return field == "VAL" or has_field(record, field) or (field == "VAL$" and record.info.is_text)

    def is_writable(self, record: Record, client: Client) -> bool:
        """Whether a client's puts to this record are looked at."""
        return record.put is not None and self.may_write(record, client)

    def may_write(self, record: Record, client: Client) -> bool:
        """Whether this client may write this record; call `review_rights` when the answer changes."""
        return True

    def review_rights(self) -> None:
        """Tells all clients which of their rights have changed."""
        for circuit in list(self.circuits):
            circuit.review_rights()

    def put_refused(self, record: Record, client: Client, why: str) -> None:
        """Called when a client's value could not be converted for a record."""

    # -- life ---------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Opens the sockets and answers from now on."""
        loop = asyncio.get_running_loop()
        listening = sockets.listening_tcp(self.interfaces, self._environment.server_port)
        try:
            searches = sockets.search_udp(self.interfaces, self._environment.server_port)
        except OSError:
            for sock in listening:
                sock.close()
            raise
        self.port = listening[0].getsockname()[1]
        self._acceptors = [Acceptor(sock, self._take) for sock in listening]
        ignored = self._environment.ignored
        self._searches = [Searches(sock, self.port, self._has, ignored) for sock in searches]
        self._tasks = [loop.create_task(self._send_beacons()), loop.create_task(self._check_circuits())]
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

    async def __aenter__(self) -> Server:
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
                circuit.check()

    async def _send_beacons(self) -> None:
        """Tells clients that this server is there: often at first, then every EPICS_CAS_BEACON_PERIOD seconds."""
        with contextlib.closing(sockets.beacon_udp()) as sock:
            number, period = 0, 0.02
            while True:
                message = ca.HEADER.pack(ca.IS_UP, 0, ca.MINOR_VERSION, self.port, number & 0xFFFFFFFF, 0)
                for address in self._beacon_addresses():
                    with contextlib.suppress(OSError):  # a network that is not there (now)
                        sock.sendto(message, address)
                number += 1
                await asyncio.sleep(period)
                period = min(2 * period, self._environment.beacon_period)

    def _beacon_addresses(self) -> list[tuple[str, int]]:
        env = self._environment
        found = sockets.broadcast_addresses(self.interfaces) if env.beacons_automatic else []
        addresses = dict.fromkeys([*((address, env.beacon_port) for address in found), *env.beacons])
        local = all(interface.startswith("127.") for interface in self.interfaces)  # then nobody else can connect
        return [(host, port) for host, port in addresses if not local or host.startswith("127.")]


def _split(name: str) -> tuple[str, str]:
    """Record and field of a name; without a field the latter is empty, and `NAME$` is `NAME.VAL$`."""
    base, dot, field = name.rpartition(".")
    if dot:
        return base, field
    return (name[:-1], "VAL$") if name.endswith("$") else (name, "")
