"""Points of bluesky's RunEngine with our devices: what one costs beside its preset, and where that goes.

Each device counts points in turns, of runs without files and of runs with raw files and files of events. A point begins
with the message `trigger` and ends with the next one's; in it the run is taken (the put of `Acquire`), then the device
says whether the point is good, then it is read, and bluesky makes documents of it. Beside them: the put alone, as
`caput -c`, and ophyd-async's own simulated detector, which does nothing but wait, in the same RunEngine.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import common
import typer

sys.path.insert(0, str(common.ROOT))

import tests.conftest  # noqa: F401  # first of all: libca reads its environment once
from tests.running_ioc import Ioc, ioc_folder
from tests.system.scanned_ioc import scanned_ioc
from tests.system.scanner import KINDS, Scanner

#: What a point may cost beside its preset.
OVERHEAD_BAR_MS = 60.0


@dataclass
class Costs:
    """Milliseconds beside the preset, of each point."""

    point: list[float] = field(default_factory=list)
    take: list[float] = field(default_factory=list)  #: from trigger until the device says that the point is good
    read: list[float] = field(default_factory=list)

    def add(self, points: list[dict[str, float]], preset: float) -> None:
        """What a plan has said of its points."""
        self.point += [1e3 * (point["point"] - preset) for point in points]
        self.take += [1e3 * (point["take"] - preset) for point in points]
        self.read += [1e3 * point["read"] for point in points]


def main(
    points: Annotated[int, typer.Option(min=3, help="Points of a count.")] = 40,
    turns: Annotated[int, typer.Option(min=1, help="Counts with each device.")] = 2,
    preset: Annotated[float, typer.Option(min=0.02, help="Real time of each point, s.")] = 0.2,
    kinds: Annotated[list[str] | None, typer.Option("--kind", help=f"One of {', '.join(KINDS)}; all.")] = None,
    as_json: common.Json = False,
) -> None:
    """Measure what a point of a scan costs."""
    for files in (False, True):
        with ioc_folder() as folder:
            rows = list(_rows(folder, kinds or list(KINDS), points, turns, preset, files=files))
        with_files = "raw files and Parquet" if files else "no files"
        load = f"load {os.getloadavg()[0]:.1f}"
        common.show(f"{with_files}: points of {preset:g} s, {turns} x {points}, {load}", rows, as_json=as_json)


def _rows(
    folder: Path, kinds: list[str], points: int, turns: int, preset: float, *, files: bool
) -> Iterator[common.Row]:
    with scanned_ioc(folder, kinds, files=files) as (ioc, scanners):
        costs = {kind: Costs() for kind in ("the simulated detector", *kinds)}
        puts: list[float] = []
        _warm_up(ioc, preset)
        for one in scanners.values():
            one.ready()
            _count(one, Costs(), 2, preset)
        for _ in range(turns):
            for kind, one in scanners.items():
                _count(one, costs[kind], points, preset)
            _count(next(iter(scanners.values())), costs["the simulated detector"], points, preset, plan="simulated")
            puts += [1e3 * (_put(ioc) - preset) for _ in range(points)]
    yield common.Row("caput -c alone, p50", "ms", statistics.median(puts))
    for kind, each in costs.items():
        bar = OVERHEAD_BAR_MS if kind in kinds else None
        yield from _shown(kind, each, bar)


def _warm_up(ioc: Ioc, preset: float) -> None:
    """What is slow once, as to compile: in the first run, and behind it."""
    ioc.put("PresetMode", "Real time")
    ioc.put("PresetReal", preset)
    for _ in range(2):
        ioc.until("Ready_RBV", lambda ready: ready == "Yes", common.PATIENCE)
        _put(ioc)
    ioc.until("Ready_RBV", lambda ready: ready == "Yes", common.PATIENCE)


def _count(one: Scanner, costs: Costs, points: int, preset: float, plan: str = "count") -> None:
    outcome = one.run(plan, num=points, seconds=preset)
    if outcome.failed:
        raise RuntimeError(outcome.failed)
    costs.add(outcome.points, preset)


def _put(ioc: Ioc) -> float:
    began = time.perf_counter()
    ioc.put("Acquire", 1, timeout=common.PATIENCE)
    return time.perf_counter() - began


def _shown(kind: str, costs: Costs, bar: float | None) -> Iterator[common.Row]:
    whole = f"{kind}, a point, p50"
    median = statistics.median(costs.point)
    yield common.Row(whole, "ms", median) if bar is None else common.limited(whole, "ms", median, bar)
    yield common.Row("  p90", "ms", statistics.quantiles(costs.point, n=10)[-1])
    yield common.Row("  until it is known to be good, p50", "ms", statistics.median(costs.take))
    yield common.Row("  reading, p50", "ms", statistics.median(costs.read))


if __name__ == "__main__":
    typer.run(main)
