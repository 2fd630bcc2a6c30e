from __future__ import annotations

import contextlib
import itertools
import mmap
import os
import random
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from pixieioc.tasks import growing_file
from pixieioc.tasks.growing_file import GrowingFile

PAGE = mmap.PAGESIZE
BYTES = random.Random(1).randbytes(1 << 20)


def _sizes(count: int) -> Iterator[int]:
    """Sizes that begin and end everywhere in a page, small and large, until there are `count`."""
    sizes = itertools.cycle([1, 70_000, PAGE - 1, 3, 200_000, 65_536, 2, 131_072, PAGE, 4, 333_333])
    while count > 0:
        size = min(count, next(sizes))
        count -= size
        yield size


@pytest.mark.parametrize("offset", [0, 4, 1000], ids=["aligned memory", "words", "anywhere"])
def test_the_file_is_what_was_appended(tmp_path: Path, offset: int) -> None:
    memory = mmap.mmap(-1, len(BYTES) + PAGE)
    memory[offset : offset + len(BYTES)] = BYTES
    with contextlib.closing(GrowingFile(tmp_path / "f")) as file, memoryview(memory) as all_of_it:
        at = 0
        for size in _sizes(len(BYTES)):
            file.append(all_of_it[offset + at : offset + at + size])
            at += size
            assert file.size == at
            assert (tmp_path / "f").read_bytes() == BYTES[:at]  # now, not only at the end
        file.sync()
    assert (tmp_path / "f").read_bytes() == BYTES


def test_large_data_do_not_go_through_the_page_cache(tmp_path: Path) -> None:
    _need_direct_io(tmp_path)
    memory = mmap.mmap(-1, 4 << 20)
    for misplaced in (0, 4):
        path = tmp_path / f"{misplaced}"
        with contextlib.closing(GrowingFile(path)) as file, memoryview(memory) as all_of_it:
            file.append(all_of_it[misplaced:])
        assert _cached(path) <= 4 * PAGE  # the rest of a page, and what the kernel keeps beside it


def test_a_file_system_that_wants_more_than_it_promises_gets_the_data_through_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _need_direct_io(tmp_path)
    monkeypatch.setattr(growing_file, "_PAGE", 4)  # which no disk can do
    with contextlib.closing(GrowingFile(tmp_path / "f")) as file:
        file.append(memoryview(BYTES)[1:-3])
        assert file._direct is None  # it was tried, and is not tried again
    assert (tmp_path / "f").read_bytes() == BYTES[1:-3]


def test_a_file_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("precious")
    with pytest.raises(FileExistsError):
        GrowingFile(tmp_path / "f")
    assert (tmp_path / "f").read_text() == "precious"


def test_what_the_disk_does_not_take_is_an_error_and_what_it_took_is_told(tmp_path: Path) -> None:
    with contextlib.closing(GrowingFile(tmp_path / "f")) as file:
        with _no_file_above(100_000), pytest.raises(OSError, match="File too large"):
            file.append(memoryview(BYTES))
        assert 0 < file.size <= 100_000
        assert (tmp_path / "f").read_bytes() == BYTES[: file.size]


def _need_direct_io(folder: Path) -> None:
    """Skips where files have no direct I/O, or are in memory and nowhere else."""
    probe = folder / "probe"
    probe.touch()
    try:
        descriptor = os.open(probe, os.O_WRONLY | os.O_DIRECT)
        os.pwrite(descriptor, mmap.mmap(-1, PAGE), 0)
        os.close(descriptor)
        if _cached(probe):
            pytest.skip(f"the file system of {folder} keeps files in memory")
    except OSError as error:
        pytest.skip(f"the file system of {folder} has no direct I/O: {error.strerror}")


def _cached(path: Path) -> int:
    """Bytes of a file that are in the page cache: those that can be had without waiting for the disk."""
    count, page = 0, bytearray(PAGE)
    with path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_RANDOM)  # nothing is read ahead
        for at in range(0, path.stat().st_size, PAGE):
            with contextlib.suppress(BlockingIOError):
                count += os.preadv(file.fileno(), [page], at, os.RWF_NOWAIT)
    return count


@contextlib.contextmanager
def _no_file_above(size: int) -> Iterator[None]:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
