"""A small client that monitors process variables of other IOCs as numbers, for the rules of access security.

One connection for each: they are few. What is lost is looked for again, for as long as it is wanted.
"""

from __future__ import annotations

import asyncio
import getpass
import itertools
import os
import socket
import struct
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress

from pixieioc.ioc.ca import hosts, sockets
from pixieioc.ioc.ca import protocol as ca
from pixieioc.ioc.ca.listeners import DBE_ALARM, DBE_VALUE
from pixieioc.ioc.records import INVALID, faults

#: Seconds between searches for a name: at first, and at most.
_FIRST, _LAST = 0.05, 15.0
#: Seconds for a connection; seconds of silence after which a server must show that it lives, and until it must have.
_CONNECT, _SILENCE, _PATIENCE = 5.0, 15.0, 5.0
_STS_DOUBLE = 13
_SAMPLE = struct.Struct(">hh4xd")
_LONGEST = 64 * 1024

Address = tuple[str, int]


class MonitorClient:
    """Calls `heard` with a name and its value; None: there is none, or it is INVALID."""

    def __init__(self, heard: Callable[[str, float | None], None]) -> None:
        self._heard = heard
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._searches = _Searches()

    def want(self, names: Iterable[str]) -> None:
        """From now on these, and no others."""
        wanted = set(names)
        for name in self._tasks.keys() - wanted:
            self._tasks.pop(name).cancel()
        loop = asyncio.get_running_loop()
        for name in wanted - self._tasks.keys():
            self._tasks[name] = loop.create_task(self._follow(name))

    def close(self) -> None:
        """Ends all of them."""
        self.want(())
        self._searches.close()

    async def _follow(self, name: str) -> None:
        while True:
            address = await self._searches.find(name)
            try:
                async with _connected(address) as (reader, writer):
                    await self._monitor(name, reader, writer)
            except (OSError, TimeoutError, asyncio.IncompleteReadError, ca.Broken, _Gone):
                pass  # it is looked for again
            except Exception as error:
                faults.report(f"the monitor of {name} has failed", error)
            finally:
                self._heard(name, None)

    async def _monitor(self, name: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Until the connection or the channel has gone."""
        writer.write(_hello(name))
        parser = ca.MessageParser(_LONGEST)
        while True:
            for message in parser.cut(await _received(reader, writer)):
                match message.command:
                    case ca.CREATE_CHANNEL:
                        mask = struct.pack(">12xHxx", DBE_VALUE | DBE_ALARM)
                        writer.write(ca.header(ca.EVENT_ADD, len(mask), _STS_DOUBLE, 1, message.b, 1) + mask)
                    case ca.EVENT_ADD:
                        self._heard(name, _number(message))
                    case ca.CREATE_FAIL | ca.SERVER_DISCONNECT:
                        raise _Gone
                    case _:
                        pass


class _Gone(Exception):
    """The server has the process variable no longer."""


class _Searches:
    """Finds out on which server a name is."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self._waiting: dict[int, asyncio.Future[Address]] = {}
        self._numbers = itertools.count(1)
        self._asked = False  # hosts that are not known have been logged

    async def find(self, name: str) -> Address:
        """Asks for a name, less and less often, until somebody says that it is there."""
        number = next(self._numbers) & 0xFFFFFFFF
        found = self._waiting[number] = asyncio.get_running_loop().create_future()
        data = ca.text_payload(name)
        message = ca.header(ca.VERSION, 0, 0, ca.MINOR_VERSION, 0, 0) + (
            ca.header(ca.SEARCH, len(data), 5, ca.MINOR_VERSION, number, number) + data
        )
        period = _FIRST
        try:
            while True:
                for address in await _listed(os.environ, quiet=self._asked):
                    with suppress(OSError):  # a network that is not there (now)
                        self._opened().sendto(message, address)
                self._asked = True
                done, _ = await asyncio.wait({found}, timeout=period)
                if done:
                    return found.result()
                period = min(2 * period, _LAST)
        finally:
            del self._waiting[number]

    def close(self) -> None:
        """Asks for nothing more."""
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None

    def _opened(self) -> socket.socket:
        if self._socket is None:
            self._socket = sockets.beacon_udp()
            asyncio.get_running_loop().add_reader(self._socket, self._read)
        return self._socket

    def _read(self) -> None:
        assert self._socket is not None
        try:
            data, (host, _) = self._socket.recvfrom(_LONGEST)
        except OSError:  # also that nobody is there whom it has asked
            return
        at = 0
        while len(data) - at >= ca.HEADER.size:
            command, size, port, _, address, number = ca.HEADER.unpack_from(data, at)
            at += ca.HEADER.size + size
            found = self._waiting.get(number)
            if command == ca.SEARCH and found is not None and not found.done():
                other = address not in (0, 0xFFFFFFFF)
                found.set_result((socket.inet_ntoa(address.to_bytes(4)) if other else host, port))


async def _listed(variables: Mapping[str, str], *, quiet: bool) -> list[Address]:
    """Whom to ask: EPICS_CA_ADDR_LIST, and everybody nearby unless EPICS_CA_AUTO_ADDR_LIST says no."""
    text = variables.get("EPICS_CA_SERVER_PORT", "").strip()
    port = int(text) if text.isdecimal() else 5064
    listed = [entry.partition(":") for entry in variables.get("EPICS_CA_ADDR_LIST", "").split()]
    known = await hosts.resolve((host for host, _, _ in listed), "EPICS_CA_ADDR_LIST", quiet=quiet)
    found = [(known[host][0], int(own) if own.isdecimal() else port) for host, _, own in listed if host in known]
    if variables.get("EPICS_CA_AUTO_ADDR_LIST", "").strip().lower() != "no":
        found += [(address, port) for address in sockets.broadcast_addresses([])]
    return list(dict.fromkeys(found))


@asynccontextmanager
async def _connected(address: Address) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    async with asyncio.timeout(_CONNECT):
        reader, writer = await asyncio.open_connection(*address)
    try:
        yield reader, writer
    finally:
        writer.close()


async def _received(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """What has come; a server that is silent for long is asked whether it lives."""
    try:
        async with asyncio.timeout(_SILENCE):
            data = await reader.read(_LONGEST)
    except TimeoutError:
        writer.write(ca.header(ca.ECHO, 0, 0, 0, 0, 0))
        async with asyncio.timeout(_PATIENCE):
            data = await reader.read(_LONGEST)
    if not data:
        raise _Gone
    return data


def _hello(name: str) -> bytes:
    """Who asks, and for what."""
    user, host, wanted = map(ca.text_payload, (_user(), socket.gethostname(), name))
    return b"".join(
        (
            ca.header(ca.VERSION, 0, 0, ca.MINOR_VERSION, 0, 0),
            ca.header(ca.CLIENT_NAME, len(user), 0, 0, 0, 0) + user,
            ca.header(ca.HOST_NAME, len(host), 0, 0, 0, 0) + host,
            ca.header(ca.CREATE_CHANNEL, len(wanted), 0, 0, 1, ca.MINOR_VERSION) + wanted,
        )
    )


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # an account without a name
        return str(os.getuid())


def _number(message: ca.Message) -> float | None:
    """The value of an event; None if it cannot be read, or is INVALID."""
    if message.a != ca.NORMAL or message.data_type != _STS_DOUBLE or len(message.payload) < _SAMPLE.size:
        return None
    _, severity, value = _SAMPLE.unpack_from(message.payload)
    return None if severity == INVALID else value
