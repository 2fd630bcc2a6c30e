"""The table [calibration] and its CSV file: what is taken over, and what is told of what is wrong, with its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pixieioc.config import Config, ConfigError, load

CHAIN = """
[pipeline]
chain = ["DummyData", "GatherData", "ConvertToEvents", "SortEvents", "WriteEvents", "FillSpectra"]
[crate]
modules = 2
channels = 3
"""


def _load(folder: Path, text: str, *sets: str, csv: str = "") -> Config:
    (folder / "c.toml").write_text(CHAIN + text)
    (folder / "c.csv").write_text(csv)
    return load(folder / "c.toml", sets)


def _problems(folder: Path, text: str, *sets: str, csv: str = "") -> list[str]:
    with pytest.raises(ConfigError) as raised:
        _load(folder, text, *sets, csv=csv)
    return [problem.replace(str(folder) + "/", "") for problem in raised.value.problems]


def test_said_once_for_all_tasks(tmp_path: Path) -> None:
    table = '[calibration]\ngain = { "*" = 0.1, "M00:C01" = 0.2 }\noffset = -1\nname = { M01 = "ring" }\n'
    config = _load(tmp_path, table, "calibration.quadratic=1e-9")
    gain: Any = [[0.1, 0.2, 0.1], [0.1, 0.1, 0.1]]
    for task in ("GatherData", "WriteEvents", "FillSpectra"):
        settings = config.settings[task]
        assert (settings["cal_gain"], settings["cal_offset"]) == (gain, [[-1.0] * 3] * 2)
        assert settings["cal_quadratic"] == [[1e-9] * 3] * 2
        assert settings["channel_name"] == [[""] * 3, ["ring"] * 3]
    assert config.calibration["cal_gain"] == gain
    assert _load(tmp_path, "").settings["FillSpectra"]["cal_gain"] == [[0.0] * 3] * 2


def test_a_csv_file_as_a_spreadsheet_writes_it(tmp_path: Path) -> None:
    csv = (
        "\ufeffchannel,module,gain,name,offset\r\n# from 152Eu\r\n"
        '2, 1, 0.25 ,"A, ""left""",-3\r\n0,0,1e-1,,\r\n\r\n'
    )  # fmt: skip
    settings = _load(tmp_path, '[calibration]\nfile = "c.csv"\ngroup = "ring"\n', csv=csv).settings["FillSpectra"]
    assert settings["cal_gain"] == [[0.1, 0, 0], [0, 0, 0.25]]
    assert settings["cal_offset"] == [[0, 0, 0], [0, 0, -3]]
    assert settings["channel_name"] == [["", "", ""], ["", "", 'A, "left"']]
    assert settings["channel_group"] == [["ring"] * 3] * 2


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("0,0,-0.1,0,A", "2:5: gain = -0.1: must be a number from 1e-06 to 1000 (keV/ADU), or 0 for none"),
        ("0,0,0.1,-1e-5,A", "2:9: quadratic = -1e-5: must be above -7.62939e-07 with gain = 0.1, so that keV"),
        ("0,0,0.1,0,ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGHIJKLMN", "2:11: name = ABC"),
        ("0,0,nan,0,A", "2:5: gain = nan: must be a number from 1e-06 to 1000"),
        ("0,0,'x,0,A", "2:5: gain = 'x: must be a number from 1e-06 to 1000"),
        ("0,3,0.1,0,A", "2:3: channel = 3: must be a whole number from 0 to 2"),
        ("-1,0,0.1,0,A", "2:1: module = -1: must be a whole number from 0 to 1"),
        ("0,0,0.1,0", "2:1: has 4 fields: must be 5, module, channel, gain, quadratic, name"),
        ('0,0,0.1,0,"A"x', "2:11: '\"A\"x': a field that begins with a quote must end with one"),
        ("0,0,0.1,0,A\n0,0,0.1,0,A", "3:1: M00:C00 is in line 2 already"),
    ],
)
def test_what_is_wrong_in_a_csv_file(tmp_path: Path, line: str, told: str) -> None:
    csv = f"module,channel,gain,quadratic,name\n{line}\n1,2,0.1,0,B\n"
    [problem] = _problems(tmp_path, '[calibration]\nfile = "c.csv"\n', csv=csv)
    assert problem.startswith(f"c.toml:8: c.csv:{told}")


