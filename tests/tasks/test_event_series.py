"""The event files of a run: how they follow each other, and what is done when the disk does not take them."""

from __future__ import annotations

import os
from collections.abc import Callable
from math import inf
from pathlib import Path
from typing import Any

import pyarrow.dataset
import pytest

from pixieioc.listmode import events as ev
from pixieioc.listmode.events import Events
from pixieioc.listmode.variant import variant
from pixieioc.pipeline import Error, Status
from pixieioc.tasks import event_files
from pixieioc.tasks.calibration import InUse
from pixieioc.tasks.event_files import EventFile
from pixieioc.tasks.event_series import EventSeries
from pixieioc.tasks.file_series import WAIT, Destination, Rules
from tests.conftest import DATA
from tests.listmode.samples import random_events, rows
from tests.recorder import Recorder
from tests.tasks.test_write_events import FORMATS, read, read_about
from tests.tmpfs import tmpfs, unmount

GIVEN = ev.concatenate([random_events(variant(500, 34688), 1000, seed, traces=False) for seed in range(12)])
WRITTEN = ("events_written", "events_not_written", "write_status", "write_message")
FULL = DATA / "pixie16_binary_data-full.bin"


@pytest.fixture(autouse=True)
def _small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_files, "GROUP_EVENTS", 1500)


def _about(file: EventFile | None, part: int, reason: str) -> dict[str, Any]:
    told = {"events": file.events, "first_time": file.first_time, "last_time": file.last_time} if file else {}
    return {"part": part, "end_reason": reason, **told}


def _series(
    folder: Path, form: str, waiting: Callable[[Error], bool] = lambda error: pytest.fail(str(error)),
    rewritten: float = inf, **rules: Any,
) -> EventSeries:  # fmt: skip
    destination = Destination(lambda: Rules(**rules), waiting)
    path = folder / f"e.{form}"
    series = EventSeries(destination, path, form, _about, InUse({}), rewritten=lambda: rewritten)
    series.begin()
    return series


def _write(series: EventSeries, count: int, begin: int = 0) -> None:
    """In chunks of odd sizes."""
    for at in range(begin, count, 700):
        series.write(ev.take(GIVEN, slice(at, min(at + 700, count))))


def _parts(*folders: Path) -> list[Path]:
    """The files in their order, of which each is what its metadata say."""
    names = [name for folder in folders for name in (*folder.glob("e.*"), *folder.glob("e_0*.*"))]
    parts = [path for path in names if path.name.count(".") == 1]
    assert not [name for name in names if ".part" in name.suffixes]
    parts.sort(key=lambda path: read_about(path)["part"])
    for path in parts:
        about, events = read_about(path), read(path)
        assert (about["events"], about["first_time"]) == (len(events["time"]), events["time"][0])
        assert about["last_time"] == events["time"][-1]
    return parts


def _joined(parts: list[Path]) -> list[Events]:
    return [read(path) for path in parts]


@pytest.mark.parametrize("form", FORMATS)
def test_files_follow_each_other_at_the_limit_and_each_is_complete(tmp_path: Path, form: str) -> None:
    series = _series(tmp_path, form, size_limit=0.2)
    _write(series, 12_000)
    series.finish("run ended")
    parts = _parts(tmp_path)
    assert len(parts) >= 3
    assert [path.name for path in parts[:2]] == [f"e.{form}", f"e_002.{form}"]
    assert rows(_joined(parts)) == rows([GIVEN])
    reasons = [read_about(path)["end_reason"] for path in parts]
    assert reasons == ["file limit"] * (len(parts) - 1) + ["run ended"]
    sizes = [sum(file.stat().st_size for file in tmp_path.glob(f"{path.stem}.*{form}")) for path in parts]
    assert max(sizes) <= 200_000 + 1000  # and headers
    assert series.events == 12_000
    if form == "parquet":
        assert pyarrow.dataset.dataset(sorted(map(str, parts))).to_table().num_rows == 12_000


