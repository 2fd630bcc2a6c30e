"""The server: searches, ports, beacons, and its end."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import Any

import caproto as ca
import pytest
from caproto._commands import read_datagram

from pixieioc.ioc.ca import hosts
from pixieioc.ioc.ca.server import Server
from tests.conftest import CA_PORTS
from tests.ioc.ca.peer import Peer, conversation, listened_to, number, raw

PORT = CA_PORTS[0]
LOCAL = ["127.0.0.1"]


@pytest.fixture(autouse=True)
def port_of_our_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EPICS_CAS_SERVER_PORT", str(PORT))


class Searcher:
    """A client that looks for names: a UDP socket."""

    def __init__(self, address: str = "127.0.0.1") -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.socket.bind((address, 0))

    def __enter__(self) -> Searcher:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def say(self, *parts: bytes | ca.Message) -> None:
        """Sends one datagram."""
        self.socket.sendto(b"".join(bytes(part) for part in parts), ("127.0.0.1", PORT))

    async def hear(self) -> list[Any]:
        """The messages of the next datagram."""
        loop = asyncio.get_running_loop()
        data = await asyncio.wait_for(loop.sock_recv(self.socket, 4096), 60)
        return list(read_datagram(data, ("127.0.0.1", PORT), ca.SERVER))

    def silence(self) -> bool:
        """True if nothing has come."""
        try:
            self.socket.recv(4096)
        except BlockingIOError:
            return True
        return False


def _search(*names: str | bytes, sequence: int = 5) -> bytes:
    """A datagram as libca sends it: a sequence number, then names; the number of each is its place."""
    data = raw(0, 0, 1, 13, sequence)
    for i, name in enumerate(names):
        text = name if isinstance(name, bytes) else name.encode()
        padded = text.ljust(len(text) // 8 * 8 + 8, b"\0")
        data += raw(6, len(padded), 5, 13, i, i) + padded
    return data


async def _found(searcher: Searcher, server: Server) -> list[int]:
    """The numbers of the names that the next reply says are here."""
    version, *found = await searcher.hear()
    assert type(version) is ca.VersionResponse
    assert {(type(reply), reply.port, reply.version) for reply in found} == {(ca.SearchResponse, server.port, 13)}
    return [reply.cid for reply in found]


@pytest.mark.parametrize("sequence", [0, 1, 2**32 - 1])
@conversation
async def test_a_reply_has_the_sequence_number_of_its_search(sequence: int) -> None:
    async with Server([number()], LOCAL):
        with Searcher() as searcher:
            searcher.say(_search("number", sequence=sequence))
            loop = asyncio.get_running_loop()
            reply = await asyncio.wait_for(loop.sock_recv(searcher.socket, 4096), 60)
            # Command VERSION, "the sequence number is valid", minor version, and the number itself.
            assert reply[:16] == raw(0, 0, 1, 13, sequence)
            # Without one in the search there is none in the reply.
            searcher.say(raw(0, 0, 0, 13), _search("number")[16:])
            reply = await asyncio.wait_for(loop.sock_recv(searcher.socket, 4096), 60)
            assert reply[:16] == raw(0, 0, 0, 13)


@conversation
async def test_names_that_are_here_are_found_and_others_are_not_answered() -> None:
    names = [f"n{i}" for i in range(40)]
    async with Server([number(name) for name in names[::2]], LOCAL) as server:
        with Searcher() as searcher:
            searcher.say(_search("nothing"))
            searcher.say(_search(*names))
            assert await _found(searcher, server) == list(range(0, 40, 2))
            searcher.say(_search("n1", "n0.VAL", "n0.DESC", "N0", "n0.DESK", "n1.DESC", "n0.DESC$", "n0$", "n0."))
            assert await _found(searcher, server) == [1, 2, 6]
            server.add(number("n1"))
            searcher.say(_search("n1"))
            assert await _found(searcher, server) == [0]


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"\0",
        b"GET / HTTP/1.1\r\n\r\n",
        bytes(range(256)),
        b"\xff" * 1400,
        raw(0, 0, 1, 13, 5),
        raw(6, 64, 5, 13, 1, 1) + b"number\0\0",  # longer than the datagram
        raw(6, 0xFFFF, 5, 0, 1, 1) + b"\xff" * 8 + b"number\0\0",
        raw(18, 8, 0, 0, 1, 13) + b"number\0\0",
    ],
)
@conversation
async def test_what_is_no_search_is_not_answered(garbage: bytes) -> None:
    async with Server([number()], LOCAL) as server:
        with Searcher() as searcher:
            searcher.say(garbage)
            searcher.say(_search("number"))
            assert await _found(searcher, server) == [0]
            assert searcher.silence()


@conversation
async def test_a_name_in_an_unknown_alphabet_does_not_hide_the_others() -> None:
    async with Server([number(), number("größe")], LOCAL) as server:
        with Searcher() as searcher:
            searcher.say(_search(b"gr\xf6\xdfe", "größe", "number"))
            assert await _found(searcher, server) == [1, 2]


#: What a slow name server knows.
HOSTS = {"here": ["127.0.0.1"], "ignored": ["127.0.0.9", "127.0.0.2"]}


class NameServer:
    """One that answers when it is told to; `asked` is what it was asked for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[str] = []
        self.gate = threading.Event()
        monkeypatch.setattr(hosts, "look_up", self._look_up)

    def _look_up(self, name: str) -> list[str]:
        self.asked.append(name)
        assert self.gate.wait(60)
        if name not in HOSTS:
            raise socket.gaierror(-2, "Name or service not known")
        return HOSTS[name]


