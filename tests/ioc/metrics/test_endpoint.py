"""The page of metrics over HTTP, for those who read it and for those who do not."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from prometheus_client import parser

from pixieioc.config_schema import MetricsTable
from pixieioc.ioc.metrics import endpoint
from pixieioc.ioc.metrics.endpoint import MOST, Endpoint
from pixieioc.ioc.records import Pvs
from pixieioc.pvinfo.build import all_pvs
from tests.configs import config_of
from tests.ioc.ca.peer import conversation
from tests.ports import free_port

GET = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"


class Client:
    """Somebody with a connection to the page."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def to(cls, port: int) -> Client:
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def rest(self) -> bytes:
        """All that comes until the other side closes, or has gone."""
        try:
            return await self.reader.read()
        except ConnectionError:
            return b""
        finally:
            self.writer.close()

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """The status and the body of the answer."""
        self.writer.write(request)
        answer = await self.rest()
        start, _, body = answer.partition(b"\r\n\r\n")
        return int(start.split()[1]), body


@contextlib.asynccontextmanager
async def served(pvs: Pvs | None = None) -> AsyncIterator[tuple[int, Pvs]]:
    """A page that is served: its port, and the process variables that it is about."""
    pvs = pvs or Pvs(all_pvs(config_of(("DummyData", "FillSpectra"), {})), "PX16:")
    port = free_port()
    task = asyncio.get_running_loop().create_task(Endpoint(pvs, MetricsTable(on=True, port=port)).run())
    try:
        while True:
            with contextlib.suppress(ConnectionError):
                await (await Client.to(port)).ask(b"HEAD /metrics HTTP/1.1\r\n\r\n")
                break
            await asyncio.sleep(0.01)
        yield port, pvs
    finally:
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()


async def get(port: int) -> tuple[int, bytes]:
    return await (await Client.to(port)).ask(GET)


def clients_in(body: bytes) -> float:
    """What the page says of CA clients."""
    found = {family.name: family for family in parser.text_string_to_metric_families(body.decode())}
    return found["pixieioc_ca_clients"].samples[0].value


@conversation
async def test_the_page_says_what_the_records_say_and_is_made_once_a_second() -> None:
    async with served() as (port, pvs):
        pvs.post("IOC:CA_CLNT_CNT", 3)
        answers = await asyncio.gather(*(get(port) for _ in range(5)))
        assert {status for status, _ in answers} == {200}
        assert len({body for _, body in answers}) == 1
        first = clients_in(answers[0][1])
        pvs.post("IOC:CA_CLNT_CNT", 4)
        end = time.monotonic() + 60
        while (now := clients_in((await get(port))[1])) != 4:
            assert now in (first, 3)
            assert time.monotonic() < end


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"POST /metrics HTTP/1.1\r\nContent-Length: 40000\r\n\r\n" + b"x" * 40_000, 405),
        (b"GET / HTTP/1.1\r\n\r\n", 404),
        (b"\x16\x03\x01\x02\x00\r\n\r\n", 400),
        (b"GET /metrics HTTP/1.1\r\nX: " + b"x" * 100_000, 431),
    ],
)
def test_other_requests_are_told_why(request_: bytes, status: int) -> None:
    async def talk() -> None:
        async with served() as (port, _):
            assert (await (await Client.to(port)).ask(request_))[0] == status
            assert (await get(port))[0] == 200

    conversation(talk)()


async def _nothing(client: Client) -> None:
    pass


async def _drops(client: Client) -> None:
    client.writer.write(b"GET /metr")


async def _vanishes(client: Client) -> None:
    client.writer.transport.abort()


async def _asks_and_never_reads(client: Client) -> None:
    client.writer.transport.pause_reading()  # type: ignore[attr-defined]  # it is one for both directions
    client.writer.write(GET)


@pytest.mark.parametrize("behave", [_nothing, _drops, _vanishes, _asks_and_never_reads])
def test_many_clients_that_do_not_behave_hinder_nobody(behave: Callable[[Client], Awaitable[None]]) -> None:
    async def talk() -> None:
        async with served() as (port, _):
            others: list[Client] = []

            async def come() -> None:
                for _ in range(100):
                    with contextlib.suppress(OSError, TimeoutError):
                        others.append(await asyncio.wait_for(Client.to(port), 2))
                        await behave(others[-1])

            coming = asyncio.get_running_loop().create_task(come())
            await asyncio.sleep(0.2)
            assert (await get(port))[0] == 200
            coming.cancel()
            await asyncio.wait([coming])
            for other in others:
                other.writer.transport.abort()
            assert (await get(port))[0] == 200

    conversation(talk)()


@conversation
async def test_many_who_come_at_once_are_taken_a_few_at_a_time() -> None:
    async with served() as (port, _):
        began = time.monotonic()

        async def answered() -> float:
            assert (await get(port))[0] == 200
            return time.monotonic() - began

        times = sorted(await asyncio.gather(*(answered() for _ in range(25))))
        assert times[-1] > 0.1 * (25 // 5 - 2)


@conversation
async def test_who_says_nothing_is_told_so_and_makes_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "REQUEST", 2.0)  # all have come by then
    async with served() as (port, _):
        silent = [await Client.to(port) for _ in range(2 * MOST)]
        ends = await asyncio.gather(*(client.rest() for client in silent))
        assert [end.partition(b"\r\n")[0] for end in ends] == ([b""] * MOST + [b"HTTP/1.1 408 Request Timeout"] * MOST)


@conversation
async def test_a_port_that_is_taken_is_said_once_and_waited_for(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(endpoint, "_RETRY", 0.05)
    pvs = Pvs(all_pvs(config_of(("DummyData", "FillSpectra"), {})), "PX16:")
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        task = asyncio.get_running_loop().create_task(Endpoint(pvs, MetricsTable(on=True, port=port)).run())
        await asyncio.sleep(0.3)
    try:
        end = time.monotonic() + 60
        while True:
            with contextlib.suppress(OSError):
                assert (await get(port))[0] == 200
                break
            assert time.monotonic() < end
            await asyncio.sleep(0.02)
    finally:
        task.cancel()
        await asyncio.wait([task])
    errors = [record.message for record in caplog.records if record.levelno == logging.ERROR]
    assert errors == [f"metrics: cannot listen on 127.0.0.1 port {port}: Address already in use"]
