"""Folders for sockets: however long the path of the temporary folder is, and whoever tidies up in it."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from pixieioc.pipeline import Error, Status, temporary
from pixieioc.pipeline.temporary import KeptFolders, folder_of_multiprocessing, make_again, temporary_folder
from tests.recorder import Recorder
from tests.running_ioc import ROOT

CHAIN = ("ToySource", "ToyFilter", "ToySink")


def _long(folder: Path, size: int = 150) -> Path:
    """A folder whose path is that long."""
    deep = folder / ("x" * (size - len(f"{folder}/")))
    deep.mkdir()
    assert len(str(deep)) == size
    return deep


@pytest.mark.parametrize("size", [75, 76, 107, 250])
def test_a_folder_is_short_enough(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    deep = _long(Path(tempfile.mkdtemp()), size)
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    assert temporary_folder() == (str(deep) if size <= 75 else "/tmp")


def test_the_runtime_folder_comes_before_tmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(_long(tmp_path)))
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/var/tmp")
    assert temporary_folder() == "/var/tmp"
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/nowhere")
    assert temporary_folder() == "/tmp"


def test_what_to_set_is_said_if_nothing_can_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = _long(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(Error, match=rf"the path of {deep} has \d+ bytes, at most 75 are possible.*set TMPDIR to a"):
        temporary_folder()


def test_a_whole_program_works_in_a_folder_with_a_long_path(tmp_path: Path) -> None:
    deep = _long(tmp_path)
    program = (
        "from pixieioc.pipeline import Pipeline\n"
        "if __name__ == '__main__':\n"
        "    with Pipeline() as pipeline:\n"
        "        pipeline.create_task('PickSingleModule')\n"
        "        print(pipeline.processes.folder)\n"
    )
    (tmp_path / "program.py").write_text(program)
    done = subprocess.run(
        [sys.executable, tmp_path / "program.py"],
        env={**os.environ, "TMPDIR": str(deep), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=240,
        check=True,
    )
    assert done.stderr == ""
    assert not Path(done.stdout.strip()).exists()
    assert list(deep.iterdir()) == []


def _run(pipeline: Recorder) -> None:
    pipeline.run_through()
    assert len(pipeline.reported("ToySink", "numbers").split()) == 10


def _tidy_up(pipeline: Recorder) -> None:
    for folder in (pipeline.processes.folder, folder_of_multiprocessing()):
        shutil.rmtree(folder)


def test_folders_that_are_removed_do_not_matter(pipeline: Recorder) -> None:
    pipeline.chain_of(*CHAIN)
    _run(pipeline)
    _tidy_up(pipeline)
    _run(pipeline)  # everybody is connected
    pipeline.kill()
    pipeline.chain_of(*CHAIN)  # new processes, which have to find the pipeline and each other
    _run(pipeline)
    assert pipeline.processes.folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("task", CHAIN)
def test_one_task_is_replaced_after_folders_were_removed(pipeline: Recorder, task: str) -> None:
    pipeline.chain_of(*CHAIN)
    _run(pipeline)
    _tidy_up(pipeline)
    pipeline.send_kill(task)
    pipeline.until(lambda: pipeline.status is Status.PANICKING)
    _run(pipeline)


def test_what_lies_there_is_kept_new_and_locked(pipeline: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline.chain_of(*CHAIN)
    folders = (pipeline.processes.folder, folder_of_multiprocessing())
    files = [path for folder in folders for path in (folder, *folder.iterdir())]
    assert len(files) >= 12  # folder, control, and three of each task; folder and listener
    monkeypatch.setattr(temporary, "TOUCH_INTERVAL", 0.0)
    for path in files:
        os.utime(path, (1, 1))
    pipeline.until(lambda: all(path.stat().st_mtime > time.time() - 60 for path in files))
    for folder in folders:
        descriptor = os.open(folder, os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(descriptor)


def test_nothing_is_touched_more_often_than_needed(tmp_path: Path) -> None:
    kept = KeptFolders(tmp_path)
    os.utime(tmp_path, (1, 1))
    kept.touch_if_due()
    assert tmp_path.stat().st_mtime == 1
    kept.close()


def test_a_folder_is_not_made_again_where_something_else_is(tmp_path: Path) -> None:
    make_again(tmp_path / "new")
    make_again(tmp_path / "new")
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "new")
    (tmp_path / "open").mkdir(0o755)
    for name in ("file", "link", "open"):
        with pytest.raises(Error, match=f"{name} was removed, and what is there now is not a private folder"):
            make_again(tmp_path / name)


def test_a_program_that_does_not_close_its_pipeline_ends_all_the_same(tmp_path: Path) -> None:
    program = (
        "from pixieioc.pipeline import Pipeline\n"
        "if __name__ == '__main__':\n"
        "    pipeline = Pipeline()\n"
        "    pipeline.create_task('PickSingleModule')\n"
        "    print(pipeline.processes['PickSingleModule'].task.pid)\n"
    )
    (tmp_path / "program.py").write_text(program)
    done = subprocess.run(
        [sys.executable, tmp_path / "program.py"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=240,
        check=True,
    )
    assert not Path(f"/proc/{int(done.stdout)}").exists()
    assert done.stderr == ""
