"""What one put to a channel's setting costs the IOC's loop, in an IOC with 55 000 process variables.

    python benchmarks/settings.py

A crate of 13 modules with 16 channels, each with 32 regions of interest. Puts are made one after the other, each when
the one before has been answered by the task, whose process runs. The cost is the processor time of the loop's thread:
in the median, and in the mean, in which the saving of all settings has its part.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from pixieioc.config import IocTable, PipelineTable, check
from pixieioc.ioc.autosave import Autosave
from pixieioc.ioc.ca.view import Views
from pixieioc.ioc.live import LivePipeline
from pixieioc.ioc.loop import run
from pixieioc.ioc.records import Change, Client, Pvs
from pixieioc.ioc.settings import Settings
from pixieioc.pipeline import Error
from pixieioc.pipeline.in_use import InUse, Limits
from pixieioc.pvinfo.build import all_pvs

PUTS, BURST = 200, 1000


class _Listener:
    def on_report(self, task: str, report: dict[str, Any], time: float) -> None:
        pass

    def on_print(self, task: str, text: str) -> None:
        print(task, text)

    def on_starting(self, task: str, what: str) -> None:
        print(task, what)

    def on_in_use(self, task: str, values: InUse, limits: Limits, time: float) -> None:
        raise AssertionError(task)

    def on_error(self, task: str, error: Error) -> None:
        raise error


class _Posts:
    def __init__(self) -> None:
        self.count = 0

    def changed(self, changes: int) -> None:
        self.count += bool(changes & Change.VALUE)


async def main() -> None:
    """Measures and prints."""
    with tempfile.TemporaryDirectory() as folder:
        await _measure(folder)


async def _measure(folder: str) -> None:
    chain = ["DummyData", "ConvertToEvents", "FillSpectra"]
    tasks = {"FillSpectra": {"modules": 13, "channels": 16, "rois": 32}}
    config = check(PipelineTable(chain), {}, tasks, IocTable(state_dir=folder), Path("/tmp"), "B:", "settings")
    infos = all_pvs(config)
    pvs = Pvs(infos, config.prefix)
    pipeline = LivePipeline(_Listener(), lambda: None, {})
    Settings(pvs, config, pipeline, lambda: "", lambda *_: None, lambda *_: None)
    client = Client("bench", "here")
    pvs.on_put("ErrorAck", lambda value, client: None)
    autosave = Autosave(pvs, infos, config, Views(pvs.values()))
    try:
        await pipeline.do(pipeline.creating(dict(zip(chain, chain, strict=True))))
        await autosave.begin()
        await asyncio.sleep(1)  # all settings are saved
        posts = _Posts()
        for record in pvs.values():
            record.observe(posts)
        costs, answers = [], []
        whole = time.thread_time()
        for i in range(PUTS):
            record = pvs[f"M{i % 13:02d}:C{i % 16:02d}:ROI{1 + i % 32}:Low"]
            began, used = time.perf_counter(), time.thread_time()
            await _put(record, 100 + i, client)
            costs.append(1e3 * (time.thread_time() - used))
            answers.append(1e3 * (time.perf_counter() - began))
        mean = 1e3 * (time.thread_time() - whole) / PUTS
        print(f"{len(pvs)} process variables")
        print(
            f"one put: {statistics.median(costs):.2f} ms of the loop (median of {PUTS}; mean {mean:.2f}), "
            f"{posts.count / PUTS:g} posts"
        )
        print(f"         answered after {statistics.median(answers):.1f} ms, when the task uses it")
        records = [pvs[f"M{i % 13:02d}:C{i // 13 % 16:02d}:ROI{1 + i // 208}:Low"] for i in range(BURST)]
        began, used = time.perf_counter(), time.thread_time()
        await asyncio.gather(*(_put(record, 50, client) for record in records))
        took, cost = time.perf_counter() - began, time.thread_time() - used
        print(f"{BURST} puts at once: {1e3 * cost:.0f} ms of the loop, all used after {1e3 * took:.0f} ms")
        used = time.thread_time()
        pvs["ConfigJSON_RBV"].refresh()
        print(f"ConfigJSON_RBV, when it is read: {1e3 * (time.thread_time() - used):.0f} ms")
    finally:
        await autosave.end()
        await pipeline.end()


async def _put(record: Any, value: int, client: Client) -> None:
    going_on = record.write(value, client)
    if going_on is not None:
        await going_on


if __name__ == "__main__":
    run(main())
