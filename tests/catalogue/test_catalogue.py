"""The catalogue of runs: what it finds, what it notices, and whom it can be used beside."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pixieioc.catalogue import Filter, RunRow, find, open_catalogue
from pixieioc.catalogue.details import sidecars_of
from pixieioc.catalogue.scan import Changes
from pixieioc.catalogue.show import details
from pixieioc.catalogue.verify import verify
from pixieioc.pipeline import Error

START = 1_795_600_000.0


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder for runs, whose index is elsewhere."""
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


def record(number: int, **more: Any) -> dict[str, Any]:
    """What a sidecar says of a run that went well."""
    return {"title": f"run {number}", "end_reason": "Preset", "good": True, "elapsed_real": 3.0, "events": 10, **more}


def put(folder: Path, number: int, module: int = 0, *, content: bytes = b"\1\2\3\4", **more: Any) -> Path:
    """A raw file with its sidecar."""
    path = folder / f"a_run{number:06}_mod{module:02}.bin"
    path.write_bytes(content)
    about: dict[str, Any] = {
        "file": path.name, "run_id": number, "module": module, "start_time": START + 60 * number,
        "end_time": START + 60 * number + 5, "end_reason": "run ended", "part": 1, "bytes": len(content),
        "sha256": "9f64a747e1b97f131fabb6b447296c9b6f0201e79fb3c5356e6c77e89b6a806a", "format": "XIA",
    } | more  # fmt: skip
    sidecar = path.with_name(path.name + ".json")
    new = sidecar.with_suffix(".new")
    new.write_text(json.dumps(about))
    new.rename(sidecar)
    return sidecar


def look(folder: Path, wanted: Filter | None = None, **how: Any) -> tuple[list[RunRow], Changes]:
    """What there is now."""
    with open_catalogue(folder, index=folder.with_name("index.sqlite"), **how) as catalogue:
        return find(catalogue.db, wanted or Filter()), catalogue.changes


def test_the_files_of_a_run_are_one_run_and_its_record_counts_in_whichever_of_them_it_is(data: Path) -> None:
    put(data, 1, 0)
    put(data, 1, 1, record=record(1, operator="Ann", losses={"TakeData": {"hits_lost": 2}}))
    below = data / "2026" / "november"
    below.mkdir(parents=True)
    put(below, 2, record=record(2, good=False, end_reason="Task lost", failure="SortEvents: gone"))
    (first, second), changes = look(data)
    assert (changes.added, first.run_id, first.files, first.bytes) == (3, 1, 2, 8)
    assert (first.title, first.operator, first.reason, first.good, first.lossy) == (
        "run 1",
        "Ann",
        "Preset",
        True,
        True,
    )
    assert (second.good, second.failure, second.folder) == (False, "SortEvents: gone", str(below))


def test_what_was_added_changed_removed_and_damaged_is_told_apart(data: Path) -> None:
    for number in range(1, 5):
        put(data, number, record=record(number))
    assert look(data)[1] == Changes(added=4)
    assert look(data)[1] == Changes()
    put(data, 2, record=record(2, title="better"))
    put(data, 3).unlink()
    (data / "a_run000004_mod00.bin.json").write_text('{"run_id": 4, "bytes"')
    put(data, 5)
    rows, changes = look(data)
    assert changes == Changes(added=1, changed=2, removed=1, damaged=1)
    assert [(row.run_id, row.title, row.problems) for row in rows if row.run_id] == [
        (1, "run 1", 0), (2, "better", 0), (5, "", 0),
    ]  # fmt: skip
    assert [row.problems for row in rows if row.run_id is None] == [1]


def test_a_change_in_place_is_seen_by_a_thorough_look(data: Path) -> None:
    sidecar = put(data, 1, record=record(1))
    os.utime(data, (START, START))  # settled long ago
    look(data)
    sidecar.write_text(sidecar.read_text().replace("run 1", "edited"))
    assert look(data)[0][0].title == "run 1"
    assert look(data, thorough=True)[0][0].title == "edited"


def test_a_folder_that_is_gone_takes_its_runs_with_it(data: Path) -> None:
    below = data / "below"
    below.mkdir()
    put(data, 1)
    sidecar = put(below, 2)
    assert len(look(data)[0]) == 2
    sidecar.unlink()
    (below / "a_run000002_mod00.bin").unlink()
    below.rmdir()
    rows, changes = look(data)
    assert ([row.run_id for row in rows], changes.removed) == ([1], 1)


