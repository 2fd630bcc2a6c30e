"""What one client asks, or one fault of ours, costs no other answer: of its own connection, of others, of the loop."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import struct
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any

import caproto as ca
import pytest
from caproto._commands import read_datagram
from hypothesis import given, settings
from hypothesis import strategies as st

from pixieioc.ioc.ca import acceptor
from pixieioc.ioc.ca.circuit import Circuit
from pixieioc.ioc.ca.listeners import Body
from pixieioc.ioc.ca.searches import answer
from pixieioc.ioc.ca.server import Server
from pixieioc.ioc.ca.view import Views
from pixieioc.ioc.records import Client, Record
from pixieioc.ioc.records.rights import ALL, READ_ONLY, Rights, Security
from pixieioc.pvinfo import PvInfo
from pixieioc.pvinfo.model import text_pv
from tests.conftest import CA_PORTS
from tests.ioc.ca.peer import Peer, conversation, faulty, listened_to, number, raw, writable
from tests.soak import SOAK

Type = ca.ChannelType
PORT = CA_PORTS[0]
DBE_VALUE = 1


@pytest.fixture(autouse=True)
def port_of_our_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EPICS_CAS_SERVER_PORT", str(PORT))


class Fragile(Server):
    """A server with a fault: names of what is called `broken`, and rights to the group EN, cannot be handled."""

    def _meant(self, name: str) -> None:
        if name.startswith("broken"):
            raise KeyError(name)

    def rights(self, security: Security, client: Client) -> Rights:
        if security.writing == "EN":
            raise KeyError(security.writing)
        return READ_ONLY if client.user == "eve" else ALL


class Unreadable(Record):
    """A record with a fault: its value cannot be packed."""

    @property
    def value(self) -> Any:
        return object()

    @value.setter
    def value(self, value: Any) -> None:
        """It stays what it is."""


@asynccontextmanager
async def _serving(*records: Record) -> AsyncIterator[tuple[Server, Peer]]:
    async with Fragile([*records, number("good")], ["127.0.0.1"]) as server:
        peer = await Peer.connect(server.port)
        yield server, peer
        assert await peer.get(await peer.channel("good")) == [0.0]
        assert len(server.circuits) == 1


class _Fields(Views):
    """Records of which one name raises."""

    def record(self, name: str) -> Record | None:
        if name.startswith("broken"):
            raise KeyError(name)
        return super().record(name)


def _break_names(server: Server) -> None:
    """From now on the handling of `broken...` fails, in searches and for channels."""
    server.views = _Fields(server.views.records)


# -- names ------------------------------------------------------------------------------------------------------------


@conversation
async def test_a_name_whose_handling_fails_costs_that_name_alone(caplog: pytest.LogCaptureFixture) -> None:
    names = ["good", "broken.DESC", "good.DESC", "broken.NAME", "good.VAL"]
    async with _serving() as (server, peer):
        _break_names(server)
        for _ in range(2):
            for number_, name in enumerate(names):
                peer.say(ca.SearchRequest(name, number_, 13, ca.DO_REPLY))
            for number_, name in enumerate(names):
                kind = ca.NotFoundResponse if name.startswith("broken") else ca.SearchResponse
                assert (await peer.hear(kind)).cid == number_
        assert server.name_faults == 4
        peer.say(raw(18, 16, 0, 0, 9, 13), b"broken.NAME".ljust(16, b"\0"))
        assert (await peer.hear(ca.CreateChFailResponse)).cid == 9
        assert server.name_faults == 5
        # Each name is logged once.
        logged = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
        assert logged == [f"the name {name!r} could not be handled" for name in ("broken.DESC", "broken.NAME")]


@conversation
async def test_all_other_names_of_a_datagram_are_answered() -> None:
    names = [f"broken{i}.RTYP" if i % 5 == 0 else "good" for i in range(75)]
    async with _serving() as (server, _):
        _break_names(server)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            sock.bind(("127.0.0.1", 0))
            sock.sendto(raw(0, 0, 1, 13, 5) + b"".join(map(_search, range(75), names)), ("127.0.0.1", PORT))
            data = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(sock, 65536), 60)
        _, *found = read_datagram(data, ("127.0.0.1", PORT), ca.SERVER)
        assert [reply.cid for reply in found] == [i for i, name in enumerate(names) if name == "good"]


def _search(identifier: int, name: str) -> bytes:
    text = name.encode() + b"\0"
    text += b"\0" * (-len(text) % 8)
    return raw(6, len(text), 5, 13, identifier, identifier) + text


@pytest.mark.parametrize(
    "rest", [b"\0", b"GET / HTTP/1.1\r\n\r\n", raw(6, 64, 5, 13, 1, 1), raw(6, 0xFFFF, 5, 0, 1, 1)]
)
def test_names_before_what_is_no_channel_access_are_answered(rest: bytes) -> None:
    good = _search(7, "good")
    assert answer(good + rest, 5064, lambda name: name == b"good") == answer(good, 5064, lambda name: True) != b""


# -- requests ---------------------------------------------------------------------------------------------------------


@conversation
async def test_a_request_that_fails_by_a_fault_is_answered_and_the_others_are_too() -> None:
    async with _serving(writable(Unreadable(PvInfo("bad", "ao", "", 0.0), "bad"))) as (_, peer):
        bad, good = await peer.channel("bad"), await peer.channel("good")
        get = ca.ReadNotifyRequest(Type.DOUBLE, 1, good, 5)
        with faulty() as reported:
            peer.say(ca.ReadNotifyRequest(Type.DOUBLE, 1, bad, 4))
            assert (await peer.hear(ca.ReadNotifyResponse)).status.name == "ECA_GETFAIL"
            peer.say(ca.ReadNotifyRequest(Type.DOUBLE, 1, bad, 4), get)
            assert (await peer.hear(ca.ReadNotifyResponse)).status.name == "ECA_GETFAIL"
            assert list((await peer.hear(ca.ReadNotifyResponse)).data) == [0.0]
            for said in (peer.subscribing(bad), raw(3, 0, 6, 1, bad, 4)):
                peer.say(said, get)
                assert await peer.error() == "ECA_INTERNAL"
                assert list((await peer.hear(ca.ReadNotifyResponse)).data) == [0.0]
        assert [what.partition(" of ")[2] for what in reported] == ["bad could not be answered"] * 4


@conversation
async def test_a_fault_about_who_may_write_denies_that_group_alone() -> None:
    broken = writable(Record(PvInfo("number", "ao", "", 0.0, access="EN"), "other"))
    async with _serving(broken) as (_, peer):
        with faulty() as reported:
            broken, good = await peer.channel("other"), await peer.channel("good")
            peer.say(ca.ClientNameRequest("jan"))  # has all rights looked at again
            assert await peer.put(broken, 1.0) == "ECA_NOWTACCESS"
            assert await peer.put(good, 0.0) == "ECA_NORMAL"
            peer.say(ca.ClientNameRequest("eve"))
            assert (await peer.hear(ca.AccessRightsResponse)).access_rights == 1
        assert {text.partition(" of ")[0] for text in reported} == {"the rights"}


@conversation
async def test_a_hook_that_hears_of_refusals_and_fails_costs_nothing() -> None:
    class _Server(Server):
        def put_refused(self, record: Record, client: Client, why: str) -> None:
            raise ZeroDivisionError(why)

    async with _Server([number("good")], ["127.0.0.1"]) as server:
        peer = await Peer.connect(server.port)
        channel = await peer.channel("good")
        with faulty() as reported:
            assert await peer.put(channel, b"much", data_type=Type.STRING) == "ECA_PUTFAIL"
        assert len(reported) == 1
        assert await peer.put(channel, 1.0) == "ECA_NORMAL"


@conversation
async def test_a_put_whose_work_is_cancelled_is_answered() -> None:
    working = asyncio.get_running_loop().create_future()

    def put(value: Any, client: Client) -> Awaitable[None]:
        return working

    async with _serving(Record(PvInfo("R", "ao", "", 0.0), "R", put)) as (_, peer):
        channel = await peer.channel("R")
        peer.say(peer.writing(channel, 1.0))
        await peer.lives()
        working.cancel()
        assert (await peer.hear(ca.WriteNotifyResponse)).status.name == "ECA_PUTFAIL"


# -- monitors ---------------------------------------------------------------------------------------------------------


@conversation
async def test_a_value_without_a_form_in_a_type_fails_for_those_who_want_that_type() -> None:
    """As a text that is no number any longer, for one who hears it as a number; whoever posts it does not notice."""
    record = Record(PvInfo("R", "stringin", "", "12"), "R")
    async with _serving(record) as (_, peer):
        channel = await peer.channel("R")
        assert await peer.monitor(channel, 5) == [12.0]
        mask = ca.SubscriptionType.DBE_VALUE
        peer.say(ca.EventAddRequest(Type.STRING, 1, channel, 6, 0, 0, 0, mask))
        assert await peer.event(6) == [b"12"]
        for text, failed in (("on", True), ("13", False)):
            record.post(text)
            event = await peer.hear(ca.EventAddResponse)
            assert event.subscriptionid == 5
            assert event.status.name == ("ECA_GETFAIL" if failed else "ECA_NORMAL")
            assert await peer.event(6) == [text.encode()]


class _Deaf:
    """A subscription with a fault."""

    kind, count, mask = int(Type.DOUBLE), 1, DBE_VALUE

    def notify(self, body: Body) -> None:
        raise ZeroDivisionError("deaf")

    def fail(self) -> None:
        raise ZeroDivisionError("deaf")


@conversation
async def test_a_listener_that_fails_stops_no_other() -> None:
    record = number("R")
    async with _serving(record) as (server, peer):
        server.views["R"].listeners.add(_Deaf())
        peer.say(ca.EventAddRequest(Type.DOUBLE, 1, await peer.channel("R"), 6, 0, 0, 0, DBE_VALUE))
        assert await peer.event(6) == [0.0]
        with faulty() as reported:
            record.post(1.0)
        assert reported == ["a monitor of R could not be sent"]
        assert await peer.event(6) == [1.0]


@conversation
async def test_a_fault_in_showing_a_fault_is_not_shown_for_ever(caplog: pytest.LogCaptureFixture) -> None:
    """As when the process variable that shows faults has the listener that fails."""
    record = number("R")
    async with _serving(record) as (server, _):
        server.views["R"].listeners.add(_Deaf())
        loop, shown = asyncio.get_running_loop(), []

        def show(_: object, context: dict[str, Any]) -> None:
            shown.append(context["message"])
            record.post(len(shown))

        with faulty():
            loop.set_exception_handler(show)
            record.post(-1.0)
        assert shown == ["a monitor of R could not be sent"]
        assert caplog.text.count("a monitor of R could not be sent") == 1
        server.views["R"].listeners.groups.clear()


@conversation
async def test_a_field_that_cannot_follow_stops_neither_its_record_nor_the_other_fields() -> None:
    record = number("R")
    async with _serving(record) as (server, peer):
        severity, description = server.find("R.SEVR"), server.find("R.TIME")
        assert severity is not None
        assert description is not None

        def fail(events: int) -> None:
            raise ZeroDivisionError("no time")

        description.follow = fail
        await peer.monitor(await peer.channel("R"))
        with faulty() as reported:
            record.post(1.0, severity=2)
        assert reported == ["R.TIME could not follow its record"]
        assert (await peer.event(), severity.record.value) == ([1.0], 2)


# -- the loop ---------------------------------------------------------------------------------------------------------


@conversation
async def test_a_connection_that_cannot_be_taken_is_closed_and_the_next_is_taken() -> None:
    async with _serving() as (server, _):
        taking = server._acceptors[0]
        take = taking._take

        def fail(sock: socket.socket, address: tuple[str, int]) -> None:
            taking._take = take
            raise OSError(errno.EINVAL, "gone already")

        taking._take = fail
        with faulty() as reported, pytest.raises((AssertionError, ConnectionError)):
            await Peer.connect(server.port)
        assert reported == ["the connection from 127.0.0.1 could not be taken"]
        other = await Peer.connect(server.port)
        await other.lives()
        await other.gone()
        while len(server.circuits) > 1:
            await asyncio.sleep(0)


@conversation
async def test_a_connection_that_has_gone_before_it_was_taken_delays_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """accept(2) reports errors of the new connection's network: others need not wait for it."""
    monkeypatch.setattr(acceptor, "_PAUSE", 60.0)

    class _Listening:
        def accept(self) -> None:
            raise OSError(errno.EHOSTUNREACH, "no route")

    async with _serving() as (server, _):
        taking = server._acceptors[0]
        real, taking._listening = taking._listening, _Listening()  # pyright: ignore[reportAttributeAccessIssue]
        taking._accept()
        taking._listening = real
        other = await Peer.connect(server.port)
        await other.gone()
        while len(server.circuits) > 1:
            await asyncio.sleep(0)


