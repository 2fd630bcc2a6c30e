"""Clients that are broken or mean: they cost no crash, no memory without bound, and nobody else a monitor."""

from __future__ import annotations

import asyncio
import random
import resource
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import caproto as ca
import numpy as np
import psutil
import pytest

from pixieioc.ioc.ca.environment import CannotServe
from pixieioc.ioc.ca.limits import Limits
from pixieioc.ioc.ca.pinned import CAPROTO, check_caproto
from pixieioc.ioc.ca.searches import answer
from pixieioc.ioc.ca.server import Server
from pixieioc.ioc.records import Client, Record
from pixieioc.pvinfo import PvInfo
from tests.conftest import CA_PORTS
from tests.ioc.ca.peer import Peer, conversation, raw, writable

PORT = CA_PORTS[0]
COMMANDS = [*range(28), 0xFFFF]


@pytest.fixture(autouse=True)
def port_of_our_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EPICS_CAS_SERVER_PORT", str(PORT))


class Good:
    """A client that listens to a number, and must hear each of its values."""

    def __init__(self, server: Server, record: Record, peer: Peer) -> None:
        self.server = server
        self._record = record
        self._peer = peer
        self._value = 0

    async def hears(self) -> None:
        """Posts a value: it comes."""
        self._value += 1
        self._record.post(self._value)
        assert await self._peer.event(1) == [self._value]


@asynccontextmanager
async def _good(limits: Limits | None = None) -> AsyncIterator[Good]:
    # Nothing of what is said may reach the number: it is read only.
    record = Record(PvInfo("number", "ai", "", 0.0), "number")
    array = writable(Record(PvInfo("array", "waveform", "", np.zeros(1000), length=1000), "array"))
    async with Server([record, array], ["127.0.0.1"], limits) as server:
        peer = await Peer.connect(server.port)
        await peer.monitor(await peer.channel("number"), 1)
        good = Good(server, record, peer)
        await good.hears()
        yield good
        await good.hears()


def _frame(dice: random.Random) -> bytes:
    """A message that looks like Channel Access, with fields that may be absurd."""
    numbers = [0, 1, 2, 5, 6, 20, 34, 1000, 0x7FFF, 0xFFFF]
    payload = dice.randbytes(dice.choice([0, 8, 16, 40, 200]))
    size = len(payload) if dice.random() < 0.8 else dice.choice(numbers)
    header = struct.pack(
        ">HHHHII",
        dice.choice(COMMANDS),
        size,
        dice.choice(numbers),
        dice.choice(numbers),
        dice.choice([0, 1, 2, 2**31, 2**32 - 1]),
        dice.choice([0, 1, 2, 2**32 - 1]),
    )
    if size == 0xFFFF:
        header += struct.pack(">II", dice.choice([0, 8, 65536, 2**31, 2**32 - 1]), dice.choice([0, 1, 2**32 - 1]))
    return header + payload


def _channels() -> bytes:
    """The beginning of a conversation: a number and an array."""
    return raw(0, 0, 0, 13) + b"".join(
        raw(18, 8, 0, 0, i, 13) + name.ljust(8, b"\0") for i, name in enumerate((b"number", b"array"))
    )


@pytest.mark.parametrize("seed", range(8))
@conversation
async def test_random_messages_over_tcp(seed: int) -> None:
    dice = random.Random(seed)
    async with _good() as good:
        for _ in range(30):
            said = _channels() + b"".join(_frame(dice) for _ in range(50))
            said = said[: dice.randrange(len(said))]  # cut anywhere
            reader, writer = await asyncio.open_connection("127.0.0.1", good.server.port)
            writer.write(said)
            writer.write_eof()
            while True:
                try:
                    async with asyncio.timeout(60):
                        if not await reader.read(65536):
                            break
                except ConnectionError:
                    break
            writer.close()
            await good.hears()
        assert len(good.server.views) == 2


@conversation
async def test_random_datagrams() -> None:
    dice = random.Random(1)
    async with _good() as good:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind(("127.0.0.1", 0))
            for i in range(2000):
                data = dice.randbytes(dice.randrange(60)) if i % 2 else _frame(dice) + _frame(dice)
                sock.sendto(data[: dice.randrange(len(data) + 1)], ("127.0.0.1", PORT))
                if not i % 100:
                    await good.hears()


def test_a_reply_to_a_datagram_is_not_much_longer_than_it() -> None:
    """Or else a small datagram with a false sender would make this server flood a third computer."""
    data = raw(0, 0, 1, 13, 5) + b"".join(raw(6, 8, 5, 13, i, i) + b"n\0\0\0\0\0\0\0" for i in range(50))
    assert len(answer(data, 5064, lambda name: name == b"n")) <= len(data)
    assert answer(data, 5064, lambda name: False) == b""


