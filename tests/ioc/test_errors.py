"""Errors that latch: those of tasks, and those of the IOC itself."""

from __future__ import annotations

import asyncio

import pytest

from pixieioc.ioc.errors import ErrorPvs
from pixieioc.ioc.records import MAJOR, Pvs
from pixieioc.ioc.run_log import RunLog
from pixieioc.pipeline import Error
from pixieioc.pvinfo.build import all_pvs
from tests.configs import config_of

CHAIN = ("DummyData", "FillSpectra")


async def _pvs() -> tuple[Pvs, ErrorPvs]:
    config = config_of(CHAIN, {}, prefix="X:")
    pvs = Pvs(all_pvs(config), "X:")
    return pvs, ErrorPvs(pvs, CHAIN, RunLog(pvs))


def _states(pvs: Pvs) -> dict[str, str]:
    return {owner: pvs[f"{owner}:ERROR"].label for owner in (*CHAIN, "IOC")}


def test_an_exception_in_the_iocs_own_code_is_an_error_that_operators_see_and_acknowledge() -> None:
    async def story() -> None:
        pvs, errors = await _pvs()
        try:
            _ = {}["no such region"]
        except KeyError as error:
            errors.own("a job has ended with", error)
        assert _states(pvs) == {"DummyData": "OK", "FillSpectra": "OK", "IOC": "ERROR"}
        assert pvs["IOC:ERROR"].severity == MAJOR
        message = pvs["IOC:ErrorMessage_RBV"]
        assert message.value.startswith("a job has ended with: KeyError: 'no such region'\n")
        assert "test_errors.py" in message.value  # where
        assert (pvs["ErrorFirst_RBV"].value, pvs["ErrorLatched_RBV"].label) == ("IOC", "ERROR")
        assert pvs["LastErrorTask_RBV"].value == "IOC"
        errors.acknowledge()
        assert set(_states(pvs).values()) == {"OK"}
        assert (pvs["IOC:ErrorMessage_RBV"].value, pvs["ErrorLatched_RBV"].label) == ("", "OK")

    asyncio.run(story())


@pytest.mark.parametrize(("task", "owner"), [("FillSpectra", "FillSpectra"), ("", "IOC"), ("Unknown", "IOC")])
def test_an_error_that_no_task_owns_is_the_iocs(task: str, owner: str) -> None:
    async def story() -> None:
        pvs, errors = await _pvs()
        errors.record(task, Error("it broke", time=1.0))
        assert [name for name, state in _states(pvs).items() if state == "ERROR"] == [owner]
        assert pvs[f"{owner}:ErrorMessage_RBV"].value == "it broke"
        assert pvs["ErrorCount_RBV"].value == 1

    asyncio.run(story())


def test_one_acknowledge_of_a_task_leaves_the_others() -> None:
    async def story() -> None:
        pvs, errors = await _pvs()
        for task in CHAIN:
            errors.record(task, Error("it broke", time=1.0))
        errors.acknowledge("DummyData")
        assert _states(pvs) == {"DummyData": "OK", "FillSpectra": "ERROR", "IOC": "OK"}
        assert pvs["ErrorLatched_RBV"].label == "ERROR"

    asyncio.run(story())
