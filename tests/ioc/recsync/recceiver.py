"""A recceiver for tests: it announces itself, and does with a connection what a test says."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

KEY = 0xC0FFEE
HEAD = struct.Struct("!HHI")
GREETING = bytes.fromhex("524380010000000100")

Behaviour = Callable[["Talk"], Awaitable[None]]


class Talk:
    """A connection of a caster, and what was taken from it: records with their properties, those of the IOC, pongs."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.greeting = b""
        self.info: dict[str, str] = {}
        self.records: dict[int, tuple[str, str, dict[str, str]]] = {}
        self.pongs: list[int] = []

    def send(self, *data: bytes) -> None:
        self.writer.write(b"".join(data))

    def ping(self, nonce: int) -> None:
        self.send(HEAD.pack(0x5243, 0x8002, 4), struct.pack("!I", nonce))

    async def message(self) -> int:
        """Takes a message, and gives its kind."""
        magic, kind, length = HEAD.unpack(await self.reader.readexactly(HEAD.size))
        body = await self.reader.readexactly(length)
        assert magic == 0x5243
        match kind:
            case 1:
                self.greeting = body
            case 2:
                self.pongs.append(int.from_bytes(body))
            case 3:
                number, alias, kinds, names = struct.unpack_from("!IBBH", body)
                texts = body[8:].decode()
                assert (alias, len(body)) == (0, 8 + kinds + names)
                self.records[number] = (texts[kinds:], texts[:kinds], {})
            case 6:
                number, keys, values = struct.unpack_from("!IBxH", body)
                assert len(body) == 8 + keys + values
                own = self.records[number][2] if number else self.info
                own[body[8 : 8 + keys].decode()] = body[8 + keys :].decode()
            case _:
                assert (kind, body) == (5, bytes(4))
        return kind

    async def upload(self) -> None:
        """Greets, and takes everything."""
        assert await self.message() == 1
        self.send(GREETING)
        while await self.message() != 5:
            pass


@contextlib.asynccontextmanager
async def recceiver(behaviour: Behaviour, **options: Any) -> AsyncIterator[int]:
    """One that behaves so in each connection; gives its port. What fails in it fails the test."""
    failed: list[BaseException] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await behaviour(Talk(reader, writer))
        except (ConnectionError, asyncio.IncompleteReadError):  # the caster has had enough
            pass
        except BaseException as error:
            failed.append(error)
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, **options)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
    assert [error for error in failed if not isinstance(error, asyncio.CancelledError)] == []


def announcement(port: int, key: int = KEY) -> bytes:
    return struct.pack("!HBx4sHxxI", 0x5243, 0, b"\xff" * 4, port, key)


def send(datagram: bytes, to: int, times: int = 1) -> None:
    """Sends a datagram to a port of this computer."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for _ in range(times):
            sock.sendto(datagram, ("127.0.0.1", to))
