"""What leaves a circuit, and in which order: all of it, or, for a client that is behind, what is newest."""

from __future__ import annotations

import asyncio
from typing import Any

import caproto as ca
import numpy as np
import pytest

from pixieioc.ioc.ca.circuit import Circuit
from pixieioc.ioc.ca.limits import Limits
from pixieioc.ioc.ca.outbox import Outbox
from pixieioc.ioc.ca.server import Server
from pixieioc.ioc.ca.transport import Transport
from pixieioc.ioc.records import Client, Record
from pixieioc.ioc.records.rights import ALL, READ_ONLY, Rights, Security
from pixieioc.pvinfo import PvInfo
from tests.conftest import CA_PORTS
from tests.ioc.ca.peer import Peer, conversation, number, writable

LOCAL = ["127.0.0.1"]
BIG = 10_000
BYTES = 8 * BIG


@pytest.fixture(autouse=True)
def port_of_our_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EPICS_CAS_SERVER_PORT", str(CA_PORTS[0]))


def _array(name: str) -> Record:
    return Record(PvInfo("array", "waveform", "", [0.0], length=BIG), name)


async def _listening(server: Server, *names: str, buffer: int = 0) -> Peer:
    """A client that listens to these, numbered from 1."""
    peer = await Peer.connect(server.port, buffer=buffer)
    for i, name in enumerate(names, 1):
        await peer.monitor(await peer.channel(name), i)
    return peer


def _newest(server: Server) -> Circuit:
    return list(server.circuits)[-1]


@conversation
async def test_each_post_of_a_burst_arrives_in_its_order() -> None:
    """Also those of one PV, and of a burst that is longer than what the kernel takes at once."""
    busy, arrays = number("busy"), [_array(f"array{i}") for i in range(20)]
    async with Server([busy, *arrays], LOCAL, Limits(backlog=100 * BYTES)) as server:
        peer = await _listening(server, "busy", *(f"array{i}" for i in range(20)))
        for i, array in enumerate(arrays):
            busy.post(2 * i + 1)
            array.post(np.full(BIG, i + 1.0))
            busy.post(2 * i + 2)
        for i in range(20):
            assert await peer.event(1) == [2 * i + 1]
            assert (await peer.event(2 + i))[0] == i + 1
            assert await peer.event(1) == [2 * i + 2]
        assert _newest(server).outbox.coalesced == 0


@conversation
async def test_an_array_that_its_giver_changes_is_posted_as_it_was() -> None:
    array = _array("array")
    async with Server([array], LOCAL) as server:
        peer = await _listening(server, "array")
        values = np.zeros(3)
        for i in range(1, 5):
            values[0] = i
            array.post(values)
        assert [list(await peer.event(1)) for _ in range(4)] == [[i, 0, 0] for i in range(1, 5)]


@conversation
async def test_a_circuit_that_is_behind_gets_the_newest_in_the_order_of_the_last_posts() -> None:
    names = ["a", "b", "c"]
    records, array = {name: number(name) for name in names}, _array("array")
    async with Server([*records.values(), array], LOCAL, Limits(backlog=0, patience=0)) as server:
        peer = await _listening(server, *names, "array", buffer=4096)
        outbox = _newest(server).outbox
        posts = 0
        while outbox.full_since is None:  # as much as the kernel takes
            posts += 1
            array.post(np.full(BIG, posts))
            await asyncio.sleep(0)
        for value, name in enumerate("abcabcacb", 1):
            records[name].post(value)
        for _ in range(posts):
            await peer.event(4)
        # The last posts were of a, c and b.
        assert [await peer.event(i) for i in (1, 3, 2)] == [[7], [8], [9]]
        assert outbox.coalesced == 6
        records["a"].post(10)
        assert await peer.event(1) == [10]


@conversation
async def test_a_circuit_is_not_behind_before_it_must_be() -> None:
    single, array = number("single"), _array("array")
    async with Server([single, array], LOCAL, Limits(patience=60)) as server:
        peer = await _listening(server, "single", "array", buffer=4096)
        outbox = _newest(server).outbox
        posts = 0
        while outbox.full_since is None:
            posts += 1
            array.post(np.full(BIG, posts))
            await asyncio.sleep(0)
        for value in range(1, 101):
            single.post(value)
        for _ in range(posts):
            await peer.event(2)
        assert [await peer.event(1) for _ in range(100)] == [[value] for value in range(1, 101)]
        assert outbox.coalesced == 0


