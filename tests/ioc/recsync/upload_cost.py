"""What an upload costs the event loop of an IOC: `python -m tests.ioc.recsync.upload_cost --pvs 55000`.

The recceiver is a program of its own, which takes everything as fast as it can, or with `--recceiver PORT` one that
announces itself there. Said are the CPU time, and how long others waited for the loop, with the upload and without it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import subprocess
import sys
import time

from pixieioc.config_schema import RecSyncTable
from pixieioc.ioc.loop import run
from pixieioc.ioc.records import Pvs, Record
from pixieioc.ioc.recsync.caster import Caster
from pixieioc.pvinfo import PvInfo
from pixieioc.pvinfo.recsync import recsync_pvs
from tests.ioc.recsync.recceiver import Talk, announcement, recceiver, send

DOC = "Share of the samples of a trace that are above the threshold: as it is used."


def pvs_of(count: int) -> Pvs:
    """So many, like those of a full crate."""
    own = {pv.name: pv for pv in recsync_pvs()} | {"SumSevr_RBV": PvInfo("SumSevr_RBV", "longin", "Worst.")}
    names = (f"M{i // 4096:02d}:C{i // 128 % 32:02d}:PARAMETER_NUMBER_{i % 128}" for i in range(count - len(own)))
    return Pvs(own | {name: PvInfo(name, "ao", DOC, 0.0, saved=True, access="EX") for name in names}, "PX16:")


class _States:
    """When the caster came into each state first, and how much CPU time this process had taken by then."""

    def __init__(self, state: Record) -> None:
        self.at: dict[str, tuple[float, float]] = {}
        self.done = asyncio.Event()
        self._state = state
        state.observe(self)

    def changed(self, changes: int) -> None:
        self.at.setdefault(self._state.label, (time.monotonic(), time.process_time()))
        if self._state.label == "Done":
            self.done.set()


async def _waits(seconds: float, until: asyncio.Event) -> list[float]:
    """How much later than asked for the loop came back, in ms, each time of many."""
    late: list[float] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end and not until.is_set():
        before = time.monotonic()
        await asyncio.sleep(0.001)
        late.append((time.monotonic() - before - 0.001) * 1e3)
    return sorted(late)


def _said(what: str, late: list[float]) -> None:
    worst, p99 = late[-1], late[int(len(late) * 0.99)]
    print(f"{what}: {len(late)} looks at the loop, late by {p99:.2f} ms (p99), {worst:.2f} ms (worst)")


async def measure(count: int, port: int) -> None:
    pvs, done = pvs_of(count), asyncio.Event()
    caster = Caster(pvs, RecSyncTable(on=True, port=port, hold_off=0.0), ["127.0.0.1"], {"IOCNAME": "PX16"})
    _said("without", await _waits(3, done))
    states = _States(pvs["IOC:RecSync:State-Sts"])
    task = asyncio.get_running_loop().create_task(caster.run())
    waits = asyncio.get_running_loop().create_task(_waits(120, done))
    await asyncio.wait_for(states.done.wait(), 120)
    done.set()
    (began, cpu), (ended, cpu_then) = states.at["Connecting"], states.at["Done"]
    took, spent = ended - began, cpu_then - cpu
    _said("until it was done", await waits)
    told = pvs["IOC:RecSync:Count_RBV"].value
    print(f"{told} process variables in {took:.2f} s, {spent:.2f} s of CPU; load {os.getloadavg()[0]:.1f}")
    task.cancel()


async def serve(to: int) -> None:
    """A recceiver that takes everything."""

    async def behave(talk: Talk) -> None:
        await talk.reader.readexactly(16)
        talk.send(bytes.fromhex("524380010000000100"))
        while await talk.reader.read(1 << 20):
            pass

    async with recceiver(behave) as port:
        while True:
            send(announcement(port), to)
            await asyncio.sleep(0.2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pvs", type=int, default=55_000)
    parser.add_argument("--recceiver", type=int, default=0)
    parser.add_argument("--serve", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        asyncio.run(serve(options.serve))
        return
    port, helper = options.recceiver or 15_999, None
    if not options.recceiver:
        helper = subprocess.Popen([sys.executable, "-m", "tests.ioc.recsync.upload_cost", "--serve", str(port)])
    try:
        with contextlib.suppress(KeyboardInterrupt):
            run(measure(options.pvs, port))
    finally:
        if helper is not None:
            helper.kill()
            helper.wait()


if __name__ == "__main__":
    main()
