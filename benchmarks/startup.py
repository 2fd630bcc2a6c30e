"""How long `pixieioc demo` takes from the return key to the first answer, and until its tasks are there.

Each start is a new process. The client is the real libca in this process, which runs and knows where to search, as an
operator's screen does: every 20 ms it looks for a process variable that it has not looked for before, so that the time
does not depend on how libca spaces the searches for one. Beside them it keeps a channel that it has looked for since
the start, for information: that is what a screen sees which was open before the IOC.

The first start has everything to compile that is compiled once per installation: it gets an empty cache of machine code
(NUMBA_CACHE_DIR), which the others share. It is shown by itself and not counted with the others.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import aioca
import common
import typer

from pixieioc.config import Config, load
from pixieioc.pvinfo.build import all_pvs

ANSWER_BAR, TASKS_BAR = 1.5, 3.0
#: Seconds between searches.
_SEARCH = 0.02
#: Indices of enum states.
_IDLE, _WAITING, _RUNNING = 0, 0, 1


@dataclass(frozen=True)
class Start:
    """One start, all in seconds after the return key."""

    answer: float  #: the first caget was answered
    pending: float  #: the channel that was there before had connected
    tasks: float  #: all tasks were WAITING or RUNNING


def main(
    starts: Annotated[int, typer.Option(min=1, help="Starts, beside the first.")] = 10, as_json: common.Json = False
) -> None:
    """Measure how long `pixieioc demo` takes to come up."""
    folder = common.private_folder()
    os.environ["NUMBA_CACHE_DIR"] = str(folder / "numba")
    with common.loopback():
        first, *later = asyncio.run(_starts(1 + starts, folder))
    answers, tasks = [start.answer for start in later], [start.tasks for start in later]
    rows = [
        common.limited("return key to first answer, median", "s", statistics.median(answers), ANSWER_BAR),
        common.limited("return key to first answer, max", "s", max(answers), ANSWER_BAR),
        common.limited("return key to all tasks there, median", "s", statistics.median(tasks), TASKS_BAR),
        common.limited("return key to all tasks there, max", "s", max(tasks), TASKS_BAR),
        common.Row("channel that waited, median", "s", statistics.median(start.pending for start in later)),
        common.Row("first start, cold cache: answer", "s", first.answer),
        common.Row("first start, cold cache: all tasks there", "s", first.tasks),
    ]
    common.show(f"pixieioc demo: 1 + {starts} starts", rows, as_json=as_json)


async def _starts(number: int, folder: Path) -> list[Start]:
    config = load(common.ROOT / "examples" / "demo.toml")
    return [await _start(i, config, folder) for i in range(number)]


async def _start(number: int, config: Config, folder: Path) -> Start:
    with common.Demo(folder) as demo:
        pending = asyncio.create_task(_connected(f"{demo.prefix}RunId_RBV"))
        names = [name for name in all_pvs(config) if name != "RunId_RBV"]
        answer = await _first_answer(demo, names) - demo.spawned
        async with common.Watch(demo.prefix, ["DetectorState_RBV", *_statuses(config)]) as watch:
            tasks = await watch.until(_all_there) - demo.spawned
        start = Start(answer, await pending - demo.spawned, tasks)
    common.note(f"start {number}: answer {start.answer:.2f} s, tasks {start.tasks:.2f} s")
    return start


async def _connected(name: str) -> float:
    await aioca.connect(name, timeout=common.PATIENCE)
    return time.perf_counter()


async def _first_answer(demo: common.Demo, names: list[str]) -> float:
    """The time at which the first of ever more cagets is answered."""
    asked: set[asyncio.Task[Any]] = set()
    try:
        for name in itertools.cycle(names):
            demo.check()
            asked.add(asyncio.create_task(aioca.caget(demo.prefix + name, timeout=common.PATIENCE)))
            done, asked = await asyncio.wait(asked, timeout=_SEARCH, return_when=asyncio.FIRST_COMPLETED)
            if done:
                answered = time.perf_counter()
                done.pop().result()
                return answered
        raise AssertionError("there are no process variables")
    finally:
        for task in asked:
            task.cancel()
        await asyncio.gather(*asked, return_exceptions=True)


def _statuses(config: Config) -> list[str]:
    return [f"{task}:Status" for task in config.chain]


def _all_there(values: Mapping[str, float]) -> bool:
    """The detector is Idle as soon as all tasks are made and wired; their own words must agree."""
    statuses = [value for name, value in values.items() if name.endswith(":Status")]
    return values["DetectorState_RBV"] == _IDLE and all(status in (_WAITING, _RUNNING) for status in statuses)


if __name__ == "__main__":
    typer.run(main)