def test_sidecars_of_before_and_of_other_kinds_are_read(data: Path) -> None:
    put(data, 1)
    put(data, 2, end_reason="cannot write: no space left on device")
    (data / "a.recovered.bin.json").write_text(
        json.dumps({"run_id": 3, "start_time": START + 500, "bytes": 4, "format": "XIA", "recovered": {"records": 1}})
    )
    (data / "events_run000001.npy.json").write_text(
        json.dumps({"run_id": 1, "start_time": START + 60, "events": 99, "columns": {}, "written": {"run_id": 1}})
    )
    (data / "a_run000001_mod00.settings.json").write_text('{"modules": []}')
    (data / "notes.json").write_text("no JSON at all")
    rows, _ = look(data)
    assert [(row.run_id, row.files, row.good, row.reason) for row in rows] == [
        (1, 2, True, "run ended"), (2, 1, False, "cannot write: no space left on device"), (3, 1, False, "recovered"),
    ]  # fmt: skip
    assert rows[0].events == 99


def test_a_run_without_files_is_a_run_with_none(data: Path) -> None:
    put(data, 1)
    about = {"sidecar": 2, "run_id": 2, "start_time": START + 500, "end_time": START + 503, "record": record(2)}
    (data / "run-000002.json").write_text(json.dumps(about))
    rows, _ = look(data)
    assert [(row.run_id, row.files, row.bytes, row.title, row.good) for row in rows] == [
        (1, 1, 4, "", True), (2, 0, None, "run 2", True),
    ]  # fmt: skip
    with open_catalogue(data, index=data.with_name("index.sqlite")) as catalogue:
        assert [finding.path.name for finding in verify(catalogue, rows)] == ["a_run000001_mod00.bin"]
        assert list(details(rows[1], about, sidecars_of(catalogue, rows[1])))[-1] == "  Files      none"


def test_two_iocs_may_have_a_run_of_the_same_number(data: Path) -> None:
    put(data, 1)
    other = data / "other"
    other.mkdir()
    put(other, 1, start_time=START + 7)
    assert [row.run_id for row in look(data)[0]] == [1, 1]


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        (Filter(), [1, 2, 3, 4]),
        (Filter(runs="2-3"), [2, 3]),
        (Filter(runs="3-"), [3, 4]),
        (Filter(runs="4"), [4]),
        (Filter(title="CALIB"), [2]),
        (Filter(title="100%_"), [3]),
        (Filter(operator="ann", experiment="E1"), [1]),
        (Filter(text="drifts"), [4]),
        (Filter(reason="abort"), [3]),
        (Filter(good=True), [1, 2]),
        (Filter(good=False), [3, 4]),
        (Filter(limit=2), [3, 4]),
        (Filter(since="2100-01-01"), []),
        (Filter(until="2100-01-01"), [1, 2, 3, 4]),
    ],
)
def test_filters(data: Path, wanted: Filter, numbers: list[int]) -> None:
    put(data, 1, record=record(1, operator="Ann", experiment="E1"))
    put(data, 2, record=record(2, title="calibration", operator="Ben"))
    put(data, 3, record=record(3, title="100%_", good=False, end_reason="Abort"))
    put(data, 4, record=record(4, good=False, end_reason="Task error", comment="the gain drifts"))
    assert [row.run_id for row in look(data, wanted)[0]] == numbers


@pytest.mark.parametrize("wanted", [Filter(runs="1,2"), Filter(since="yesterday"), Filter(until="26.11.2026")])
def test_a_filter_that_is_none_says_what_it_must_be(data: Path, wanted: Filter) -> None:
    with pytest.raises(Error, match="must be"):
        look(data, wanted)


def test_an_index_that_is_damaged_or_of_another_version_is_made_anew(data: Path) -> None:
    put(data, 1)
    index = data.with_name("index.sqlite")
    look(data)
    index.write_bytes(index.read_bytes()[:100] + b"no database, " * 1000)
    assert [row.run_id for row in look(data)[0]] == [1]
    with closing(sqlite3.connect(index)) as db:
        db.execute("PRAGMA user_version = 99")
    assert look(data)[1].added == 1
    assert look(data, rebuild=True)[1].added == 1


