from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from pixieioc.pipeline import Error, Refused, Status, errno_of
from pixieioc.tasks.gather_data import GatherData
from pixieioc.tasks.raw_file import RawFile
from pixieioc.tasks.raw_names import check_template, file_name
from tests.conftest import DATA
from tests.recorder import Recorder

FULL = DATA / "pixie16_binary_data-full.bin"
NAME = "pixie16_001_run{run:06d}_mod{module:02d}.bin"


def _chain(pipeline: Recorder, folder: Path, **parameters: Any) -> None:
    pipeline.chain_of("LoadFiles", "GatherData", "KeepWords")
    pipeline.configure(
        {
            "files": [str(FULL)],
            "block_size": 10_000,
            "auto_save": True,
            "file_path": str(folder),
            "keep_in": str(folder / "kept"),
            **parameters,
        }
    )


@pytest.mark.parametrize(("bucket", "disk"), [(524_288, 1_048_576), (25_000, 30_000), (4, 4)])
def test_what_is_saved_and_handed_on_is_what_came(pipeline: Recorder, tmp_path: Path, bucket: int, disk: int) -> None:
    _chain(pipeline, tmp_path, bucket_size=bucket, disk_bucket_size=disk)
    pipeline.run_through()
    saved = tmp_path / NAME.format(run=1, module=0)
    assert saved.read_bytes() == (tmp_path / "kept0").read_bytes() == FULL.read_bytes()
    assert pipeline.reported("GatherData", "bytes_written") == FULL.stat().st_size
    assert pipeline.reported("GatherData", "full_file_name") == str(saved)
    assert pipeline.reported("GatherData", "write_status") == "Write OK"
    sizes = [4 * int(length) for length in pipeline.reported("KeepWords", "lengths").split()]
    assert all(size >= bucket for size in sizes[:-1])


def test_the_sidecar_tells_what_the_file_is(pipeline: Recorder, tmp_path: Path) -> None:
    before = time.time()
    _chain(pipeline, tmp_path)
    pipeline.run_through()
    about = json.loads((tmp_path / (NAME.format(run=1, module=0) + ".json")).read_text())
    assert (about["run_id"], about["module"], about["bytes"]) == (1, 0, FULL.stat().st_size)
    assert about["sha256"] == hashlib.sha256(FULL.read_bytes()).hexdigest()
    assert before <= about["start_time"] <= about["end_time"] <= time.time()
    assert about["configuration"]["LoadFiles"]["block_size"] == 10_000
    assert about["configuration"]["GatherData"]["auto_save"] is True
    assert (about["items"], about["items_discarded"]) == (41, 0)  # 40 blocks, and that a run begins
    assert not list(tmp_path.glob("*.part"))


def test_each_run_and_module_has_its_own_file(pipeline: Recorder, tmp_path: Path, two_modules: dict[int, Path]) -> None:
    _chain(pipeline, tmp_path, files=[str(path) for path in two_modules.values()])
    pipeline.run_through()
    pipeline.run_through()
    for run in (1, 2):
        for module, path in two_modules.items():
            assert (tmp_path / NAME.format(run=run, module=module)).read_bytes() == path.read_bytes()


def test_nothing_is_written_without_auto_save(pipeline: Recorder, tmp_path: Path) -> None:
    _chain(pipeline, tmp_path, auto_save=False, file_path="/nowhere")
    pipeline.run_through()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept0"]


def test_the_parts_of_a_file_are_one_stream_again_in_whatever_order_they_are_given(
    pipeline: Recorder, tmp_path: Path
) -> None:
    _chain(pipeline, tmp_path, file_size_limit=0.03, disk_bucket_size=30_000)
    pipeline.run_through()
    parts = sorted(tmp_path.glob("*.bin"))
    assert len(parts) > 10
    kept = tmp_path / "again"
    kept.mkdir()
    pipeline.configure(
        {"files": [str(path) for path in reversed(parts)], "keep_in": str(kept / "kept"), "auto_save": False}
    )
    pipeline.run_through()
    assert (kept / "kept0").read_bytes() == FULL.read_bytes()


def test_data_do_not_wait_longer_than_max_delay(pipeline: Recorder, tmp_path: Path) -> None:
    pipeline.chain_of("DummyData", "GatherData", "KeepWords")
    pipeline.configure({"DummyData": {"channel_rate": 500.0}, "GatherData": {"bucket_size": 256 * 1024**2}})
    pipeline.configure({"max_delay": 0.1, "keep_in": str(tmp_path / "kept")})
    pipeline.start()
    pipeline.until(lambda: pipeline.reported("KeepWords", "counter") >= 3)
    pipeline.stop()
    assert pipeline.wait(60) is Status.WAITING


def test_what_was_written_is_readable_while_the_run_is_on(pipeline: Recorder, tmp_path: Path) -> None:
    pipeline.chain_of("DummyData", "GatherData")
    pipeline.configure({"auto_save": True, "file_path": str(tmp_path), "disk_bucket_size": 4})
    pipeline.start()
    pipeline.until(lambda: pipeline.reported("GatherData", "bytes_written") > 10_000)
    part = tmp_path / (NAME.format(run=1, module=0) + ".part")
    assert part.stat().st_size >= pipeline.reported("GatherData", "bytes_written")
    pipeline.send_kill("GatherData")
    pipeline.wait(60)
    assert part.stat().st_size > 10_000
    assert part.stat().st_size % 16 == 0


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"file_path": "/nowhere"}, "there is no folder /nowhere"),
        ({"file_path": "/proc", "create_directory": True}, "cannot make /proc/"),
    ],
)
def test_a_place_where_nothing_can_be_written(
    pipeline: Recorder, tmp_path: Path, parameters: dict[str, Any], says: str
) -> None:
    _chain(pipeline, tmp_path, **parameters)
    with contextlib.suppress(Error):  # the first is seen at the start, the second with the first data
        pipeline.start()
    assert pipeline.wait(60) is Status.PANICKING
    assert says in str(pipeline.errors[0])


