"""How fast the simulated detector is: traces and events that one core, and all cores, make.

No pipeline and no files: `Simulation` alone, in steps of a read-out. Simulated time is divided by the processor's time,
so that other work on the machine counts little; *on N cores* are as many processes at once, each with its share of the
modules, and the longest of their times counts. The median of `--runs` is shown.
"""

from __future__ import annotations

import multiprocessing
import os
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from typing import Annotated

import common
import numpy as np
import typer

from pixieioc.detector.crate import Channel, Crate, Module
from pixieioc.detector.simulation import Simulation, warm_up

#: A read-out, ns.
STEP_NS = 50_000_000
_TRACE = Channel(trace_us=1.0, delay_us=0.3)
_BLOCKS = replace(_TRACE, qdc_us=(1.0 / 8,) * 8, energy_sums=True, external_time=True)
TRACED, WITH_BLOCKS = (
    Crate((Module(settings=(channel,)),), channels=16, channel_rate=10_000.0) for channel in (_TRACE, _BLOCKS)
)
FULL_RATE = 12e6
FULL = Crate((Module(),) * 13, channels=16, channel_rate=FULL_RATE / (13 * 16))


def main(
    seconds: Annotated[float, typer.Option(min=0.1, help="Simulated time of each run.")] = 2.0,
    runs: Annotated[int, typer.Option(min=1, help="Runs of each figure.")] = 5,
    as_json: common.Json = False,
) -> None:
    """Measure the simulated detector."""
    warm_up()
    cores = len(os.sched_getaffinity(0))
    rows = [
        _at_least("16 channels x 10 kcps, 500-sample traces, on one core", "x real time", _one(TRACED, seconds, runs)),
        common.Row(
            "the same with QDC, energy sums, external time",
            "x real time",
            _one(WITH_BLOCKS, seconds, runs),
        ),
        common.Row("header-only, on one core", "events/s", FULL_RATE * _one(FULL, seconds / 10, runs)),
    ]
    all_cores = FULL_RATE * _many(FULL, seconds / 10, runs, cores)
    rows += [
        common.Row(f"header-only, on {cores} cores", "events/s", all_cores),
        common.Row("share of 13 modules x 16 channels at 12 M events/s", "%", 100 * all_cores / FULL_RATE),
    ]
    common.show("Simulated detector", rows, as_json=as_json)


def _at_least(what: str, unit: str, ours: float, bar: float = 1.0) -> common.Row:
    return common.Row(what, unit, ours, None, bar, ours >= bar)


def run(crate: Crate, seconds: float, seed: int) -> float:
    """Simulates a crate for so long; the processor's seconds that this took, without the making of tables."""
    simulation = Simulation(crate, np.random.default_rng(seed))
    began = time.process_time()
    for until in range(STEP_NS, int(1e9 * seconds) + 1, STEP_NS):
        simulation.advance(until)
    return time.process_time() - began


def _one(crate: Crate, seconds: float, runs: int) -> float:
    """Simulated seconds in a second of the processor."""
    return statistics.median(seconds / run(crate, seconds, seed) for seed in range(runs))


def _many(crate: Crate, seconds: float, runs: int, cores: int) -> float:
    """Simulated seconds in a second, the modules shared out to as many processes as there are cores."""
    shares = [replace(crate, modules=crate.modules[core::cores]) for core in range(cores)]
    ratios: list[float] = []
    with ProcessPoolExecutor(cores, multiprocessing.get_context("forkserver"), warm_up) as pool:
        for seed in range(runs + 1):
            futures = [pool.submit(run, share, seconds, seed) for share in shares]
            ratios.append(seconds / max(future.result() for future in futures))
    return statistics.median(ratios[1:])  # the first is for the pool to come up


if __name__ == "__main__":
    typer.run(main)
