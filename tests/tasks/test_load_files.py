from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pixieioc.pipeline import Refused
from tests.conftest import DATA
from tests.recorder import Recorder

FULL = DATA / "pixie16_binary_data-full.bin"
PARTS = [str(DATA / f"pixie16_binary_data-0{i}.bin") for i in range(5)]


def _load(pipeline: Recorder, tmp_path: Path, **parameters: Any) -> Path:
    pipeline.chain_of("LoadFiles", "KeepWords")
    pipeline.configure({"LoadFiles": parameters, "keep_in": str(tmp_path / "kept")})
    pipeline.run_through()
    return tmp_path / "kept0"


@pytest.mark.parametrize("block_size", [524_288, 10_001, 4096, 393_568])
def test_the_words_come_as_they_are_in_the_file(pipeline: Recorder, tmp_path: Path, block_size: int) -> None:
    kept = _load(pipeline, tmp_path, files=[str(FULL)], block_size=block_size)
    assert kept.read_bytes() == FULL.read_bytes()
    assert pipeline.reported("LoadFiles", "bytes_read") == FULL.stat().st_size
    assert pipeline.reported("LoadFiles", "progress") == 100
    assert pipeline.reported("LoadFiles", "counter") == 1 + -(-FULL.stat().st_size // block_size)


@pytest.mark.parametrize("files", [PARTS, [str(DATA / "*-0?.bin")]], ids=["list", "pattern"])
def test_several_files_are_one_stream(pipeline: Recorder, tmp_path: Path, files: list[str]) -> None:
    assert _load(pipeline, tmp_path, files=files, block_size=50_000).read_bytes() == FULL.read_bytes()


def test_a_word_may_be_cut_by_the_end_of_a_file(pipeline: Recorder, tmp_path: Path) -> None:
    whole = FULL.read_bytes()
    for name, piece in {"a": whole[:1001], "b": whole[1001:1002], "c": b"", "d": whole[1002:]}.items():
        (tmp_path / name).write_bytes(piece)
    kept = _load(pipeline, tmp_path, files=[str(tmp_path / name) for name in "abcd"], block_size=300)
    assert kept.read_bytes() == whole
    assert pipeline.reported("LoadFiles", "bytes_left_over") == 0


def test_bytes_that_are_no_word_are_counted(pipeline: Recorder, tmp_path: Path) -> None:
    (tmp_path / "cut").write_bytes(FULL.read_bytes()[:1003])
    kept = _load(pipeline, tmp_path, files=[str(tmp_path / "cut")])
    assert len(kept.read_bytes()) == 1000
    assert pipeline.reported("LoadFiles", "bytes_left_over") == 3


def test_modules_are_read_side_by_side(pipeline: Recorder, tmp_path: Path, two_modules: dict[int, Path]) -> None:
    _load(pipeline, tmp_path, files=[str(tmp_path / "run_mod*.bin")], block_size=80_000)
    for module, path in two_modules.items():
        assert (tmp_path / f"kept{module}").read_bytes() == path.read_bytes()
    # Module 0 has four fifths of the data, and so of each block.
    assert set(pipeline.reported("KeepWords", "lengths").split()) == {"16000+4000"}


def test_an_empty_file_is_an_empty_run(pipeline: Recorder, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    pipeline.chain_of("LoadFiles", "KeepWords")
    pipeline.configure({"files": [str(tmp_path / "empty")]})
    pipeline.run_through()
    assert (pipeline.reported("KeepWords", "runs"), pipeline.reported("KeepWords", "lengths")) == ("None@None", "")


@pytest.mark.parametrize(
    ("files", "says"),
    [
        (["/nowhere/a.bin"], "no file /nowhere/a.bin"),
        (["/nowhere/*.bin"], r"no file matches /nowhere/\*.bin"),
        ([], "no files: the parameter files is an empty list"),
    ],
)
def test_files_that_are_not_there_fail_the_start(pipeline: Recorder, files: list[str], says: str) -> None:
    pipeline.chain_of("LoadFiles", "KeepWords")
    pipeline.configure({"files": files})
    with pytest.raises(Exception, match=f"start: LoadFiles: {says}"):
        pipeline.start()
    pipeline.wait(60)


def test_a_module_number_must_be_possible(pipeline: Recorder, tmp_path: Path) -> None:
    (tmp_path / "mod999.bin").touch()
    pipeline.chain_of("LoadFiles", "KeepWords")
    pipeline.configure({"files": [str(tmp_path / "mod999.bin")]})
    with pytest.raises(Exception, match=r"module number 999 in the name of .*: must be 0 to 255"):
        pipeline.start()
    pipeline.wait(60)


@pytest.mark.parametrize("pattern", ["mod(", r"mod\d+", r"(m)(\d)"])
def test_a_bad_pattern_is_refused(pipeline: Recorder, pattern: str) -> None:
    pipeline.create_task("LoadFiles")
    with pytest.raises(Refused, match="LoadFiles.module_pattern = "):
        pipeline.configure({"module_pattern": pattern})
