"""The Channel Access server: records by name, circuits, searches and beacons."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import struct
from collections.abc import Iterable
from typing import cast

from pixieioc.ioc.ca import dbr, sockets
from pixieioc.ioc.ca import protocol as ca
from pixieioc.ioc.ca.circuit import Circuit, Limits
from pixieioc.ioc.ca.environment import Environment
from pixieioc.ioc.ca.record import Client, Record

log = logging.getLogger(__name__)


class Server:
    """Serves records over Channel Access; a context manager of asyncio.

    `interfaces` are addresses to listen on; None: those of EPICS_CAS_INTF_ADDR_LIST, or all. The other EPICS_CAS_
    variables are honoured as by an EPICS Base server.
    """

    def __init__(
        self, records: Iterable[Record], interfaces: list[str] | None = None, limits: Limits | None = None
    ) -> None:
        self.records = {record.name: record for record in records}
        self.limits = limits or Limits()
        self.circuits: set[Circuit] = set()
        self.coalesced = 0  #: monitors that slow clients, now gone, have missed
        self.port = 0
        self._environment = Environment.read(os.environ)
        self.interfaces = interfaces or list(self._environment.interfaces) or ["0.0.0.0"]
        self._servers: list[asyncio.Server] = []
        self._transports: list[asyncio.DatagramTransport] = []
        self._tasks: list[asyncio.Task[None]] = []

    def add(self, record: Record) -> None:
        """Adds a record; clients that are looking for it find it at once."""
        self.records[record.name] = record

    def find(self, name: str) -> Record | None:
        """The record that a client means by `name`: also as `name.VAL`."""
        return self.records.get(name) or self.records.get(name.removesuffix(".VAL"))

    def may_write(self, record: Record, client: Client) -> bool:
        """Whether this client may write this record."""
        return True

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
        for sock in listening:
            self._servers.append(await loop.create_server(lambda: Circuit(self), sock=sock))
        for sock in searches:
            transport, _ = await loop.create_datagram_endpoint(lambda: _Searches(self), sock=sock)
            self._transports.append(transport)
        self._tasks = [loop.create_task(self._send_beacons()), loop.create_task(self._check_circuits())]
        log.info(
            "Channel Access on %s, TCP port %d, UDP port %d", self.interfaces, self.port, self._environment.server_port
        )

    async def stop(self) -> None:
        """Closes everything; clients see the disconnect at once."""
        for task in self._tasks:
            task.cancel()
        for server in self._servers:
            server.close()
        for circuit in list(self.circuits):
            circuit.transport.abort()
        for transport in self._transports:
            transport.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def __aenter__(self) -> Server:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def ignores(self, host: str) -> bool:
        """True for hosts of EPICS_CAS_IGNORE_ADDR_LIST, whose searches are not answered."""
        return host in self._environment.ignored

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


class _Searches(asyncio.DatagramProtocol):
    """Answers name searches."""

    transport: asyncio.DatagramTransport

    def __init__(self, server: Server) -> None:
        self._server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if self._server.ignores(addr[0]):
            return
        reply = self._answer(data)
        if reply:
            self.transport.sendto(reply, addr)

    def _answer(self, data: bytes) -> bytes:
        """The reply to a datagram: its sequence number, which opens the client's window, then what is here."""
        sequence, valid = 0, 0
        found: list[bytes] = []
        try:
            for message in ca.Cutter(len(data)).cut(data):
                if message.command == ca.VERSION and message.data_type == ca.SEQUENCE_IS_VALID:
                    sequence, valid = message.a, ca.SEQUENCE_IS_VALID
                elif message.command == ca.SEARCH and self._server.find(dbr.name(message.payload)) is not None:
                    found.append(ca.HEADER.pack(ca.SEARCH, 8, self._server.port, 0, 0xFFFFFFFF, message.a))
                    found.append(_MINOR)
        except (ValueError, struct.error):
            return b""  # not Channel Access: whoever sent it expects no answer
        if not found:
            return b""
        return ca.HEADER.pack(ca.VERSION, 0, valid, ca.MINOR_VERSION, sequence, 0) + b"".join(found)


_MINOR = struct.pack(">Hxxxxxx", ca.MINOR_VERSION)
