"""The raw files of a run: how they follow each other, and what is done when the disk does not take them."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pixieioc.pipeline import Error
from pixieioc.tasks.file_series import STOP, WAIT, Rules
from pixieioc.tasks.raw_file import RawFile
from pixieioc.tasks.raw_files import RawFiles
from tests.tmpfs import tmpfs, unmount


def _words(count: int) -> bytes:
    return np.arange(count, dtype="<u4").tobytes()


def _files(
    folder: Path, waiting: Callable[[Error], bool] = lambda error: pytest.fail(str(error)), **rules: Any
) -> RawFiles:
    return RawFiles(
        lambda module: folder / f"mod{module}.bin",
        lambda module: {"module": module},
        lambda: {"items": 3},
        lambda: Rules(**rules),
        waiting,
    )


def _joined(*paths: Path) -> bytes:
    """The content of files one behind the other, each of which is what its sidecar says."""
    for number, path in enumerate(paths, 1):
        about, content = json.loads(path.with_name(path.name + ".json").read_text()), path.read_bytes()
        assert (about["part"], about["bytes"]) == (number, len(content))
        assert about["sha256"] == hashlib.sha256(content).hexdigest()
        assert len(content) % 4 == 0
    return b"".join(path.read_bytes() for path in paths)


def _reason(path: Path) -> str:
    return json.loads(path.with_name(path.name + ".json").read_text())["end_reason"]


@pytest.mark.parametrize("piece", [100, 1000, 4000, 400_000])
def test_no_file_is_larger_than_the_limit_and_each_is_complete(tmp_path: Path, piece: int) -> None:
    data, files = _words(100_000), _files(tmp_path, size_limit=0.15)
    for begin in range(0, len(data), piece):
        files.write(0, memoryview(data)[begin : begin + piece])
    files.finish("run ended")
    paths = [tmp_path / "mod0.bin", tmp_path / "mod0_002.bin", tmp_path / "mod0_003.bin"]
    assert _joined(*paths) == data
    assert [path.stat().st_size for path in paths] == [150_000, 150_000, 100_000]
    assert list(map(_reason, paths)) == ["file limit", "file limit", "run ended"]
    assert files.bytes == len(data)
    assert len(list(tmp_path.iterdir())) == 6
    listed = json.loads(files.destination.complete.text)
    assert [entry["file"] for entry in listed] == list(map(str, paths))
    assert [entry["bytes"] for entry in listed] == [path.stat().st_size for path in paths]
    assert [entry["sha256"] for entry in listed] == [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]


def test_a_file_that_is_old_enough_is_followed_by_the_next(tmp_path: Path) -> None:
    files = _files(tmp_path, time_limit=1e-6)
    for _ in range(3):
        files.write(2, memoryview(_words(10)))
    files.finish("run ended")
    assert _joined(*(tmp_path / f"mod2{part}.bin" for part in ("", "_002", "_003"))) == 3 * _words(10)


def test_what_a_full_disk_has_taken_is_complete_and_has_its_sidecar(tmp_path: Path) -> None:
    with tmpfs(tmp_path / "small", "256k") as small:
        data, files = _words(100_000), _files(small, on_error=STOP)
        with pytest.raises(Error, match="No space left on device") as caught:  # noqa: PT012
            for begin in range(0, len(data), 50_000):
                files.write(0, memoryview(data)[begin : begin + 50_000])
            files.finish("run ended")
        files.rescue(caught.value)
        content = _joined(small / "mod0.bin")
        assert 100_000 < len(content) < 256 * 1024
        assert data.startswith(content)
        assert "No space left on device" in _reason(small / "mod0.bin")
        assert files.bytes == len(content)
        assert len(list(small.iterdir())) == 2


@pytest.mark.parametrize("limit", [0, 0.03, 0.1])
def test_a_run_that_waits_goes_on_when_there_is_space_and_nothing_is_missing_or_twice(
    tmp_path: Path, limit: float
) -> None:
    with tmpfs(tmp_path / "small", "400k") as small:
        filler = small / "filler"
        filler.write_bytes(bytes(200_000))
        said: list[str] = []

        def waiting(error: Error) -> bool:
            said.append(str(error))
            if len(said) == 3:
                filler.unlink()
            return True

        data, files = _words(70_000), _files(small, waiting, on_error=WAIT, size_limit=limit)
        for begin in range(0, len(data), 40_000):
            files.write(0, memoryview(data)[begin : begin + 40_000])
        files.finish("run ended")
        assert _joined(*sorted(small.glob("*.bin"))) == data
        assert len(said) >= 3
        assert "No space left on device" in said[0]
        assert len(list(small.iterdir())) == 2 * len(list(small.glob("*.bin")))


def test_who_does_not_wait_any_longer_gets_the_error_and_keeps_what_was_written(tmp_path: Path) -> None:
    with tmpfs(tmp_path / "small", "128k") as small:
        files = _files(small, lambda error: False, on_error=WAIT)
        with pytest.raises(Error, match="No space left"):  # noqa: PT012
            files.write(0, memoryview(_words(100_000)))
            files.finish("run ended")
        assert _words(100_000).startswith(_joined(small / "mod0.bin"))


@pytest.mark.parametrize("wrong", ["full", "unmounted"])
def test_the_second_folder_takes_what_the_first_does_not(tmp_path: Path, wrong: str) -> None:
    second = tmp_path / "second"
    second.mkdir()
    with tmpfs(tmp_path / "small", "128k" if wrong == "full" else "8m") as small:
        data, files = _words(100_000), _files(small, second_folder=str(second))
        for begin in range(0, len(data), 40_000):
            files.write(0, memoryview(data)[begin : begin + 40_000])
            if wrong == "unmounted" and begin == 80_000:
                files.check_in_place()
                unmount(small)
                files.check_in_place()
        files.finish("run ended")
        assert ("No space left" if wrong == "full" else "no longer there") in files.destination.diverted
        found = [*small.glob("*.bin"), *second.glob("*.bin")]
        if wrong == "full":
            assert _joined(*found) == data
        else:
            assert data.endswith(found[0].read_bytes())
            assert _reason(found[0]) == "run ended"


def test_a_disk_that_is_read_only_leaves_the_file_for_recover(tmp_path: Path) -> None:
    with tmpfs(tmp_path / "small") as small:
        files = _files(small)
        files.write(0, memoryview(_words(100)))
        RawFile.flush(files.open[0])
        # Files that are open for writing keep a file system from becoming read-only, but not from being covered.
        subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "none", small], check=True)
        try:
            with pytest.raises(Error, match="removed, moved or unmounted") as caught:
                files.check_in_place()
            files.rescue(caught.value)
        finally:
            unmount(small)
        assert (small / "mod0.bin.part").read_bytes() == _words(100)