@pytest.mark.parametrize("form", FORMATS)
def test_a_file_that_is_old_enough_is_followed_by_the_next_but_not_an_empty_one(tmp_path: Path, form: str) -> None:
    series = _series(tmp_path, form, time_limit=1e-6)
    _write(series, 1400)
    series.finish("run ended")
    assert [len(events["time"]) for events in _joined(_parts(tmp_path))] == [700, 700]


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("limit", [0, 0.1])
def test_a_run_that_waits_goes_on_when_there_is_space_and_nothing_is_missing_or_twice(
    tmp_path: Path, form: str, limit: float
) -> None:
    with tmpfs(tmp_path / "small", "4m") as small:
        filler, said = small / "filler", list[str]()

        def waiting(error: Error) -> bool:
            said.append(str(error))
            if len(said) == 3:
                filler.unlink()
            return True

        series = _series(small, form, waiting, on_error=WAIT, size_limit=limit)
        free = os.statvfs(small)
        filler.write_bytes(bytes(free.f_bavail * free.f_bsize - 150_000))
        _write(series, 12_000)
        series.finish("run ended")
        assert len(said) >= 3
        assert "No space left on device" in said[0]
        assert rows(_joined(_parts(small))) == rows([GIVEN])
        assert series.events == 12_000


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("wrong", ["full", "unmounted"])
def test_the_second_folder_takes_what_the_first_does_not(tmp_path: Path, form: str, wrong: str) -> None:
    second = tmp_path / "second"
    second.mkdir()
    with tmpfs(tmp_path / "small", "200k" if wrong == "full" else "8m") as small:
        series = _series(small, form, second_folder=str(second))
        _write(series, 3500)
        if wrong == "unmounted":
            series.check_in_place()
            unmount(small)
            series.check_in_place()
        _write(series, 12_000, 3500)
        series.finish("run ended")
        reason = series.destination.diverted
        assert ("No space left" if wrong == "full" else "no longer there") in reason
        if wrong == "full":
            assert rows(_joined(_parts(small, second))) == rows([GIVEN])
        else:
            [path] = _parts(second)
            assert series.events == len(read(path)["time"]) <= 12_000 - 3500 + 1500


@pytest.mark.parametrize("form", FORMATS)
def test_a_full_disk_ends_the_run_and_what_is_in_no_file_is_counted_and_the_next_run_works(
    pipeline: Recorder, tmp_path: Path, form: str
) -> None:
    with tmpfs(tmp_path / "small", "260k") as small:
        path = small / f"e.{form}"
        pipeline.chain_of("LoadFiles", "ConvertToEvents", "GatherEvents", "WriteEvents")
        pipeline.configure({"WriteEvents": {"file": str(path), "format": form}, "chunk_size": 3000})
        pipeline.configure({"files": [str(FULL)], "block_size": 20_000, "file_size_limit": 0.1})
        pipeline.start()
        assert pipeline.wait(60) is Status.PANICKING
        assert "No space left on device" in str(pipeline.errors[0])
        told = {name: pipeline.reported("WriteEvents", name) for name in WRITTEN}
        there = [len(events["time"]) for events in _joined(_parts(small))]
        assert (told["events_written"], told["write_status"]) == (sum(there), "Write error")
        assert sum(there) > 1000
        assert told["events_not_written"] >= 1
        assert told["write_message"] == str(pipeline.errors[0]).removeprefix("WriteEvents: ")
        for file in small.iterdir():
            file.unlink()
        pipeline.configure({"file_size_limit": 0, "second_file_path": str(tmp_path)})
        pipeline.run_through()
        assert pipeline.reported("WriteEvents", "events_written") == 24_598
        assert sum(len(events["time"]) for events in _joined(_parts(small, tmp_path))) == 24_598
        assert pipeline.reported("WriteEvents", "events_not_written") == 0


def _richer_and_richer() -> list[Events]:
    """Blocks with more and more columns, then with the first ones, then with all again."""
    row = variant(500, 34688)
    plain = [random_events(row, 2000, seed, parts=0, traces=False) for seed in (1, 2, 3)]
    some, full = random_events(row, 300, 4, parts=2, traces=False), random_events(row, 200, 5)
    return [*plain, some, *plain, full, *plain, some, full]


@pytest.mark.parametrize("form", FORMATS)
def test_a_large_file_is_followed_by_one_with_more_columns_rather_than_written_again(tmp_path: Path, form: str) -> None:
    series = _series(tmp_path, form, rewritten=20_000)
    given = _richer_and_richer()
    for events in given:
        series.write(events)
    series.finish("run ended")
    parts = _parts(tmp_path)
    assert [read_about(path)["end_reason"] for path in parts] == ["more columns"] * 2 + ["run ended"]
    assert rows(_joined(parts)) == rows(given)
    columns = [set(read_about(path)["columns"]) for path in parts]
    assert columns[0] < columns[1] < columns[2]
    assert "trace" in columns[2]
    assert [len(read(path)["time"]) for path in parts] == [6000, 6300, 6700]


@pytest.mark.parametrize("form", FORMATS)
def test_a_small_file_is_written_again_and_so_is_any_if_nobody_waits(tmp_path: Path, form: str) -> None:
    for number, rewritten in enumerate((1e7, inf)):
        folder = tmp_path / str(number)
        folder.mkdir()
        series = _series(folder, form, rewritten=rewritten)
        for events in _richer_and_richer():
            series.write(events)
        series.finish("run ended")
        [path] = _parts(folder)
        assert rows([read(path)]) == rows(_richer_and_richer())
