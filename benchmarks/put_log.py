"""What the log of puts costs: gets per second of one client while another one makes 1000 puts per second.

    python benchmarks/put_log.py

Three kinds of short slices in turn: without puts, with puts that are not logged, with puts that are logged into a file
and sent to a collector. Each is compared with the others of its round, since other programs slow all of them. What
logging costs the server is measured as processor time, without gets, and does not depend on other programs.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import socket
import statistics
import struct
import sys
import time
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Annotated, Any

import common
import typer

from pixieioc.ioc.ca import protocol as ca

RATE, BURST = 1000, 10
_DOUBLE = 6


async def serve(port: int, collector: int, file: Path, ready: Event) -> None:
    """A server whose puts are logged while `Log` is 1."""
    from pixieioc.ioc.ca.server import Server
    from pixieioc.ioc.put_entry import line_of
    from pixieioc.ioc.put_sinks import FileSink, Sink, TcpSink
    from pixieioc.ioc.records import Client, Record
    from pixieioc.ioc.records.written import Written
    from pixieioc.pvinfo import PvInfo

    records = [Record(PvInfo(name, "ao", "", 0.0), name) for name in ("Value", "Log")]
    server = Server(records, [common.LOOPBACK])
    sinks: list[Sink] = [FileSink(file, 10**9, 1, 10_000), TcpSink("collector", common.LOOPBACK, collector, 10_000)]
    for sink in sinks:
        sink.start()

    def logged(put: Written) -> None:
        line = line_of(put)
        for sink in sinks:
            sink.put(line)

    def put(value: Any, client: Client) -> None:
        records[0].post(value)

    def switch(value: Any, client: Client) -> None:
        records[1].post(value)
        server.put_listener = logged if value else None

    records[0].put, records[1].put = put, switch
    server.all_puts = True
    async with server:
        ready.set()
        await asyncio.Event().wait()


def _serve(port: int, collector: int, file: Path, ready: Event) -> None:
    from pixieioc.ioc.loop import run

    run(serve(port, collector, file, ready))


class Caller:
    """A client of one channel, which does one thing after the other."""

    def __init__(self, port: int, name: str) -> None:
        self._socket = socket.create_connection((common.LOOPBACK, port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        payload = ca.text_payload(name)
        self._socket.sendall(
            ca.header(ca.VERSION, 0, 0, ca.MINOR_VERSION, 0, 0)
            + ca.header(ca.CREATE_CHANNEL, len(payload), 0, 0, 1, ca.MINOR_VERSION)
            + payload
        )
        data = b""
        while len(data) < 3 * ca.HEADER.size:
            data += self._socket.recv(4096)
        self._channel = ca.HEADER.unpack_from(data, 2 * ca.HEADER.size)[5]

    def gets(self, seconds: float) -> float:
        """Gets per second."""
        message = ca.header(ca.READ_NOTIFY, 0, _DOUBLE, 1, self._channel, 1)
        count, begin = 0, time.monotonic()
        while (now := time.monotonic()) < begin + seconds:
            self._socket.sendall(message)
            self._socket.recv(4096)
            count += 1
        return count / (now - begin)

    def value(self) -> float:
        """The value, which is the number of puts so far."""
        self._socket.sendall(ca.header(ca.READ_NOTIFY, 0, _DOUBLE, 1, self._channel, 1))
        return struct.unpack_from(">d", self._socket.recv(4096), ca.HEADER.size)[0]

    def put(self, value: float, *, count: int = 1) -> None:
        """Puts without an answer."""
        message = ca.header(ca.WRITE, 8, _DOUBLE, 1, self._channel, 1) + struct.pack(">d", value)
        self._socket.sendall(message * count)


def _put(port: int, on: Event) -> None:
    """1000 puts per second while `on` is set."""
    caller, number = Caller(port, "Value"), 0
    while True:
        on.wait()
        due = time.monotonic()
        while on.is_set():
            number += BURST
            caller.put(number, count=BURST)
            due += BURST / RATE
            time.sleep(max(0.0, due - time.monotonic()))


def _collect(listening: socket.socket) -> None:
    connection, _ = listening.accept()
    while connection.recv(65536):
        pass


def main(
    seconds: Annotated[float, typer.Option(help="How long a slice is.")] = 0.3,
    rounds: Annotated[int, typer.Option(help="How many rounds of three slices.")] = 60,
    json: common.Json = False,
) -> None:
    """Measures and prints; fails if logging costs more than it may."""
    folder = common.private_folder()
    context = multiprocessing.get_context("spawn")
    ready, on = context.Event(), context.Event()
    with common.loopback(), socket.create_server((common.LOOPBACK, 0)) as listening:
        port = int(os.environ["EPICS_CAS_SERVER_PORT"])
        file = folder / "puts.log"
        processes = [
            context.Process(target=_serve, args=(port, listening.getsockname()[1], file, ready), daemon=True),
            context.Process(target=_put, args=(port, on), daemon=True),
        ]
        processes[0].start()
        assert ready.wait(common.PATIENCE)
        collecting = context.Process(target=_collect, args=(listening,), daemon=True)
        collecting.start()
        processes[1].start()
        rows = _measure(processes[0].pid or 0, port, on, seconds, rounds, file)
        for process in (*processes, collecting):
            process.terminate()
            process.join()
    common.show("The log of puts", rows, as_json=json)
    sys.exit(any(row.met is False for row in rows))


def _measure(server: int, port: int, on: Event, seconds: float, rounds: int, file: Path) -> list[common.Row]:
    getter, switch = Caller(port, "Value"), Caller(port, "Log")
    gets: dict[str, list[float]] = {"none": [], "plain": [], "logged": []}
    for number in range(rounds):
        for kind in (list(gets), list(reversed(gets)))[number % 2]:
            switch.put(float(kind == "logged"))
            (on.clear if kind == "none" else on.set)()
            getter.gets(0.05)
            gets[kind].append(getter.gets(seconds))
    costs = _cost_of_puts(server, switch, getter, on, rounds // 4 + 1)
    on.clear()
    getter.gets(0.3)  # until all is written
    assert file.read_bytes().endswith(b"}\n")
    ratio = statistics.median(a / b for a, b in zip(gets["logged"], gets["plain"], strict=True))
    whole = statistics.median(a / b for a, b in zip(gets["logged"], gets["none"], strict=True))
    medians = {kind: statistics.median(rates) for kind, rates in gets.items()}
    return [
        common.Row("gets while puts are logged, beside puts that are not", "1/s", medians["logged"], medians["plain"]),
        common.Row("  the ratio within each round, the median", "", ratio, None, 0.95, ratio >= 0.95),
        common.Row("gets while puts are logged, beside no puts at all", "1/s", medians["logged"], medians["none"]),
        common.Row("  the ratio within each round, the median", "", whole),
        common.Row("the server's processor time for a put that is logged, beside one that is not", "us", *costs),
        common.limited(
            f"  so much of a processor is logging {RATE} puts/s", "%", (costs[0] - costs[1]) * RATE / 1e4, 5.0
        ),
    ]


def _cost_of_puts(server: int, switch: Caller, getter: Caller, on: Event, rounds: int) -> tuple[float, float]:
    """The server's processor time for one put that is logged, and for one that is not, in us; medians."""
    costs: dict[int, list[float]] = {0: [], 1: []}
    on.set()
    for number in range(2 * rounds):
        switch.put(float(number % 2))
        time.sleep(0.1)
        begun, used = getter.value(), common.cpu_of(server)
        time.sleep(1.0)
        costs[number % 2].append(1e6 * (common.cpu_of(server) - used) / (getter.value() - begun))
    return statistics.median(costs[1]), statistics.median(costs[0])


if __name__ == "__main__":
    typer.run(main)
