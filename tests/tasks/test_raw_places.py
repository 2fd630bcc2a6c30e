"""Raw files whose place changes while they are written: folders that vanish, disks that are full, files cut off."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from pixieioc.pipeline import Error, Status
from pixieioc.tasks import raw_file
from pixieioc.tasks.cut_off import raw_files, unfinished, unfinished_events
from pixieioc.tasks.growing_file import GrowingFile, is_open
from pixieioc.tasks.raw_file import RawFile
from tests.recorder import Recorder
from tests.stopwatch import Stopwatch
from tests.tmpfs import tmpfs, unmount

TEMPLATE = "%s%s_%3.3d_run%6.6d_mod%2.2d.bin"


def _saving(pipeline: Recorder, folder: Path, **parameters: object) -> None:
    pipeline.chain_of("DummyData", "GatherData")
    pipeline.configure({"auto_save": True, "file_path": str(folder), "max_delay": 0.05, **parameters})
    pipeline.start()


def _remove_file(folder: Path) -> None:
    for file in folder.glob("*.part"):
        file.unlink()


def _move(folder: Path) -> None:
    folder.rename(folder.with_name("elsewhere"))


def _replace(folder: Path) -> None:
    _move(folder)
    folder.mkdir()
    for file in folder.with_name("elsewhere").iterdir():
        (folder / file.name).touch()


@pytest.mark.parametrize(
    ("take_away", "rate"),
    [
        *((take_away, 1000.0) for take_away in (shutil.rmtree, _remove_file, _move, _replace, unmount)),
        *((take_away, 0.0) for take_away in (shutil.rmtree, _move, unmount)),  # no data have come yet
    ],
)
def test_a_folder_that_is_taken_away_in_a_run_ends_it_within_2_s(
    pipeline: Recorder, tmp_path: Path, take_away: Callable[[Path], None], rate: float
) -> None:
    with contextlib.ExitStack() as stack:
        folder = tmp_path / "raw"
        if take_away is unmount:
            stack.enter_context(tmpfs(folder))
        else:
            folder.mkdir()
        _saving(pipeline, folder, channel_rate=rate)
        if rate:
            pipeline.until(lambda: pipeline.reported("GatherData", "bytes_written") > 10_000)
        take_away(folder)
        gone = Stopwatch()
        pipeline.until(lambda: bool(pipeline.errors), 5)
        assert gone.taken < 2
        assert pipeline.wait(60) is Status.PANICKING
        says = "removed, moved or unmounted in the run"
        assert says in str(pipeline.errors[0])
        assert pipeline.reported("GatherData", "write_status") == "Write error"
        assert says in pipeline.reported("GatherData", "write_message")


def test_a_folder_that_vanishes_just_before_the_end_is_an_error_too(tmp_path: Path) -> None:
    file = RawFile(tmp_path / "raw" / "f", depth=-1)
    file.write(b"data")
    (tmp_path / "raw").rename(tmp_path / "moved")
    (tmp_path / "raw").mkdir()
    with pytest.raises(Error, match=r"raw/f\.part is no longer there: .* \(after 4 bytes\)"):
        file.finish({})
    file.leave()
    assert list((tmp_path / "raw").iterdir()) == []
    assert (tmp_path / "moved" / "f.part").read_bytes() == b"data"


def test_after_disk_full_the_space_of_a_file_that_is_deleted_is_free_at_once(
    pipeline: Recorder, tmp_path: Path
) -> None:
    with tmpfs(tmp_path / "raw", "1m") as folder:
        _saving(pipeline, folder, channel_rate=20_000.0)
        pipeline.until(lambda: bool(pipeline.errors), 60)
        assert "No space left on device" in str(pipeline.errors[0])
        pipeline.wait(60)
        pid = pipeline.reported("GatherData", "process_id")
        assert [file.path for file in psutil.Process(pid).open_files() if file.path.startswith(str(folder))] == []
        assert pipeline.reported("GatherData", "unfinished_files") == ""
        [raw] = folder.glob("*.bin")
        assert raw.with_name(raw.name + ".json").exists()
        assert _free(folder) < 0.05e6
        raw.unlink()
        assert _free(folder) > 0.95e6
        # And so the next run works, in a new process of the task.
        pipeline.configure({"channel_rate": 100.0, "run_time": 0.3})
        pipeline.run_through()
        assert len(list(folder.glob("*.bin"))) == 1


def _free(folder: Path) -> int:
    stat = os.statvfs(folder)
    return stat.f_bavail * stat.f_frsize


def test_an_error_of_another_kind_closes_the_files_too(pipeline: Recorder, tmp_path: Path) -> None:
    pipeline.chain_of("Turncoat", "GatherData")
    pipeline.configure({"auto_save": True, "file_path": str(tmp_path), "disk_bucket_size": 4})
    pipeline.start()
    assert pipeline.wait(60) is Status.PANICKING
    pid = pipeline.reported("GatherData", "process_id")
    assert [file.path for file in psutil.Process(pid).open_files() if ".part" in file.path] == []
    assert [len(list(tmp_path.glob(pattern))) for pattern in ("*.part", "*.bin", "*.bin.json")] == [0, 1, 1]


def test_files_that_were_cut_off_are_named(pipeline: Recorder, tmp_path: Path) -> None:
    mine, other = (tmp_path / f"pixie16_{number:03}_run000001_mod00.bin.part" for number in (1, 2))
    for name in (mine, other, tmp_path / "holiday.jpg.part", tmp_path / "pixie16_001_run000001_mod00.bin.json.part"):
        name.touch()
    pipeline.chain_of("DummyData", "GatherData")
    pipeline.configure({"file_path": str(tmp_path)})
    pipeline.until(lambda: bool(pipeline.reported("GatherData", "unfinished_files")))
    said = f"2 raw files were cut off, pixieioc recover finishes them: {mine}, {other}"
    assert pipeline.reported("GatherData", "unfinished_files") == said
    pipeline.until(lambda: ("GatherData", said) in pipeline.heard_prints)
    other.unlink()
    pipeline.configure({"run_time": 0.2})
    pipeline.run_through()
    assert pipeline.reported("GatherData", "unfinished_files").startswith("1 raw file was cut off, ")
    mine.unlink()
    pipeline.run_through()
    assert pipeline.reported("GatherData", "unfinished_files") == ""


class _Slow(GrowingFile):
    """Takes so many bytes per second."""

    RATE = 1e6

    def append(self, data: memoryview) -> None:
        time.sleep(len(data) / self.RATE)
        super().append(data)


def test_a_disk_that_is_too_slow_is_given_up_and_the_file_has_what_it_has_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(raw_file, "GrowingFile", _Slow)
    monkeypatch.setattr(raw_file, "_LARGEST", 1 << 17)
    data = memoryview(os.urandom(1 << 20))
    file = RawFile(tmp_path / "f", too_slow=lambda: True)
    file.write(data[:8])
    file.write(data[8:])
    file.write(data)
    with pytest.raises(Error, match=r"too slow: .*/f had \d+ bytes when the run had to end, up to \d+ bytes of"):
        file.flush()
    rest = file.rescue(dict)
    taken = (tmp_path / "f").read_bytes()
    assert 8 < len(taken) < len(data)
    assert len(taken) % 4 == 0
    assert [bytes(each) for each in rest] == [bytes(data[len(taken) :]), bytes(data)]
    about = json.loads((tmp_path / "f.json").read_bytes())
    assert (about["bytes"], about["sha256"]) == (len(taken), hashlib.sha256(taken).hexdigest())


def test_a_file_that_is_being_written_was_not_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "x_001_run000001_mod00.bin.part"
    with contextlib.closing(GrowingFile(path)):
        assert is_open(path)
        assert unfinished(TEMPLATE, str(tmp_path)) == []
    assert not is_open(path)
    assert unfinished(TEMPLATE, str(tmp_path)) == [path]


@pytest.mark.parametrize(
    ("template", "name"),
    [("%s%s_%d.bin", "x_7.bin"), ("%s%s100%%[a]-%3.3d", "y100%[a]-007"), ("%ssub*/%s", "sub*/z"), ("%s%s", "w")],
)
def test_templates_of_all_kinds_find_their_files(tmp_path: Path, template: str, name: str) -> None:
    folder = tmp_path / "with [brackets] and *"
    part = folder / f"{name}.part"
    part.parent.mkdir(parents=True)
    part.touch()
    for other in ("sub/v.part", "x_7.bin", "y100%a-007.part.json"):
        (folder / other).parent.mkdir(exist_ok=True)
        (folder / other).touch()
    assert unfinished(template, str(folder)) == [part]
    assert unfinished(template, f"{folder}/") == [part]
    with pytest.raises(Error, match="file template"):
        unfinished("%f", str(folder))


def test_a_sentence_about_many_files_stays_short(tmp_path: Path) -> None:
    assert raw_files(TEMPLATE, str(tmp_path)) == ""
    for number in range(100):
        (tmp_path / f"häßlich_{number:03}_run000001_mod00.bin.part").touch()
    long = raw_files(TEMPLATE, str(tmp_path))
    assert long.startswith("100 raw files were cut off")
    assert long.endswith("...")
    assert 490 < len(long.encode()) <= 500
    (tmp_path / "strange").mkdir()
    (tmp_path / "strange" / os.fsdecode(b"\xff_001_run000001_mod00.bin.part")).touch()
    assert "\ufffd" in raw_files(TEMPLATE, str(tmp_path / "strange"))


@pytest.mark.parametrize(
    ("file", "cut_off"),
    [
        ("e_run{run}.parquet", ["e_run000007.parquet.part", "e_run000008_002.parquet.part"]),
        ("run{run}/e [1].npy", ["run000007/e [1].npy.part"]),
        ("e.npy", ["e.npy.part", "e_012.npy.part"]),
        ("plain_{run}", ["plain_1000000.part"]),
    ],
)
def test_files_of_events_that_were_cut_off_are_found_by_their_name(
    tmp_path: Path, file: str, cut_off: list[str]
) -> None:
    others = [
        "e_run000009.parquet",
        "e_runner.parquet.part",
        "e.extra.npy.part",
        "e.traces.npy.part",
        "e.npy.json.part",
    ]
    for name in (*cut_off, *others):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert list(unfinished_events(f"{tmp_path}/{file}")) == [tmp_path / name for name in cut_off]
    (tmp_path / "second").mkdir()
    second = tmp_path / "second" / Path(cut_off[0]).name
    second.touch()
    found = list(unfinished_events(f"{tmp_path}/{file}", f"{tmp_path}/second"))
    assert found == [*(tmp_path / name for name in cut_off), second]
    with contextlib.closing(GrowingFile(tmp_path / "e_run000010.parquet.part")):
        assert not any("000010" in path.name for path in unfinished_events(f"{tmp_path}/e_run{{run}}.parquet"))