def test_nothing_is_overwritten(pipeline: Recorder, tmp_path: Path) -> None:
    there = tmp_path / NAME.format(run=1, module=0)
    there.write_text("precious")
    _chain(pipeline, tmp_path)
    with pytest.raises(Error, match="exists already; nothing is overwritten"):
        pipeline.start()
    pipeline.wait(60)
    assert there.read_text() == "precious"


def test_a_template_that_makes_modules_collide(
    pipeline: Recorder, tmp_path: Path, two_modules: dict[int, Path]
) -> None:
    _chain(pipeline, tmp_path, files=[str(path) for path in two_modules.values()], file_template="%s%s_%d.bin")
    pipeline.start()
    pipeline.wait(60)
    assert "gives the files of several modules one name" in str(pipeline.errors[0])
    assert pipeline.reported("GatherData", "write_status") == "Write error"


def test_a_full_disk_is_an_error_and_shown(pipeline: Recorder, tmp_path: Path) -> None:
    # A file that cannot grow: writing to /dev/full gives "no space left on device".
    name = NAME.format(run=1, module=0)
    (tmp_path / f"{name}.part").symlink_to("/dev/full")
    with pytest.raises(Error, match=r"cannot make .*: File exists"):
        RawFile(tmp_path / name)
    (tmp_path / f"{name}.part").unlink()
    file = RawFile(tmp_path / name)
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, file._file._descriptor)
    os.close(full)
    says = r"cannot write .* after 0 bytes: No space left on device"
    file.write(b"x" * 100)
    with pytest.raises(Error, match=says) as failed:
        file.finish({})
    assert errno_of(failed.value) == errno.ENOSPC
    file.leave()


def test_a_full_disk_is_told_while_the_run_is_on_and_nothing_is_written_behind_a_gap(tmp_path: Path) -> None:
    file = RawFile(tmp_path / "f")
    file.write(b"begin")
    file.check()
    writeable = os.dup(file._file._descriptor)
    full = os.open("/dev/full", os.O_WRONLY)
    file._writer.submit(os.dup2, full, file._file._descriptor)
    file.write(b"middle")
    file._writer.submit(os.dup2, writeable, file._file._descriptor)

    def go_on() -> None:
        file.write(b"end")  # which is told already if the disk has been quick
        for thread in (file._hasher, file._writer):
            thread.submit(int).result()  # it has done all that was asked before
        file.check()

    with pytest.raises(Error, match="cannot write .* after 5 bytes: No space left on device"):
        go_on()
    file.leave()
    for descriptor in (writeable, full):
        os.close(descriptor)
    assert (tmp_path / "f.part").read_bytes() == b"begin"


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("plain.bin", "not nothing"),
        ("%s_%d.bin", "not %s %d"),
        ("%s%s_%d_%d_%d_%d", "must have %s %s and up to three %d"),
        ("%s%s_%f", "only %s and %d"),
        ("%s%s_%", "only %s and %d"),
        ("%s%s_%(x)d", "only %s and %d"),
        ("a/../../b%s%s_%d", "must begin with %s, the FilePath, or with a slash"),
        ("%%%s%s_%d", "must begin with %s, the FilePath, or with a slash"),
    ],
)
def test_bad_templates_are_refused(pipeline: Recorder, template: str, says: str) -> None:
    with pytest.raises(Error, match=says):
        check_template(template)
    pipeline.create_task("GatherData")
    with pytest.raises(Refused, match=r"GatherData\.file_template = .*: file template"):
        pipeline.configure({"file_template": template})


def test_a_file_name_has_no_folder(pipeline: Recorder) -> None:
    pipeline.create_task("GatherData")
    with pytest.raises(Refused, match="must not contain a slash"):
        pipeline.configure({"file_name": "a/b"})


def test_names_are_made_as_areadetector_makes_them() -> None:
    assert file_name("%s%s_%3.3d.bin", "/data", "run", 7, 1, 2) == Path("/data/run_007.bin")
    assert file_name("%s%s-100%%-%d-%6.6d-%2.2d", "/data/", "x", 7, 12, 3) == Path("/data/x-100%-7-000012-03")
    assert file_name("%s%s", "/d", "only", 1, 1, 1) == Path("/d/only")


@pytest.mark.parametrize(
    ("there", "name", "says"),
    [
        (NAME.format(run=7, module=0), "pixie16", "exists already"),
        (NAME.format(run=7, module=13), "pixie16", "exists already"),
        (NAME.format(run=7, module=1) + ".part", "pixie16", "exists already"),
        (NAME.format(run=8, module=0), "pixie16", ""),
        ("other", "n" * 300, "at most 255 are possible"),
    ],
)
def test_a_run_is_not_ready_while_a_file_of_its_names_is_there(
    tmp_path: Path, there: str, name: str, says: str
) -> None:
    (tmp_path / there).touch()
    settings = {n: p.default_of_one for n, p in GatherData.parameters().items()}
    settings |= {"auto_save": True, "file_path": str(tmp_path), "file_name": name}
    problems = list(GatherData.do_ready(settings, 7))
    assert len(problems) == bool(says)
    assert all(says in problem for problem in problems)
    assert list(GatherData.do_ready({**settings, "auto_save": False}, 7)) == []
