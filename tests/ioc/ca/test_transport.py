"""A connection's bytes: what the kernel takes in part, not at all, or not any more."""

from __future__ import annotations

import asyncio
import errno
import resource
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from pixieioc.ioc.ca.acceptor import Acceptor
from pixieioc.ioc.ca.transport import FULL, Transport
from tests.ioc.ca.peer import DEADLINE, conversation

#: More than any kernel takes here without a reader.
MUCH = 8 * 1024**2


class _User:
    """Notes what it is told, each as a word or as the bytes that came."""

    def __init__(self) -> None:
        self.inbox = memoryview(bytearray(1000))
        self.told: list[Any] = []
        self.news = asyncio.Event()
        self.on_data: Callable[[], None] = lambda: None

    def _note(self, what: Any) -> None:
        self.told.append(what)
        self.news.set()

    def received(self, size: int) -> None:
        self._note(bytes(self.inbox[:size]))
        self.on_data()

    def full(self) -> None:
        self._note("full")

    def drained(self) -> None:
        self._note("drained")

    def lost(self, error: OSError | None) -> None:
        self._note(error.errno if error else "lost")

    async def until(self, *told: Any) -> None:
        """Waits until this, and nothing else, was told."""
        async with asyncio.timeout(DEADLINE):
            while len(self.told) < len(told):
                self.news.clear()
                await self.news.wait()
        assert self.told == list(told)


