"""What a task reports, as it is shown."""

from __future__ import annotations

import asyncio

import pytest

from pixieioc.ioc import task_pvs
from pixieioc.ioc.records import MINOR, NO_ALARM, Pvs
from pixieioc.ioc.task_pvs import TaskPvs
from pixieioc.pvinfo.build import all_pvs
from pixieioc.tasks.fill_spectra import FillSpectra
from tests.configs import config_of

CHAIN = ("DummyData", "FillSpectra")
WAITS = {"status": "RUNNING", "rate": 0.0, "queue_size": 3}


def test_a_task_that_handles_nothing_alarms_but_not_one_that_has_only_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(task_pvs.time, "monotonic", lambda: now)

    async def story() -> None:
        nonlocal now
        config = config_of(CHAIN, {}, prefix="X:")
        pvs = Pvs(all_pvs(config), "X:")
        task, rate = (
            TaskPvs(pvs, "FillSpectra", FillSpectra, config.settings["FillSpectra"]),
            pvs["FillSpectra:Rate_RBV"],
        )
        for later, report, severity in [
            (0.0, WAITS, NO_ALARM),
            (1.0, WAITS, NO_ALARM),
            (1.0, WAITS, MINOR),
            (1.0, {"rate": 5.0}, NO_ALARM),
            (1.0, {"rate": 0.0}, NO_ALARM),
            (2.0, {"queue_size": 4}, MINOR),
            (0.1, {"status": "WAITING"}, NO_ALARM),
        ]:
            now += later
            task.report(report, now)
            assert rate.severity == severity, (now, report)

    asyncio.run(story())
