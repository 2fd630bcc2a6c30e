"""What PVAccess costs beside Channel Access: one IOC in a run, five clients on each protocol that monitor everything.

Each client also gets one process variable ten times a second, which must not take long. Ten clients in Python and the
tasks of a run share this computer's processors, so these gets wait for their own process to have its turn. What the IOC
takes is what a get takes in a client that monitors nothing and has real-time priority (where that is allowed), one on
each protocol, meanwhile. The same IOC without PVAccess, and with Channel Access clients alone, is run in turn with it:
what PVAccess adds is the difference. Then a server of 600 numbers alone, all of which change ten times a second: what
an event costs by each protocol.
"""

from __future__ import annotations

import asyncio
import functools
import multiprocessing
import os
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Annotated, Any

import aioca
import common
import psutil
import typer

CLIENTS, RATE = 5, 10.0
NUMBERS = 600
_SPAWN = multiprocessing.get_context("spawn")

#: The demo's chain with PVAccess on or off.
CONFIG = """
[pipeline]
chain = ["DummyData", "GatherData", "ConvertToEvents", "SortEvents", "GatherEvents", "FillSpectra", "SnapTraces"]
[crate]
channels = {channels}
[tasks.DummyData]
channel_rate = 1000
traces = true
[tasks.FillSpectra]
bins = 2048
[ioc]
state_dir = "state"
[ioc.pva]
on = {on}
interfaces = ["127.0.0.1"]
port = {port}
broadcast_port = {searches}
"""


@dataclass(frozen=True)
class Seen:
    """What one run of an IOC has cost, and the times of gets in ms, by protocol."""

    cpu: float
    pss: float
    gets: dict[str, list[float]]
    events: dict[str, float]


# -- clients, each a process of its own -------------------------------------------------------------------------------


def by_ca(names: Sequence[str], seconds: float, pipe: Connection, *, monitors_all: bool = True) -> None:
    """Monitors all of them by Channel Access, or none; gets the first one."""

    async def watch() -> None:
        events = 0

        def heard(*_: Any) -> None:
            nonlocal events
            events += 1

        monitors = await asyncio.gather(*(_monitor(name, heard) for name in names if monitors_all))
        await aioca.caget(names[0])
        pipe.send("ready")
        times, events, end = [], 0, time.perf_counter() + seconds
        while time.perf_counter() < end:
            begin = time.perf_counter()
            await aioca.caget(names[0])
            times.append(1e3 * (time.perf_counter() - begin))
            await asyncio.sleep(1 / RATE)
        pipe.send((times, events / seconds))
        for monitor in monitors:
            monitor.close()

    asyncio.run(watch())


async def _monitor(name: str, heard: Any) -> Any:
    return aioca.camonitor(name, heard, format=aioca.FORMAT_TIME, all_updates=True)


def by_pva(names: Sequence[str], seconds: float, pipe: Connection, *, monitors_all: bool = True) -> None:
    """Monitors all of them by PVAccess, or none; gets the first one."""
    from p4p.client.thread import Context

    events = 0

    def heard(_: Any) -> None:
        nonlocal events
        events += 1

    with Context("pva", nt=False) as context:
        monitors = [context.monitor(name, heard) for name in names if monitors_all]
        context.get(list(names) if monitors_all else names[0], timeout=30)
        pipe.send("ready")
        times, events, end = [], 0, time.perf_counter() + seconds
        while time.perf_counter() < end:
            begin = time.perf_counter()
            context.get(names[0])
            times.append(1e3 * (time.perf_counter() - begin))
            time.sleep(1 / RATE)
        pipe.send((times, events / seconds))
        for monitor in monitors:
            monitor.close()