class _Far:
    """The other side."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.socket = sock

    async def say(self, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self.socket, data)

    async def hear(self, size: int) -> bytes:
        """So many bytes."""
        heard = bytearray()
        async with asyncio.timeout(DEADLINE):
            while len(heard) < size:
                data = await asyncio.get_running_loop().sock_recv(self.socket, size - len(heard))
                assert data, f"the end after {len(heard)} of {size} bytes"
                heard += data
        return bytes(heard)

    async def ends(self) -> None:
        async with asyncio.timeout(DEADLINE):
            assert await asyncio.get_running_loop().sock_recv(self.socket, 1) == b""

    def resets(self) -> None:
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


@asynccontextmanager
async def _connected() -> AsyncIterator[tuple[Transport, _User, _Far]]:
    """A TCP connection: what is tested, who is told, and the other side."""
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.socket() as far:
        far.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        far.connect(listening.getsockname())
        near, _ = listening.accept()
        user = _User()
        transport = Transport(near, user.inbox, user)
        try:
            yield transport, user, _Far(far)
        finally:
            transport.abort()


def _bytes(size: int) -> bytes:
    """Bytes that tell where they are."""
    return b"".join(i.to_bytes(4) for i in range(size // 4))


@conversation
async def test_what_comes_is_told_and_what_is_written_leaves_at_once() -> None:
    async with _connected() as (transport, user, far):
        await far.say(b"ping")
        await user.until(b"ping")
        transport.write(b"pong")
        assert transport.waiting == 0
        assert await far.hear(4) == b"pong"


@conversation
async def test_more_than_fits_into_the_inbox_comes_in_pieces() -> None:
    async with _connected() as (_, user, far):
        await far.say(_bytes(2400))
        async with asyncio.timeout(DEADLINE):
            while sum(map(len, user.told)) < 2400:
                user.news.clear()
                await user.news.wait()
        assert b"".join(user.told) == _bytes(2400)
        assert max(map(len, user.told)) <= 1000


@conversation
async def test_what_the_kernel_takes_in_part_leaves_whole_and_in_order() -> None:
    async with _connected() as (transport, user, far):
        data = _bytes(MUCH)
        transport.write(data)
        assert 0 < transport.waiting < MUCH
        transport.write(b"then")
        transport.write(b"this")
        await user.until("full")
        assert await far.hear(MUCH + 8) == data + b"thenthis"
        await user.until("full", "drained")
        assert transport.waiting == 0
        transport.write(b"more")
        assert await far.hear(4) == b"more"


@conversation
async def test_a_socket_is_full_once_more_than_a_little_waits() -> None:
    async with _connected() as (transport, user, far):
        size = 0
        while not transport.waiting:
            transport.write(bytes(1000))
            size += 1000
        assert user.told == []
        while transport.waiting <= FULL:
            assert user.told == []
            transport.write(bytes(1000))
            size += 1000
        assert user.told == ["full"]
        transport.write(b"also")  # told once
        await far.hear(size + 4)
        await user.until("full", "drained")


@conversation
async def test_what_comes_waits_while_reading_is_paused() -> None:
    async with _connected() as (transport, user, far):
        transport.pause_reading()
        transport.pause_reading()
        await far.say(b"wait")
        transport.write(b"done")
        assert await far.hear(4) == b"done"
        assert (user.told, transport.reading) == ([], False)
        transport.resume_reading()
        await user.until(b"wait")


@conversation
async def test_a_peer_that_leaves_gets_all_that_waits_first() -> None:
    async with _connected() as (transport, user, far):
        transport.write(_bytes(MUCH))
        far.socket.shutdown(socket.SHUT_WR)
        async with asyncio.timeout(DEADLINE):
            while not transport.closing:
                await asyncio.sleep(0)
        transport.write(b"too late")
        assert await far.hear(MUCH) == _bytes(MUCH)
        await far.ends()
        await user.until("full", "lost")


@conversation
async def test_closing_with_nothing_that_waits_ends_at_once() -> None:
    async with _connected() as (transport, user, far):
        transport.write(b"bye")
        transport.close()
        assert user.told == []  # later: whoever closes may be in the middle of something
        await user.until("lost")
        assert await far.hear(3) == b"bye"
        await far.ends()


@conversation
async def test_aborting_ends_at_once_whatever_waits_and_is_told_once() -> None:
    async with _connected() as (transport, user, far):
        transport.write(bytes(MUCH))
        transport.abort()
        transport.abort()
        transport.close()
        transport.resume_reading()
        transport.write(b"too late")
        assert (transport.waiting, transport.reading, transport.socket.fileno()) == (0, False, -1)
        await user.until("full", "lost")
        heard = 0
        async with asyncio.timeout(DEADLINE):
            while data := await asyncio.get_running_loop().sock_recv(far.socket, 2**20):
                heard += len(data)
        assert heard < MUCH


@pytest.mark.parametrize("writing", [False, True], ids=["idle", "much waits"])
@pytest.mark.parametrize("reading", [False, True], ids=["paused", "reading"])
@conversation
async def test_a_peer_that_resets(writing: bool, reading: bool) -> None:
    async with _connected() as (transport, user, far):
        if writing:
            transport.write(bytes(MUCH))
        if not reading:
            transport.pause_reading()
        far.resets()
        if not reading and not writing:
            transport.write(b"anybody?")  # only then it shows
        await user.until(*["full"] * writing, errno.ECONNRESET)
        transport.write(b"nobody")
        assert transport.closing


@conversation
async def test_a_fault_in_what_handles_data_costs_this_connection_alone() -> None:
    faults: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    async with _connected() as (_, user, far), _connected() as (_, other, other_far):

        def fail() -> None:
            raise ZeroDivisionError("here")

        user.on_data = fail
        heard = loop.get_exception_handler()
        loop.set_exception_handler(lambda loop, context: faults.append(context))
        await far.say(b"x")
        await user.until(b"x", "lost")
        loop.set_exception_handler(heard)
        await far.ends()
        await other_far.say(b"y")
        await other.until(b"y")
    assert [str(fault["exception"]) for fault in faults] == ["here"]


@conversation
async def test_who_handles_data_may_end_the_connection() -> None:
    async with _connected() as (transport, user, far):
        user.on_data = transport.abort
        await far.say(b"x")
        await user.until(b"x", "lost")
        await far.ends()


# -- new connections --------------------------------------------------------------------------------------------------


@conversation
async def test_connections_are_taken_with_the_address_that_they_come_from() -> None:
    taken: asyncio.Queue[tuple[socket.socket, tuple[str, int]]] = asyncio.Queue()
    listening = socket.create_server(("127.0.0.1", 0))
    listening.setblocking(False)
    acceptor = Acceptor(listening, lambda *connection: taken.put_nowait(connection))
    for _ in range(2):
        with socket.create_connection(listening.getsockname()) as sock:
            near, address = await asyncio.wait_for(taken.get(), DEADLINE)
            near.close()
            assert address == sock.getsockname()
    address = listening.getsockname()
    acceptor.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)


@conversation
async def test_without_file_descriptors_new_connections_wait(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("pixieioc.ioc.ca.acceptor._PAUSE", 0.05)
    taken: asyncio.Queue[socket.socket] = asyncio.Queue()
    listening = socket.create_server(("127.0.0.1", 0))
    listening.setblocking(False)
    acceptor = Acceptor(listening, lambda sock, address: taken.put_nowait(sock))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with socket.create_connection(listening.getsockname()):
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
        try:
            async with asyncio.timeout(DEADLINE):
                while not caplog.messages:
                    await asyncio.sleep(0.01)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert caplog.messages[0] == "new clients must wait for 0.05 s: Too many open files"
        (await asyncio.wait_for(taken.get(), DEADLINE)).close()
    acceptor.close()
