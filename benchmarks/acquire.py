"""How long after a put of 1 to `Acquire` a client hears that `Acquire_RBV` is Acquiring.

The IOC is `pixieioc demo`, the client the real libca in this process, with monitors that are there before. The put is
one with callback, as of a scan. Each run is stopped as soon as `DetectorState_RBV` has become Acquire, that is when all
tasks have said that they have started, and the next begins when the stop is through and `Acquire_RBV` is Done.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import aioca
import common
import numpy as np
import typer

BAR_MS = 5.0
#: Indices of enum states.
_DONE, _ACQUIRING = 0, 1
_IDLE, _ACQUIRE = 0, 1


@dataclass(frozen=True)
class Run:
    """One run, all in seconds."""

    acquiring: float  #: from the put to Acquire_RBV = Acquiring
    acquire: float  #: from the put to DetectorState_RBV = Acquire
    stop: float  #: from the put of 1 to Stop to its callback


def main(runs: Annotated[int, typer.Option(min=1, help="Number of runs.")] = 200, as_json: common.Json = False) -> None:
    """Measure how fast a put to Acquire shows."""
    with common.loopback():
        measured = asyncio.run(_runs(runs, common.private_folder()))
    median, p99 = _percentiles([run.acquiring for run in measured])
    rows = [
        common.Row("Acquire_RBV = Acquiring, p50", "ms", median),
        common.limited("Acquire_RBV = Acquiring, p99", "ms", p99, BAR_MS),
        common.Row("Acquire_RBV = Acquiring, max", "ms", 1e3 * max(run.acquiring for run in measured)),
    ]
    for what, times in (
        ("DetectorState_RBV = Acquire", [run.acquire for run in measured]),
        ("Stop to its callback", [run.stop for run in measured]),
    ):
        median, p99 = _percentiles(times)
        rows += [common.Row(f"{what}, p50", "ms", median), common.Row(f"{what}, p99", "ms", p99)]
    common.show(f"pixieioc demo, after a put of 1 to Acquire: {runs} runs", rows, as_json=as_json)


def _percentiles(seconds: list[float]) -> list[float]:
    """The 50th and the 99th, in ms."""
    return np.percentile(1e3 * np.array(seconds), [50, 99]).tolist()


async def _runs(number: int, folder: Path) -> list[Run]:
    with common.Demo(folder) as demo:
        async with common.Watch(demo.prefix, ["Acquire_RBV", "DetectorState_RBV"]) as watch:
            await watch.until(lambda now: now["DetectorState_RBV"] == _IDLE)
            await aioca.connect([demo.prefix + "Acquire", demo.prefix + "Stop"])
            return [await _run(demo.prefix, watch) for _ in range(number)]


async def _run(prefix: str, watch: common.Watch) -> Run:
    began = time.perf_counter()
    run = asyncio.create_task(_put(prefix + "Acquire"))
    acquiring, acquire = await asyncio.gather(
        watch.until(lambda now: now["Acquire_RBV"] == _ACQUIRING),
        watch.until(lambda now: now["DetectorState_RBV"] == _ACQUIRE),
    )
    asked = time.perf_counter()
    await _put(prefix + "Stop")
    stopped = time.perf_counter()
    await run
    await watch.until(lambda now: now["Acquire_RBV"] == _DONE and now["DetectorState_RBV"] == _IDLE)
    return Run(acquiring - began, acquire - began, stopped - asked)


async def _put(name: str) -> None:
    """A put of 1 that returns when it has completed."""
    await aioca.caput(name, 1, wait=True, timeout=common.PATIENCE)


if __name__ == "__main__":
    typer.run(main)
