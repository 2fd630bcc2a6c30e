"""The pipeline in an event loop, with real processes: procedures are awaited, and what happens is noticed at once."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
from collections.abc import AsyncIterator
from typing import Any

import psutil
import pytest

from pixieioc.ioc.live import LivePipeline
from pixieioc.pipeline import Error, Refused, Status
from pixieioc.pipeline.in_use import InUse, Limits
from pixieioc.pipeline.procedure import Call, Procedure, Wait
from tests.ioc.ca.peer import conversation
from tests.pipeline import toys
from tests.stopwatch import Stopwatch

__all__ = ["toys"]  # importing it defines the tasks


class Heard:
    """A listener that remembers everything."""

    def __init__(self) -> None:
        self.reports: dict[str, dict[str, Any]] = {}
        self.prints: list[str] = []
        self.errors: list[tuple[str, Error]] = []
        self.bursts = 0

    def on_report(self, task: str, report: dict[str, Any], time: float) -> None:
        self.reports.setdefault(task, {}).update(report)

    def on_print(self, task: str, text: str) -> None:
        self.prints += [f"{task}: {line}" for line in text.split("\n")]

    def on_starting(self, task: str, what: str) -> None:
        pass

    def on_in_use(self, task: str, values: InUse, limits: Limits, time: float) -> None:
        raise AssertionError(task)

    def on_error(self, task: str, error: Error) -> None:
        self.errors.append((task, error))

    def on_change(self) -> None:
        self.bursts += 1


@contextlib.asynccontextmanager
async def _chain(*names: str, **kwargs: Any) -> AsyncIterator[tuple[LivePipeline, Heard]]:
    """A pipeline whose tasks are made and connected; at the end nothing of it is left."""
    heard = Heard()
    pipeline = LivePipeline(heard, heard.on_change, kwargs)
    try:
        if names:
            await pipeline.do(pipeline.creating(names))
            await pipeline.do(pipeline.connecting(list(names)))
        yield pipeline, heard
    finally:
        await pipeline.end()


async def _until(pipeline: LivePipeline, done: Any, seconds: float = 60.0) -> None:
    await pipeline.until(Wait(done, seconds))
    assert done()


@conversation
async def test_a_run_from_start_to_end_with_all_that_the_tasks_say() -> None:
    async with _chain("ToySource", "ToyFilter", "ToySink", ToyFilter={"talk": True}) as (pipeline, heard):
        for run, items in ((7, 3), (8, 5)):
            await pipeline.do(pipeline.configuring({"items": items}))
            await pipeline.do(pipeline.starting(run))
            assert pipeline.run_id == run
            await _until(pipeline, lambda: pipeline.at_rest)
            assert pipeline.status is Status.WAITING
            assert heard.reports["ToySink"]["numbers"] == " ".join(map(str, range(items)))
        assert heard.prints == [f"ToyFilter: item {i}" for i in (*range(3), *range(5))]
        assert heard.errors == []
        assert heard.bursts > 5


@conversation
async def test_what_blocks_in_a_procedure_does_not_block_the_loop() -> None:
    gate, waited = threading.Event(), []

    def procedure() -> Procedure[str]:
        yield Call(lambda: waited.append(gate.wait(60)))
        yield Wait(lambda: "later" in waited, 60)
        return "done"

    async with _chain() as (pipeline, _):
        doing = asyncio.ensure_future(pipeline.do(procedure()))
        asyncio.get_running_loop().call_later(0.01, gate.set)  # only a loop that is free does this
        await _until(pipeline, lambda: waited == [True])
        assert not doing.done()
        waited.append("later")
        assert await doing == "done"


@conversation
async def test_a_run_without_end_is_stopped() -> None:
    async with _chain("ToySource", "ToySink", items=0, pause=0.01) as (pipeline, heard):
        await pipeline.do(pipeline.starting())
        await _until(pipeline, lambda: heard.reports["ToySink"]["counter"] > 20)
        pipeline.issue(pipeline.stop)
        assert pipeline.status is Status.DYING
        await _until(pipeline, lambda: pipeline.at_rest)
        assert heard.reports["ToySink"]["counter"] == heard.reports["ToySource"]["counter"]
        await pipeline.do(pipeline.quitting())
        assert not pipeline.processes
        assert heard.errors == []


@conversation
async def test_a_process_that_dies_is_noticed_at_once_and_replaced() -> None:
    async with _chain("ToySource", "ToyFilter", "ToySink", items=0, pause=0.01) as (pipeline, heard):
        for run in (1, 2):
            await pipeline.do(pipeline.starting(run))
            assert heard.errors == []
            began = Stopwatch()
            os.kill(pipeline.processes["ToyFilter"].task.pid or 0, signal.SIGKILL)
            await _until(pipeline, lambda: heard.errors)
            assert began.taken < 1
            [(task, error)] = heard.errors
            assert (task, str(error)) == ("ToyFilter", "ToyFilter: its process was killed by signal 9")
            await _until(pipeline, lambda: pipeline.at_rest)
            heard.errors.clear()


@conversation
async def test_a_task_that_has_an_error_says_so_and_the_run_ends() -> None:
    async with _chain("ToySource", "ToyFilter", "ToySink", fail_at=2) as (pipeline, heard):
        await pipeline.do(pipeline.starting())
        await _until(pipeline, lambda: pipeline.at_rest)
        [(task, error)] = heard.errors
        assert (task, str(error)) == ("ToyFilter", "ValueError: cannot work with item 2")
        assert pipeline.status is Status.PANICKING
        await pipeline.do(pipeline.replacing())
        assert pipeline.status is Status.WAITING


@pytest.mark.parametrize(("seconds", "least", "most"), [(0.0, 0.0, 0.5), (0.2, 0.2, 1.0)])
@conversation
async def test_a_wait_has_a_deadline(seconds: float, least: float, most: float) -> None:
    async with _chain() as (pipeline, _):
        clock = asyncio.get_running_loop().time  # by which deadlines are kept: it counts whole ms
        began, watch = clock(), Stopwatch()
        await pipeline.until(Wait(lambda: False, seconds))
        assert least <= round(clock() - began, 3)
        assert watch.taken < most
        await pipeline.until(Wait(lambda: True, 0.0))


@conversation
async def test_what_a_procedure_raises_reaches_who_awaits_it() -> None:
    async with _chain("ToySource") as (pipeline, _):
        with pytest.raises(Refused, match=r"ToySource.items = -1: must be"):
            await pipeline.do(pipeline.configuring({"items": -1}))
        with pytest.raises(Error, match="ToyUnready: .*no detector is connected"):
            await pipeline.do(pipeline.creating(["ToyUnready"]))
        assert list(pipeline.processes) == ["ToySource"]


@conversation
async def test_a_wait_that_is_given_up_leaves_a_pipeline_that_works() -> None:
    async with _chain("ToySource", "ToySink") as (pipeline, heard):
        waiting = asyncio.ensure_future(pipeline.until(Wait(lambda: False, float("inf"))))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(waiting, 0.05)
        await pipeline.do(pipeline.starting())
        await _until(pipeline, lambda: pipeline.at_rest)
        assert heard.reports["ToySink"]["counter"] == 10


@conversation
async def test_the_end_in_the_middle_of_a_run_leaves_nothing() -> None:
    async with _chain("ToySource", "ToySink", items=0) as (pipeline, _):
        await pipeline.do(pipeline.starting())
        processes = [psutil.Process(process.task.pid) for process in pipeline.processes.values()]
        folder = pipeline.processes.folder
        assert folder.exists()
    assert (folder.exists(), len(pipeline.processes)) == (False, 0)
    assert psutil.wait_procs(processes, timeout=60)[1] == []
