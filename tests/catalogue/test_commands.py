"""`pixieioc runs`: table, JSON, CSV; all of one run; whether the files are what they were."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from pixieioc.cli import app
from tests.catalogue.test_catalogue import data, put, record

__all__ = ["data"]

CONDITIONS: list[dict[str, Any]] = [
    {
        "pv": "BEAM:CURRENT", "start": {"state": "ok", "value": 5.5, "unit": "nA", "severity": "NO_ALARM"},
        "end": {"state": "no answer", "value": 5.25, "unit": "nA", "time": 1e9, "severity": "MINOR"},
        "minimum": 5.0, "maximum": 6.0, "disconnections": 2, "worst_severity": "MINOR",
    },
    {"pv": "LAB:TEMPERATURE", "start": {"state": "not connected"}, "end": {"state": "not connected"}},
]  # fmt: skip


def call(folder: Path, *arguments: str) -> Result:
    """The command, with an index of its own."""
    return CliRunner().invoke(app, ["runs", *arguments, "--index", str(folder.with_name("index.sqlite"))])


def test_a_table_with_a_line_for_each_run(data: Path) -> None:
    put(data, 1, record=record(1, title="a very long title that goes on and on and on, and then still some more"))
    put(data, 12, record=record(12, good=False, end_reason="Abort", operator="Ann"))
    done = call(data, str(data))
    head, first, second = done.stdout.splitlines()
    assert (done.exit_code, head.split()[:2]) == (0, ["Run", "Start"])
    assert "..." in first
    assert ("Abort bad" in second, second.split()[0], second.split()[-1]) == (True, "12", "Ann")


def test_json_and_csv_have_all(data: Path) -> None:
    put(data, 1, record=record(1, title='with "quotes", and é', good=None))
    (row,) = json.loads(call(data, "list", str(data), "--json").stdout)
    (line,) = csv.DictReader(io.StringIO(call(data, str(data), "--csv").stdout))
    assert row["title"] == line["title"] == 'with "quotes", and é'
    assert row.keys() == line.keys()
    assert (row["good"], line["good"], row["files"], line["files"]) == (None, "", 1, "1")


def test_a_table_has_the_latest_and_says_how_many_more_there_are(data: Path) -> None:
    for run in range(1, 54):
        put(data, run)
    done = call(data, str(data))
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["Run", *map(str, range(4, 54))]
    assert done.stderr == "pixieioc: note: 3 earlier runs are not shown, --last 0 shows all\n"
    for option, shown in (("--last=0", 53), ("--last=7", 7), ("--run=2-", 50)):
        assert len(call(data, str(data), option).stdout.splitlines()) == 1 + shown, option
    assert "2 earlier runs" in call(data, str(data), "--run=2-").stderr
    assert len(json.loads(call(data, str(data), "--json").stdout)) == 53


def test_none_says_so_and_a_folder_that_is_none_is_an_error(data: Path) -> None:
    assert "no run has a sidecar" in call(data, str(data)).stdout
    put(data, 1)
    assert "none of 1 run in" in call(data, str(data), "--title", "x").stdout
    for arguments in ([str(data / "nowhere")], ["show", "7", str(data)], [str(data), "--run", "x"]):
        assert call(data, *arguments).exit_code == 1


def test_all_of_a_run_as_somebody_wants_to_know_it_years_later(data: Path) -> None:
    told = {"comment": "two\nlines", "conditions": CONDITIONS, "started_by": "ann@desk", "ioc": "PX16:", "host": "daq"}
    counts = {"output_counts": [3, 4], "input_counts": [5, 6], "lost": 1, "live_times": [1.0, 1.0]}
    put(data, 7, record=record(7, **told, losses={"TakeData": {"hits_lost": 1}}), counts=counts)
    text = call(data, "show", "7", str(data)).stdout
    for part in (
        "Run 7, ", "run 7", "two", "lines", "Preset (good)", "by ann@desk, IOC PX16: on daq", "TakeData hits_lost 1",
        "Module 0: events by channel 3 4", "triggers 5 6, lost 1", "5.5 nA, no answer (last known 5.25 nA MINOR",
        "; 5 to 6; lost 2 times; worst MINOR", "LAB:TEMPERATURE  not connected, not connected", "a_run000007_mod00.bin",
    ):  # fmt: skip
        assert part in text, text
    (row,) = json.loads(call(data, "show", "7", str(data), "--json").stdout)
    assert row["record"]["conditions"] == CONDITIONS


def test_files_that_are_what_they_were(data: Path) -> None:
    put(data, 1)
    done = call(data, "verify", str(data))
    assert (done.exit_code, done.stdout) == (0, "1 run, 1 file looked at (1 by sha256), 0 wrong\n")


@pytest.mark.parametrize("quick", [False, True])
def test_files_that_are_not(data: Path, *, quick: bool) -> None:
    names = [put(data, number).name.removesuffix(".json") for number in range(1, 5)]
    (data / names[0]).unlink()
    (data / names[1]).write_bytes(b"\1\2\3\5")
    (data / names[2]).write_bytes(b"\1\2\3")
    put(data, 4, part=3)
    put(data, 5, record=record(5, conditions_file="a_run000005_mod00.conditions.jsonl"))
    (data / "a_run000006_mod00.bin.part").touch()
    done = call(data, "verify", str(data), *(["--quick"] if quick else []))
    lines = done.stdout.splitlines()
    assert done.exit_code == 1
    assert [f"{data / names[0]}: missing"] == [line for line in lines if names[0] in line]
    assert any(f"{names[1]}: its checksum is not" in line for line in lines) != quick
    assert any(f"{names[2]}: it has 3 bytes, the sidecar says 4" in line for line in lines)
    assert any("module 0, part 1, 2 of the .bin files" in line for line in lines)
    assert any("conditions.jsonl: missing" in line for line in lines)
    assert any(".part: it was cut off" in line for line in lines)
    assert lines[-1].endswith(f"{5 if quick else 6} wrong")
    assert call(data, "verify", str(data), "--run", "5").exit_code == 1


@pytest.mark.parametrize(
    "content", ["{", '{"run_id": "7", "bytes": 4}', '{"run_id": 7, "bytes": 4, "record": {"title": 5}}']
)
def test_a_damaged_sidecar_is_found(data: Path, content: str) -> None:
    put(data, 1).write_text(content)
    assert "1 sidecar is damaged" in call(data, "list", str(data)).stderr
    result = call(data, "verify", str(data))
    assert ("damaged" in result.stdout, result.exit_code) == (True, 1)


def test_what_a_terminal_would_act_on_is_not_printed(data: Path) -> None:
    put(data, 1, record=record(1, title="one\n\x1b[31mtwo\a", comment="red\x1b[0m\nbell\a"))
    assert "one \N{REPLACEMENT CHARACTER}[31mtwo\N{REPLACEMENT CHARACTER}" in call(data, str(data)).stdout
    shown = call(data, "show", "1", str(data)).stdout
    assert not any(character in shown for character in "\x1b\a")
    assert "bell\N{REPLACEMENT CHARACTER}" in shown
