"""A Channel Access client for tests of the server alone: one bare connection, on which caproto's words are spoken."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import socket
import struct
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

import caproto as ca
from caproto._commands import read_from_bytestream

from pixieioc.ioc.loop import run
from pixieioc.ioc.records import Client, Record
from pixieioc.pvinfo import PvInfo

#: How long a message may take, in seconds.
DEADLINE = 60.0
#: The peers of the present conversation: none stays connected after it.
_PEERS: list[Peer] = []
_HEADER = struct.Struct(">HHHHII")

T = TypeVar("T")


def conversation(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """A test that is a coroutine: it has an event loop of its own, in which nothing may go wrong unnoticed."""

    @functools.wraps(test)
    def talk(*args: Any, **kwargs: Any) -> None:
        run(listened_to(test(*args, **kwargs)))

    return talk


async def listened_to(talk: Coroutine[Any, Any, None]) -> None:
    """The same on the loop that runs."""
    faults: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: faults.append(context))
    try:
        async with asyncio.timeout(60):
            await talk
    finally:
        while _PEERS:
            await _PEERS.pop().gone()
    assert faults == []


@contextlib.contextmanager
def faulty() -> Iterator[list[str]]:
    """Meanwhile, faults of the server are expected: gives what was reported."""
    loop = asyncio.get_running_loop()
    handler, reported = loop.get_exception_handler(), list[str]()
    loop.set_exception_handler(lambda loop, context: reported.append(context["message"]))
    try:
        yield reported
    finally:
        loop.set_exception_handler(handler)


def raw(command: int, size: int = 0, data_type: int = 0, count: int = 0, a: int = 0, b: int = 0) -> bytes:
    """A header, also one that caproto would not make."""
    return _HEADER.pack(command, size, data_type, count, a, b)


def writable(record: Record) -> Record:
    """The same record; what a client writes is posted."""

    def put(value: Any, client: Client) -> None:
        record.post(value)

    record.put = put
    return record


def number(name: str = "number") -> Record:
    """A writable number."""
    return writable(Record(PvInfo("number", "ao", "", 0.0), name))


class Peer:
    """The client's side of a connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._data = bytearray()
        self._heard: deque[Any] = deque()
        self._numbers = itertools.count(1)
        self.greeting: Any = None
        _PEERS.append(self)

    @classmethod
    async def connect(cls, port: int, *, buffer: int = 0, host: str = "127.0.0.1") -> Peer:
        """Connects and hears the server's greeting; `buffer` is how many bytes it takes without being asked."""
        sock = socket.socket()
        if buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        try:
            sock.connect((host, port))
        except OSError:
            sock.close()
            raise
        made = cls(*await asyncio.open_connection(sock=sock, limit=buffer or 2**16))
        made.greeting = await made.hear(ca.VersionResponse)
        return made

    def say(self, *messages: ca.Message | bytes) -> None:
        """Sends messages, all at once."""
        self._writer.write(b"".join(bytes(message) for message in messages))

    async def hear(self, kind: Callable[..., T]) -> T:
        """The next message, which must be of this kind."""
        while not self._heard:
            data = await asyncio.wait_for(self._reader.read(2**16), DEADLINE)
            assert data, f"disconnected instead of {kind}"
            self._data += data
            self._cut()
        heard = self._heard.popleft()
        assert type(heard) is kind, f"{heard} instead of {kind}"
        return heard

    def _cut(self) -> None:
        while True:
            self._data, message, _ = read_from_bytestream(self._data, ca.SERVER)
            if not isinstance(message, ca.Message):
                return
            self._heard.append(message)

    async def ends(self) -> None:
        """Waits for the server to end the connection; it says nothing more."""
        with contextlib.suppress(ConnectionResetError):
            assert await asyncio.wait_for(self._reader.read(), DEADLINE) == b""

    def leaves(self) -> None:
        """Ends the connection."""
        self._writer.close()

    async def gone(self) -> None:
        """Ends the connection, and waits until it is."""
        self._writer.transport.abort()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()

    # -- short conversations ------------------------------------------------------------------------------------------

    async def lives(self) -> None:
        """The connection works, and nothing unasked for was said."""
        self.say(ca.EchoRequest())
        await self.hear(ca.EchoResponse)

    async def channel(self, name: str) -> int:
        """A channel's number."""
        self.say(ca.CreateChanRequest(name, next(self._numbers), 13))
        await self.hear(ca.AccessRightsResponse)
        return (await self.hear(ca.CreateChanResponse)).sid

    async def get(self, sid: int, data_type: int = ca.ChannelType.DOUBLE, count: int = 0) -> list[Any]:
        """The value of a channel."""
        number = next(self._numbers)
        self.say(ca.ReadNotifyRequest(data_type, count, sid, number))
        answer = await self.hear(ca.ReadNotifyResponse)
        assert (answer.ioid, answer.status.name) == (number, "ECA_NORMAL")
        return list(answer.data)

    async def put(self, sid: int, *values: Any, data_type: int = ca.ChannelType.DOUBLE) -> str:
        """Writes and waits for completion; returns its status."""
        self.say(self.writing(sid, *values, data_type=data_type))
        return (await self.hear(ca.WriteNotifyResponse)).status.name

    def writing(self, sid: int, *values: Any, data_type: int = ca.ChannelType.DOUBLE) -> ca.Message:
        """The request of a put with callback."""
        return ca.WriteNotifyRequest(values, data_type, len(values), sid, next(self._numbers))

    async def monitor(self, sid: int, identifier: int = 77, count: int = 0) -> list[Any]:
        """Subscribes to a channel's value and alarms; returns the first value."""
        self.say(self.subscribing(sid, identifier, count))
        return await self.event(identifier)

    def subscribing(self, sid: int, identifier: int = 77, count: int = 0) -> ca.Message:
        """The request of a subscription."""
        mask = ca.SubscriptionType.DBE_VALUE | ca.SubscriptionType.DBE_ALARM
        return ca.EventAddRequest(ca.ChannelType.DOUBLE, count, sid, identifier, 0, 0, 0, mask)

    async def event(self, identifier: int = 77) -> list[Any]:
        """The value of the next monitor."""
        event = await self.hear(ca.EventAddResponse)
        assert (event.subscriptionid, event.status.name) == (identifier, "ECA_NORMAL")
        return list(event.data)

    async def error(self) -> str:
        """The name of the error that comes next."""
        return (await self.hear(ca.ErrorResponse)).status.name
