"""The caster, with recceivers that do what they should, and with others."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from pixieioc.config_schema import RecSyncTable
from pixieioc.ioc.records import Pvs
from pixieioc.ioc.recsync.announcements import Announcements
from pixieioc.ioc.recsync.caster import Caster
from pixieioc.pvinfo import PvInfo
from pixieioc.pvinfo.recsync import recsync_pvs
from tests.ioc.ca.peer import conversation
from tests.ioc.recsync.recceiver import GREETING, HEAD, KEY, Talk, announcement, recceiver, send

#: Seconds that a recceiver may take for a step here.
PATIENCE = 0.5


class Office:
    """A caster with its process variables, and others that it tells of."""

    def __init__(self, count: int = 3, doc: str = "A number.", **wanted: object) -> None:
        own = {pv.name: pv for pv in recsync_pvs()}
        others = {f"X{i}": PvInfo(f"X{i}", "ai", doc, 0.0) for i in range(count)}
        summary = {"SumSevr_RBV": PvInfo("SumSevr_RBV", "longin", "Worst.")}
        self.pvs = Pvs(own | others | summary, "T:")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind(("127.0.0.1", 0))
            self.port = sock.getsockname()[1]
        table = {"on": True, "port": self.port, "hold_off": 0.0, "timeout": PATIENCE, **wanted}
        self.caster = Caster(self.pvs, RecSyncTable(**table), ["127.0.0.1"], {"IOCNAME": "T"})

    @property
    def state(self) -> str:
        return self.pvs["IOC:RecSync:State-Sts"].label

    @property
    def message(self) -> str:
        return self.pvs["IOC:RecSync:Msg-I"].value

    async def until(self, holds: Callable[[], bool], announced: int | None = None) -> None:
        """Waits until something holds; meanwhile a recceiver at a port announces itself."""
        end = time.monotonic() + 60
        while not holds():
            assert time.monotonic() < end, (self.state, self.message)
            if announced is not None:
                send(announcement(announced), self.port)
            await asyncio.sleep(0.01)

    @contextlib.asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        task = asyncio.get_running_loop().create_task(self.caster.run())
        try:
            await self.until(lambda: self.state == "Listening")
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled()


@conversation
async def test_a_recceiver_is_told_everything_and_its_pings_are_answered() -> None:
    talks: list[Talk] = []
    leave = asyncio.Event()

    async def behave(talk: Talk) -> None:
        talks.append(talk)
        await talk.upload()
        talk.send(HEAD.pack(0x5243, 0x8055, 3), b"new")  # a message that nobody knows yet
        for nonce in (1, 0xFFFFFFFF):
            talk.ping(nonce)
            await talk.message()
        await leave.wait()

    office = Office(timeout=30.0)
    async with office.at_work(), recceiver(behave) as port:
        assert office.message == "Searching"
        await office.until(lambda: office.state == "Done", port)
        [talk] = talks
        await office.until(lambda: len(talk.pongs) == 2)
        assert talk.greeting == bytes(4) + KEY.to_bytes(4)
        assert talk.info == {"IOCNAME": "T"}
        assert len(talk.records) == len(office.pvs)
        assert talk.records[5][:2] == ("T:X0", "ai")
        assert talk.records[5][2]["recordDesc"] == "A number."
        assert office.message == "Synchronized"
        assert office.pvs["IOC:RecSync:Server_RBV"].value == f"127.0.0.1:{port}"
        assert office.pvs["IOC:RecSync:Count_RBV"].value == len(office.pvs)
        leave.set()
        await office.until(lambda: office.state == "Listening")
        assert office.message == "Lost: closed the connection"
        assert office.pvs["IOC:RecSync:Server_RBV"].value == ""


async def _closes(talk: Talk) -> None:
    pass


async def _is_a_web_server(talk: Talk) -> None:
    talk.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    await asyncio.sleep(10)


async def _says_something_else(talk: Talk) -> None:
    talk.ping(1)
    await asyncio.sleep(10)


async def _never_greets(talk: Talk) -> None:
    await asyncio.sleep(10)


async def _never_reads(talk: Talk) -> None:
    talk.send(GREETING)
    await asyncio.sleep(10)


async def _closes_midway(talk: Talk) -> None:
    talk.send(GREETING)
    for _ in range(20):
        await talk.message()


async def _never_pings(talk: Talk) -> None:
    await talk.upload()
    for _ in range(100):
        talk.send(HEAD.pack(0x5243, 0x9000, 0) * 10)
        await asyncio.sleep(0.05)


async def _pings_without_number(talk: Talk) -> None:
    await talk.upload()
    talk.send(HEAD.pack(0x5243, 0x8002, 2), b"no")
    await asyncio.sleep(10)


@pytest.mark.parametrize(
    ("behave", "why"),
    [
        (_closes, ""),
        (_is_a_web_server, "sent b'HT' rather than b'RC'"),
        (_says_something_else, "its first message is of kind 0x8002"),
        (_never_greets, "did not greet within 2 s"),
        (_never_reads, "did not read within 0.5 s"),
        (_closes_midway, ""),
        (_never_pings, "did not ping within 2 s"),
        (_pings_without_number, "sent a ping without a number"),
    ],
)
def test_who_is_no_recceiver_costs_a_while_and_does_not_hinder_one(
    behave: Callable[[Talk], Awaitable[None]], why: str
) -> None:
    async def good(talk: Talk) -> None:
        await talk.upload()
        await asyncio.sleep(10)

    async def talk() -> None:
        office = Office(2000, "A number. " * 400)
        async with office.at_work(), recceiver(behave) as bad, recceiver(good) as port:
            # It is tried again and again: on a busy computer, it may be late with what is wrong.
            await office.until(lambda: office.message.startswith(f"Lost: {why}"[:39]), bad)
            assert office.state == "Listening"
            send(announcement(bad), office.port)
            await office.until(lambda: office.state == "Done", port)

    conversation(talk)()


@conversation
async def test_nobody_there_is_said_and_another_one_is_taken() -> None:
    office = Office()
    with socket.create_server(("127.0.0.1", 0)) as server:
        nobody = server.getsockname()[1]
    async with office.at_work():
        await office.until(lambda: office.message == "Lost: Connection refused", nobody)
    assert office.pvs["IOC:RecSync:Server_RBV"].value == ""


@conversation
async def test_of_a_flood_of_datagrams_a_few_are_taken_at_a_time() -> None:
    taken: list[tuple[float, bytes]] = []
    port, over = Office().port, threading.Event()

    def flood() -> None:
        while not over.is_set():
            send(b"x" * 1400, port, 20)

    with Announcements(["127.0.0.1"], port, lambda datagram, sender: taken.append((time.monotonic(), datagram))):
        thread = threading.Thread(target=flood)
        thread.start()
        try:
            while len(taken) < 60:
                await asyncio.sleep(0.01)
        finally:
            over.set()
            thread.join()
    assert {len(datagram) for _, datagram in taken} == {64}
    times = [when for when, _ in taken]
    assert times[-1] - times[0] > 0.09 * (len(times) // 8 - 2)  # eight in each tenth of a second


@conversation
async def test_of_a_flood_of_pings_a_few_are_answered_at_a_time() -> None:
    taken: list[float] = []

    async def behave(talk: Talk) -> None:
        await talk.upload()
        talk.send(*[HEAD.pack(0x5243, 0x8002, 4) + bytes(4)] * 50_000)
        began = time.monotonic()
        while len(taken) < 1000 and await talk.message():
            taken.append(time.monotonic() - began)
        await asyncio.sleep(10)

    office = Office()
    async with office.at_work(), recceiver(behave) as port:
        await office.until(lambda: len(taken) == 1000, port)
        assert taken[-1] > 0.05 * (1000 * 12 // 4096)  # a few of them for each reading
        assert office.state == "Done"


@conversation
async def test_where_it_cannot_listen_it_says_so() -> None:
    office = Office(interfaces=["192.0.2.1"])
    task = asyncio.get_running_loop().create_task(office.caster.run())
    await office.until(lambda: office.message != "")
    assert office.message == "Cannot listen, see the log"
    assert office.state == "Init"
    task.cancel()
    await asyncio.wait([task])