@conversation
async def test_a_circuit_whose_check_fails_does_not_end_those_of_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[Circuit] = []

    def check(circuit: Circuit) -> None:
        checked.append(circuit)
        raise ZeroDivisionError("no check")

    monkeypatch.setattr(Circuit, "check", check)
    async with _serving() as (server, _):
        with faulty() as reported:
            async with asyncio.timeout(60):
                while len(checked) < 2:  # one that has ended would not be here again
                    await asyncio.sleep(0.05)
        assert set(reported) == {"a circuit could not be checked"}
        assert set(checked) == set(server.circuits)


# -- anything ---------------------------------------------------------------------------------------------------------

_BASES = ["number", "text", "string", "state", "array", "longs", "broken", "nobody", "größe", ""]
_NAMES = st.one_of(
    st.builds(
        "".join,
        st.tuples(
            st.sampled_from(_BASES),
            st.sampled_from(["", ".", ".VAL", ".DESC", ".NAME", ".RTYP", ".HIHI", ".[0:1]", '.{"arr":{}}', ".{", "$"]),
            st.sampled_from(["", "$", "{", "}", "[1]", ".", "x" * 100]),
        ),
    ).map(str.encode),
    st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.binary(max_size=60),
)  # fmt: skip


def _framed(command: int, payload: bytes, data_type: int, count: int, a: int, b: int) -> bytes:
    payload += b"\0" * (-len(payload) % 8)
    return raw(command, len(payload), data_type, count, a, b) + payload


