"""The Channel Access server against pythonSoftIOC (EPICS Base's own server) and stock caproto.

Each server is a process of its own (ca_contenders.py) with the same 200 numbers, 198 long strings and an array of 32768
doubles. The clients are other processes: a C program on the real libca (ca_load.c). The values are the times at which
they were posted, so a client knows how old what it gets is, and how many it must get is known from what was posted.

A server that cannot post as often as it is to delivers less: what was delivered is counted against what was due.
"""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import common
import numpy as np
import typer
from ca_processes import Contender, Worker, compile_client

OURS, RIVAL, STOCK = "ours", "softioc", "caproto"
SCALARS = 200
#: Seconds that nothing must come any more for everything to have come.
_QUIET = 0.2
#: A server must be able to post so much of what is due.
_DUE = 0.95
#: Gets and puts are measured in so many pieces, whose median counts: how fast one is depends on which processors the
#: kernel puts client and server on. Stock caproto, which has no bar to meet, has fewer.
_SLICES, _SLICES_OF_STOCK = 16, 4
#: Puts whose monitor is waited for.
_PUTS = 30


@dataclass
class Load:
    """What one load showed: fractions of what was due and of a processor; the ages of monitors in ms."""

    delivered: float
    lost: float  #: monitors of what was posted that did not come
    cpu: float
    p50: float
    p99: float
    newest: float  #: how old the last value of the slowest PV was when it came; infinite if it did not come


@dataclass
class Figures:
    """What was measured of one server, by name; several times each."""

    loads: dict[str, list[Load]] = field(default_factory=dict)
    numbers: dict[str, list[float]] = field(default_factory=dict)

    def add(self, name: str, number: float) -> None:
        """One more measurement."""
        self.numbers.setdefault(name, []).append(number)

    def number(self, name: str, of: Callable[[list[float]], float] = statistics.median) -> float:
        """The median of a number, or another summary of its measurements."""
        return of(self.numbers[name])

    def load(self, name: str, what: str) -> float:
        """The median of one figure of a load."""
        return statistics.median(getattr(load, what) for load in self.loads[name])


def main(
    quick: Annotated[bool, typer.Option("--quick", help="One short round, in less than 50 s.")] = False,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds, whose medians count.")] = 3,
    seconds: Annotated[float, typer.Option(min=1, help="Length of one measurement, in s.")] = 3.0,
    stock: Annotated[bool, typer.Option(help="Whether stock caproto is measured, too.")] = True,
    as_json: common.Json = False,
) -> None:
    """Measure our Channel Access server against pythonSoftIOC and stock caproto."""
    if quick:
        rounds, seconds = 1, 1.0
    program = compile_client(common.private_folder())
    figures = {kind: Figures() for kind in (OURS, RIVAL, STOCK)}
    with common.loopback():
        for number in range(rounds):
            for kind in (OURS, RIVAL, STOCK) if stock and number == 0 else (OURS, RIVAL):
                common.note(f"round {number + 1} of {rounds}: {kind}")
                _measure(kind, program, seconds, figures[kind], many=not (quick and kind == STOCK))
            common.note(f"round {number + 1} of {rounds}: get and put")
            measured = figures if stock and number == 0 else {kind: figures[kind] for kind in (OURS, RIVAL)}
            _measure_rates(program, seconds, measured)
    common.show("Channel Access server, against pythonSoftIOC", _rows(figures[OURS], figures[RIVAL]), as_json=as_json)
    if stock:
        rows = _information(figures[OURS], figures[STOCK])
        common.show("for information, against stock caproto", rows, as_json=as_json)


# -- measuring --------------------------------------------------------------------------------------------------------