@pytest.mark.parametrize("rebuild", [False, True])
@pytest.mark.parametrize("made_by", ["a raw file", "another program"])
def test_a_file_that_is_no_index_is_not_overwritten(data: Path, made_by: str, *, rebuild: bool) -> None:
    put(data, 1)
    other = data.with_name("index.sqlite")
    if made_by == "a raw file":
        other.write_bytes(bytes(4000))
    else:
        with closing(sqlite3.connect(other)) as db:
            db.execute("CREATE TABLE theirs (value)")
    before = other.read_bytes()
    with pytest.raises(Error, match=r"index\.sqlite: the file that is there is none; nothing is overwritten"):
        look(data, rebuild=rebuild)
    assert other.read_bytes() == before


def test_where_an_index_cannot_be_removed_it_is_made_anew_in_memory(data: Path, tmp_path: Path) -> None:
    put(data, 1)
    index = tmp_path / "folder" / "index.sqlite"
    (index.parent / "index.sqlite-journal").mkdir(parents=True)  # which nothing removes, not even root
    with open_catalogue(data, index=index, rebuild=True) as catalogue:
        assert [row.run_id for row in find(catalogue.db, Filter())] == [1]
        assert (catalogue.path, "index.sqlite: " in catalogue.why) == (None, True)


@pytest.mark.parametrize(
    "odd",
    [
        {"run_id": 10**30}, {"run_id": -5}, {"run_id": "7"}, {"bytes": 10**25}, {"start_time": 1e30}, {"part": -1},
        {"record": {"title": 5}}, {"record": {"end_time": -1e300}}, {"record": {"events": float("nan")}}, [], "text",
    ],
)  # fmt: skip
def test_a_sidecar_that_nothing_can_be_made_of_is_damaged_and_the_others_are_there(data: Path, odd: Any) -> None:
    put(data, 1)
    sidecar = put(data, 2)
    sidecar.write_text(json.dumps({**json.loads(sidecar.read_text()), **odd} if isinstance(odd, dict) else odd))
    rows, changes = look(data, thorough=True)
    assert changes.damaged == 1
    assert sorted((row.run_id or 0, row.problems) for row in rows) == [(0, 1), (1, 0)]


def test_json_that_is_nested_without_end_is_damaged(data: Path) -> None:
    put(data, 1)
    put(data, 2).write_text('{"run_id": 2, "configuration": ' + "[" * 100_000 + "]" * 100_000 + "}")
    assert look(data, thorough=True)[1].damaged == 1


def test_lists_beside_the_data_are_no_sidecars(data: Path) -> None:
    put(data, 1)
    (data / "a_run000001.settings.json").write_text("[1, 2]")
    rows, changes = look(data)
    assert ([row.run_id for row in rows], changes.damaged) == ([1], 0)


def test_a_copy_is_no_other_file(data: Path) -> None:
    put(data, 1, 0)
    put(data, 1, 1)
    (data / "backup").mkdir()
    put(data / "backup", 1, 0)
    (row,) = look(data)[0]
    assert (row.files, row.bytes) == (2, 8)


def test_where_nothing_can_be_kept_the_index_is_in_memory_and_says_so(data: Path) -> None:
    put(data, 1)
    with open_catalogue(data, index=data / "no folder" / "index.sqlite") as catalogue:
        assert [row.run_id for row in find(catalogue.db, Filter())] == [1]
        assert catalogue.path is None
        assert "unable to open" in catalogue.why


def test_names_that_are_not_utf_8_are_names_like_others(data: Path) -> None:
    folder = data / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    put(folder, 1)
    (row,) = look(data)[0]
    assert row.folder == str(folder)


PROGRAM = """
import sys
from pathlib import Path
from pixieioc.catalogue import Filter, find, open_catalogue
for _ in range(int(sys.argv[3])):
    with open_catalogue(Path(sys.argv[1]), index=Path(sys.argv[2])) as catalogue:
        rows = find(catalogue.db, Filter())
print(len(rows), sum(row.files for row in rows))
"""


def test_several_processes_index_at_once_while_runs_are_added(data: Path) -> None:
    for number in range(1, 200):
        put(data, number)
    index = data.with_name("index.sqlite")
    command = [sys.executable, "-c", PROGRAM, str(data), str(index), "10"]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    for number in range(200, 300):
        put(data, number)
    for process in processes:
        out, _ = process.communicate(timeout=240)
        runs, files = map(int, out.split())
        assert process.returncode == 0
        assert 199 <= runs == files <= 299
    rows, _ = look(data)
    assert [row.run_id for row in rows] == list(range(1, 300))
