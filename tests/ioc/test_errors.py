"""Errors that latch: those of tasks, and those of the IOC itself."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os

import pytest

from pixieioc.ioc.errors import ErrorPvs
from pixieioc.ioc.log_pvs import LogPvs
from pixieioc.ioc.logs import Logs
from pixieioc.ioc.records import MAJOR, Client, Pvs
from pixieioc.ioc.run_log import RunLog
from pixieioc.pipeline import Error
from pixieioc.pvinfo.build import all_pvs
from tests.configs import config_of

CHAIN = ("DummyData", "FillSpectra")


async def _pvs() -> tuple[Pvs, ErrorPvs]:
    config = config_of(CHAIN, {}, prefix="X:")
    pvs = Pvs(all_pvs(config), "X:")
    return pvs, ErrorPvs(pvs, CHAIN, RunLog(pvs))


class Seen:
    """Notes when a record is posted."""

    def __init__(self, name: str, seen: list[str]) -> None:
        self._name = name
        self._seen = seen

    def changed(self, changes: int) -> None:
        """It was."""
        self._seen += [self._name] * bool(changes)


async def write(pvs: Pvs, name: str, label: str) -> None:
    """Writes as a client does."""
    going_on = pvs[name].write(pvs[name].info.labels.index(label), Client("jan", "desk"))
    if going_on is not None:
        await going_on


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
        assert message.value == "a job has ended with: KeyError: 'no such region'"
        assert (pvs["ErrorFirst_RBV"].value, pvs["ErrorLatched_RBV"].label) == ("IOC", "ERROR")
        assert pvs["LastErrorTask_RBV"].value == "IOC"
        errors.acknowledge()
        assert set(_states(pvs).values()) == {"OK"}
        assert (pvs["IOC:ErrorMessage_RBV"].value, pvs["ErrorLatched_RBV"].label) == ("", "OK")

    asyncio.run(story())


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_an_error_that_came_of_a_full_disk_is_told_as_that_and_one_acknowledge_ends_both(number: int) -> None:
    async def story() -> None:
        pvs, errors = await _pvs()
        seen: list[str] = []
        for name in ("DiskFull_RBV", "FillSpectra:ERROR"):
            pvs[name].observe(Seen(name, seen))
        errors.record("FillSpectra", Error("cannot write a.bin", time=1.0, errno=number))
        assert seen == ["DiskFull_RBV", "FillSpectra:ERROR"]  # the cause first: what follows from it is suppressed
        assert (pvs["DiskFull_RBV"].label, pvs["DiskFull_RBV"].severity) == ("Yes", MAJOR)
        errors.record("DummyData", Error("it broke", time=2.0))
        for level in ("MAJOR", "MAJOR_ACK"):  # what the alarm server writes
            await write(pvs, "DiskFullAlarm", level)
        assert _states(pvs) == {"DummyData": "ERROR", "FillSpectra": "OK", "IOC": "OK"}
        assert (pvs["DiskFull_RBV"].label, pvs["ErrorLatched_RBV"].label) == ("No", "ERROR")
        errors.record("FillSpectra", Error("again", time=3.0, errno=number))
        errors.record("IOC", Error("the record of run 1 could not be noted", time=3.0, errno=number))
        assert _states(pvs)["IOC"] == "OK"  # it is the same disk
        errors.acknowledge()
        assert (pvs["DiskFull_RBV"].label, pvs["ErrorLatched_RBV"].label) == ("No", "OK")

    asyncio.run(story())


def test_other_errors_do_not_say_that_a_disk_is_full() -> None:
    async def story() -> None:
        pvs, errors = await _pvs()
        errors.record("FillSpectra", Error(os.strerror(errno.ENOSPC), time=1.0, errno=errno.EIO))
        assert pvs["DiskFull_RBV"].label == "No"

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


def test_an_alarm_about_what_is_over_ends_when_it_has_been_seen_and_comes_again_with_news() -> None:
    async def story() -> None:
        pvs, errors = await _pvs()
        logs = Logs(logging.NullHandler(), "somewhere")
        shown = LogPvs(pvs, logs)
        lost = pvs["IOC:LogLost_RBV"]

        async def look() -> tuple[float, int]:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(shown.run(), 0.001)
            return lost.value, lost.severity

        assert await look() == (0, 0)
        logs.lost = 3
        assert await look() == (3, 1)
        errors.acknowledge_all()
        assert (lost.value, lost.severity) == (3, 0)
        assert await look() == (3, 0)
        logs.lost = 4
        assert await look() == (4, 1)

    asyncio.run(story())
