"""One client's connection: every request, what a client may not do, and one that does not read."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import caproto as ca
import numpy as np
import pytest

from pixieioc.ioc.ca.circuit import Circuit
from pixieioc.ioc.ca.limits import Limits
from pixieioc.ioc.ca.server import Server
from pixieioc.ioc.records import Client, PutRefused, Record
from pixieioc.ioc.records.rights import ALL, READ_ONLY, Rights, Security
from pixieioc.pvinfo import PvInfo
from pixieioc.pvinfo.model import text_pv
from tests.conftest import CA_PORTS
from tests.ioc.ca.peer import Peer, conversation, faulty, number, raw, writable

Type = ca.ChannelType
BIG = 10_000


@pytest.fixture(autouse=True)
def port_of_our_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EPICS_CAS_SERVER_PORT", str(CA_PORTS[0]))


def _enum() -> Record:
    return writable(Record(PvInfo("enum", "mbbo", "", labels=("Off", "On")), "enum"))


def _array(length: int = 4) -> Record:
    return writable(Record(PvInfo("array", "waveform", "", [1.0, 2.0], length=length), "array"))


@contextlib.asynccontextmanager
async def _serving(*records: Record, limits: Limits | None = None) -> AsyncIterator[tuple[Server, Peer]]:
    """A server, and a peer that behaves and must not notice what others do."""
    async with Server([*records, number("well")], ["127.0.0.1"], limits) as server:
        peer = await Peer.connect(server.port)
        peer.say(ca.VersionRequest(0, 13), ca.HostNameRequest("wall"), ca.ClientNameRequest("jan"))
        yield server, peer
        well = await Peer.connect(server.port)
        assert await well.get(await well.channel("well")) == [0.0]


def _circuit(server: Server, *others: Circuit) -> Circuit:
    """The server's side of the newest connection."""
    [circuit] = set(server.circuits) - set(others)
    return circuit