def _measure(kind: str, program: Path, seconds: float, figures: Figures, *, many: bool) -> None:
    """What one server costs and delivers; `many`: also with 5000 channels."""
    with Contender(kind, program, SCALARS) as server:
        cpu, start = server.cpu(), time.monotonic()
        time.sleep(seconds)
        figures.add("idle", 100 * (server.cpu() - cpu) / (time.monotonic() - start))
        figures.add("rss", server.watched.memory_info().rss / 1e6)
        for what, name, count, clients, hz in (
            ("scalars", "S", SCALARS, 10, 10),
            ("scalars", "S", SCALARS, 10, 100),
            ("scalars", "S", SCALARS, 10, 1000),
            ("array", "W", 1, 5, 100),
            ("one", "S", 1, 1, 200),
        ):
            if kind == STOCK and what == "scalars" and hz > 10:
                continue  # it does not recover
            with server.watchers(name, count, clients) as listening:
                load = _load(server, listening, what, count, hz, seconds, figures)
            figures.loads.setdefault(f"{what} {hz}", []).append(load)
    if many:
        with Contender(kind, program, 5000) as server:
            for _ in range(3):
                figures.add("connect 5000", _connect(server, 5000))


def _measure_rates(program: Path, seconds: float, figures: dict[str, Figures]) -> None:
    """Gets and puts on one connection, of the servers in turn: a disturbance then meets them all."""
    with contextlib.ExitStack() as stack:
        servers = {kind: stack.enter_context(Contender(kind, program, SCALARS)) for kind in figures}
        for number in range(_SLICES):
            for kind, server in servers.items():
                if kind == STOCK and number >= _SLICES_OF_STOCK:
                    continue
                with server.client("get", "S0", seconds / _SLICES) as client:
                    figures[kind].add("get", client.answer()["rate"])
                with server.client("put", "Put", seconds / _SLICES) as client:
                    figures[kind].add("put", client.answer()["rate"])
        for kind, server in servers.items():
            with server.client("late", "Put", _PUTS) as client:
                figures[kind].add("late", 1e3 * client.answer()["late"])


def _load(
    server: Contender, listening: list[Worker], what: str, count: int, hz: float, seconds: float, figures: Figures
) -> Load:
    """Has a server post, and asks its clients what came; at 100 Hz a further client connects meanwhile."""
    for client in listening:
        client.ask("reset")
    cpu = server.cpu()
    server.tell(f"post {what} {hz} {seconds} {int(hz * seconds)}")
    if what == "scalars" and hz == 100:
        time.sleep(seconds / 3)
        figures.add("connect 200", _connect(server, SCALARS))
    posted = server.answer()
    cpu = (server.cpu() - cpu) / posted["seconds"]
    reports = _reports(listening)
    ages = np.concatenate([report["ages"] for report in reports]) / 1e3
    if not len(ages):
        return Load(0.0, float("inf"), cpu, float("inf"), float("inf"), float("inf"))
    events, posts = sum(report["events"] for report in reports), count * len(listening)
    came = all(report["oldest"] >= posted["last"] for report in reports)
    return Load(
        delivered=events / (int(hz * seconds) * posts),
        lost=posted["bursts"] * posts - events,
        cpu=cpu,
        p50=float(np.percentile(ages, 50)),
        p99=float(np.percentile(ages, 99)),
        newest=1e3 * max(report["slowest"] for report in reports) if came else float("inf"),
    )


def _reports(listening: list[Worker]) -> list[dict[str, Any]]:
    """What the clients got, when nothing more comes."""
    events, end = -1, time.monotonic() + 2
    while True:
        time.sleep(_QUIET)
        reports = [client.ask("report") for client in listening]
        now = sum(report["events"] for report in reports)
        if now == events or time.monotonic() > end:
            return reports
        events = now


def _connect(server: Contender, channels: int) -> float:
    """How long a new client takes to connect to so many channels, in s."""
    with server.client("connect", "S", channels) as client:
        return client.answer()["seconds"]


# -- results ----------------------------------------------------------------------------------------------------------


