"""Whether the Channel Access server keeps its memory and its other clients when clients stall, and over long times.

Four parts, each with a server of its own (ca_contenders.py) and clients on the real libca (ca_load.c):

stall   200 numbers and an array of 32768 doubles at 100 Hz. Three clients listen to the numbers and one to the array;
        they must get all. One client is stopped (SIGSTOP), and the computer of another vanishes: its socket has a
        filter that drops whatever comes, so that not even the kernel answers. Both must be disconnected.
day     As many bursts of 200 numbers as a day has seconds, as fast as they can be posted, to one client.
search  60 000 searches a second from one socket, in datagrams as libca sends them; half of the names are here. A client
        listens to the numbers at 10 Hz meanwhile and must get all; a further one connects.
churn   So many subscriptions to the array on one circuit, each ended after its first value.
"""

from __future__ import annotations

import contextlib
import ctypes
import select
import signal
import socket
import struct
import time
from pathlib import Path
from typing import Annotated, Self

import common
import psutil
import typer
from ca_processes import Contender, Worker, compile_client

SCALARS, HZ = 200, 100
GROWTH_MB, FLAT = 20.0, 5.0
#: Seconds until the server has what it needs in any case, before its memory is noted.
_WARM = 5.0
_STALL = 60.0  #: the server's limit
#: Searches a second, in datagrams of so many, and how often some are sent.
_SEARCHES, _NAMES, _STEP = 60_000, 24, 0.01
#: Seconds that the server is given for what it has got last.
_LAST = 1.0

Seconds = Annotated[float, typer.Option(min=0, help="How long clients are stalled under load, in s; 0: not at all.")]
Bursts = Annotated[int, typer.Option(min=0, help="Bursts of 200 updates in the day that is sped up; 0: none.")]
Search = Annotated[float, typer.Option(min=0, help="How long 60 000 searches a second come, in s; 0: none.")]
Churn = Annotated[int, typer.Option(min=0, help="Subscriptions to the array; 0: none.")]


def main(
    seconds: Seconds = 600,
    bursts: Bursts = 86_400,
    search: Search = 60,
    churn: Churn = 10_000,
    as_json: common.Json = False,
) -> None:
    """Soak our Channel Access server."""
    program = compile_client(common.private_folder())
    rows: list[common.Row] = []
    with common.loopback():
        if seconds:
            common.note(f"clients that stall, {seconds:g} s")
            rows += _stall(program, seconds)
        if bursts:
            common.note(f"{bursts} bursts of {SCALARS}")
            rows += _day(program, bursts)
        if search:
            common.note(f"{_SEARCHES} searches a second, {search:g} s")
            rows += _search(program, search)
        if churn:
            common.note(f"{churn} subscriptions")
            rows += _churn(program, churn)
    common.show("Channel Access server, soaked", rows, as_json=as_json)


def _stall(program: Path, seconds: float) -> list[common.Row]:
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(Contender("ours", program, SCALARS))
        good = stack.enter_context(server.watchers("S", SCALARS, 3))
        array = stack.enter_context(server.watchers("W", 1, 1))
        for client in (*good, *array):
            client.ask("reset")
        server.tell(f"post all {HZ} {_WARM + seconds} {int(HZ * (_WARM + seconds))}")
        time.sleep(_WARM)
        before = server.watched.memory_info().rss
        stopped = stack.enter_context(server.watchers("S", SCALARS, 1))[0]
        vanished = stack.enter_context(Vanishing(server.port, server.prefix + "S", SCALARS))
        ports = [_port_of(stopped), vanished.port]
        stopped.process.send_signal(signal.SIGSTOP)
        vanished.vanish()
        start, most, gone = time.monotonic(), before, dict.fromkeys(ports, float("inf"))
        while time.monotonic() < start + seconds:
            time.sleep(1)
            most = max(most, server.watched.memory_info().rss)
            there = {c.raddr.port for c in server.watched.net_connections("tcp") if c.raddr}
            for port in ports:
                if port not in there and gone[port] == float("inf"):
                    gone[port] = time.monotonic() - start
        stopped.process.send_signal(signal.SIGCONT)
        posted = server.answer()
        time.sleep(1)
        events = sum(client.ask("report")["events"] for client in good)
        arrays = array[0].ask("report")["events"]
    due = 3 * SCALARS * posted["bursts"]
    return [
        common.Row("posted bursts of what was due", "", posted["bursts"] / (HZ * (_WARM + seconds))),
        common.Row("other clients, numbers delivered", "", events / due, met=events == due),
        common.Row("other clients, arrays delivered", "", arrays / posted["bursts"], met=arrays == posted["bursts"]),
        common.limited("memory grows by", "MB", (most - before) / 1e6, GROWTH_MB),
        common.limited("a stopped client is disconnected after", "s", gone[ports[0]], _STALL + 10),
        common.limited("a vanished one is disconnected after", "s", gone[ports[1]], _STALL + 10),
    ]


def _day(program: Path, bursts: int) -> list[common.Row]:
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(Contender("ours", program, SCALARS))
        stack.enter_context(server.watchers("S", SCALARS, 1))
        first = server.ask(f"post all 1e6 1e6 {bursts // 20}")
        before = server.watched.memory_info().rss
        second = server.ask(f"post scalars 1e6 1e6 {bursts - bursts // 20}")
        after = server.watched.memory_info().rss
    rate = SCALARS * bursts / (first["seconds"] + second["seconds"])
    return [
        common.Row(f"{SCALARS * bursts:,} updates, posted", "1/s", rate),
        common.limited("memory changes by", "%", 100 * abs(after - before) / before, FLAT),
    ]


