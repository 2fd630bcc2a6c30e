"""Records of runs whose files cannot be written: where they are kept, and how they come home."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from pathlib import Path

import pytest

from pixieioc.ioc.condition_archive import NamedBy
from pixieioc.ioc.kept_records import KeptRecord, RecordKeeper, bring_home, keep
from pixieioc.ioc.worker import Worker
from tests.ioc.ca.peer import conversation


def _kept(run: int, data: Path) -> KeptRecord:
    record = {"end_reason": "Task lost", "unfinished": [str(data / "run7.bin.part")]}
    return KeptRecord(run, "the disk does not answer", {"GatherData": {"file_path": str(data)}}, record)


def _sidecars(named_by: NamedBy, run: int) -> Iterable[Path]:
    return Path(named_by["GatherData"]["file_path"]).glob(f"run{run}.bin.json*")


def test_a_record_comes_to_the_files_of_its_run_once_they_are_there(tmp_path: Path) -> None:
    data = tmp_path / "data"
    path = keep(tmp_path, _kept(7, data))
    later = keep(tmp_path, _kept(9, data))
    assert json.loads(path.read_text())["why"] == "the disk does not answer"
    [stays] = bring_home(tmp_path, 8, _sidecars)
    assert stays == f"the record of run 7 is in {path}: none of the files of the run is there"
    data.mkdir()
    sidecar = data / "run7.bin.json.part"
    sidecar.write_text('{"run_id": 7}')
    assert bring_home(tmp_path, 8, _sidecars) == []
    record = json.loads(sidecar.read_text())["record"]
    assert (record["end_reason"], record["unfinished"]) == ("Task lost", [str(data / "run7.bin.part")])
    assert not path.exists()
    assert later.exists()  # of a run that is not over


def test_what_is_no_record_stays_and_is_in_the_way_of_no_other(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "run7.bin.json").write_text('{"run_id": 7}')
    (tmp_path / "record-000001.json").write_text("{")
    (tmp_path / "record-000002.json").write_text(
        '{"run_id": 2, "why": "", "named_by": {}, "record": {}, "format": "x"}'
    )
    keep(tmp_path, _kept(7, data))
    first, second = bring_home(tmp_path, 8, _sidecars)
    assert "record-000001.json: " in first
    assert second.endswith("it has no record of a run")
    assert not (tmp_path / "record-000007.json").exists()


@conversation
async def test_it_is_kept_by_the_first_folder_that_takes_it_and_brought_home_when_that_may_be(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data, second, shown = tmp_path / "data", tmp_path / "second", list[str]()
    data.mkdir()
    second.mkdir()
    (data / "run7.bin.json").write_text('{"run_id": 7}')
    hung = asyncio.Event()
    keeper = RecordKeeper(
        lambda: [tmp_path / "gone", second], _sidecars, lambda: not hung.is_set(), shown.append, Worker
    )
    assert await keeper.keep(_kept(7, data)) == f"in {second / 'record-000007.json'}"
    assert shown == [f"the record of run 7 is in {second / 'record-000007.json'}: the disk does not answer"]
    assert "gone does not keep the record of run 7" in caplog.text
    keeper.bring_home(7)
    while shown[-1]:
        await asyncio.sleep(0.01)
    assert json.loads((data / "run7.bin.json").read_text())["record"]["end_reason"] == "Task lost"
    await keeper.end()


@conversation
async def test_a_record_that_no_folder_takes_is_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    keeper = RecordKeeper(lambda: [tmp_path / "gone"], _sidecars, lambda: True, lambda _: None, Worker)
    assert await keeper.keep(_kept(7, tmp_path)) == "in the log"
    [line] = [record.getMessage() for record in caplog.records if record.getMessage().startswith("the record of")]
    assert json.loads(line.partition(": ")[2])["record"]["end_reason"] == "Task lost"
    await keeper.end()