def _rows(ours: Figures, rival: Figures) -> list[common.Row]:
    def all_came(what: str, load: str) -> common.Row:
        mine = ours.load(load, "delivered")
        # A pause of the whole machine has the server post less, which is no loss.
        met = mine > _DUE and all(measured.lost == 0 for measured in ours.loads[load])
        return common.Row(f"{what}, delivered", "", mine, rival.load(load, "delivered"), None, met)

    def cpu(what: str, load: str, bar: float) -> common.Row:
        mine, other = 100 * ours.load(load, "cpu"), 100 * rival.load(load, "cpu")
        return common.rivalled_at_most(f"{what}, CPU", "%", mine, other, bar)

    def at_most(what: str, unit: str, mine: float, other: float, bar: float) -> common.Row:
        return common.Row(what, unit, mine, other, bar, mine <= bar)

    def age(what: str, load: str, bar: float, figure: str = "p99") -> common.Row:
        return at_most(f"{what}, {figure} at most", "ms", ours.load(load, figure), rival.load(load, figure), bar)

    ten, hundred, flood = "200 scalars at 10 Hz to 10", "200 scalars at 100 Hz to 10", "200 scalars at 1 kHz to 10"
    array, one = "float64[32768] at 100 Hz to 5", "one PV at 200 Hz"
    return [
        all_came(ten, "scalars 10"),
        cpu(ten, "scalars 10", 0.25),
        age(ten, "scalars 10", 5),
        all_came(hundred, "scalars 100"),
        cpu(hundred, "scalars 100", 0.5),
        age(hundred, "scalars 100", 10),
        at_most(
            "meanwhile, a new client connects to 200 in at most",
            "s",
            ours.number("connect 200"),
            rival.number("connect 200"),
            0.3,
        ),
        _for_information(f"{flood}, delivered", "", lambda f: f.load("scalars 1000", "delivered"), ours, rival),
        age(flood, "scalars 1000", 100, "newest"),
        all_came(array, "array 100"),
        cpu(array, "array 100", 1.0),
        age(one, "one 200", 2),
        at_most("monitor after its put's reply, at most", "ms", ours.number("late"), rival.number("late"), 2),
        common.rivalled("get, one connection", "1/s", ours.number("get"), rival.number("get"), 0.9),
        common.rivalled("put-callback into Python", "1/s", ours.number("put"), rival.number("put"), 2),
        at_most(
            "5000 channels connect in at most",
            "s",
            ours.number("connect 5000", min),
            rival.number("connect 5000", min),
            0.1,
        ),
        at_most("idle, CPU at most", "%", ours.number("idle"), rival.number("idle"), 1),
        at_most("400 PVs, RSS at most", "MB", ours.number("rss"), rival.number("rss"), 90),
    ]


def _information(ours: Figures, stock: Figures) -> list[common.Row]:
    wanted: list[tuple[str, str, Callable[[Figures], float]]] = [
        ("200 scalars at 10 Hz to 10, delivered", "", lambda f: f.load("scalars 10", "delivered")),
        ("200 scalars at 10 Hz to 10, CPU", "%", lambda f: 100 * f.load("scalars 10", "cpu")),
        ("200 scalars at 10 Hz to 10, p99", "ms", lambda f: f.load("scalars 10", "p99")),
        ("float64[32768] at 100 Hz to 5, CPU", "%", lambda f: 100 * f.load("array 100", "cpu")),
        ("one PV at 200 Hz, p99", "ms", lambda f: f.load("one 200", "p99")),
        ("monitor after its put's reply", "ms", lambda f: f.number("late")),
        ("get, one connection", "1/s", lambda f: f.number("get")),
        ("put-callback into Python", "1/s", lambda f: f.number("put")),
        ("idle, CPU", "%", lambda f: f.number("idle")),
        ("400 PVs, RSS", "MB", lambda f: f.number("rss")),
    ]
    if "connect 5000" in stock.numbers:
        wanted.append(("5000 channels connect", "s", lambda f: f.number("connect 5000", min)))
    return [_for_information(what, unit, figure, ours, stock) for what, unit, figure in wanted]


def _for_information(
    what: str, unit: str, figure: Callable[[Figures], float], ours: Figures, rival: Figures
) -> common.Row:
    """A row without a bar."""
    return common.Row(what, unit, figure(ours), figure(rival))


if __name__ == "__main__":
    typer.run(main)
