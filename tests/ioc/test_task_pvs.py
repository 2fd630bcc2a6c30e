"""What a task reports, as it is shown."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from pixieioc.ioc import task_pvs
from pixieioc.ioc.records import INVALID, MINOR, NO_ALARM, Pvs
from pixieioc.ioc.task_pvs import TaskPvs
from pixieioc.pipeline.declare import BadReport
from pixieioc.pvinfo.build import all_pvs
from pixieioc.tasks.fill_spectra import FillSpectra
from pixieioc.tasks.take_data import TakeData
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


class _Posts:
    """Counts what is posted of a record."""

    count = 0

    def changed(self, changes: int) -> None:
        self.count += 1


def test_large_arrays_are_posted_where_they_were_reported_and_known_after_a_lost_task() -> None:
    async def story() -> None:
        config = config_of(("TakeData", "ConvertToEvents"), {"TakeData": {"modules": 2}}, prefix="X:")
        pvs = Pvs(all_pvs(config), "X:")
        task = TaskPvs(pvs, "TakeData", TakeData, config.settings["TakeData"])
        first, second, other = (pvs[f"{name}:AdcTrace_RBV"] for name in ("M00:C03", "M01:C15", "M01:C14"))
        second.observe(seen := _Posts())
        assert len(first.value) == 0
        task.report({"adc_trace": {"M00:C03": np.arange(3, dtype=np.int32)}}, 1.0)
        assert seen.count == 0
        task.report({"adc_trace": {"M01:C15": np.arange(5, dtype=np.int32)}}, 2.0)
        assert (first.value.tolist(), first.stamp) == ([0, 1, 2], 10**9)
        assert (second.value.tolist(), second.stamp, seen.count) == ([0, 1, 2, 3, 4], 2 * 10**9, 1)
        task.show_status("LOST")
        assert first.severity == second.severity == INVALID
        task.report({"status": "WAITING", "adc_trace": {}}, 3.0)
        assert first.severity == second.severity == NO_ALARM
        assert (len(first.value), len(second.value), len(other.value)) == (3, 5, 0)
        with pytest.raises(BadReport, match="there are modules 0 to 1, channels 0 to 15"):
            task.report({"adc_trace": {"M02:C00": np.arange(3)}}, 4.0)

    asyncio.run(story())