_NUMBERS = st.one_of(st.integers(0, 12), st.integers(0, 2**32 - 1))
_SHORTS = st.one_of(st.integers(0, 40), st.integers(0, 2**16 - 1))
#: Messages that are whole, about channels that are there and others, with any type and count: none breaks the protocol.
_REQUESTS = st.one_of(
    st.builds(lambda name, a: _framed(6, name + b"\0", 10, 13, a, a), _NAMES, _NUMBERS),
    st.builds(lambda name, a: _framed(18, name + b"\0", 0, 0, a, 13), _NAMES, _NUMBERS),
    st.builds(lambda t, n, a, b: _framed(15, b"", t, n, a, b), _SHORTS, _SHORTS, st.integers(0, 12), _NUMBERS),
    st.builds(
        lambda command, data, t, n, a, b: _framed(command, data, t, n, a, b),
        st.sampled_from([4, 19]), st.binary(max_size=200), _SHORTS, _SHORTS, st.integers(0, 12), _NUMBERS,
    ),
    st.builds(
        lambda data, t, n, a, b: _framed(1, data, t, n, a, b),
        st.binary(min_size=16, max_size=16), _SHORTS, _SHORTS, st.integers(0, 12), _NUMBERS,
    ),
    st.builds(lambda c, t, n, a, b: _framed(c, b"", t, n, a, b), st.sampled_from([2, 3, 8, 9, 12]), _SHORTS, _SHORTS,
              st.integers(0, 12), _NUMBERS),
    st.builds(lambda c, name: _framed(c, name, 0, 0, 0, 0), st.sampled_from([20, 21]), _NAMES),
)  # fmt: skip


