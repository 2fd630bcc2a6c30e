"""Sidecars get the record of their run when it is over, and keep all else as it is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pixieioc.ioc.sidecars import complete
from pixieioc.pipeline import Error

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


def test_the_conditions_come_to_the_data_and_without_data_nothing_is_left(tmp_path: Path) -> None:
    conditions, data = tmp_path / "conditions-000007.jsonl", tmp_path / "data"
    data.mkdir()
    conditions.write_text("lines\n")
    raw = _sidecar(data / "a_mod00.bin.json", run_id=7)
    complete(lambda: [raw], 7, RECORD, conditions)
    assert json.loads(raw.read_bytes())["record"]["conditions_file"] == "a_mod00.conditions.jsonl"
    assert (data / "a_mod00.conditions.jsonl").read_text() == "lines\n"
    assert not conditions.exists()
    conditions.write_text("lines\n")
    complete(list, 7, RECORD, conditions)
    assert sorted(path.name for path in tmp_path.rglob("*")) == [
        "a_mod00.bin.json", "a_mod00.conditions.jsonl", "data",
    ]  # fmt: skip


def test_what_cannot_be_completed_is_named_and_the_others_are(tmp_path: Path) -> None:
    damaged, good = tmp_path / "a.bin.json", _sidecar(tmp_path / "b.bin.json", run_id=7)
    damaged.write_text('{"run_id": 7,')
    with pytest.raises(Error, match=r"a\.bin\.json"):
        complete(lambda: [damaged, tmp_path / "gone.json", good], 7, RECORD, None)
    assert json.loads(good.read_bytes())["record"] == RECORD
    assert damaged.read_text() == '{"run_id": 7,'
