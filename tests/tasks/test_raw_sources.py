"""Which raw files are meant, in which order, of which run, and how each kind of them is read."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from backports import zstd

from pixieioc.listmode import events as ev
from pixieioc.pipeline import Error
from pixieioc.tasks.names import counted, natural_key, shown, to_json
from pixieioc.tasks.raw_input import size_of
from pixieioc.tasks.raw_sources import RecordedRun, find, runs_of
from pixieioc.tasks.raw_stream import RawStream
from tests.conftest import DATA

FULL = DATA / "pixie16_binary_data-full.bin"
DATA_BYTES = FULL.read_bytes()
COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": zstd.compress,
}
MODULES, RUNS = r"mod(\d+)", r"run_?(\d+)"


def _read(*paths: Path, most: int = 50_000) -> tuple[bytes, RawStream]:
    """All that a stream gives, block by block."""
    stream, parts = RawStream(paths), list[bytes]()
    for step in range(1, 1000):
        size = 2**62 if stream.size is None else stream.size
        parts.append(stream.read(min(size, step * most), most, ev.heap).tobytes())
        if stream.ended:
            break
    stream.close()
    return b"".join(parts), stream


@pytest.mark.parametrize("ending", COMPRESS)
@pytest.mark.parametrize("most", [7, 50_000, 10**6])
def test_compressed_files_are_read_through(tmp_path: Path, ending: str, most: int) -> None:
    size = 2000 if most == 7 else len(DATA_BYTES)
    path = tmp_path / f"run.bin{ending}"
    # In two pieces, as those make who append to a file.
    path.write_bytes(COMPRESS[ending](DATA_BYTES[:1001]) + COMPRESS[ending](DATA_BYTES[1001:size]))
    data, stream = _read(path, most=most)
    assert data == DATA_BYTES[:size]
    assert (stream.bytes, stream.position, stream.damage) == (size, path.stat().st_size, [])


@pytest.mark.parametrize("ending", COMPRESS)
def test_files_of_one_stream_may_be_of_several_kinds(tmp_path: Path, ending: str) -> None:
    for name, piece in (("1.bin", DATA_BYTES[:1001]), ("2.bin", b""), ("4.bin", DATA_BYTES[9002:])):
        (tmp_path / name).write_bytes(piece)
    (tmp_path / f"3.bin{ending}").write_bytes(COMPRESS[ending](DATA_BYTES[1001:9002]))
    (tmp_path / f"5.bin{ending}").touch()
    data, stream = _read(*sorted(tmp_path.iterdir()))
    assert data == DATA_BYTES
    [text] = stream.damage
    assert text.startswith(f"{tmp_path}/5.bin{ending} is empty: even no data, {_kind(ending)}-compressed, are")


@pytest.mark.parametrize("ending", COMPRESS)
def test_a_compressed_file_that_is_cut_gives_what_it_has_and_says_where(tmp_path: Path, ending: str) -> None:
    whole = COMPRESS[ending](os.urandom(100_000) + DATA_BYTES)
    path, after = tmp_path / f"cut.bin{ending}", tmp_path / "after.bin"
    path.write_bytes(whole[:-1000])
    after.write_bytes(DATA_BYTES)
    data, stream = _read(path, after)
    [text] = stream.damage
    assert text.startswith(
        f"{path} ends in the middle of its {_kind(ending)}-compressed data, at byte {len(whole) - 1000}"
    )
    kept = stream.bytes - len(DATA_BYTES)
    assert f": {kept} bytes of raw data before that were read" in text
    assert (data + stream.rest).endswith(DATA_BYTES)
    assert kept > 0 or ending == ".bz2"  # which gives blocks of 900 kB, or nothing


def _kind(ending: str) -> str:
    return {".gz": "gzip", ".bz2": "bzip2", ".xz": "xz", ".zst": "zstd"}[ending]


@pytest.mark.parametrize("ending", COMPRESS)
def test_a_compressed_file_that_is_damaged_says_where(tmp_path: Path, ending: str) -> None:
    whole = bytearray(COMPRESS[ending](DATA_BYTES))
    whole[-50_000:-40_000] = bytes(10_000)
    path = tmp_path / f"bad.bin{ending}"
    path.write_bytes(whole)
    _, stream = _read(path)
    [text] = stream.damage
    assert text.startswith(f"{path} is damaged in its {_kind(ending)}-compressed data, at byte ")


@pytest.mark.parametrize("named", [True, False])
def test_pipes_are_read_and_never_waited_for(tmp_path: Path, named: bool) -> None:
    end, begin = os.pipe()
    path = tmp_path / "run_mod00.bin" if named else Path(f"/proc/{os.getpid()}/fd/{end}")
    if named:
        os.mkfifo(path)
        assert find([str(path)]) == [path]
    stream = RawStream([path])
    assert stream.size is None
    assert not len(stream.read(2**62, 100, ev.heap))  # nobody has written yet
    assert not stream.ended
    if named:
        os.close(begin)
        begin = os.open(path, os.O_WRONLY)
    os.write(begin, DATA_BYTES[:103])
    assert stream.read(2**62, 1000, ev.heap).tobytes() == DATA_BYTES[:100]
    assert not stream.ended
    os.write(begin, DATA_BYTES[103:200])
    os.close(begin)
    assert stream.read(2**62, 1000, ev.heap).tobytes() == DATA_BYTES[100:200]
    assert stream.ended
    assert (stream.bytes, stream.rest) == (200, b"")
    os.close(end)


def test_a_pipe_whose_writer_has_gone_before_is_read_to_its_end() -> None:
    end, begin = os.pipe()
    os.write(begin, DATA_BYTES[:8])
    os.close(begin)
    data, stream = _read(Path(f"/proc/{os.getpid()}/fd/{end}"))
    os.close(end)
    assert (data, stream.ended) == (DATA_BYTES[:8], True)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        (
            "a.bin",
            gzip.compress(b"x", mtime=0),
            "is gzip-compressed: only a file whose name ends with .gz is decompressed",
        ),
        ("a.bin", zstd.compress(b"x"), "is zstd-compressed"),
        ("a.bin", b"PK\x03\x04....", "is a zip archive, no raw data"),
        ("a.bin", b"PAR1\x15\x04", "is a Parquet file, no raw data"),
        ("a.root", b"root\0\0\xf6", "is a ROOT file, no raw data"),
        ("a.h5", b"\x89HDF\r\n\x1a\n", "is an HDF5 file, no raw data"),
        ("a.npy", b"\x93NUMPY\x01\0", "is a file of numpy, no raw data"),
        ("a.json", b"{}", "is a JSON file, no raw data"),
        ("a.gz", b"12345678", "is not gzip-compressed, as its name says"),
    ],
)
def test_files_of_another_kind_are_refused(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(Error, match=f"{name} {says}"):
        find([str(tmp_path / name)])


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as here:
        here.bind(str(tmp_path / "s"))
        for path, says in (
            (tmp_path, r"is a folder: give the files in it, as in '.*/\*.bin'$"),
            (tmp_path / "s", "is a socket"),
            (Path("/dev/null"), "is a character device"),
            (tmp_path / "nix", "^no file .*nix$"),
            (tmp_path / "nix" / "*", "^no file matches "),
        ):
            with pytest.raises(Error, match=says):
                find([str(path)])
    (tmp_path / "dead").symlink_to("nowhere")
    with pytest.raises(Error, match="no file .*dead"):
        find([str(tmp_path / "dead")])


def test_numbers_are_sorted_by_their_value(tmp_path: Path) -> None:
    names = [f"run_{run}_mod{module}.bin" for run in (1, 2, 10, 100) for module in (0, 9, 11)]
    for name in sorted(names):
        (tmp_path / name).write_bytes(b"1234")
        (tmp_path / f"{name}.json").write_text("{}")
    (tmp_path / "run_3").mkdir()
    assert [path.name for path in find([str(tmp_path / "run_*")])] == names
    assert sorted(["a10", "a9", "a09", "b"], key=natural_key) == ["a09", "a9", "a10", "b"]
    # A shell sorts by letters; what it has not sorted stays as it is.
    assert counted(["run_1", "run_10", "run_2"]) == ["run_1", "run_2", "run_10"]
    assert counted(["second", "first", "x2", "a", "x1"]) == ["second", "first", "x1", "a", "x2"]


def _file(folder: Path, name: str, **about: Any) -> Path:
    path = folder / name
    path.write_bytes(DATA_BYTES[:16])
    if about:
        (folder / f"{name}.json").write_text(json.dumps(about))
    return path


def test_the_files_of_a_run_belong_together_and_runs_follow_each_other(tmp_path: Path) -> None:
    late = [_file(tmp_path, f"b_mod0{i}.bin", run_id=4, start_time=2e9, end_time=2e9 + 5 + i) for i in range(2)]
    early = [_file(tmp_path, f"a_mod00_part{i}.bin", run_id=12, start_time=1e9, end_time=1e9 + 9) for i in (2, 10)]
    first, second = runs_of([late[0], *early, late[1]], MODULES, RUNS)
    assert (first.run, second.run) == (RecordedRun(12, 1e9, 1e9 + 9), RecordedRun(4, 2e9, 2e9 + 6))
    assert first.modules == {0: early}
    assert second.modules == {0: [late[0]], 1: [late[1]]}


def test_without_sidecars_names_tell_the_runs_and_otherwise_all_are_one(tmp_path: Path) -> None:
    of_runs = [_file(tmp_path, f"x_run{run:06}_mod0{module}.bin") for run in (10, 2) for module in (1, 0)]
    runs = runs_of(of_runs, MODULES, RUNS)
    assert [each.run.run_id for each in runs] == [2, 10]
    assert [list(each.modules) for each in runs] == [[0, 1], [0, 1]]
    assert len(runs_of(of_runs, MODULES, "")) == 1
    parts = [_file(tmp_path, f"data-0{i}.bin") for i in range(3)]
    [whole] = runs_of(parts, MODULES, RUNS)
    assert (whole.run, whole.modules) == (RecordedRun(), {0: parts})
    assert not whole.run.known


def test_a_module_whose_sidecar_is_lost_is_of_the_run_that_its_name_tells(tmp_path: Path) -> None:
    paths = [_file(tmp_path, "run7_mod00.bin", run_id=7, start_time=1e9), _file(tmp_path, "run7_mod01.bin")]
    [run] = runs_of(paths, MODULES, RUNS)
    assert (run.run.start_time, list(run.modules)) == (1e9, [0, 1])


def test_a_number_may_be_a_date_but_not_any(tmp_path: Path) -> None:
    named = [_file(tmp_path, f"run{number}.bin") for number in (20261125190000, 10**30)]
    runs = [runs_of([path], MODULES, RUNS)[0].run.run_id for path in named]
    assert runs == [20261125190000, None]


@pytest.mark.parametrize("sidecar", ["a.bin.json", "a.bin.gz.json"])
def test_a_compressed_file_has_the_sidecar_of_what_it_was(tmp_path: Path, sidecar: str) -> None:
    path = tmp_path / "a.bin.gz"
    path.write_bytes(gzip.compress(DATA_BYTES[:16]))
    (tmp_path / sidecar).write_text('{"run_id": 3, "start_time": 5}')
    [run] = runs_of(find([str(path), str(tmp_path / sidecar)]), MODULES, RUNS)
    assert run.run == RecordedRun(3, 5.0, None)


@pytest.mark.parametrize("content", ["notes of mine", "[]", '{"start_time": "now", "run_id": true}', '{"run_id": -1}'])
def test_somebody_elses_sidecar_tells_nothing(tmp_path: Path, content: str) -> None:
    path = _file(tmp_path, "a.bin")
    (tmp_path / "a.bin.json").write_text(content)
    assert not runs_of([path], MODULES, RUNS)[0].run.known


def test_a_file_that_is_given_twice_is_refused(tmp_path: Path) -> None:
    path, link = _file(tmp_path, "a.bin"), tmp_path / "b.bin"
    link.symlink_to(path)
    with pytest.raises(Error, match="a.bin is given twice"):
        runs_of([path, path], MODULES, RUNS)
    with pytest.raises(Error, match=r"b.bin and .*a.bin are the same file"):
        runs_of([path, link], MODULES, RUNS)
    other = tmp_path / "mod01.bin"
    other.symlink_to(path)
    [run] = runs_of([path, other], MODULES, RUNS)  # as two modules that have seen the same
    assert run.modules == {0: [path], 1: [other]}


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    path = _file(tmp_path, os.fsdecode(b"caf\xe9_mod04.bin"), run_id=1)
    [run] = runs_of(find([str(tmp_path / "caf*")]), MODULES, RUNS)
    assert run.modules == {4: [path]}
    assert run.names == [f"{tmp_path}/caf\\xe9_mod04.bin"] == [shown(path)]
    assert json.loads(to_json({"é": str(path)}).encode()) == {"é": str(path)}
    assert size_of(path) == 16
