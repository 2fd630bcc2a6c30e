"""Structures, tables and images: made of records, updated at once, with the time of the report."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pixieioc.config import Config, IocTable, PipelineTable, check
from pixieioc.ioc.pva.structures import offers
from pixieioc.ioc.records import Pvs
from pixieioc.pvinfo.build import all_pvs
from tests.ioc.ca.peer import conversation

CHAIN = ["DummyData", "GatherData", "ConvertToEvents", "FillSpectra"]
STAMP = 1_700_000_000_000_000_005


@pytest.fixture
def config(tmp_path: Path) -> Config:
    tasks = {"FillSpectra": {"bins": 16, "modules": 2, "channels": 3}, "DummyData": {"modules": 2, "channels": 3}}
    return check(PipelineTable(CHAIN), {}, tasks, IocTable(), tmp_path, "X:", "here")


async def _settled() -> None:
    await asyncio.sleep(0)
    await asyncio.sleep(0)


@conversation
async def test_a_task_is_a_structure_that_changes_at_once(config: Config) -> None:
    pvs = Pvs(all_pvs(config), config.prefix)
    source, told = offers(pvs, list)["X:GatherData"].make(), list[Any]()
    whole = source.whole()
    assert whole.Status.choices[whole.Status.index] == "WAITING"
    assert {"Counter_RBV", "REPORT_BytesIn_RBV", "ERROR", "ErrorMessage_RBV"} <= set(whole.type().keys())
    assert not whole.has("BucketSize")
    source.begin(told.append)
    pvs.post("GatherData:Counter_RBV", 7.0, STAMP)
    pvs.post("GatherData:QueueUse_RBV", 80.0, STAMP)
    await _settled()
    (change,) = told
    assert (change.Counter_RBV, change.QueueUse_RBV, change.timeStamp.nanoseconds) == (7, 80, 5)
    assert change.alarm.todict() == {"severity": 1, "status": 1, "message": "QueueUse_RBV HIGH"}
    assert not change.changed("Status")
    source.end()
    pvs.post("GatherData:Counter_RBV", 8.0, STAMP)
    await _settled()
    assert len(told) == 1


@conversation
async def test_rates_of_the_crate_are_a_table(config: Config) -> None:
    pvs = Pvs(all_pvs(config), config.prefix)
    source = offers(pvs, list)["X:RateTable"].make()
    pvs.post("M01:InputCountRates_RBV", [1.0, 2.0, 3.0], STAMP)
    whole = source.whole()
    assert (whole.getID(), whole.labels) == (
        "epics:nt/NTTable:1.0",
        ["module", "channel", "input_rate", "output_rate", "dead_time"],
    )
    assert whole.value.module.tolist() == [0, 0, 0, 1, 1, 1]
    assert whole.value.channel.tolist() == [0, 1, 2, 0, 1, 2]
    assert whole.value.input_rate.tolist()[3:] == [1, 2, 3]


@conversation
async def test_scalers_of_the_crate_are_a_table(tmp_path: Path) -> None:
    tasks = {"TakeData": {"implementation": "simulated", "modules": 2, "channels": 2}}
    config = check(PipelineTable(["TakeData", "GatherData"]), {}, tasks, IocTable(), tmp_path, "X:", "here")
    pvs = Pvs(all_pvs(config), config.prefix)
    pvs.post("M00:LiveTimes_RBV", [0.5, 0.25], STAMP)
    table = offers(pvs, list)["X:ScalerTable"].make().whole()
    assert table.labels == ["module", "channel", "input_counts", "output_counts", "live_time"]
    assert table.value.live_time.tolist()[:2] == [0.5, 0.25]


@conversation
async def test_spectra_of_a_module_are_an_image(config: Config) -> None:
    pvs = Pvs(all_pvs(config), config.prefix)
    source, told = offers(pvs, list)["X:M01:Spectra"].make(), list[Any]()
    source.begin(told.append)
    for channel in range(3):
        pvs.post(f"M01:C{channel:02}:Spectrum_RBV", np.full(16, channel + 1), STAMP)
    await _settled()
    (image,) = told
    assert image.getID() == "epics:nt/NTNDArray:1.0"
    assert [each.size for each in image.dimension] == [16, 3]
    assert image.value.reshape(3, 16)[:, 0].tolist() == [1, 2, 3]
    assert (image.timeStamp.nanoseconds, image.dataTimeStamp.nanoseconds) == (5, 5)


@conversation
async def test_the_run_log_is_a_table(config: Config) -> None:
    pvs = Pvs(all_pvs(config), config.prefix)
    whole = offers(pvs, lambda: [(2.5, "run 1 has ended"), (1.5, "run 1")])["X:RunLogTable"].make().whole()
    assert (whole.value.time.tolist(), whole.value.text) == ([2.5, 1.5], ["run 1 has ended", "run 1"])


@conversation
async def test_names_are_none_of_the_records(config: Config) -> None:
    pvs = Pvs(all_pvs(config), config.prefix)
    assert offers(pvs, list).keys().isdisjoint(record.name for record in pvs.values())
