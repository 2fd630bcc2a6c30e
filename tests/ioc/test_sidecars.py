"""Sidecars get the record of their run when it is over, and keep all else as it is."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest

from pixieioc.ioc import sidecars
from pixieioc.ioc.condition_archive import ConditionArchive
from pixieioc.ioc.sidecars import alone, complete
from pixieioc.pipeline import Error
from pixieioc.site_pvs import OK, Reading

RECORD = {"version": 1, "title": "beam on", "end_reason": "Preset"}


def _sidecar(path: Path, **content: object) -> Path:
    path.write_text(json.dumps({"file": path.name[:-5], **content}, indent=2))
    return path


def test_the_record_is_added_and_the_rest_stays(tmp_path: Path) -> None:
    old = {"run_id": 7, "configuration": {"A": {"x": [1, 2.5, "é\n"]}}, "record": {"title": "before"}, "bytes": 3}
    raw = _sidecar(tmp_path / "a_mod00.bin.json", **old)
    replayed = _sidecar(tmp_path / "e.parquet.json", run_id=3, written={"run_id": 7})
    other = _sidecar(tmp_path / "b.bin.json", run_id=8)
    before = other.read_bytes()
    assert complete(lambda: [raw, replayed, other], 7, RECORD, None) == 2
    found = json.loads(raw.read_bytes())
    assert found == {"sidecar": 2, "file": "a_mod00.bin", **old, "record": RECORD}
    assert next(iter(found)) == "sidecar"
    assert json.loads(replayed.read_bytes())["record"] == RECORD
    assert other.read_bytes() == before
    assert raw.read_text().count("\n") > 8
    complete(lambda: [raw], 7, {**RECORD, "title": "again"}, None)
    assert json.loads(raw.read_bytes()) == {**found, "record": {**RECORD, "title": "again"}}


def test_names_that_are_not_utf_8_stay_what_they_are(tmp_path: Path) -> None:
    path = tmp_path / "a.bin.json"
    path.write_bytes(b'{"run_id": 7, "file": "\\udce9.bin"}')
    complete(lambda: [path], 7, RECORD, None)
    assert json.loads(path.read_bytes())["file"] == "\udce9.bin"


def _conditions(folder: Path) -> ConditionArchive:
    archive = ConditionArchive(folder, 7, ["A"], 1.0, 10**6, 1000.0)
    archive.write([line for line in (archive.line_of(0, Reading(OK, 1.5), 1000.0),) if line is not None])
    return archive


def test_the_conditions_come_to_the_data_and_without_data_nothing_is_left(tmp_path: Path) -> None:
    archive, data = _conditions(tmp_path), tmp_path / "data"
    data.mkdir()
    raw = _sidecar(data / "a_mod00.bin.json", run_id=7)
    for _ in range(2):  # also if it is completed once more, since the run has failed at its very end
        complete(lambda: [raw], 7, RECORD, archive)
        said = json.loads(raw.read_bytes())["record"]
        assert (said["conditions_file"], said["conditions_problem"]) == ("a_mod00.conditions.jsonl", "")
    assert '"v":1.5' in (data / "a_mod00.conditions.jsonl").read_text()
    assert not archive.path.exists()
    complete(list, 7, RECORD, _conditions(tmp_path))
    assert sorted(path.name for path in tmp_path.rglob("*")) == [
        "a_mod00.bin.json", "a_mod00.conditions.jsonl", "data",
    ]  # fmt: skip


def test_a_run_without_files_has_its_record_and_conditions_in_a_folder_of_its_ioc(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sidecars, "KEPT", 2)
    monkeypatch.setattr(sidecars, "_AT_A_TIME", 0)
    record = {**RECORD, "start_time": 1000.5, "end_time": 1003.0}
    for run in (7, 8, 9):
        complete(list, run, record, _conditions(tmp_path), alone(tmp_path, run))
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == [
        "run-000008.conditions.jsonl", "run-000008.json", "run-000009.conditions.jsonl", "run-000009.json",
    ]  # fmt: skip
    said = json.loads(alone(tmp_path, 9).read_bytes())
    assert (said["sidecar"], said["run_id"], said["start_time"], said["end_time"]) == (2, 9, 1000.5, 1003.0)
    assert said["record"] == {
        **record, "conditions_file": "run-000009.conditions.jsonl", "conditions_problem": "",
    }  # fmt: skip
    complete(list, 9, {**record, "failure": "at its very end"}, None, alone(tmp_path, 9))
    assert json.loads(alone(tmp_path, 9).read_bytes())["record"]["failure"] == "at its very end"


def test_a_run_with_files_has_it_there_only(tmp_path: Path) -> None:
    raw = _sidecar(tmp_path / "a_mod00.bin.json", run_id=7)
    complete(lambda: [raw], 7, RECORD, None, alone(tmp_path, 7))
    assert not (tmp_path / "runs").exists()


def test_a_folder_for_runs_without_files_that_cannot_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("in the way")
    with pytest.raises(Error, match=r"record of the run is not complete: .*runs: File exists"):
        complete(list, 7, RECORD, None, alone(tmp_path, 7))


def test_a_file_of_conditions_that_is_not_there_is_not_named_and_what_was_lost_is_said(tmp_path: Path) -> None:
    raw = _sidecar(tmp_path / "a_mod00.bin.json", run_id=7)
    lost = ConditionArchive(tmp_path / "gone", 7, ["A"], 1.0, 10**6, 1000.0)
    lost.write([b"{}\n"])
    with pytest.raises(Error, match="No such file") as told:
        complete(lambda: [raw], 7, RECORD, lost)
    assert told.value.errno == errno.ENOENT
    said = json.loads(raw.read_bytes())["record"]
    assert said["conditions_file"] is None
    assert "conditions-000007-ended.jsonl is not there" in said["conditions_problem"]


def test_conditions_that_find_no_room_at_the_data_stay_where_they_are_and_leave_nothing_there(tmp_path: Path) -> None:
    archive = _conditions(tmp_path)
    raw = _sidecar(tmp_path / "a_mod00.bin.json", run_id=7)
    (tmp_path / "a_mod00.conditions.jsonl").mkdir()  # not even root can put a file in its place
    (tmp_path / "a_mod00.conditions.jsonl" / "full").touch()
    with pytest.raises(Error, match=r"it is still .*conditions-000007"):
        complete(lambda: [raw], 7, RECORD, archive)
    said = json.loads(raw.read_bytes())["record"]
    assert (said["conditions_file"], "it is still" in said["conditions_problem"]) == (None, True)
    assert archive.path.exists()
    assert not list(tmp_path.rglob("*.part"))


def test_what_is_missing_of_a_file_that_is_there_is_said(tmp_path: Path) -> None:
    archive = _conditions(tmp_path)
    archive.leave_out(2)
    raw = _sidecar(tmp_path / "a_mod00.bin.json", run_id=7)
    with pytest.raises(Error, match="2 values of conditions are missing"):
        complete(lambda: [raw], 7, RECORD, archive)
    said = json.loads(raw.read_bytes())["record"]
    assert said["conditions_file"] == "a_mod00.conditions.jsonl"
    assert said["conditions_problem"].startswith("2 values")


def test_what_cannot_be_completed_is_named_and_the_others_are(tmp_path: Path) -> None:
    damaged, good = tmp_path / "a.bin.json", _sidecar(tmp_path / "b.bin.json", run_id=7)
    damaged.write_text('{"run_id": 7,')
    with pytest.raises(Error, match=r"a\.bin\.json"):
        complete(lambda: [damaged, tmp_path / "gone.json", good], 7, RECORD, None)
    assert json.loads(good.read_bytes())["record"] == RECORD
    assert damaged.read_text() == '{"run_id": 7,'
