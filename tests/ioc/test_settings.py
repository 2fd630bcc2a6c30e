"""Setpoints: what is staged, used, refused and shown. The tasks do not run here; with them it is in the rules."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from pixieioc.config import IocTable, PipelineTable, check
from pixieioc.ioc.live import LivePipeline
from pixieioc.ioc.records import Change, Client, PutRefused, Pvs
from pixieioc.ioc.settings import Settings
from pixieioc.pipeline import Error, Refused
from pixieioc.pipeline.in_use import InUse, Limits
from pixieioc.pvinfo.build import all_pvs
from tests.ioc.ca.peer import conversation

JAN = Client("jan", "wall")


class Desk:
    """Settings, and a client that writes to them."""

    def __init__(self, pipeline: LivePipeline, sizes: dict[str, int]) -> None:
        chain = ["LoadFiles", "GatherData", "ConvertToEvents", "SortEvents", "Cut", "FillSpectra"]
        tasks = {"FillSpectra": sizes}
        config = check(
            PipelineTable(chain, imports=["tests.ioc.cut"]), {}, tasks, IocTable(), Path("/data"), "P:", "test"
        )
        self.pvs = Pvs(all_pvs(config), config.prefix)
        self.locked = ""
        self.told: list[str] = []
        self.run_parameters_used = 0
        self.settings = Settings(self.pvs, config, pipeline, lambda: self.locked, self._told, self._fault)
        self.settings.on_run_parameters = self._used

    def _told(self, status: str, message: str, client: Client, pv: str) -> None:
        assert client is JAN
        assert message.startswith(pv)
        self.told.append(f"{status} {message}")

    def _fault(self, what: str, error: BaseException) -> None:
        raise AssertionError(what) from error

    def _used(self) -> None:
        self.run_parameters_used += 1

    async def put(self, name: str, value: Any) -> str:
        """Writes to a setpoint, as a client does whose value could be converted; returns what was told of it."""
        put = self.pvs[name].put
        assert put is not None
        going_on = put(value, JAN)
        if going_on is not None:
            await going_on
        return self.told[-1]

    async def refused(self, name: str, value: Any) -> str:
        """The same with a value that must be refused; the setpoint says again what it was."""
        record = self.pvs[name]
        record.refresh()
        before, observer = record.value, _Observer()
        record.observe(observer)
        with pytest.raises(PutRefused):
            await self.put(name, value)
        assert (record.value, observer.posts) == (before, 1)
        return self.told[-1]

    def json(self, name: str) -> str:
        """A text that is made when it is read."""
        self.pvs[name].refresh()
        return self.pvs[name].value

    def shows(self, name: str) -> tuple[Any, Any, str]:
        """Setpoint and readback, and whether anything waits."""
        return self.pvs[name].value, self.pvs[f"{name}_RBV"].value, self.pvs["ConfigDirty_RBV"].label


class _Observer:
    """Counts posts of a value."""

    def __init__(self) -> None:
        self.posts = 0

    def changed(self, changes: int) -> None:
        self.posts += bool(changes & Change.VALUE)


class Nobody:
    """Tasks are not there, so nobody has to listen to them."""

    def on_report(self, task: str, report: dict[str, Any], time: float) -> None:
        raise AssertionError(task)

    def on_print(self, task: str, text: str) -> None:
        raise AssertionError(task)

    def on_starting(self, task: str, what: str) -> None:
        pass

    def on_in_use(self, task: str, values: InUse, limits: Limits, time: float) -> None:
        raise AssertionError(task)

    def on_error(self, task: str, error: Error) -> None:
        raise AssertionError(task)


@contextlib.asynccontextmanager
async def desk_of_tasks(**sizes: int) -> AsyncIterator[Desk]:
    pipeline = LivePipeline(Nobody(), lambda: None, {})
    try:
        yield Desk(pipeline, {"channels": 2, **sizes})
    finally:
        await pipeline.end()


@pytest.mark.parametrize(
    ("name", "value", "shown", "before"),
    [
        ("SortEvents:Window", 7.0, 7.0, 100.0),
        ("SortEvents:TimeMode", 2, 2, 0),
        ("SortEvents:MaxEvents", 5000, 5000, 2_000_000),
        ("FillSpectra:Keep", 1, 1, 0),
        ("FileNumber", 3, 3, 1),
        ("FileName", "ä b", "ä b", "pixie16"),
        ("FilePath", "raw/", "/data/raw/", "/data/data/"),
        ("SortEvents:StartTimes", "[1, 2.5]", "[1.0, 2.5]", "[]"),
        ("LoadFiles:Files", '["a.bin", "/b*"]', '["/data/a.bin", "/b*"]', '["/data/*.bin"]'),
    ],
)
@conversation
async def test_a_setpoint_is_used_at_once(name: str, value: Any, shown: Any, before: Any) -> None:
    async with desk_of_tasks() as desk:
        assert desk.shows(name) == (before, before, "No")
        assert (await desk.put(name, value)).startswith("OK " + name)
        assert desk.shows(name) == (shown, shown, "No")
        assert desk.settings.dirty == {}


@conversation
async def test_of_several_puts_in_one_turn_the_last_is_used() -> None:
    async with desk_of_tasks() as desk:
        record = desk.pvs["SortEvents:Window"]
        puts = [record.write(value, JAN) for value in (7.0, 8.0, 9.0)]
        await asyncio.gather(*(put for put in puts if put is not None))
        assert desk.shows("SortEvents:Window") == (9.0, 9.0, "No")
        assert desk.told == [f"OK SortEvents:Window = {value}" for value in (7.0, 8.0, 9.0)]


@conversation
async def test_a_value_waits_for_its_partner_and_is_used_with_it() -> None:
    """A region from 500 to 600 becomes one from 100 to 200, the lower end first, or the upper."""
    async with desk_of_tasks() as desk:
        low, high = "M00:C01:ROI2:Low", "M00:C01:ROI2:High"
        for end, value in ((low, 500), (high, 600)):
            await desk.put(end, value)
        assert desk.shows(low) == (500, 500, "No")
        told = await desk.put(high, 200)
        problem = "FillSpectra.roi_high of M00:C01:ROI2 = 200: is below roi_low of M00:C01:ROI2 = 500"
        assert told == f"OK {high} = 200 is kept until it fits: {problem}"
        assert desk.shows(high) == (200, 600, "Yes")
        assert desk.settings.problem() == problem
        assert desk.settings.dirty == {"FillSpectra": {"roi_high of M00:C01:ROI2": 200}}
        with pytest.raises(Refused, match="roi_high of M00:C01:ROI2 = 200: is below roi_low"):
            await desk.settings.apply()
        await desk.settings.apply(everything=False)  # as a run does that was accepted before this was written
        assert desk.shows(high) == (200, 600, "Yes")
        await desk.put("M00:C00:ROI1:Low", 7)  # what it has nothing to do with is used
        assert desk.shows("M00:C00:ROI1:Low") == (7, 7, "Yes")
        await desk.put(low, 100)
        assert (desk.shows(low), desk.shows(high)) == ((100, 100, "No"), (200, 200, "No"))
        assert desk.settings.problem() == ""


@conversation
async def test_rules_of_a_task_are_about_what_fits_too() -> None:
    async with desk_of_tasks() as desk:
        told = await desk.put("Cut:Highest", 10)
        assert told == "OK Cut:Highest = 10"
        told = await desk.put("Cut:Lowest", 20)
        problem = "Cut.lowest = 20: is above highest 10"
        assert told == f"OK Cut:Lowest = 20 is kept until it fits: {problem}"
        assert (desk.shows("Cut:Lowest"), desk.settings.problem()) == ((20, 0, "Yes"), problem)
        await desk.put("Cut:Highest", 30)
        assert (desk.shows("Cut:Lowest"), desk.shows("Cut:Highest")) == ((20, 20, "No"), (30, 30, "No"))


@conversation
async def test_a_put_posts_its_setpoint_and_its_readback_and_nothing_else() -> None:
    async with desk_of_tasks() as desk:
        observers = {name: _Observer() for name in desk.pvs}
        stamps = {name: record.stamp for name, record in desk.pvs.items()}
        for name, observer in observers.items():
            desk.pvs[name].observe(observer)
        await desk.put("M00:C01:ROI2:Low", 7)
        touched = {"M00:C01:ROI2:Low", "M00:C01:ROI2:Low_RBV"}
        assert {name for name, observer in observers.items() if observer.posts} == touched
        assert {name for name, record in desk.pvs.items() if record.stamp != stamps[name]} == touched
        # The whole as a text is made when somebody reads it.
        record = desk.pvs["ConfigJSON_RBV"]
        assert record.late is not None
        record.refresh()
        assert json.loads(record.value)["FillSpectra"]["roi_low"]["M00:C01"] == [0, 7, 0, 0]


@conversation
async def test_writing_the_old_value_again_leaves_nothing_waiting() -> None:
    async with desk_of_tasks() as desk:
        await desk.put("SortEvents:Window", 7.0)
        await desk.put("SortEvents:Window", 100.0)
        assert desk.shows("SortEvents:Window") == (100.0, 100.0, "No")


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("SortEvents:Window", -1.0, "SortEvents:Window: SortEvents.window = -1.0: must be a number from 0 to"),
        ("SortEvents:Window", float("nan"), "SortEvents.window = nan: must be a number"),
        ("SortEvents:MaxEvents", 1, "SortEvents.max_events = 1: must be a whole number from 1000 to"),
        ("SortEvents:StartTimes", "1, 2", "must be a list of numbers"),
        ("SortEvents:StartTimes", 4000 * "[", "must be a list of numbers"),
        ("StopTimeout", 0.0, "run.stop_timeout = 0.0: must be a number from 0.5 to 3600 (s)"),
        ("FileTemplate", "%f", "GatherData.file_template = '%f': file template '%f': only %s and %d"),
        ("FileName", "a/b", "GatherData.file_name = 'a/b': must not contain a slash"),
        ("LoadFiles:ModulePattern", "(", "LoadFiles.module_pattern = '(': is no regular expression"),
        ("ConfigJSON", '{"FillSpectra": {"roi_high": [5], "roi_low": [6]}}', "roi_high of M00:C00:ROI1 = 5: is below"),
        ("ConfigJSON", '{"Cut": {"lowest": 2, "highest": 1}}', "Cut.lowest = 2: is above highest 1"),
        ("ConfigJSON", "{", "ConfigJSON: not a configuration: "),
        ("ConfigJSON", '{"window": 1, "window": 2}', "ConfigJSON: not a configuration: 'window' is given twice"),
        ("ConfigJSON", 5000 * "[", "ConfigJSON: not a configuration: maximum recursion depth"),
        ("ConfigJSON", "[]", "must be an object"),
        ("ConfigJSON", '{"SortEvents": 3}', "SortEvents = 3: must be a table"),
        ("ConfigJSON", '{"SortEvents": {"window": 1, "gap": -1}}', "SortEvents.gap = -1: must be"),
        ("ConfigJSON", '{"run": {"stop_timeout": 1}, "nonsense": 1}', "nonsense: no task has this name"),
        ("ConfigJSON", '{"FillSpectra": {"bins": 64}}', "FillSpectra.bins = 64: can only be set in the configuration"),
        # What several tasks share is named with all of them.
        ("M00:C00:CalGain", -5.0, "GatherData.cal_gain and FillSpectra.cal_gain of M00:C00 = -5.0: must"),
        ("ConfigJSON", '{"cal_gain": {"M00:C00": -1}}', "GatherData.cal_gain and FillSpectra.cal_gain of M00:C00 ="),
        ("ConfigJSON", '{"modules": 3}', "GatherData.modules and FillSpectra.modules = 3: can only be set in the conf"),
        ("ConfigJSON", '{"GatherData": {"cal_gain": 1}, "FillSpectra": {"cal_gain": 2}}', "values are given: 1.0, 2"),
        ("ConfigJSON", '{"erase": true}', "FillSpectra.erase: is a command, not a setting"),
    ],
)
@conversation
async def test_a_bad_value_changes_nothing_and_says_what_is_allowed(name: str, value: Any, says: str) -> None:
    async with desk_of_tasks() as desk:
        before = desk.json("ConfigJSON")
        told = await desk.refused(name, value)
        assert told.startswith("Refused " + name)
        assert says in told
        assert (desk.json("ConfigJSON"), desk.settings.dirty) == (before, {})


@conversation
async def test_while_it_is_locked_only_live_parameters_change_and_are_used_at_once() -> None:
    async with desk_of_tasks() as desk:
        desk.locked = "run 3, started by jan@wall, has been running for 1 s"
        why = f"Refused SortEvents:Window: SortEvents.window cannot be changed now: {desk.locked}"
        assert await desk.refused("SortEvents:Window", 7.0) == why
        assert await desk.put("SortEvents:Window", 100.0) == "OK SortEvents:Window = 100.0"  # no change
        assert (await desk.put("GatherData:MaxDelay", 0.5)).startswith("OK GatherData:MaxDelay")
        assert desk.shows("GatherData:MaxDelay") == (0.5, 0.5, "No")
        both = json.dumps({"SortEvents": {"window": 7}, "GatherData": {"max_delay": 0.7}})
        assert "SortEvents.window cannot be changed now" in await desk.refused("ConfigJSON", both)
        assert desk.shows("GatherData:MaxDelay") == (0.5, 0.5, "No")


@conversation
async def test_parameters_of_runs_are_used_at_once() -> None:
    async with desk_of_tasks() as desk:
        for i, locked in enumerate(("", "run 3 is running")):
            desk.locked = locked
            assert await desk.put("StopTimeout", 2.0 + i) == f"OK StopTimeout = {2.0 + i}"
            assert desk.shows("StopTimeout") == (2.0 + i, 2.0 + i, "No")
            assert desk.settings.run["stop_timeout"] == 2.0 + i
        assert desk.run_parameters_used == 2


@conversation
async def test_a_whole_configuration_can_be_read_changed_and_written_back() -> None:
    async with desk_of_tasks() as desk:
        whole = json.loads(desk.json("ConfigJSON_RBV"))
        assert whole["FillSpectra"]["channels"] == 2
        await desk.put("ConfigJSON", json.dumps(whole))
        assert desk.settings.dirty == {}
        whole["SortEvents"]["window"], whole["run"]["stop_timeout"] = 5, 4
        assert await desk.put("ConfigJSON", json.dumps(whole)) == f"OK ConfigJSON: {', '.join(whole)} accepted"
        assert desk.shows("SortEvents:Window") == (5.0, 5.0, "No")
        assert json.loads(desk.json("ConfigJSON_RBV")) == whole
        assert desk.run_parameters_used == 1


@conversation
async def test_the_next_run_uses_what_was_written() -> None:
    async with desk_of_tasks() as desk:
        await desk.put("FilePath", "/raw/")
        assert desk.settings.shared("file_path") == "/raw/"
        assert desk.settings.shared("no such", "default") == "default"


@conversation
async def test_a_command_without_a_task_to_give_it_to_does_nothing() -> None:
    async with desk_of_tasks() as desk:
        put = desk.pvs["FillSpectra:Erase"].put
        assert put is not None
        assert put(1, JAN) is None
        assert desk.told == []