@conversation
async def test_a_put_is_answered_after_all_that_was_posted_before_also_if_the_client_is_behind() -> None:
    """The order of the end of a run holds for a client that is slow, too."""
    gate = asyncio.Event()
    run, array, state = number("run"), _array("array"), number("state")

    async def acquire() -> None:
        await gate.wait()
        for value in (1, 2, 3):
            state.post(value)
        run.post(0)

    def put(value: Any, client: Client) -> Any:
        run.post(value)
        return acquire()

    run.put = put
    async with Server([run, array, state], LOCAL, Limits(backlog=0, patience=0)) as server:
        peer = await _listening(server, "run", "array", "state", buffer=4096)
        channel = await peer.channel("run")
        peer.say(peer.writing(channel, 1))
        assert await peer.event(1) == [1]
        posts, outbox = 0, _newest(server).outbox
        while outbox.full_since is None:
            posts += 1
            array.post(np.full(BIG, posts))
            await asyncio.sleep(0)
        gate.set()
        for _ in range(posts):
            await peer.event(2)
        assert [await peer.event(3), await peer.event(1)] == [[3], [0]]
        assert (await peer.hear(ca.WriteNotifyResponse)).status.name == "ECA_NORMAL"


@conversation
async def test_a_client_that_is_behind_is_still_heard() -> None:
    """A stop over a slow line comes through at once."""
    stop, array = number("stop"), _array("array")
    async with Server([stop, array], LOCAL, Limits(backlog=0, patience=0)) as server:
        peer = await _listening(server, "array", buffer=4096)
        channel = await peer.channel("stop")
        outbox, posts = _newest(server).outbox, 0
        while outbox.full_since is None:
            posts += 1
            array.post(np.full(BIG, posts))
            await asyncio.sleep(0)
        peer.say(peer.writing(channel, 1))
        async with asyncio.timeout(60):
            while stop.value != 1:
                await asyncio.sleep(0)
        assert outbox.full_since is not None
        for _ in range(posts):
            await peer.event(1)
        assert (await peer.hear(ca.WriteNotifyResponse)).status.name == "ECA_NORMAL"


class _Line(Transport):
    """The way to a client that takes nothing; `left` is how much waits for it."""

    left = 1000

    def __init__(self) -> None:
        """It needs no socket."""

    @property
    def waiting(self) -> int:
        return self.left


def test_slow_is_not_stalled(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("time.monotonic", lambda: now)

    async def talk() -> None:
        nonlocal now
        line = _Line()
        outbox = Outbox(line, 0, 1000)
        assert outbox.stalled() == 0
        outbox.full()
        now = 50
        assert outbox.stalled() == 50
        line.left -= 1
        assert outbox.stalled() == 0
        now = 70
        assert outbox.stalled() == 20
        outbox.drained()
        assert outbox.stalled() == 0
        outbox.close()

    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(talk())
    finally:
        loop.close()


@conversation
async def test_whoever_wants_no_monitors_still_gets_answers() -> None:
    single = number("single")
    async with Server([single], LOCAL) as server:
        peer = await _listening(server, "single")
        channel = await peer.channel("single")
        peer.say(ca.EventsOffRequest())
        assert await peer.put(channel, 1.0) == "ECA_NORMAL"
        assert await peer.get(channel) == [1.0]
        assert await peer.put(channel, 2.0) == "ECA_NORMAL"
        peer.say(ca.EventsOnRequest())
        assert [await peer.event(1), await peer.event(1)] == [[1.0], [2.0]]


@conversation
async def test_rights_that_change_are_told() -> None:
    forbidden: set[str] = set()
    guarded = writable(Record(PvInfo("one", "ao", "", 0.0, access="EN"), "one"))

    class Guarded(Server):
        def rights(self, security: Security, client: Client) -> Rights:
            return READ_ONLY if security.writing in forbidden else ALL

    async with Guarded([guarded, number("other")], LOCAL) as server:
        peer = await Peer.connect(server.port)
        one, _ = await peer.channel("one"), await peer.channel("other")
        for rights, status in ((1, "ECA_NOWTACCESS"), (3, "ECA_NORMAL")):
            forbidden ^= {"EN"}
            server.review_rights()
            server.review_rights()  # nothing has changed since
            told = await peer.hear(ca.AccessRightsResponse)
            assert (told.cid, told.access_rights) == (1, rights)
            assert await peer.put(one, 1.0) == status
        await peer.lives()