@pytest.mark.parametrize(
    ("head", "told"),
    [
        ("module,channel,gian", "1:16: 'gian': no such column; did you mean gain?"),
        ("module,gain", "1:1: the column channel is missing: there must be module, channel and some of offset,"),
        ("module,channel,gain,gain", "1:21: 'gain': this column is there twice"),
        ("module;channel;gain", "1:1: 'module;channel;gain': no such column"),
        ("", " must begin with the names of its columns, module, channel and some of"),
    ],
)
def test_what_is_wrong_in_its_first_line(tmp_path: Path, head: str, told: str) -> None:
    problems = _problems(tmp_path, '[calibration]\nfile = "c.csv"\n', csv=head)
    assert problems[0].startswith(f"c.toml:8: c.csv:{told}")


def test_what_is_wrong_in_the_table(tmp_path: Path) -> None:
    csv = "module,channel,gain\n0,0,0.1\n"
    table = '[calibration]\nfile = "c.csv"\ngain = 0.1\ngian = 2\n[tasks.FillSpectra]\ncal_offset = 3\n'
    assert _problems(tmp_path, table, csv=csv) == [
        "c.toml:9: calibration.gain: c.csv has this column, too; it must stand in one of them only",
        "c.toml:10: calibration.gian: there is no such key; did you mean gain?",
        "c.toml:12: tasks.FillSpectra.cal_offset: it belongs in [calibration] as offset, once for all tasks",
    ]
    assert _problems(tmp_path, '[calibration]\nfile = "no.csv"\n') == ["c.toml:8: no.csv: No such file or directory"]
    assert _problems(tmp_path, "[calibration]\nfile = 7\n") == [
        "c.toml:8: calibration.file = 7: must be a text, the name of a CSV file"
    ]
    [turns] = _problems(tmp_path, '[calibration]\ngain = 0.1\nquadratic = { "M00:C01" = -1e-5 }\n')
    assert turns.startswith("c.toml:9: calibration.quadratic of M00:C01 = -1e-05: must be above -7.62939e-07 with gain")


def test_regions_in_kev(tmp_path: Path) -> None:
    text = "[calibration]\ngain = { M00 = 0.1, M01 = 0.2 }\n[tasks.FillSpectra]\nbins = 2048\n"
    regions = 'roi_low_kev = [640, 640.0, nan]\nroi_high_kev = { "*" = [646, 646.4], "M01" = [700] }\n'
    settings = _load(tmp_path, text + regions).settings["FillSpectra"]
    # A bin is 32 ADC units: 3.2 keV, or 6.4.
    assert settings["roi_low"] == [[[200, 200, 0, 0]] * 3, [[100, 100, 0, 0]] * 3]
    assert settings["roi_high"] == [[[201, 201, -1, -1]] * 3, [[109, -1, -1, -1]] * 3]


@pytest.mark.parametrize(
    ("regions", "told"),
    [
        ("roi_low_kev = [9e4]", "= [90000.0]: 90000 is in no bin of M00:C00: must be from 0 to 6553.6 keV"),
        ("roi_low_kev = [640]", "= [640]: no calibration of M01:C00, M01:C01, M01:C02: give its gain in [calibration]"),
        ("roi_low_kev = [640]\nroi_low = [3]", ": roi_low says the same in bins; give one of them"),
        ('roi_low_kev = ["a"]', "= ['a']: 'a': must be a number (keV), or nan for none"),
        ("roi_low_kev = { M00 = [1, 2, 3, 4, 5] }", "= {'M00': [1, 2, 3, 4, 5]}: must be a list of at most 4 values"),
    ],
)
def test_what_is_wrong_with_regions_in_kev(tmp_path: Path, regions: str, told: str) -> None:
    text = f"[calibration]\ngain = {{ M00 = 0.1 }}\n[tasks.FillSpectra]\n{regions}\n"
    [problem] = _problems(tmp_path, text)
    assert problem.startswith(f"c.toml:10: tasks.FillSpectra.roi_low_kev{' ' * (told[0] == '=')}{told}")
