"""Conditions of a run whose IOC was killed: the next one brings them to its files."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import pytest

from pixieioc.ioc.condition_archive import ConditionArchive, NamedBy
from pixieioc.ioc.lost_conditions import bring_home
from pixieioc.pipeline import Error
from pixieioc.site_pvs import Reading
from pixieioc.tasks.gather_data import GatherData

NAMED_BY = {
    name: GatherData.parameters()[name].default
    for name in ("file_template", "file_name", "file_number", "second_file_path")
} | {"auto_save": True}


def _archive(folder: Path, run_id: int, data: Path) -> tuple[ConditionArchive, bytes]:
    """The archive of a run, with one line, and that line."""
    named_by = {"GatherData": {**NAMED_BY, "file_path": str(data)}}
    archive = ConditionArchive(folder, run_id, ["BEAM"], 1.0, 10_000, 5.0, named_by)
    line = archive.line_of(0, Reading("ok", value=1.5, time=6.0, severity="NO_ALARM"), 6.0)
    assert line is not None
    archive.write([line])
    return archive, line


def _cut_off(folder: Path, run_id: int, data: Path) -> Path:
    """The archive of a run that was killed while a line was being written."""
    archive, line = _archive(folder, run_id, data)
    archive.write([line[:7]])
    return archive.path


def _sidecars(named_by: NamedBy, run_id: int) -> Iterable[Path]:
    return GatherData.do_sidecars(named_by["GatherData"], run_id) if named_by else ()


def _lines(path: Path) -> tuple[dict[str, object], list[str]]:
    head, *lines = path.read_text().splitlines()
    return json.loads(head), lines


@pytest.mark.parametrize("ending", [".json", ".json.part"])  # its tasks have ended the file, or were killed, too
def test_they_go_to_the_files_of_the_run_complete_and_say_that_the_ioc_was_lost(tmp_path: Path, ending: str) -> None:
    state, data = tmp_path / "state", tmp_path / "data"
    state.mkdir()
    data.mkdir()
    archive = _cut_off(state, 7, data)
    sidecar = data / f"pixie16_001_run000007_mod00.bin{ending}"
    sidecar.write_text(json.dumps({"run_id": 7, "end_reason": "IOC lost", "record": {"title": "beam on"}}))
    bring_home(state, 8, _sidecars)
    assert not archive.exists()
    head, lines = _lines(data / "pixie16_001_run000007_mod00.conditions.jsonl")
    assert (head["run_id"], head["end_reason"], lines) == (7, "IOC lost", ['{"t":6.0,"i":0,"v":1.5}'])
    assert json.loads(sidecar.read_text()) == {
        "run_id": 7, "end_reason": "IOC lost",
        "record": {"title": "beam on", "conditions_file": "pixie16_001_run000007_mod00.conditions.jsonl"},
    }  # fmt: skip


def test_those_of_a_run_that_has_ended_wait_for_their_disk_and_are_brought_there_as_they_are(tmp_path: Path) -> None:
    state, data = tmp_path / "state", tmp_path / "data"
    state.mkdir()
    archive, _ = _archive(state, 7, data)
    archive.end()
    whole = archive.path.read_bytes()
    bring_home(state, 8, _sidecars)  # the disk is not there
    assert archive.path.read_bytes() == whole
    data.mkdir()
    sidecar = data / "pixie16_001_run000007_mod00.bin.json"
    record = {"end_reason": "Preset", "good": True}
    problem = {"conditions_file": None, "conditions_problem": "No space left on device"}
    sidecar.write_text(json.dumps({"run_id": 7, "end_reason": "run ended", "record": record | problem}))
    bring_home(state, 8, _sidecars)
    assert not list(state.iterdir())
    name = "pixie16_001_run000007_mod00.conditions.jsonl"
    assert (data / name).read_bytes() == whole
    assert json.loads(sidecar.read_text())["record"] == record | {"conditions_file": name}


def test_without_files_their_name_says_what_they_are_and_those_of_a_run_that_begins_stay(tmp_path: Path) -> None:
    _cut_off(tmp_path, 7, tmp_path / "data")
    _cut_off(tmp_path, 9, tmp_path / "data")
    bring_home(tmp_path, 8, _sidecars)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "conditions-000007-IOC-lost.jsonl",
        "conditions-000009.jsonl",
    ]
    assert _lines(tmp_path / "conditions-000007-IOC-lost.jsonl")[0]["end_reason"] == "IOC lost"
    bring_home(tmp_path, 8, _sidecars)
    assert len(list(tmp_path.iterdir())) == 2


def test_one_that_cannot_be_brought_is_named_and_the_others_are(tmp_path: Path) -> None:
    (tmp_path / "conditions-000003.jsonl").write_text("{")
    (tmp_path / "conditions-000004.jsonl").write_text("")
    _cut_off(tmp_path, 7, tmp_path / "data")
    with pytest.raises(Error, match=r"conditions-000003\.jsonl: .*conditions-000004\.jsonl: "):
        bring_home(tmp_path, 8, _sidecars)
    assert (tmp_path / "conditions-000007-IOC-lost.jsonl").exists()
