"""Configuration files: what a good one gives, and what is said of every bad one."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pixieioc.config import LONGEST_PREFIX, RUN, Config, ConfigError, RunParameters, examine, load, to_json
from pixieioc.pipeline import Task
from pixieioc.pipeline.validate import validate
from pixieioc.pvinfo.build import all_pvs
from tests.conftest import DATA
from tests.pipeline import toys

__all__ = ["toys"]  # importing it defines the tasks

EXAMPLES = DATA.parent
#: Tasks of the tests, which stay as they are, and some of the project's.
CHAIN = '[pipeline]\nchain = ["ToySource", "ToyFilter", "GatherData", "ConvertToEvents", "SortEvents", "FillSpectra"]\n'


def _load(folder: Path, content: str | bytes, *sets: str, prefix: str | None = None) -> Config:
    file = folder / "test.toml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return load(file, sets, prefix)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("demo", {("DummyData", "channel_rate"): 1000.0, ("FillSpectra", "channels"): 4, (RUN, "stop_timeout"): 8.0}),
        (
            "replay",
            {
                ("LoadFiles", "files"): [str(DATA / "pixie16_binary_data-full.bin")],
                ("GatherData", "file_path"): str(Path.home() / "pixieioc-data") + "/",
                ("GatherData", "auto_save"): True,
                ("ConvertToEvents", "adc_mhz"): [500.0],
                ("FillSpectra", "bins"): 2048,
            },
        ),
    ],
)
def test_the_examples(name: str, values: dict[tuple[str, str], Any]) -> None:
    config = load(EXAMPLES / f"{name}.toml")
    assert config.prefix == "PX16:"
    assert tuple(config.tasks) == config.chain == tuple(config.settings)
    used = {**config.settings, RUN: config.run}
    assert {(task, key): used[task][key] for task, key in values} == values
    for task, cls in config.tasks.items():
        settings = {key for key, parameter in cls.parameters().items() if not parameter.command}
        assert set(config.settings[task]) == settings


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("[pipeline\n", [":1:10: not TOML: Expected ']'"]),
        (CHAIN + "prefix = A\n", [":3:10: not TOML: Invalid value"]),
        (CHAIN + "imports = [\n'toys',\n\n", [":3:1: not TOML: "]),
        (CHAIN + "prefix = 'A'\nprefix = 'B'\n\n", [":4:13: not TOML: Cannot overwrite a value"]),
        (CHAIN.encode() + "# é".encode("latin-1"), [":3:3: not TOML: byte 0xe9 is no UTF-8"]),
        (CHAIN + '[ioc]\nprefix = "A:"\n', [":4: ioc.prefix: unknown key; it belongs in [pipeline]"]),
        ('prefix = "A:"\n' + CHAIN, [":1: prefix: unknown key; it belongs in [pipeline]"]),
        (CHAIN + "stop_timeout = 3\n", [":3: pipeline.stop_timeout: unknown key; it belongs in [run]"]),
        (CHAIN + "[run]\ndisk_low = 3\n", [":4: run.disk_low: run has no such parameter; it belongs in [ioc]"]),
        (
            CHAIN + '[tasks.ToySource]\nprefix = "A:"\n',
            [":4: tasks.ToySource.prefix: ToySource has no such parameter; it belongs in [pipeline]"],
        ),
        ("", [": pipeline: this table is missing"]),
        ("[pipeline]\n", [":1: pipeline.chain: this key is missing"]),
        (CHAIN + "[taks]\n", [":3: taks: unknown table; did you mean tasks?"]),
        (CHAIN + 'prefx = "A"\n', [":3: pipeline.prefx: unknown key; did you mean prefix?"]),
        (CHAIN + "[ioc]\ndisk = 3\n", [":4: ioc.disk: unknown key; did you mean disk_low or disk_lolo?"]),
        (CHAIN + '[ioc]\ndisk_low = "much"\n', [":4: ioc.disk_low = 'much': must be a number"]),
        ("tasks = 3\n" + CHAIN, [":1: tasks = 3: must be a table"]),
        ('[pipeline]\nchain = "ToySource"\n', [":2: pipeline.chain = 'ToySource': must be a list of texts"]),
        ('[pipeline]\nchain = ["ToySorce"]\n', [":2: pipeline.chain: no task 'ToySorce'; did you mean ToySource?"]),
        ('[pipeline]\nchain = ["ToySource", "ToySource"]\n', ["at least one task, and each at most once"]),
        ("[pipeline]\nchain = []\n", ["at least one task, and each at most once"]),
        (CHAIN + "[tasks.LoadFiles]\n", ["tasks.LoadFiles: not in pipeline.chain (ToySource, ToyFilter, "]),
        (
            CHAIN + "[tasks.ToyFilter]\nrefuse = 101\n",
            ["tasks.ToyFilter.refuse = 101: must be a whole number from 0 to 100"],
        ),
        (
            CHAIN + "[tasks.GatherData]\nmax_delay = -1\n",
            ["tasks.GatherData.max_delay = -1: must be a number from 0 to 3600 (s)"],
        ),
        (
            CHAIN + '[tasks.ToyFilter]\nrefuse = "4"\n',
            ["tasks.ToyFilter.refuse = '4': must be a whole number from 0 to 100"],
        ),
        (
            CHAIN + '[tasks.SortEvents]\ntime_mode = "then"\n',
            ["tasks.SortEvents.time_mode = 'then': must be one of now, start times, estimated gap"],
        ),
        (CHAIN + "[tasks.ToySource]\nlenght = 4\n", ["tasks.ToySource.lenght: ", "did you mean length?"]),
        (CHAIN + "[tasks.FillSpectra]\nerase = true\n", ["tasks.FillSpectra.erase: is a command, not a setting"]),
        (CHAIN + "[run]\nstop_timeout = 0\n", ["run.stop_timeout = 0: must be a number from 0.5 to 3600 (s)"]),
        (CHAIN + "[run]\nstop_timout = 1\n", ["run.stop_timout: ", "did you mean stop_timeout?"]),
        (CHAIN + "imports = ['no_such_module']\n", ["pipeline.imports: ", "No module named 'no_such_module'"]),
        *(
            (CHAIN + f"prefix = {json.dumps(prefix)}\n", [f"prefix {prefix!r}: must have 1 to 30 characters"])
            for prefix in ("", "P" * (LONGEST_PREFIX + 1), "A B", "A.B", "A/B", "$(P)", "A\n")
        ),
        (
            CHAIN + 'prefix = ""\n[tasks.ToySource]\nitems = -1\nlength = -1\n[tasks.Nothing]\n[run]\nx = 1\n',
            ["prefix ''", "ToySource.items = -1", "ToySource.length = -1", "tasks.Nothing: not in", "run.x: "],
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, content: str | bytes, says: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        _load(tmp_path, content)
    text = str(caught.value)
    assert text.startswith(f"{tmp_path / 'test.toml'}:")
    assert [part for part in says if part not in text] == [], text
    assert "\n" not in text


@pytest.mark.parametrize(("name", "says"), [("missing.toml", "No such file or directory"), ("", "Is a directory")])
def test_a_file_that_cannot_be_read(tmp_path: Path, name: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        load(tmp_path / name)


Site = Callable[[str], Config]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Loads a file that imports a module with the given code, which stands beside it; forgets it all afterwards."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(Task.class_registry, "_classes", {})

    def with_code(code: str) -> Config:
        (tmp_path / "site_tasks.py").write_text(code)
        return _load(tmp_path, '[pipeline]\nchain = ["LoadFiles", "SiteTask"]\nimports = ["site_tasks"]\n')

    yield with_code
    sys.modules.pop("site_tasks", None)


def test_a_site_defines_tasks_in_a_module_beside_the_file(site: Site) -> None:
    code = (
        'from pixieioc.pipeline import *\nclass SiteTask(Task):\n    "One."\n    knob = Parameter(3, doc="A knob.")\n'
        "    def do_work(self, datum): self.send(datum)\n"
    )
    assert site(code).settings["SiteTask"] == {"knob": 3, "hang_timeout": 60.0}


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("import no_such_thing\n", "ModuleNotFoundError: No module named 'no_such_thing'"),
        ("1 = 2\n", "SyntaxError: "),
        ("raise OSError('no crate')\n", "OSError: no crate"),
    ],
)
def test_a_module_that_cannot_be_imported_is_named(site: Site, code: str, says: str) -> None:
    with pytest.raises(ConfigError, match=rf"imports: site_tasks: {says}.*\(site_tasks.py, line 1\)") as caught:
        site(code)
    assert len(caught.value.problems) == 1, "that its task is not known follows from it"


@pytest.mark.parametrize(
    ("text", "task", "name", "value"),
    [
        ("ToySource.length=7", "ToySource", "length", 7),
        (" ToySource.length = 7", "ToySource", "length", 7),
        ("ToySource.pause=5e-1", "ToySource", "pause", 0.5),
        ("GatherData.auto_save=true", "GatherData", "auto_save", True),
        ("GatherData.file_name=quiet run", "GatherData", "file_name", "quiet run"),
        ('GatherData.file_name="7"', "GatherData", "file_name", "7"),
        ("GatherData.file_name=a=b", "GatherData", "file_name", "a=b"),
        ("GatherData.file_name=", "GatherData", "file_name", ""),
        ("SortEvents.time_mode=start times", "SortEvents", "time_mode", "start times"),
        ("SortEvents.start_times=[1, 2.5]", "SortEvents", "start_times", [1.0, 2.5]),
        ("run.preset_mode=Real time", RUN, "preset_mode", "Real time"),
    ],
)
@pytest.mark.parametrize("more", ["", "[run]\nstop_timeout = 9\n[tasks.ToySource]\nitems = 2\nlength = 3\n"])
def test_a_set_overrides_the_file(tmp_path: Path, more: str, text: str, task: str, name: str, value: object) -> None:
    config = _load(tmp_path, CHAIN + more, text)
    used = {**config.settings, RUN: config.run}
    assert used[task][name] == value
    assert type(used[task][name]) is type(value)
    if more:  # the rest of the file stays
        assert (used["ToySource"]["items"], config.run["stop_timeout"]) == (2, 9.0)


def test_the_last_set_counts(tmp_path: Path) -> None:
    config = _load(tmp_path, CHAIN, "ToySource.length=2", "ToySource.length=3")
    assert config.settings["ToySource"]["length"] == 3


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("ToySource.length", "--set ToySource.length: must be task.parameter=value"),
        ("length=3", "--set length=3: must be"),
        (".length=3", "must be task.parameter=value"),
        ("ToySource.=3", "must be task.parameter=value"),
        ("", "must be task.parameter=value"),
        ("ToySource.length=many", "tasks.ToySource.length = 'many': must be a whole number from 0 to 10000000"),
        ("LoadFiles.block_size=4", "tasks.LoadFiles: not in pipeline.chain"),
        ("SortEvents.start_times=[1, x]", r"tasks.SortEvents.start_times = '\[1, x\]': must be a list of numbers"),
        ("run.stop_timeout=0", "run.stop_timeout = 0: must be"),
    ],
)
def test_a_bad_set(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        _load(tmp_path, CHAIN, text)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("run = 5\n" + CHAIN, "test.toml:1: run = 5: must be a table"),
        ("tasks.ToySource = 5\n" + CHAIN, "test.toml:1: tasks.ToySource = 5: must be a table"),
    ],
)
def test_a_set_on_top_of_a_bad_file(tmp_path: Path, content: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        _load(tmp_path, content, "run.stop_timeout=3", "ToySource.length=2")


def test_relative_paths_start_from_the_files_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "a folder"
    folder.mkdir()
    monkeypatch.chdir(tmp_path)
    content = f"""
        [pipeline]
        chain = ["LoadFiles", "GatherData"]
        [tasks.LoadFiles]
        files = ["a.bin", "../b*.bin", "{tmp_path}/c.bin", "~/d.bin"]
        [tasks.GatherData]
        file_path = "raw/"
        """
    config = _load(folder, content)
    assert config.settings["LoadFiles"]["files"] == [
        f"{folder}/a.bin",
        f"{folder}/../b*.bin",
        f"{tmp_path}/c.bin",
        str(Path.home() / "d.bin"),
    ]
    assert config.settings["GatherData"]["file_path"] == f"{folder}/raw/"
    assert load(Path("a folder/test.toml")).settings == config.settings


def test_defaults(tmp_path: Path) -> None:
    config = _load(tmp_path, CHAIN)
    assert (config.prefix, config.folder, config.ioc.interfaces) == ("PX16:", tmp_path, [])
    assert config.settings["ToySource"] == {"items": 10, "length": 100, "pause": 0.0, "hang_timeout": 60.0}
    assert config.run == {
        "preset_mode": "No preset",
        "preset_real": 60.0,
        "preset_live": 60.0,
        "preset_events": 100_000,
        "preset_triggers": 100_000,
        "title": "",
        "experiment": "",
        "operator": "",
        "comment": "",
        "stop_timeout": 8.0,
        "wait_for_pipeline": True,
        "fail_put_on_error": True,
    }


def test_a_prefix_that_is_given_counts_more_than_the_files(tmp_path: Path) -> None:
    assert _load(tmp_path, CHAIN + 'prefix = "A:"', prefix="B:").prefix == "B:"
    with pytest.raises(ConfigError, match="prefix 'B C'"):
        _load(tmp_path, CHAIN, prefix="B C")


@pytest.mark.parametrize(
    ("content", "prefix", "folder"),
    [
        ("", None, "{state}/pixieioc/PX16"),
        ("", "BL7:Det:", "{state}/pixieioc/BL7:Det"),
        ("", ":", "{state}/pixieioc/_"),
        ('[ioc]\nstate_dir = "state"', None, "{file}/state"),
        ('[ioc]\nstate_dir = "/var/pixie"', None, "/var/pixie"),
        ('[ioc]\nstate_dir = "~/pixie"', None, "{home}/pixie"),
    ],
)
def test_where_the_state_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, prefix: str | None, folder: str
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/xdg")
    config = _load(tmp_path, CHAIN + content, prefix=prefix)
    assert str(config.state_folder) == folder.format(state="/xdg", file=tmp_path, home=Path.home())
    monkeypatch.delenv("XDG_STATE_HOME")
    elsewhere = folder.format(state=Path.home() / ".local/state", file=tmp_path, home=Path.home())
    assert str(config.state_folder) == elsewhere


@pytest.mark.parametrize("name", ["demo", "replay"])
def test_a_configuration_can_be_read_back_from_its_json(name: str) -> None:
    config = load(EXAMPLES / f"{name}.toml")
    used = {**config.settings, RUN: config.run}
    text = to_json(used, {**config.tasks, RUN: RunParameters})
    assert validate(json.loads(text), {**config.tasks, RUN: RunParameters}, commands=False) == used


def test_everything_is_said_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    content = """\
# A comment, and a text that looks like a table.
title = '''
[tasks.GatherData]
max_delay = -1
'''

