"""Tasks with names of their own: what a configuration may say, and what follows from it for every name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pixieioc.config import Config, ConfigError, load, to_json
from pixieioc.export import outputs
from pixieioc.pipeline import Parameter, Pipeline, Task
from pixieioc.pvinfo.about import module_of, task_of
from pixieioc.pvinfo.build import all_pvs
from pixieioc.pvinfo.description import Description
from pixieioc.tasks.fill_spectra import FillSpectra
from pixieioc.tasks.gather_data import GatherData
from tests.configs import config_of
from tests.pipeline import toys

__all__ = ["toys"]  # importing it defines the tasks

CHAIN = '[pipeline]\nchain = ["Crate", "ConvertToEvents", "SortEvents", "FillSpectra", "Singles"]\n'
CRATE = '[tasks.Crate]\nclass = "DummyData"\nseed = 2\n'
SINGLES = '[tasks.Singles]\nclass = "FillSpectra"\nrois = 3\nbins = 64\n'
WHOLE = CHAIN + CRATE + SINGLES
_TABLE = '[tasks.{}]\nclass = "{}"\n'
_FILES = '[pipeline]\nchain = ["LoadFiles", "Near", "Far"]\n' + "".join(
    _TABLE.format(n, "GatherData") for n in ("Near", "Far")
)


def _load(folder: Path, content: str, *sets: str, prefix: str | None = None) -> Config:
    (folder / "test.toml").write_text(content)
    return load(folder / "test.toml", sets, prefix)


def test_a_table_names_the_class_of_its_task(tmp_path: Path) -> None:
    config = _load(tmp_path, WHOLE, "Singles.bins=128")
    assert list(config.tasks) == ["Crate", "ConvertToEvents", "SortEvents", "FillSpectra", "Singles"]
    assert config.tasks["Singles"] is config.tasks["FillSpectra"] is FillSpectra
    assert (config.settings["Singles"]["bins"], config.settings["Singles"]["rois"]) == (128, 3)
    assert "class" not in config.settings["Singles"]
    assert json.loads(to_json(config.settings, config.tasks))["Singles"]["bins"] == 128


def test_a_setting_of_modules_may_have_the_name_of_a_task(tmp_path: Path) -> None:
    chain = ["TakeData", "GatherData", "ConvertToEvents", "SortEvents", "FillSpectra"]
    crate = "[crate]\nmodules = 2\nchannels = 16\n[tasks.TakeData]\nimplementation = 'simulated'\n"
    config = _load(tmp_path, f"[pipeline]\nchain = {json.dumps(chain)}\n{crate}")
    assert config.settings["SortEvents"]["window"] == 100.0
    pvs = all_pvs(config)
    assert (pvs["M01:SortEvents"].source.task, pvs["SortEvents:Status"].source.task) == ("TakeData", "SortEvents")


def test_a_set_may_name_the_class(tmp_path: Path) -> None:
    config = _load(tmp_path, '[pipeline]\nchain = ["LoadFiles", "Shown"]\n', "Shown.class=PrintData")
    assert config.tasks["Shown"].__name__ == "PrintData"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (CHAIN + CRATE, ":2: pipeline.chain: no task 'Singles'; there are: .*; a task with a name of its own needs"),
        (
            CHAIN + CRATE + '[tasks.Singles]\nclass = "FillSpectr"\n',
            ":7: tasks.Singles.class: no task class 'FillSpectr'; did you mean FillSpectra?",
        ),
        (
            CHAIN + CRATE + "[tasks.Singles]\nclass = 7\n",
            ":7: tasks.Singles.class = 7: must be a text, the name of a task class",
        ),
        (
            CHAIN + SINGLES + '[tasks.Crate]\nclass = "SortEvents"\n',
            "pipeline.chain: Crate takes events, so it cannot be the first",
        ),
        (
            '[pipeline]\nchain = ["LoadFiles", "SortEvents"]\n[tasks.SortEvents]\nclass = "PrintData"\n',
            ":4: tasks.SortEvents.class: a task of class PrintData cannot be named SortEvents: another class has this",
        ),
        (
            '[pipeline]\nchain = ["LoadFiles", "files"]\n[tasks.files]\nclass = "PrintData"\n',
            ":4: tasks.files.class: a task cannot be named files: a parameter of LoadFiles has this name",
        ),
        (
            '[pipeline]\nchain = ["LoadFiles", "M00"]\n[tasks.M00]\nclass = "PrintData"\n',
            ":4: tasks.M00.class: a task cannot be named M00: process variables of the IOC",
        ),
        (
            '[pipeline]\nchain = ["LoadFiles", "a b"]\n[tasks."a b"]\nclass = "PrintData"\n',
            ":4: tasks.a b.class: a task cannot be named a b: a name has letters, digits and _",
        ),
        (
            f'[pipeline]\nchain = ["LoadFiles", "{33 * "n"}"]\n[tasks.{33 * "n"}]\nclass = "PrintData"\n',
            "it has 33 characters, at most 32 are possible",
        ),
        (WHOLE + "bin = 3\n", ":.*: tasks.Singles.bin: Singles has no such parameter; did you mean bins?"),
        (WHOLE.replace("bins = 64", "bins = 0"), "tasks.Singles.bins = 0: must be a whole number from"),
        (
            _FILES,
            ":5: tasks.Far: Near and Far share file_path, and would write the same files: only one of them is possible",
        ),
    ],
)
def test_what_is_wrong_with_a_name_or_a_class(tmp_path: Path, content: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        _load(tmp_path, content)
    assert "\n" not in str(caught.value)


class ToyShared(Task):
    """Has a setting that is the whole pipeline's."""

    colour = Parameter(1, low=0, high=9, shared=True, doc="The colour of all.")
    own = Parameter(0, doc="Its own.")

    def do_work(self, datum: Any) -> None:
        """Takes everything."""