@conversation
async def test_a_whole_conversation_as_caprotos_rules_want_it() -> None:
    """caproto's state machine follows each message, and raises where one is illegal."""
    record = number()
    async with _serving(record) as (server, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        circuit = ca.VirtualCircuit(our_role=ca.CLIENT, address=("127.0.0.1", server.port), priority=0)
        heard: list[Any] = []

        def say(*messages: ca.Message) -> None:
            writer.writelines(circuit.send(*messages))

        async def hear(kind: type) -> Any:
            while not heard:
                messages, _ = circuit.recv(await asyncio.wait_for(reader.read(4096), 60))
                heard.extend(messages)
            circuit.process_command(heard[0])
            assert type(heard[0]) is kind
            return heard.pop(0)

        channel = ca.ClientChannel("number", circuit)
        say(channel.version(), channel.host_name("wall"), channel.client_name("jan"), channel.create())
        assert (await hear(ca.VersionResponse)).version == 13
        assert (await hear(ca.AccessRightsResponse)).access_rights == 3
        created = await hear(ca.CreateChanResponse)
        assert (created.data_type, created.data_count, created.cid) == (Type.DOUBLE, 1, channel.cid)
        say(channel.read())
        assert list((await hear(ca.ReadNotifyResponse)).data) == [0.0]
        say(channel.subscribe(data_type="time", subscriptionid=5))
        assert list((await hear(ca.EventAddResponse)).data) == [0.0]
        say(channel.write((2.5,), notify=True))
        event = await hear(ca.EventAddResponse)
        assert (list(event.data), event.data_type) == ([2.5], Type.TIME_DOUBLE)
        assert (await hear(ca.WriteNotifyResponse)).status.name == "ECA_NORMAL"
        say(channel.unsubscribe(5))
        confirmed = await hear(ca.EventAddResponse)
        assert (confirmed.payload_size, confirmed.subscriptionid) == (0, 5)
        record.post(3.0)
        say(ca.EchoRequest())
        await hear(ca.EchoResponse)
        say(channel.clear())
        await hear(ca.ClearChannelResponse)
        assert len(server.views["number"].listeners) == 0
        writer.close()
        await writer.wait_closed()


@conversation
async def test_versions_are_told_without_being_asked() -> None:
    async with _serving() as (_, peer):
        assert peer.greeting.version == 13
        await peer.lives()


@pytest.mark.parametrize(
    ("record", "native", "length", "rights"),
    [
        (number("R"), Type.DOUBLE, 1, 3),
        (Record(PvInfo("R", "ai", "", 0.0), "R"), Type.DOUBLE, 1, 1),
        (Record(PvInfo("R", "int64in", ""), "R"), Type.DOUBLE, 1, 1),
        (Record(PvInfo("R", "longin", ""), "R"), Type.LONG, 1, 1),
        (Record(PvInfo("R", "bi", "", labels=("A", "B")), "R"), Type.ENUM, 1, 1),
        (Record(PvInfo("R", "stringin", "", ""), "R"), Type.STRING, 1, 1),
        (Record(text_pv("R", "", 70_000), "R"), Type.CHAR, 70_000, 1),
        (Record(PvInfo("R", "waveform", "", [0], element="LONG", length=5), "R"), Type.LONG, 5, 1),
    ],
)
@conversation
async def test_a_channel_has_a_type_a_length_and_rights(
    record: Record, native: ca.ChannelType, length: int, rights: int
) -> None:
    async with _serving(record) as (_, peer):
        for name in ("R", "R.VAL"):
            peer.say(ca.CreateChanRequest(name, 5, 13))
            access = await peer.hear(ca.AccessRightsResponse)
            assert (access.cid, access.access_rights) == (5, rights)
            created = await peer.hear(ca.CreateChanResponse)
            assert (created.cid, created.data_type, created.data_count) == (5, native, length)


@pytest.mark.parametrize(
    "name",
    [
        b"nothing",
        b"Number",
        b"number.DESK",
        b"number.desc",
        b"number.",
        b"number.VAL.VAL",
        b".VAL",
        b"$",
        b"",
        b"n\xfcmber",
    ],
)
@conversation
async def test_a_name_that_is_not_there(name: bytes) -> None:
    async with _serving(number()) as (_, peer):
        peer.say(raw(18, 16, 0, 0, 9, 13), name.ljust(16, b"\0"))
        assert (await peer.hear(ca.CreateChFailResponse)).cid == 9
        assert await peer.get(await peer.channel("number")) == [0.0]


@conversation
async def test_only_so_many_channels() -> None:
    async with _serving(number(), limits=Limits(channels=2)) as (_, peer):
        first = await peer.channel("number")
        assert await peer.channel("number") != first
        peer.say(ca.CreateChanRequest("number", 3, 13))
        await peer.hear(ca.CreateChFailResponse)
        peer.say(ca.ClearChannelRequest(first, 1))
        await peer.hear(ca.ClearChannelResponse)
        await peer.channel("number")


@conversation
async def test_a_search_on_a_connection() -> None:
    async with _serving(number()) as (server, peer):
        for reply in (ca.DO_REPLY, ca.NO_REPLY):
            for name in ("nothing", "number"):
                peer.say(ca.SearchRequest(name, 4, 13, reply))
        not_found = await peer.hear(ca.NotFoundResponse)
        assert not_found.cid == 4
        for _ in range(2):
            found = await peer.hear(ca.SearchResponse)
            assert (found.cid, found.port) == (4, server.port)


# -- reading ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "values"), [(0, [1, 2]), (1, [1]), (2, [1, 2]), (3, [1, 2, 0]), (4, [1, 2, 0, 0])])
@conversation
async def test_counts(count: int, values: list[float]) -> None:
    async with _serving(_array()) as (_, peer):
        channel = await peer.channel("array")
        assert await peer.get(channel, count=count) == values
        assert await peer.monitor(channel, count=count) == values
        peer.say(ca.ReadRequest(Type.DOUBLE, count, channel, 3))
        with pytest.warns(UserWarning, match="ReadResponse was deprecated"):
            old = await peer.hear(ca.ReadResponse)
        assert (list(old.data), old.ioid) == (values, 3)


@conversation
async def test_a_monitor_without_count_is_as_long_as_the_value() -> None:
    record = _array()
    async with _serving(record) as (_, peer):
        assert await peer.monitor(await peer.channel("array")) == [1, 2]
        for values in ([5], [5, 6, 7], [6]):
            record.post(values)
            assert await peer.event() == values


@pytest.mark.parametrize(
    ("request_of", "says"),
    [
        (lambda sid: raw(15, 0, 6, 5, sid, 1), "ECA_BADCOUNT"),
        (lambda sid: raw(15, 0xFFFF, 6, 0, sid, 1) + struct.pack(">II", 0, 2**31), "ECA_BADCOUNT"),
        (lambda sid: raw(3, 0, 6, 5, sid, 1), "ECA_BADCOUNT"),
        (lambda sid: raw(1, 16, 6, 5, sid, 1) + b"\0" * 13 + b"\1\0\0", "ECA_BADCOUNT"),
        (lambda sid: raw(15, 0, 39, 1, sid, 1), "ECA_BADTYPE"),
        (lambda sid: raw(1, 16, 39, 1, sid, 1) + b"\0" * 13 + b"\1\0\0", "ECA_BADTYPE"),
        (lambda sid: raw(1, 16, 36, 1, sid, 1) + b"\0" * 13 + b"\1\0\0", "ECA_BADTYPE"),
        (lambda sid: raw(3, 0, 36, 1, sid, 1), "ECA_GETFAIL"),
        (lambda sid: raw(4, 8, 39, 1, sid, 1) + b"\0" * 8, "ECA_BADTYPE"),
        (lambda sid: raw(15, 0, 6, 1, sid + 1, 1), "ECA_BADCHID"),
        (lambda sid: raw(19, 8, 6, 1, sid + 1, 1) + b"\0" * 8, "ECA_BADCHID"),
        (lambda sid: raw(1, 16, 6, 1, sid + 1, 1) + b"\0" * 13 + b"\1\0\0", "ECA_BADCHID"),
        (lambda sid: raw(2, 0, 6, 0, sid, 1), "ECA_BADCHID"),
        (lambda sid: raw(12, 0, 0, 0, sid + 1, 1), "ECA_BADCHID"),
    ],
)
@conversation
async def test_a_request_that_cannot_be_met_is_an_error_and_no_more(
    request_of: Callable[[int], bytes], says: str
) -> None:
    async with _serving(_array()) as (_, peer):
        channel = await peer.channel("array")
        asked = request_of(channel)
        peer.say(asked)
        error = await peer.hear(ca.ErrorResponse)
        assert error.status.name == says
        assert bytes(error.original_request) == asked[:16]
        assert await peer.get(channel) == [1, 2]


@conversation
async def test_a_value_that_has_no_form_in_a_type() -> None:
    async with _serving(Record(PvInfo("S", "stringin", "", "text"), "S")) as (_, peer):
        channel = await peer.channel("S")
        peer.say(raw(15, 0, Type.DOUBLE, 1, channel, 8))
        answer = await peer.hear(ca.ReadNotifyResponse)
        assert (answer.ioid, answer.status.name, answer.payload_size) == (8, "ECA_GETFAIL", 0)
        assert await peer.get(channel, Type.STRING) == [b"text"]


# -- writing ----------------------------------------------------------------------------------------------------------


@conversation
async def test_what_is_written_is_taken_or_refused() -> None:
    refused: list[str] = []

    class _Server(Server):
        def put_refused(self, record: Record, client: Client, why: str) -> None:
            refused.append(f"{record.name} {client}: {why}")

    async with _Server([_enum()], ["127.0.0.1"]) as server:
        peer = await Peer.connect(server.port)
        peer.say(ca.HostNameRequest("wall"), ca.ClientNameRequest("jan"))
        channel = await peer.channel("enum")
        assert await peer.put(channel, b"On", data_type=Type.STRING) == "ECA_NORMAL"
        assert await peer.get(channel) == [1]
        assert await peer.put(channel, 7, data_type=Type.ENUM) == "ECA_PUTFAIL"
        peer.say(raw(19, 0, Type.ENUM, 0, channel, 1))
        assert (await peer.hear(ca.WriteNotifyResponse)).status.name == "ECA_PUTFAIL"
        peer.say(raw(4, 8, Type.ENUM, 1, channel, 1), b"\0\7" + b"\0" * 6)
        assert await peer.error() == "ECA_PUTFAIL"
        assert await peer.get(channel) == [1]
        seven = "enum jan@wall: 7 is none of: 0 Off, 1 On"
        assert refused == [seven, "enum jan@wall: no value was sent", seven]


@conversation
async def test_a_read_only_record() -> None:
    async with _serving(Record(PvInfo("R", "ai", "", 1.0), "R")) as (_, peer):
        channel = await peer.channel("R")
        assert await peer.put(channel, 2.0) == "ECA_NOWTACCESS"
        peer.say(raw(4, 8, Type.DOUBLE, 1, channel, 1), struct.pack(">d", 2.0))
        assert await peer.error() == "ECA_NOWTACCESS"
        assert await peer.get(channel) == [1.0]


@conversation
async def test_who_may_write_is_asked_by_client() -> None:
    class _Guarded(Server):
        def rights(self, security: Security, client: Client) -> Rights:
            return ALL if client.user == "jan" else READ_ONLY

    async with _Guarded([number()], ["127.0.0.1"]) as server:
        for user, status in (("jan", "ECA_NORMAL"), ("eve", "ECA_NOWTACCESS"), (b"J\xf6rg", "ECA_NOWTACCESS")):
            peer = await Peer.connect(server.port)
            name = user.encode() if isinstance(user, str) else user
            peer.say(raw(20, 8), name.ljust(8, b"\0"))
            assert await peer.put(await peer.channel("number"), 1.0) == status


async def _break() -> None:
    raise ZeroDivisionError("later")


async def _refuse() -> None:
    raise PutRefused("not now")


def _fault(value: Any, client: Client) -> Awaitable[None] | None:
    """Goes wrong in the way that is written."""
    match int(value):
        case 1:
            raise PutRefused("not now")
        case 2:
            raise ZeroDivisionError("at once")
        case 3:
            return _refuse()
        case _:
            return _break()


@pytest.mark.parametrize("value", [1, 2, 3, 4])
@conversation
async def test_a_put_that_goes_wrong_fails_and_the_connection_lives(value: int) -> None:
    async with _serving(Record(PvInfo("F", "ao", "", 0.0), "F", _fault)) as (_, peer):
        channel = await peer.channel("F")
        with faulty() as reported:
            assert await peer.put(channel, value) == "ECA_PUTFAIL"
            peer.say(raw(4, 8, Type.DOUBLE, 1, channel, 1), struct.pack(">d", value))
            if value < 3:  # of one that was taken a plain put hears nothing more
                assert await peer.error() == "ECA_PUTFAIL"
            assert await peer.get(channel) == [0.0]
        # A refusal is none.
        assert reported == (["put to F failed"] * 2 if value in (2, 4) else [])


@conversation
async def test_a_put_callback_waits_while_others_are_served_and_goes_on_without_its_client() -> None:
    gate, ended = asyncio.Event(), asyncio.Event()
    record = Record(PvInfo("R", "bo", "", labels=("Done", "Go")), "R")

    async def run() -> None:
        await gate.wait()
        record.post(0)
        ended.set()

    def put(value: Any, client: Client) -> Awaitable[None]:
        record.post(value)
        return run()

    record.put = put
    async with _serving(record) as (server, peer):
        leaving = await Peer.connect(server.port)
        for client in (peer, leaving):
            channel = await client.channel("R")
            client.say(client.writing(channel, 1))
            assert await client.get(channel) == [1.0]
        leaving.leaves()
        assert not ended.is_set()
        gate.set()
        assert (await peer.hear(ca.WriteNotifyResponse)).status.name == "ECA_NORMAL"
        await asyncio.wait_for(ended.wait(), 60)


@conversation
async def test_a_monitor_comes_before_the_reply_to_the_put_that_caused_it() -> None:
    async with _serving(number()) as (_, peer):
        channel = await peer.channel("number")
        await peer.monitor(channel)
        for value in range(1, 20):
            peer.say(peer.writing(channel, value))
            assert await peer.event() == [value]
            await peer.hear(ca.WriteNotifyResponse)


# -- monitors ---------------------------------------------------------------------------------------------------------


@conversation
async def test_nothing_comes_after_a_subscription_is_cancelled() -> None:
    record = number()
    async with _serving(record) as (_, peer):
        channel = await peer.channel("number")
        await peer.monitor(channel, 5)
        await peer.monitor(channel, 6)
        record.post(1.0)  # is on its way
        peer.say(ca.EventCancelRequest(Type.DOUBLE, channel, 5))
        assert [await peer.event(5), await peer.event(6)] == [[1.0], [1.0]]
        confirmed = await peer.hear(ca.EventAddResponse)
        assert (confirmed.payload_size, confirmed.subscriptionid) == (0, 5)
        record.post(2.0)
        assert await peer.event(6) == [2.0]
        await peer.lives()


@conversation
async def test_nothing_that_was_held_back_comes_after_a_subscription_is_cancelled() -> None:
    record = number()
    async with _serving(record) as (_, peer):
        channel = await peer.channel("number")
        await peer.monitor(channel)
        peer.say(ca.EventsOffRequest())
        await peer.lives()
        record.post(1.0)
        peer.say(ca.EventCancelRequest(Type.DOUBLE, channel, 77), ca.EventsOnRequest())
        assert (await peer.hear(ca.EventAddResponse)).payload_size == 0
        await peer.lives()


@conversation
async def test_a_subscription_with_a_number_that_is_taken_replaces_it() -> None:
    record = number()
    async with _serving(record) as (server, peer):
        channel = await peer.channel("number")
        for _ in range(3):
            await peer.monitor(channel)
        record.post(1.0)
        assert await peer.event() == [1.0]
        await peer.lives()
        peer.say(ca.ClearChannelRequest(channel, 1))
        await peer.hear(ca.ClearChannelResponse)
        assert len(server.views["number"].listeners) == 0


@conversation
async def test_what_a_client_has_asked_for_ends_with_it() -> None:
    record = number()
    async with _serving(record) as (server, peer):
        leaving = await Peer.connect(server.port)
        for _ in range(3):
            await leaving.monitor(await leaving.channel("number"))
        assert len(server.views["number"].listeners) == 3
        leaving.leaves()
        while len(server.views["number"].listeners):
            await peer.lives()
        assert len(server.circuits) == 1


@conversation
async def test_events_off_keeps_the_newest_of_each_until_events_on() -> None:
    one, other = number("one"), number("other")
    async with _serving(one, other, limits=Limits(backlog=0)) as (server, peer):
        for identifier, name in ((1, "one"), (2, "other")):
            await peer.monitor(await peer.channel(name), identifier)
        peer.say(ca.EventsOffRequest())
        await peer.lives()
        for value in (1.0, 2.0, 3.0):
            one.post(value)
            other.post(10 * value)
        await peer.lives()
        peer.say(ca.EventsOnRequest())
        assert [await peer.event(1), await peer.event(2)] == [[3.0], [30.0]]
        assert _circuit(server).outbox.coalesced == 4
        one.post(4.0)
        assert await peer.event(1) == [4.0]


@conversation
async def test_what_was_held_back_never_comes_after_something_newer() -> None:
    async with _serving(number()) as (_, peer):
        channel = await peer.channel("number")
        await peer.monitor(channel)
        peer.say(ca.EventsOffRequest(), peer.writing(channel, 1.0))
        await peer.hear(ca.WriteNotifyResponse)
        peer.say(ca.EventsOnRequest(), peer.writing(channel, 2.0))
        assert [await peer.event(), await peer.event()] == [[1.0], [2.0]]
        await peer.hear(ca.WriteNotifyResponse)


# -- clients that do not behave ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "said",
    [
        raw(99),
        raw(11),  # a server's word
        raw(5),
        bytes(range(1, 17)) + b"\0" * 2000,
        raw(4, 0xFFFF, 6, 0, 2, 1) + struct.pack(">II", 2**32 - 8, 1),  # to a channel that it does not have
        raw(20, 0xFFFF, 6, 0, 1, 1) + struct.pack(">II", 16 * 1024**2 + 8, 1),
        raw(1, 8, 6, 1, 1, 1) + b"\0" * 8,  # a subscription without a mask
    ],
    ids=["unknown command", "server's command", "obsolete command", "garbage", "4 GB", "16 MB", "no mask"],
)
@conversation
async def test_whoever_breaks_the_protocol_is_disconnected_and_nobody_else(said: bytes) -> None:
    record = number()
    async with _serving(record) as (server, peer):
        await peer.monitor(await peer.channel("number"))
        bad = await Peer.connect(server.port)
        assert await bad.channel("number") == 1
        bad.say(said)
        await bad.ends()
        record.post(1.0)
        assert await peer.event() == [1.0]
        assert len(server.circuits) == 1