def first(program: Any, names: Sequence[str], seconds: float, pipe: Connection) -> None:
    """A client that gets the first one and monitors nothing, with priority over all others, and below the IOC's."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))
    except PermissionError:
        common.note("no real-time priority: clients that monitor nothing wait for their turn, too")
    program(names, seconds, pipe, monitors_all=False)


#: Clients that show what the IOC takes for a get.
GETTERS = {"CA first": functools.partial(first, by_ca), "PVA first": functools.partial(first, by_pva)}


class Clients:
    """Those of a protocol."""

    def __init__(self, program: Any, names: Sequence[str], seconds: float, count: int = CLIENTS) -> None:
        self._pipes: list[Connection] = []
        self._processes = []
        for _ in range(count):
            ours, theirs = _SPAWN.Pipe()
            process = _SPAWN.Process(target=program, args=(names, seconds, theirs))
            process.start()
            self._pipes.append(ours)
            self._processes.append(process)

    def ready(self) -> None:
        """Waits until all have connected."""
        for pipe in self._pipes:
            if not pipe.poll(common.PATIENCE):
                raise RuntimeError("a client has not connected")
            pipe.recv()

    def results(self) -> tuple[list[float], float]:
        """The times of all gets, and the events per second of one client."""
        got = [pipe.recv() for pipe in self._pipes]
        for process in self._processes:
            process.join()
        return [each for times, _ in got for each in times], statistics.mean(rate for _, rate in got)


def measured(process_id: int, names: Sequence[str], seconds: float, programs: dict[str, Any], count: int) -> Seen:
    """What happens in so many seconds with clients of these programs."""
    clients = {
        name: Clients(program, names, seconds, 1 if name in GETTERS else count) for name, program in programs.items()
    }
    for each in clients.values():
        each.ready()
    before, begin = common.cpu_of(process_id), time.perf_counter()
    time.sleep(0.8 * seconds)
    cpu = 100 * (common.cpu_of(process_id) - before) / (time.perf_counter() - begin)
    pss = psutil.Process(process_id).memory_full_info().pss / 1e6
    results = {name: each.results() for name, each in clients.items()}
    return Seen(cpu, pss, {n: r[0] for n, r in results.items()}, {n: r[1] for n, r in results.items()})


# -- an IOC in a run --------------------------------------------------------------------------------------------------


def of_ioc(folder: Path, seconds: float, channels: int, *, on: bool) -> Seen:
    """One IOC, with or without PVAccess."""
    from p4p.client.thread import Context  # its library's ports must be known before

    from pixieioc.config import load
    from pixieioc.pvinfo.build import all_pvs

    del Context
    file = folder / f"pva{on}.toml"
    ports = {"port": common.free_port(), "searches": int(os.environ["EPICS_PVA_BROADCAST_PORT"])}
    file.write_text(CONFIG.format(on=str(on).lower(), channels=channels, **ports))
    names = list(all_pvs(load(file)))
    with common.Demo(folder, "run", file) as demo:
        process_id = demo.process_id
        _wait_for_run(demo)
        wanted = [demo.prefix + name for name in ("ElapsedReal_RBV", *names)]
        common.note(f"{len(names)} process variables, PVAccess {'on' if on else 'off'}")
        programs = {"CA": by_ca, "CA first": GETTERS["CA first"]} | ({"PVA": by_pva, **GETTERS} if on else {})
        return measured(process_id, wanted, seconds, programs, CLIENTS)


def _wait_for_run(demo: common.Demo) -> None:
    async def wait() -> None:
        async with common.Watch(demo.prefix, ["DetectorState_RBV", "Ready_RBV", "ElapsedReal_RBV"]) as watch:
            await watch.until(lambda values: values["DetectorState_RBV"] == 0 and values["Ready_RBV"] == 1)
            await aioca.caput(demo.prefix + "Acquire", 1, wait=False)
            await watch.until(lambda values: values["ElapsedReal_RBV"] > 0)

    asyncio.run(wait())


# -- a server alone ---------------------------------------------------------------------------------------------------


def serve(searches: int, seconds: float, pipe: Connection, *, on: bool) -> None:
    """Numbers that all change `RATE` times a second."""
    from pixieioc.ioc.ca.server import Server
    from pixieioc.ioc.loop import run
    from pixieioc.ioc.pva.server import Address, Limits
    from pixieioc.ioc.pva.server import Server as PvaServer
    from pixieioc.ioc.records import Record
    from pixieioc.pvinfo import PvInfo

    async def main() -> None:
        records = [Record(PvInfo(f"N{i}", "ai", "A number.", 0.0), f"N{i}") for i in range(NUMBERS)]
        async with Server(records, [common.LOOPBACK]) as server:
            pva = PvaServer(records, server, Address((common.LOOPBACK,), common.free_port(), searches), Limits())
            if on:
                await pva.start()
            pipe.send("ready")
            begin = time.monotonic()
            for step in range(int(seconds * RATE)):
                now = time.time()
                for record in records:
                    record.post(now)
                await asyncio.sleep(max(0.0, begin + (step + 1) / RATE - time.monotonic()))
            await pva.stop()

    run(main())


def of_server(seconds: float, programs: dict[str, Any], count: int) -> Seen:
    """A server alone, with so many clients of these programs."""
    ours, theirs = _SPAWN.Pipe()
    searches = int(os.environ["EPICS_PVA_BROADCAST_PORT"])
    process = _SPAWN.Process(target=serve, args=(searches, seconds + 40, theirs), kwargs={"on": "PVA" in programs})
    process.start()
    try:
        ours.recv()
        assert process.pid is not None
        names = [f"N{i}" for i in range(NUMBERS)]
        return measured(process.pid, names, seconds, programs, count)
    finally:
        process.kill()
        process.join()


def _p99(times: list[float]) -> float:
    return statistics.quantiles(times, n=100)[98]


def main(
    seconds: Annotated[float, typer.Option(help="How long each measurement takes.")] = 10.0,
    turns: Annotated[int, typer.Option(help="How often each is made, in turn.")] = 2,
    channels: Annotated[int, typer.Option(help="Channels of the crate: 1 has about 600 PVs, 4 have 800.")] = 1,
    as_json: common.Json = False,
) -> None:
    """PVAccess beside Channel Access: memory, processor time, and how long a get takes."""
    folder = common.private_folder()
    os.environ.update(EPICS_PVA_ADDR_LIST=common.LOOPBACK, EPICS_PVA_AUTO_ADDR_LIST="NO")
    os.environ["EPICS_PVA_BROADCAST_PORT"] = str(common.free_port())
    with common.loopback():
        runs: dict[bool, list[Seen]] = {False: [], True: []}
        for _ in range(turns):
            for on in (False, True):
                runs[on].append(of_ioc(folder, seconds, channels, on=on))
        off, on = runs[False], runs[True]
        cpu = statistics.mean(seen.cpu for seen in on) - statistics.mean(seen.cpu for seen in off)
        pss = statistics.mean(seen.pss for seen in on) - statistics.mean(seen.pss for seen in off)
        without, beside, by_pva_, quiet_without, quiet_beside, quiet_pva = (
            [each for seen in turn for each in seen.gets[name]]
            for turn, name in (
                (off, "CA"),
                (on, "CA"),
                (on, "PVA"),
                (off, "CA first"),
                (on, "CA first"),
                (on, "PVA first"),
            )
        )
        rows = [
            common.limited("PVAccess adds memory (PSS)", "MB", pss, 15),
            common.limited("PVAccess adds processor time", "% of a core", cpu, 3),
            common.limited("get by PVA, p99", "ms", _p99(by_pva_), 5),
            common.limited("get by CA beside it, p99", "ms", _p99(beside), 5),
            common.Row("... rival: without PVA", "ms", _p99(beside), _p99(without)),
            common.limited("get by PVA, client with priority, p99", "ms", _p99(quiet_pva), 5),
            common.limited("get by CA, client with priority, p99", "ms", _p99(quiet_beside), 5),
            common.Row("... rival: without PVA", "ms", _p99(quiet_beside), _p99(quiet_without)),
            common.rivalled_at_most("get by CA, median; rival: without PVA", "ms",
                                    statistics.median(beside), statistics.median(without), 1.2),
            common.Row("events to each client, PVA; rival: CA", "1/s",
                       statistics.mean(seen.events["PVA"] for seen in on),
                       statistics.mean(seen.events["CA"] for seen in on)),
        ]  # fmt: skip
        for count in (1, CLIENTS):
            common.note(f"{NUMBERS} numbers, {RATE:g} times a second, {count} clients")
            ca, both = (of_server(seconds, each, count) for each in ({"CA": by_ca}, {"PVA": by_pva}))
            rows += [
                common.Row(f"{NUMBERS} numbers, {count} clients by PVA; rival: by CA", "% of a core", both.cpu, ca.cpu),
                common.Row("... of 6000 events to each client came", "1/s", both.events["PVA"], ca.events["CA"]),
            ]
    common.show(f"PVAccess beside Channel Access (load {os.getloadavg()[0]:.1f})", rows, as_json=as_json)


if __name__ == "__main__":
    typer.run(main)
