"""Points of a scan: how counts by `ElapsedReal_RBV` scatter, and how long a preset real time takes.

The IOC is `pixieioc demo` with 1000 hits a second in all channels together, none of them in coincidence; the client is
the real libca, and each point a put of 1 to `Acquire` with callback, as of a scan. Beside it: what counting statistics
say of the scatter, which is 1 / sqrt(counts).

With `--modules` the source is TakeData instead, with so many modules of 16 channels on the simulated SDK, each with all
its settings; hits are those of the modules.
"""

from __future__ import annotations

import asyncio
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import aioca
import common
import numpy as np
import typer

sys.path.insert(0, str(common.ROOT))

from tests.hardware.simulation import Simulation

#: Hits a second in all channels together, and how many of those the demo has.
RATE, CHANNELS = 1000.0, 4
SCATTER_BAR, PRESET_BAR_MS, OVERHEAD_BAR_MS = 1.3, 10.0, 40.0


CRATE = """
[pipeline]
chain = ["TakeData", "GatherData", "ConvertToEvents", "SortEvents", "FillSpectra"]
[crate]
modules = {modules}
[tasks.TakeData]
implementation = "sdk"
crate_file = "crate.toml"
[ioc]
state_dir = "state"
"""


@dataclass(frozen=True)
class Point:
    """One point."""

    counts: float
    real: float  #: ElapsedReal_RBV, s
    took: float  #: from the put to its callback, s


def main(
    points: Annotated[int, typer.Option(min=2, help="Number of points.")] = 200,
    preset: Annotated[float, typer.Option(min=0.01, help="Real time of each, s.")] = 0.2,
    modules: Annotated[int, typer.Option(min=0, max=13, help="Modules on the simulated SDK; 0: the demo.")] = 0,
    as_json: common.Json = False,
) -> None:
    """Measure points of a preset real time."""
    with common.loopback():
        folder = common.private_folder()
        demo = _crate(folder, modules) if modules else common.Demo(folder)
        measured = asyncio.run(_points(demo, points, preset, of_crate=bool(modules)))
    rates = np.array([point.counts / point.real for point in measured])
    scatter, counting = rates.std(ddof=1) / rates.mean(), 1 / np.sqrt(np.mean([point.counts for point in measured]))
    off = 1e3 * float(np.median([abs(point.real - preset) for point in measured]))
    over = 1e3 * (np.array([point.took for point in measured]) - preset)
    rows = [
        common.Row("counts per point, mean", "", float(np.mean([point.counts for point in measured]))),
        common.Row("scatter of counts / ElapsedReal_RBV", "%", 100 * float(scatter)),
        common.Row("counting statistics", "%", 100 * float(counting)),
        common.limited("ratio of the two", "", float(scatter / counting), SCATTER_BAR),
        common.limited("ElapsedReal_RBV beside the preset, p50", "ms", off, PRESET_BAR_MS),
        common.limited("put to callback minus preset, p50", "ms", float(np.median(over)), OVERHEAD_BAR_MS),
        common.Row("put to callback minus preset, p99", "ms", float(np.percentile(over, 99))),
    ]
    what = f"{modules} modules on the simulated SDK" if modules else "pixieioc demo"
    common.show(f"{what}: {points} points of {preset:g} s at {RATE:g} hits/s", rows, as_json=as_json)


def _crate(folder: Path, modules: int) -> common.Demo:
    """An IOC with the simulated SDK."""
    simulation = Simulation(folder)
    simulation.control(f"rate {RATE / modules / 16}")
    simulation.crate_file()
    (folder / "ioc.toml").write_text(CRATE.format(modules=modules))
    return common.Demo(folder, "run", folder / "ioc.toml", environment=simulation.environment)


async def _points(ioc: common.Demo, number: int, preset: float, *, of_crate: bool) -> list[Point]:
    with ioc as demo:
        async with common.Watch(demo.prefix, ["DetectorState_RBV", "Ready_RBV"]) as watch:
            await watch.until(lambda now: now["DetectorState_RBV"] == 0 and now["Ready_RBV"] == 1)
            settings: dict[str, Any] = (
                {}
                if of_crate
                else {
                    "DummyData:ChannelRate": RATE / CHANNELS,
                    "DummyData:Coincidence": 0.0,
                }
            )
            settings |= {"PresetMode": "Real time", "PresetReal": preset}
            for name, value in settings.items():
                await aioca.caput(demo.prefix + name, value, wait=True, timeout=common.PATIENCE)
            await _point(demo.prefix)  # the first one compiles
            return [await _point(demo.prefix) for _ in range(number)]


async def _point(prefix: str) -> Point:
    began = time.perf_counter()
    await aioca.caput(prefix + "Acquire", 1, wait=True, timeout=common.PATIENCE)
    took = time.perf_counter() - began
    names = [prefix + "ConvertToEvents:Events_RBV", prefix + "ElapsedReal_RBV"]
    counts, real = np.array(await aioca.caget(names, timeout=common.PATIENCE), float)
    return Point(float(counts), float(real), took)


if __name__ == "__main__":
    typer.run(main)
