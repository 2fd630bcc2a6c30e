"""Connections at PVAccess' port: how many there may be, and what becomes of a server that can open no more files."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pixieioc.ioc.pva.connection_watch import OTHERS
from pixieioc.ioc.pva.connections import Connections, surplus
from tests.ioc.ca.peer import conversation
from tests.ioc.pva.clients import LOOPBACK
from tests.ioc.pva.test_server import _number, served

#: Connects so often to a port, and says so.
_FLOOD = """
import resource, socket, sys
resource.setrlimit(resource.RLIMIT_NOFILE, resource.getrlimit(resource.RLIMIT_NOFILE)[1:] * 2)
clients = [socket.create_connection(("127.0.0.1", int(sys.argv[1])), 5) for _ in range(int(sys.argv[2]))]
print("connected", flush=True)
sys.stdin.read()
"""


@contextlib.asynccontextmanager
async def _flood(port: int, count: int) -> AsyncIterator[None]:
    command = [sys.executable, "-c", _FLOOD, str(port), str(count)]
    pipe = asyncio.subprocess.PIPE
    flood = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
    try:
        assert flood.stdout is not None
        assert await flood.stdout.readline() == b"connected\n"
        yield
    finally:
        flood.kill()
        await flood.wait()


def _connected(port: int) -> int:
    watched = Connections(port)
    try:
        return len(list(watched._each()))
    finally:
        watched.close()


@pytest.mark.parametrize(
    ("most", "ended"), [(4, []), (3, ["oldest"]), (2, ["oldest", "older"]), (0, ["oldest", "older", "newest"])]
)
def test_the_oldest_that_are_no_clients_make_place(most: int, ended: list[str]) -> None:
    since = {"client": 0.0, "newest": 9.0, "oldest": 1.0, "older": 2.0}
    assert surplus(since, {"client"}, most) == ended


def test_only_connections_of_this_port_are_seen_and_ended(tmp_path: Path) -> None:
    with contextlib.ExitStack() as sockets:
        listening = [sockets.enter_context(socket.create_server((LOOPBACK, 0))) for _ in range(2)]
        ports = [each.getsockname()[1] for each in listening]
        clients = [sockets.enter_context(socket.create_connection((LOOPBACK, port))) for port in (*ports, ports[0])]
        taken = [sockets.enter_context(listening[number].accept()[0]) for number in (0, 1, 0)]
        path = str(tmp_path / "socket")
        sockets.enter_context(socket.socket(socket.AF_UNIX)).bind(path)
        sockets.callback(os.close, os.open(path, os.O_PATH))  # as that of the fork server is kept
        watched = Connections(ports[0])
        sockets.callback(watched.close)
        assert watched.may_be_more_than(1)
        assert not watched.may_be_more_than(1000)
        assert watched.end_surplus({f"{LOOPBACK}:{clients[2].getsockname()[1]}"}, 1) == 1
        assert clients[0].recv(1) == b""  # it is told at once
        taken[1].sendall(b"x")
        taken[2].sendall(b"x")
        assert [client.recv(1) for client in clients[1:]] == [b"x", b"x"]


@conversation
async def test_connections_that_are_no_clients_and_too_many_are_ended(caplog: pytest.LogCaptureFixture) -> None:
    async with served(_number(value=7.0), clients=5) as it:
        assert (await it.get("x")).value == 7.0
        async with _flood(it.server.port, 30):
            await it.until(lambda: _connected(it.server.port) <= 5 + OTHERS)
            assert (await it.get("x")).value == 7.0
        await it.until(lambda: "that were no clients'" in caplog.text)


@conversation
async def test_a_flood_of_connections_leaves_descriptors_to_the_ioc(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    async with served(_number(value=7.0)) as it:
        assert (await it.get("x")).value == 7.0
        lowest = os.dup(0)
        os.close(lowest)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + 20, hard))
        try:
            async with _flood(it.server.port, 60):
                await it.until(lambda: "Too many open files; clients must wait" in caplog.text)
                assert (await it.get("x")).value == 7.0
                files = [tmp_path / str(number) for number in range(5)]
                with contextlib.ExitStack() as opened:  # as the IOC's own files, which need more than one at a time
                    for file in files:
                        opened.enter_context(file.open("w"))
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        await it.until(lambda: _connected(it.server.port) == 1)
    assert "accept" not in capfd.readouterr().err  # it was told once, not as fast as a processor goes