@pytest.mark.parametrize("listed", ["127.0.0.3 127.0.0.2:5064", "localhost.invalid ignored:5064"])
@conversation
async def test_whom_the_environment_says_to_ignore(listed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    NameServer(monkeypatch).gate.set()
    monkeypatch.setenv("EPICS_CAS_IGNORE_ADDR_LIST", listed)
    async with Server([number()], LOCAL) as server:
        with Searcher() as searcher, Searcher("127.0.0.2") as ignored:
            ignored.say(_search("number"))
            searcher.say(_search("number"))
            assert await _found(searcher, server) == [0]
            assert ignored.silence()


@conversation
async def test_localhost_can_be_ignored_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EPICS_CAS_IGNORE_ADDR_LIST", "localhost")
    async with Server([number()], LOCAL) as server:
        with Searcher("127.0.0.2") as searcher, Searcher() as ignored:
            ignored.say(_search("number"))
            searcher.say(_search("number"))
            assert await _found(searcher, server) == [0]
            assert ignored.silence()


@conversation
async def test_hosts_that_the_name_server_knows_late_are_ignored_late(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It holds up the start for two seconds at most, and then nothing."""
    names = NameServer(monkeypatch)
    monkeypatch.setattr("pixieioc.ioc.ca.server._LOOK_UP", 0.1)
    monkeypatch.setenv("EPICS_CAS_IGNORE_ADDR_LIST", "ignored")
    async with Server([number()], LOCAL) as server:
        with Searcher("127.0.0.2") as ignored:
            ignored.say(_search("number"))
            assert await _found(ignored, server) == [0]
            assert "are answered until their addresses are known" in caplog.text
            names.gate.set()
            async with asyncio.timeout(60):
                while "127.0.0.2" not in server._ignored:
                    await asyncio.sleep(0.01)
            with Searcher() as searcher:
                ignored.say(_search("number"))
                searcher.say(_search("number"))
                assert await _found(searcher, server) == [0]
                assert ignored.silence()


@conversation
async def test_interfaces_can_be_names_of_hosts(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    NameServer(monkeypatch).gate.set()
    monkeypatch.setenv("EPICS_CAS_INTF_ADDR_LIST", "nowhere here")
    async with Server([number()]) as server:
        assert server.interfaces == ["127.0.0.1"]
        peer = await Peer.connect(server.port)
        await peer.lives()
    assert "interfaces: the host 'nowhere' is left out: Name or service not known" in caplog.text


@conversation
async def test_another_tcp_port_if_the_wanted_one_is_taken() -> None:
    async with Server([number()], LOCAL) as first, Server([number("second")], LOCAL) as second:
        assert (first.port, second.port != PORT) == (PORT, True)
        peer = await Peer.connect(second.port)
        assert await peer.get(await peer.channel("second")) == [0.0]
        with Searcher() as searcher:  # one of the two has the search port, and names its own TCP port
            searcher.say(_search("number", "second"))
            _, reply = await searcher.hear()
            assert reply.port == {0: first.port, 1: second.port}[reply.cid]


@conversation
async def test_a_port_of_a_connection_that_has_just_ended_is_free() -> None:
    for _ in range(3):
        async with Server([number()], LOCAL) as server:
            assert server.port == PORT
            peer = await Peer.connect(server.port)
            await peer.lives()


@conversation
async def test_all_interfaces_have_one_port() -> None:
    async with Server([number()], ["127.0.0.1", "127.0.0.2"]) as server:
        for host in ("127.0.0.1", "127.0.0.2"):
            peer = await Peer.connect(server.port, host=host)
            assert await peer.get(await peer.channel("number")) == [0.0]


@pytest.mark.parametrize(
    ("interfaces", "says"),
    [
        (["192.0.2.1"], "cannot listen for clients on TCP 192.0.2.1: Cannot assign requested address"),
        (["127.0.0.1", "192.0.2.1"], "cannot listen for clients on TCP 127.0.0.1, 192.0.2.1: Cannot assign"),
        (["no such host"], "cannot listen for clients on TCP: 'no such host': "),
    ],
)
@conversation
async def test_an_interface_that_is_not_there(interfaces: list[str], says: str) -> None:
    with pytest.raises(OSError, match=says):
        await Server([], interfaces).start()


@conversation
async def test_a_search_port_that_is_taken() -> None:
    with Searcher() as taken:
        taken.socket.close()
        taken.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        taken.socket.bind(("127.0.0.1", PORT))
        says = f"cannot listen for searches on UDP 127.0.0.1.* port {PORT}: Address already in use"
        with pytest.raises(OSError, match=says):
            await Server([], LOCAL).start()
    async with Server([], LOCAL) as server:  # and nothing is left of the attempt
        assert server.port == PORT


@conversation
async def test_beacons_tell_where_the_server_is(monkeypatch: pytest.MonkeyPatch) -> None:
    with Searcher() as listener:
        port = listener.socket.getsockname()[1]
        monkeypatch.setenv("EPICS_CAS_BEACON_ADDR_LIST", f"127.0.0.1:{port}")
        async with Server([], LOCAL) as server:
            beacons = [(await listener.hear())[0] for _ in range(3)]
    assert {type(beacon) for beacon in beacons} == {ca.Beacon}
    assert [(beacon.server_port, beacon.beacon_id) for beacon in beacons] == [(server.port, i) for i in range(3)]


@conversation
async def test_hosts_of_beacons_are_looked_up_once_and_not_in_the_loop(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    names = NameServer(monkeypatch)
    with Searcher() as listener, Searcher("127.0.0.2") as other:
        port, other_port = (searcher.socket.getsockname()[1] for searcher in (listener, other))
        listed = f"here:{port} 127.0.0.2:{other_port} nowhere"
        monkeypatch.setenv("EPICS_CAS_BEACON_ADDR_LIST", listed)
        monkeypatch.setenv("EPICS_CA_BEACON_PERIOD", "0.1")
        async with Server([number()], LOCAL) as server:
            # While the name server thinks, the loop goes on: addresses have their beacons, clients their answers.
            for i in range(3):
                assert (await other.hear())[0].beacon_id == i
            peer = await Peer.connect(server.port)
            await peer.lives()
            assert listener.silence()
            names.gate.set()
            beacons = [(await listener.hear())[0] for _ in range(5)]
    assert {beacon.server_port for beacon in beacons} == {server.port}
    assert sorted(names.asked) == ["here", "nowhere"]
    assert caplog.text.count("beacons: the host 'nowhere' is left out: Name or service not known") == 1


def test_it_runs_on_asyncios_own_loop_too() -> None:
    async def talk() -> None:
        async with Server([number()], LOCAL) as server:
            peer = await Peer.connect(server.port)
            channel = await peer.channel("number")
            await peer.monitor(channel)
            for value in (1.0, 2.0):
                peer.say(peer.writing(channel, value))
                assert await peer.event() == [value]
                assert (await peer.hear(ca.WriteNotifyResponse)).status.name == "ECA_NORMAL"
                assert await peer.get(channel) == [value]
            peer.leaves()
            async with asyncio.timeout(60):
                while server.circuits:
                    await asyncio.sleep(0)

    asyncio.run(listened_to(talk()))


@conversation
async def test_clients_see_the_end_at_once() -> None:
    async with Server([number()], LOCAL) as server:
        peers = [await Peer.connect(server.port) for _ in range(3)]
        for peer in peers:
            await peer.monitor(await peer.channel("number"))
    for peer in peers:
        await peer.ends()
    assert not server.circuits
    with pytest.raises(ConnectionRefusedError):
        await Peer.connect(PORT)