def _search(program: Path, seconds: float) -> list[common.Row]:
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(Contender("ours", program, SCALARS))
        [good] = stack.enter_context(server.watchers("S", SCALARS, 1))
        searching = stack.enter_context(Searching(server.port, server.prefix))
        searching.go_on(_WARM)
        before = most = server.watched.memory_info().rss
        good.ask("reset")
        server.tell(f"post scalars 10 {seconds} {int(10 * seconds)}")
        searching.reset()
        end = searching.began + seconds
        newcomer = stack.enter_context(server.client("connect", "S", SCALARS))
        while time.monotonic() < end:
            searching.go_on(min(1.0, end - time.monotonic()))
            most = max(most, server.watched.memory_info().rss)
        took = time.monotonic() - searching.began
        searching.hear_the_rest()
        posted = server.answer()
        connected = newcomer.answer()["seconds"]
        time.sleep(1)
        report = good.ask("report")
    sent, answered = _NAMES * searching.sent / took, 2 * searching.found / took
    lost = SCALARS * posted["bursts"] - report["events"]
    return [
        common.Row("searches, sent", "1/s", sent, bar=_SEARCHES, met=sent > 0.95 * _SEARCHES),
        common.Row("searches, looked at and answered if the name is here", "1/s", answered),
        common.Row("share of them that were lost", "%", 100 * (1 - answered / sent)),
        common.limited("meanwhile, memory grows by", "MB", (most - before) / 1e6, GROWTH_MB),
        common.limited("meanwhile, monitors that another client lost", "", lost, 0),
        common.Row("meanwhile, the oldest monitor was", "ms", max(report["ages"]) / 1e3),
        common.Row(f"meanwhile, a new client connects to {SCALARS} in", "s", connected),
    ]


def _churn(program: Path, count: int) -> list[common.Row]:
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(Contender("ours", program, SCALARS))
        with server.client("churn", "W0", count // 20) as client:
            client.answer()
        before = server.watched.memory_info().rss
        with server.client("churn", "W0", count) as client:
            client.answer()
            after = server.watched.memory_info().rss
    change = 100 * abs(after - before) / before
    return [common.limited(f"{count:,} subscriptions to an array, memory changes by", "%", change, FLAT)]


def _port_of(client: Worker) -> int:
    """The port of a client's connection."""
    [connection] = [c for c in psutil.Process(client.process.pid).net_connections("tcp") if c.raddr]
    return connection.laddr.port


class Searching:
    """Searches as they come from a control room that has just been switched on: `_SEARCHES` a second.

    `sent` are datagrams since `began`, `found` the names in the answers to them.
    """

    def __init__(self, port: int, prefix: str) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * 1024**2)
        self._socket.setblocking(False)
        self._socket.connect((common.LOOPBACK, port))
        self._header = struct.Struct(">HHHHII")
        names = [f"{prefix}S{i}" if i % 2 else f"{prefix}X{i}" for i in range(_NAMES)]
        self._names = b"".join(self._asking(i, name) for i, name in enumerate(names))
        self._number = 0  # of the last datagram
        self.reset()

    def _asking(self, identifier: int, name: str) -> bytes:
        text = name.encode() + b"\0"
        text += b"\0" * (-len(text) % 8)
        return self._header.pack(6, len(text), 5, 13, identifier, identifier) + text

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def reset(self) -> None:
        """Counts from now on; answers to what was sent before do not count."""
        self.hear_the_rest()
        self.sent = self.found = 0
        self.began = time.monotonic()

    def go_on(self, seconds: float) -> None:
        """Sends at its rate, and takes the answers."""
        end = time.monotonic() + seconds
        while (now := time.monotonic()) < end:
            while self.sent * _NAMES < (now - self.began) * _SEARCHES:
                self._number += 1
                with contextlib.suppress(BlockingIOError):
                    self._socket.send(self._header.pack(0, 0, 1, 13, self._number, 0) + self._names)
                self.sent += 1
            self._hear(_STEP)

    def hear_the_rest(self) -> None:
        """Takes answers until no more have come for a while."""
        while self._hear(_LAST):
            pass

    def _hear(self, seconds: float) -> int:
        """Waits for so long, or until something has come; how many datagrams have."""
        heard = 0
        if select.select([self._socket], [], [], seconds)[0]:
            with contextlib.suppress(BlockingIOError):
                while True:
                    # A header with the number of the datagram that it answers, and 24 bytes for each name.
                    self.found += (len(self._socket.recv(65536)) - 16) // 24
                    heard += 1
        return heard


class Vanishing:
    """A client that listens to `count` numbers, and whose computer can vanish: then nothing answers for it any more."""

    def __init__(self, port: int, name: str, count: int) -> None:
        self._socket = socket.create_connection((common.LOOPBACK, port))
        self.port: int = self._socket.getsockname()[1]
        message = struct.Struct(">HHHHII")
        said = [message.pack(0, 0, 0, 13, 0, 0)]
        for i in range(count):
            text = f"{name}{i}".encode() + b"\0"
            text += b"\0" * (-len(text) % 8)
            said.append(message.pack(18, len(text), 0, 0, i, 13) + text)
        # A server numbers channels from 1.
        said += [message.pack(1, 16, 20, 0, i + 1, i) + struct.pack(">12xHxx", 5) for i in range(count)]
        self._socket.sendall(b"".join(said))
        wanted = 16 + count * (32 + 16 + 24)
        while wanted > 0:
            wanted -= len(self._socket.recv(65536))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def vanish(self) -> None:
        """From now on all that comes is dropped, before the kernel looks at it."""
        program = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))  # BPF: return 0
        filtering = struct.pack("HL", 1, ctypes.addressof(program))
        self._socket.setsockopt(socket.SOL_SOCKET, 26, filtering)  # SO_ATTACH_FILTER


if __name__ == "__main__":
    typer.run(main)