def _records() -> list[Record]:
    return [
        *map(
            writable,
            [
                number("number"),
                Record(text_pv("text", "", 40), "text"),
                Record(PvInfo("string", "stringout", "", "a"), "string"),
                Record(PvInfo("state", "mbbo", "", labels=("Off", "On")), "state"),
                Record(PvInfo("array", "waveform", "", [0.0], length=5), "array"),
                Record(PvInfo("longs", "waveform", "", [0], element="LONG", length=5), "longs"),
            ],
        ),
        Record(PvInfo("good", "ai", "", 0.0), "good"),
    ]


async def _ask(requests: list[bytes], datagrams: list[bytes]) -> None:
    """A client that asks all this, beside one that behaves, which has its answers; so has the client itself."""
    async with Server(_records(), ["127.0.0.1"]) as server:
        good = await Peer.connect(server.port)
        await good.monitor(await good.channel("good"))
        peer = await Peer.connect(server.port)
        names = ["number", "text", "string", "state", "array", "longs", "string$", "number.HIHI"]
        for name in names:
            await peer.channel(name)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            sock.bind(("127.0.0.1", 0))
            for datagram in datagrams:
                sock.sendto(datagram, ("127.0.0.1", PORT))
            sock.sendto(raw(0, 0, 1, 13, 4711) + _search(4711, "good"), ("127.0.0.1", PORT))
            async with asyncio.timeout(60):
                while struct.pack(">I", 4711) not in await asyncio.get_running_loop().sock_recv(sock, 65536):
                    pass
        server.views["good"].record.post(1.0)
        # The end of it, whatever was asked: events are on, and a search is answered.
        last = _framed(6, b"good\0", 10, 13, 0xCA11, 0xCA11)
        peer.say(*requests, raw(9), last)
        heard = b""
        async with asyncio.timeout(60):
            while b"\0\0\xca\x11" not in heard:
                data = await peer._reader.read(65536)
                assert data, "disconnected"
                heard = heard[-64:] + data
        assert await good.event() == [1.0]
        assert server.name_faults == 0


@settings(max_examples=150 * SOAK)
@given(st.lists(_REQUESTS, max_size=20), st.lists(st.binary(max_size=80), max_size=3), st.lists(_NAMES, max_size=10))
def test_whatever_is_asked_neighbours_have_their_answers(
    requests: list[bytes], junk: list[bytes], names: list[bytes]
) -> None:
    from pixieioc.ioc.loop import run

    searches = b"".join(_framed(6, name + b"\0", 5, 13, i, i) for i, name in enumerate(names))
    run(listened_to(_ask(requests, [*junk, searches, searches[:-9]])))