@conversation
async def test_a_flood_of_searches() -> None:
    """60 000 names, as many as come in a second from a control room that was just switched on."""
    async with _good() as good:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind(("127.0.0.1", 0))
            names = b"".join(raw(6, 16, 5, 13, i, i) + f"nobody{i:09}\0".encode() for i in range(30))
            for i in range(2000):
                sock.sendto(raw(0, 0, 1, 13, i) + names, ("127.0.0.1", PORT))
                if not i % 50:
                    await good.hears()


@conversation
async def test_connections_that_never_speak() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 1500:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    before = psutil.Process().memory_info().rss
    async with _good(Limits(silence=60)) as good:
        socks = [socket.socket() for _ in range(500)]
        try:
            for sock in socks:
                sock.setblocking(False)
                await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", good.server.port))
            while len(good.server.circuits) < 501:
                await good.hears()
            other = await Peer.connect(good.server.port)
            assert await other.get(await other.channel("number")) != []
            assert psutil.Process().memory_info().rss - before < 50e6
        finally:
            for sock in socks:
                sock.close()
        while len(good.server.circuits) > 2:
            await good.hears()


@conversation
async def test_whoever_has_not_spoken_makes_place() -> None:
    async with _good(Limits(clients=3)) as good:
        silent = [await Peer.connect(good.server.port) for _ in range(2)]
        late = await Peer.connect(good.server.port)
        await silent[0].ends()
        await late.channel("number")
        silent[1].say(raw(23))
        await silent[1].hear(ca.EchoResponse)
        with pytest.raises((AssertionError, ConnectionError)):  # all three have spoken
            await Peer.connect(good.server.port)
        await late.lives()


@conversation
async def test_a_byte_is_no_word() -> None:
    async with _good(Limits(silence=0.2)) as good:
        peer = await Peer.connect(good.server.port)
        peer.say(b"\0")
        await peer.ends()


@pytest.mark.parametrize(
    ("limits", "said", "code"),
    [
        (Limits(subscriptions=2), b"".join(raw(1, 16, 6, 1, 1, i) + b"\0" * 13 + b"\5\0\0" for i in range(3)), 48),
        (Limits(channels=1), raw(18, 8, 0, 0, 9, 13) + b"number\0\0", None),
    ],
    ids=["subscriptions", "channels"],
)
@conversation
async def test_a_client_that_wants_too_much_is_told(limits: Limits, said: bytes, code: int | None) -> None:
    async with _good(limits) as good:
        peer = await Peer.connect(good.server.port)
        await peer.channel("number")
        peer.say(said)
        if code is None:
            assert (await peer.hear(ca.CreateChFailResponse)).cid == 9
        else:
            for _ in range(2):
                await peer.hear(ca.EventAddResponse)
            assert await peer.error() == "ECA_ALLOCMEM"
        await peer.lives()


@conversation
async def test_puts_that_do_not_complete_are_limited() -> None:
    gate = asyncio.Event()

    async def until_open() -> None:
        await gate.wait()

    def wait(value: Any, client: Client) -> Any:
        return until_open()

    async with _good(Limits(puts=3)) as good:
        good.server.views["number"].record.put = wait
        peer = await Peer.connect(good.server.port)
        channel = await peer.channel("number")
        for _ in range(4):
            peer.say(peer.writing(channel, 1.0))
        assert (await peer.hear(ca.WriteNotifyResponse)).status.name == "ECA_PUTFAIL"
        gate.set()
        for _ in range(3):
            assert (await peer.hear(ca.WriteNotifyResponse)).status.name == "ECA_NORMAL"


@pytest.mark.parametrize("announced", [70_000, 2**24, 2**32 - 8])
@conversation
async def test_nobody_may_announce_more_than_its_channels_take(announced: int) -> None:
    """The number needs 40 bytes: 70 kB of a put are refused, and not kept; of anything else they end the connection."""
    async with _good() as good:
        peer = await Peer.connect(good.server.port)
        channel = await peer.channel("number")
        before = psutil.Process().memory_info().rss
        peer.say(raw(4, 0xFFFF, 6, 0, channel, 1) + struct.pack(">II", announced, 1) + b"\0" * 1000)
        assert await peer.error() == "ECA_TOLARGE"
        for _ in range(min(announced - 1000, 10_000_000) // 60_000):  # what comes of it
            peer.say(b"\0" * 60_000)
            await good.hears()
        assert psutil.Process().memory_info().rss - before < 5e6
        other = await Peer.connect(good.server.port)
        await other.channel("number")
        other.say(raw(20, 0xFFFF, 6, 0, channel, 1) + struct.pack(">II", announced, 1) + b"\0" * 1000)
        await other.ends()


def test_another_version_of_caproto_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("caproto.__version__", "1.2.0")
    says = f"caproto 1.2.0 is installed, this server needs {CAPROTO}: pip install caproto=={CAPROTO}"
    with pytest.raises(CannotServe, match=says):
        Server([])
    monkeypatch.setattr("caproto.__version__", CAPROTO)
    check_caproto()