[pipeline]
prefix = "A B"
chain = [
    "LoadFiles",   # "ConvertToEvents" is forgotten
    "SortEvents",
    "FillSpektra",
]

[ioc.limits]
clients = 0
chanels = 4

[tasks.SortEvents]
window = -1
[tasks."FillSpectra"]
bins = 3

[run]
preset_mode = "Real"
[tsks.LoadFiles]
"""
    file = tmp_path / "test.toml"
    file.write_text(content)
    examined = examine(file, ["LoadFiles.block_size=0", "SortEvents.max_event=5", "LoadFils.block_size=5"])
    assert examined.config is None
    told = [text.removeprefix(str(file)) for text in examined.problems]
    starts = (
        "--set LoadFiles.block_size=0: tasks.LoadFiles.block_size = 0: must be a whole number from 1 to",
        "--set SortEvents.max_event=5: tasks.SortEvents.max_event: SortEvents has no such parameter; did you mean max_",
        "--set LoadFils.block_size=5: tasks.LoadFils: not in pipeline.chain (",
        ":2: title: unknown key",
        ":8: prefix 'A B': must have",
        ":9: pipeline.chain: no task 'FillSpektra'; did you mean FillSpectra?",
        ":16: ioc.limits.clients = 0: must be a whole number of at least 1",
        ":17: ioc.limits.chanels: unknown key; did you mean channels?",
        ":20: tasks.SortEvents.window = -1: must be a number from 0",
        ":21: tasks.FillSpectra: not in pipeline.chain (LoadFiles, SortEvents, FillSpektra); did you mean FillSpektra?",
        ":25: run.preset_mode = 'Real': must be one of No preset, Real time",
        ":26: tsks: unknown table; did you mean tasks?",
    )
    assert sorted(start for start in starts if not any(text.startswith(start) for text in told)) == [], told
    assert len(told) == len(starts)
    lines = [int(text.split(":")[1]) for text in told if text.startswith(":")]
    assert lines == sorted(lines)


@pytest.mark.parametrize(
    ("tasks", "says"),
    [
        ("FillSpectra SortEvents ConvertToEvents LoadFiles", "the chain is backwards: .*write LoadFiles, ConvertToEve"),
        (
            "LoadFiles SortEvents ConvertToEvents",
            "SortEvents takes events, but gets list-mode words from LoadFiles; put",
        ),
        ("ConvertToEvents FillSpectra", "ConvertToEvents takes list-mode words, so it cannot be the first"),
        ("LoadFiles ConvertToEvents DummyData", "DummyData is a source, so it must be the first"),
    ],
)
def test_a_chain_in_the_wrong_order(tmp_path: Path, tasks: str, says: str) -> None:
    with pytest.raises(ConfigError, match=f"test.toml:2: pipeline.chain: {says}"):
        _load(tmp_path, f"[pipeline]\nchain = {json.dumps(tasks.split())}\n")


DECODE = '[pipeline]\nchain = ["LoadFiles", "GatherData", "ConvertToEvents"]\n'


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (
            "[crate]\nadc_mhz = [300]\n",
            r":4: crate.adc_mhz = \[300.0\]: module 0: .*300 MHz: must be one of \[100, 250, 500\]$",
        ),
        ("[crate]\nmodules = 3\nadc_mhz = [500, 250]\n", "crate.adc_mhz = .*: has 2 values: .*each of 3 modules$"),
        ("[crate]\nmodules = 2\nadc_mhz = [500, 250]\nfirmware_revision = [34688, 17562]\n", r":6: .*20466 or later$"),
        ("[crate]\nchannels = 17\n", ":4: crate.channels = 17: at most 16, those of a module with 500 MHz, "),
        ("[crate]\nchannel = 17\n", r":4: crate.channel: .*; did you mean channels\?$"),
        ("[tasks.ConvertToEvents]\nadc_mhz = [250]\n", r":4: tasks.ConvertToEvents.adc_mhz: it belongs in \[crate\]"),
        ('[tasks.ConvertToEvents]\ncfd_off = ["0:77"]\n', ":4: tasks.ConvertToEvents.cfd_off = .*'0:77' must be"),
        ('[tasks.LoadFiles]\nmodule_pattern = "mod(\\\\d+"\n', ":4: tasks.LoadFiles.module_pattern = .*unterminated"),
        ('[tasks.LoadFiles]\nmodule_pattern = "mod"\n', "must have exactly one group"),
        (
            '[tasks.GatherData]\nfile_name = "a/b"\n',
            ":4: tasks.GatherData.file_name = 'a/b': .*must not contain a slash",
        ),
        ('[tasks.GatherData]\nfile_template = "%s"\n', ":4: tasks.GatherData.file_template = '%s': "),
    ],
)
def test_settings_that_are_each_acceptable_and_do_not_fit(tmp_path: Path, more: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        _load(tmp_path, DECODE + more)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (DECODE + "[tasks.LoadFiles]\nfiles = [5]\n", [":4: tasks.LoadFiles.files = [5]: must be a list of texts"]),
        (
            DECODE + '[tasks.LoadFiles]\nfiles = ["no.bin"]\nblock_size = 0\n',
            [":4: tasks.LoadFiles.files: there is no ", ":5: tasks.LoadFiles.block_size = 0: must be"],
        ),
        (
            DECODE + '[tasks.LoadFiles]\nfiles = []\nmodule_pattern = "mod"\nblock_size = 0\n[tasks.GatherData]\n'
            'max_delay = -1\nfile_name = "a/b"\n',
            [
                ":5: tasks.LoadFiles.module_pattern = 'mod': must have exactly one group",
                ":6: tasks.LoadFiles.block_size = 0: must be",
                ":8: tasks.GatherData.max_delay = -1: must be",
                ":9: tasks.GatherData.file_name = 'a/b': must not contain",
            ],
        ),
        (  # the firmware revision does not exist, so whether the rate fits it is not known
            DECODE + "[tasks.LoadFiles]\nfiles = []\n[crate]\nfirmware_revision = [-5]\nadc_mhz = [250]\n",
            [":6: crate.firmware_revision = [-5]: must be"],
        ),
        (
            DECODE.replace('"GatherData"', "5") + "[tasks.GatherData]\nmax_delay = -1\n[tasks.Unknown]\nx = 1\n",
            [":2: pipeline.chain = [", ":4: tasks.GatherData.max_delay = -1: must be"],
        ),
        (
            DECODE + "[tasks.LoadFiles]\nfiles = []\nblock_size = 0\n[tasks.ConvertToEvents]\ncfd_off = ['0:77']\n",
            [":5: tasks.LoadFiles.block_size = 0: must be", ":7: tasks.ConvertToEvents.cfd_off = "],
        ),
        ('[pipelin]\nchain = ["LoadFiles"]\n', [":1: pipelin: unknown table; did you mean pipeline?"]),
        (
            DECODE + "[tasks.SnapTraces]\n[tasks.LoadFiles]\nfiles = []\n",
            [":3: tasks.SnapTraces: not in pipeline.chain ("],
        ),
    ],
)
def test_one_thing_that_is_wrong_is_told_once(tmp_path: Path, content: str, says: list[str]) -> None:
    file = tmp_path / "test.toml"
    file.write_text(content)
    told = [text.removeprefix(str(file)) for text in examine(file, files=True).problems]
    assert len(told) == len(says), told
    for text, begin in zip(told, says, strict=True):
        assert text.startswith(begin)
        assert begin.endswith("?") or "did you mean" not in text


def test_missing_input_files_are_told_by_check_only(tmp_path: Path) -> None:
    file = tmp_path / "test.toml"
    file.write_text(DECODE + '[tasks.LoadFiles]\nfiles = ["there.bin", "not*.bin", "run[1].bin", "no.bin"]\n')
    for name in ("there.bin", "run[1].bin"):
        (tmp_path / name).touch()
    assert load(file).chain  # they may come until a run starts
    assert examine(file, files=True).problems == (
        f"{file}:4: tasks.LoadFiles.files: no file matches {tmp_path}/not*.bin",
        f"{file}:4: tasks.LoadFiles.files: there is no {tmp_path}/no.bin",
    )


def test_the_facts_of_the_crate_are_said_once(tmp_path: Path) -> None:
    content = (
        '[pipeline]\nchain = ["DummyData", "ConvertToEvents", "FillSpectra", "SnapTraces"]\n'
        "[crate]\nmodules = 2\nchannels = 8\nadc_mhz = [500, 250]\n"
    )
    config = _load(tmp_path, content, "crate.firmware_revision=[34688, 46540]")
    expected = {"modules": 2, "channels": 8, "adc_mhz": [500.0, 250.0], "firmware_revision": [34688.0, 46540.0]}
    assert config.crate == expected
    for task, settings in config.settings.items():
        facts = {name: settings[name] for name in expected if name in settings}
        assert facts.items() <= expected.items(), task
    assert [name for name in all_pvs(config) if name.removesuffix("_RBV") in ("AdcMhz", "Channels", "Modules")] == [
        "Modules_RBV",
        "Channels_RBV",
        "AdcMhz",
        "AdcMhz_RBV",
    ]


def test_what_is_kept_in_modules_does_not_stand_in_the_file(tmp_path: Path) -> None:
    content = (
        '[pipeline]\nchain = ["TakeData", "GatherData"]\n[tasks.TakeData]\nCFDScale = 3\nsettings_file = "a.json"\n'
    )
    with pytest.raises(ConfigError) as refused:
        _load(tmp_path, content)
    [problem] = refused.value.problems
    assert problem.endswith("tasks.TakeData.CFDScale: is kept in the device itself, and is written when the task runs")
    assert "test.toml:4: " in problem


@pytest.mark.parametrize(
    ("option", "settings"),
    [
        ("run.stop_timeout=3", {("run", "stop_timeout")}),
        ("SortEvents.window=3", {("SortEvents", "window")}),
        # What tasks share, and what stands for it in other tables or units, is as much the command line's.
        ("calibration.gain=0.2", {("GatherData", "cal_gain"), ("FillSpectra", "cal_gain")}),
        ("crate.firmware_revision=[34688]", {(t, "firmware_revision") for t in ("DummyData", "ConvertToEvents")}),
        ("FillSpectra.roi_low_kev=[600]", {("FillSpectra", "roi_low")}),
    ],
)
def test_which_settings_an_option_of_the_command_line_says(option: str, settings: set[tuple[str, str]]) -> None:
    assert load(Path(__file__).parents[1] / "examples" / "demo.toml", [option]).overridden == settings