_TWO = "".join(f"{_TABLE.format(name, 'ToyShared')}{{}}" for name in ("One", "Two"))
_TWO = '[pipeline]\nchain = ["ToySource", "One", "Two"]\n' + _TWO


@pytest.mark.parametrize("given", [("colour = 3\n", ""), ("", "colour = 3\n"), ("colour = 3\n", "colour = 3\n")])
def test_a_shared_parameter_is_given_once_for_all(tmp_path: Path, given: tuple[str, str]) -> None:
    config = _load(tmp_path, _TWO.format(*given))
    assert [config.settings[task]["colour"] for task in ("One", "Two")] == [3, 3]
    pvs = all_pvs(config)
    assert [name for name in pvs if "olour" in name] == ["Colour", "Colour_RBV"]
    assert {"One:Own", "Two:Own"} <= set(pvs)


def test_a_shared_parameter_with_two_values_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"tasks.Two.colour = 4: these tasks share it, and tasks.One.colour = 3"):
        _load(tmp_path, _TWO.format("colour = 3\n", "colour = 4\n"))


@pytest.mark.parametrize("given", [("colour = 12\n", ""), ("", "colour = 12\n")])
def test_a_shared_parameter_that_is_wrong_is_told_once_where_it_is_written(
    tmp_path: Path, given: tuple[str, str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        _load(tmp_path, _TWO.format(*given))
    task, line = ("One", 5) if given[0] else ("Two", 7)
    [problem] = caught.value.problems
    assert problem.endswith(f".toml:{line}: tasks.{task}.colour = 12: must be a whole number from 0 to 9")


def test_the_first_of_a_class_has_the_names_of_channels_and_others_have_theirs(tmp_path: Path) -> None:
    config = _load(tmp_path, WHOLE)
    pvs = all_pvs(config)
    assert pvs["M00:C00:Spectrum_RBV"].source.task == "FillSpectra"
    assert pvs["Singles:M00:C00:Spectrum_RBV"].source.task == "Singles"
    for what in ("Spectrum_RBV", "ROI1:Low", "ROI1:Low_RBV", "ROI1:Counts_RBV"):
        one, other = pvs[f"M00:C00:{what}"], pvs[f"Singles:M00:C00:{what}"]
        assert (one.record, one.access, one.source.index) == (other.record, other.access, other.source.index)
    assert "M00:C00:ROI4:Low" in pvs
    assert "Singles:M00:C00:ROI4:Low" not in pvs, "this task has three regions"
    assert {f"{task}:Status" for task in config.tasks} <= set(pvs)
    assert not any(name.startswith("DummyData:") for name in pvs)


def test_shared_reports_of_a_second_task_stand_behind_its_name() -> None:
    pvs = all_pvs(config_of(("GatherData", "Second"), {"Second": {"class": "GatherData"}}))
    shared = [report for report in GatherData.reports().values() if report.shared]
    assert shared
    for report in shared:
        assert pvs[report.pv].source.task == "GatherData"
        assert pvs[f"Second:{report.pv}"].source.task == "Second"


def test_what_a_channel_of_a_named_task_is(tmp_path: Path) -> None:
    pv = all_pvs(_load(tmp_path, WHOLE))["Singles:M00:C01:ROI1:Low"]
    assert (module_of(pv), pv.own_name, pv.section, task_of(pv)) == ("Singles:M00", "ROI1:Low", "channel", "")


@pytest.mark.parametrize("name", ["Acquire", "State_RBV", "Alarm1"])
def test_a_name_of_the_pipelines_process_variables_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=f"a task cannot be named {name}: process variables of the pipeline have"):
        all_pvs(config_of((name,), {name: {"class": "PrintData"}}))


def test_a_prefix_that_is_too_long_for_a_task_says_so() -> None:
    name = "ATaskWithAnExceedinglyLongName"
    with pytest.raises(ConfigError, match=f"must have at most .* or give the task {name} a shorter name"):
        all_pvs(config_of((name,), {name: {"class": "FillSpectra"}}, prefix=30 * "P"))


def test_all_that_is_generated_goes_by_the_tasks_name(tmp_path: Path) -> None:
    description = Description.of(_load(tmp_path, WHOLE))
    files = outputs(description)
    assert "opi/task_Singles.bob" in files
    assert "opi/task_Crate.bob" in files
    assert 'record(waveform, "$(P)Singles:M00:C00:Spectrum_RBV")' in files["db/pixieioc.db"]
    assert "### Channels of Singles" in files["db/PVS.md"]
    assert "$(P)Singles:M00:C00:ROI1:Low" in files["db/pixieioc.req"].splitlines()
    for path, text in files.items():
        assert "DummyData:" not in text, path


def test_two_tasks_of_one_class_run_side_by_side() -> None:
    kwargs = {"Half": {"delay": 0.0}, "Other": {"talk": False}, "Numbers": {"items": 7}}
    with Pipeline(kwargs) as pipeline:
        pipeline.create_task("Numbers", "ToySource")
        pipeline.create_task("Half", cls="ToyFilter")
        pipeline.create_task("Other", cls="ToyFilter")
        pipeline.create_task("ToySink")
        pipeline.connect(["Numbers", "Half", "Other", "ToySink"])
        pipeline.start()
        pipeline.wait(60)
        assert not pipeline.errors
        reports = {name: process.reports for name, process in pipeline.processes.items()}
        assert {name: of["counter"] for name, of in reports.items()} == dict.fromkeys(reports, 7)
        assert set(pipeline.settings) == {"Numbers", "Half", "Other", "ToySink"}


def test_an_error_names_the_task_and_not_its_class() -> None:
    with Pipeline({"Frail": {"fail_at": 2}}) as pipeline:
        pipeline.follow(pipeline.creating({"ToySource": "ToySource", "Frail": "ToyFilter"}))
        pipeline.connect(["ToySource", "Frail"])
        pipeline.start()
        pipeline.wait(60)
        [error] = pipeline.errors
        assert (error.task, str(error)) == ("Frail", "ValueError: cannot work with item 2")
        pipeline.configure({"Frail": {"fail_at": -1}})
        pipeline.start()  # the process that has failed is replaced under its name
        pipeline.wait(60)
        assert not pipeline.errors
        with pytest.raises(ValueError, match="no task class 'ToyFiltr'; there are: "):
            pipeline.create_task("Third", "ToyFiltr")
        with pytest.raises(ValueError, match="a task cannot be named 3rd"):
            pipeline.create_task("3rd", "ToyFilter")


def test_initial_values_for_a_task_that_never_comes_are_refused() -> None:
    with Pipeline({"Frial": {"fail_at": 2}}) as pipeline:
        pipeline.create_task("Frail", "ToyFilter")
        with pytest.raises(ValueError, match="Frial: no task of this pipeline has this name; did you mean Frail?"):
            pipeline.connect(["Frail"])