@pytest.mark.parametrize("piece", [1000, 65_536, 300_000])
@conversation
async def test_a_put_of_more_than_is_taken_is_refused_and_the_other_channels_live(piece: int) -> None:
    """As by EPICS Base: what comes of it is left out, none of it is kept."""
    size = 200_000
    async with _serving(number(), limits=Limits(message=2000)) as (server, peer):
        channel = await peer.channel("number")
        await peer.monitor(channel)
        for command, whole in ((19, True), (4, True), (19, False)):
            header = raw(command, 0xFFFF, 6, 0, channel, 7) + struct.pack(">II", size, size // 8)
            said = header + b"\1" * size + bytes(peer.writing(channel, 2.5)) + bytes(ca.EchoRequest())
            for at in range(0, len(said), piece):
                peer.say(said[at : at + piece])
                if not whole:
                    await asyncio.sleep(0)
            if command == 19:
                assert (await peer.hear(ca.WriteNotifyResponse)).status.name == "ECA_TOLARGE"
            else:
                assert await peer.error() == "ECA_TOLARGE"
            if command == 19 and whole:
                assert await peer.event() == [2.5]
            assert (await peer.hear(ca.WriteNotifyResponse)).status.name == "ECA_NORMAL"
            await peer.hear(ca.EchoResponse)
        assert len(server.circuits) == 1


@conversation
async def test_a_message_in_pieces_and_many_in_one() -> None:
    async with _serving(_array(BIG)) as (server, other):
        peer = await Peer.connect(server.port)
        channel = await peer.channel("array")
        values = [float(i) for i in range(BIG)]
        whole = bytes(peer.writing(channel, *values))
        for start, end in ((0, 3), (3, 17), (17, 23), (23, 5000)):
            peer.say(whole[start:end])
            await other.lives()
        peer.say(whole[5000:], ca.EchoRequest(), whole, ca.EchoRequest())
        for _ in range(2):
            assert (await peer.hear(ca.WriteNotifyResponse)).status.name == "ECA_NORMAL"
            await peer.hear(ca.EchoResponse)
        assert await peer.get(channel) == values


@conversation
async def test_a_client_that_does_not_read_costs_nobody_else_anything_and_then_gets_the_newest() -> None:
    array, single = _array(BIG), number()
    limits = Limits(backlog=50_000)
    async with _serving(array, single, limits=limits) as (server, peer):
        well = _circuit(server)
        lazy = await Peer.connect(server.port, buffer=4096)
        lazy_circuit = _circuit(server, well)
        for client in (peer, lazy):
            await client.monitor(await client.channel("array"), 1)
            await client.monitor(await client.channel("number"), 2)
        posts = 300
        for value in range(1, posts + 1):
            array.post(np.full(BIG, value))
            single.post(value)
            # The one that reads gets each value, the other as many as fit on the way.
            assert (await peer.event(1))[0] == value
            assert await peer.event(2) == [value]
            assert lazy_circuit.transport.waiting < limits.backlog + 3 * 8 * BIG
        assert (well.outbox.coalesced, lazy_circuit.outbox.coalesced) == (0, lazy_circuit.outbox.coalesced)
        assert lazy_circuit.outbox.coalesced > 0
        got: dict[int, list[float]] = {1: [], 2: []}
        while not (got[1] and got[2] and got[1][-1] == got[2][-1] == posts):
            event = await lazy.hear(ca.EventAddResponse)
            got[event.subscriptionid].append(event.data[0])
        assert got == {identifier: sorted(values) for identifier, values in got.items()}
        assert len(got[1]) + len(got[2]) + lazy_circuit.outbox.coalesced == 2 * posts
        single.post(-1.0)
        assert await lazy.event(2) == await peer.event(2) == [-1.0]
        lazy.leaves()
        while lazy_circuit in server.circuits:
            await peer.lives()
        assert server.coalesced == lazy_circuit.outbox.coalesced


@conversation
async def test_a_client_that_asks_and_does_not_read_is_not_read_from() -> None:
    async with _serving(_array(BIG), limits=Limits(backlog=50_000)) as (server, peer):
        well = _circuit(server)
        greedy = await Peer.connect(server.port, buffer=4096)
        circuit = _circuit(server, well)
        channel = await greedy.channel("array")
        for _ in range(40):
            greedy.say(raw(15, 0, Type.DOUBLE, BIG, channel, 1) * 10)
            await peer.lives()
        assert circuit.transport.waiting < 20 * 8 * BIG
        assert not circuit.transport.reading
        for _ in range(400):
            assert (await greedy.hear(ca.ReadNotifyResponse)).data_count == BIG
        await greedy.lives()


@conversation
async def test_a_client_that_never_reads_is_disconnected_after_a_while() -> None:
    limits = Limits(backlog=1000, stall=0.0, silence=1.5)  # 0: it is not the kernel that loses patience
    async with _serving(_array(BIG), limits=limits) as (server, peer):
        await peer.lives()
        well = _circuit(server)
        stalled = await Peer.connect(server.port, buffer=4096)
        channel = await stalled.channel("array")
        stalled.say(raw(15, 0, Type.DOUBLE, BIG, channel, 1) * 200)
        silent = await Peer.connect(server.port)
        assert len(server.circuits) == 3
        await silent.ends()  # after 1.5 s; that is when the other one must have gone
        assert list(server.circuits) == [well]
        await peer.lives()


@conversation
async def test_a_client_that_says_nothing_is_disconnected_one_that_has_spoken_is_not() -> None:
    async with _serving(limits=Limits(silence=0.1)) as (server, peer):
        await (await Peer.connect(server.port)).ends()
        await peer.lives()


@conversation
async def test_a_scanner_that_connects_and_goes_is_no_fault() -> None:
    """Even if it has gone before the server has looked: nothing is known of it then."""
    async with _serving() as (server, peer):
        for _ in range(3):
            with socket.socket() as sock:
                sock.connect(("127.0.0.1", server.port))
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            await peer.lives()
        while len(server.circuits) > 1:
            await peer.lives()


@conversation
async def test_a_connection_is_tuned_for_latency_and_lost_hosts() -> None:
    async with _serving(limits=Limits(stall=7)) as (server, _):
        sock = _circuit(server).transport.socket
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 7000


@conversation
async def test_clients_are_known_by_what_they_say_of_themselves() -> None:
    async with _serving() as (server, peer):
        await peer.lives()
        client = _circuit(server).client
        assert (client.user, client.host, client.address.partition(":")[0]) == ("jan", "wall", "127.0.0.1")
