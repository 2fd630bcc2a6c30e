"""`pixieioc recover`: whole records of a run that was cut off are counted, and no byte of them is lost."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pixieioc.listmode.encode import encode
from pixieioc.listmode.variant import variant
from pixieioc.offline.job import Job
from pixieioc.offline.recover import Layout, layouts_of, recover, unfinished
from pixieioc.offline.replay import replay
from pixieioc.pipeline import Error
from pixieioc.tasks import disk
from pixieioc.tasks.raw_file import RawFile, as_json
from pixieioc.tasks.raw_names import begun
from tests.compiling import without_compiling
from tests.conftest import DATA
from tests.listmode.samples import random_events
from tests.running_ioc import ROOT

FULL = (DATA / "pixie16_binary_data-full.bin").read_bytes()
NAME = "pixie16_001_run000007_mod02.bin"
ABOUT = {
    "run_id": 7,
    "module": 2,
    "start_time": 1.7e9,
    "configuration": {"ConvertToEvents": {"adc_mhz": [500.0], "firmware_revision": [34688.0]}},
}


def _cut_off(folder: Path, data: bytes, about: dict[str, Any] | None, name: str = NAME) -> Path:
    """What is left of a raw file when its task is killed."""
    part = folder / f"{name}.part"
    part.write_bytes(data)
    if about is not None:
        begun(folder / name).write_bytes(as_json(about))
    return part


@pytest.mark.parametrize("about", [ABOUT, None], ids=["sidecar", "name alone"])
@pytest.mark.parametrize("left", [0, 1, 4, 15])
def test_whole_records_are_counted_and_every_byte_is_kept(
    tmp_path: Path, about: dict[str, Any] | None, left: int
) -> None:
    data = FULL[: 16_000 + left]
    part = _cut_off(tmp_path, data, about)
    found = recover(part)
    assert (found.records, found.bytes_left_over, found.bytes, found.corrupt_regions) == (1000, left, len(data), 0)
    assert (found.run_id, found.module) == (7, 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == [NAME, NAME + ".json"]
    assert (tmp_path / NAME).read_bytes() == data
    sidecar = json.loads((tmp_path / f"{NAME}.json").read_text())
    assert (sidecar["file"], sidecar["bytes"]) == (NAME, len(data))
    assert (sidecar["run_id"], sidecar["module"], sidecar.get("start_time")) == (7, 2, about and 1.7e9)
    assert sidecar["sha256"] == hashlib.sha256(data).hexdigest()
    assert (sidecar["recovered"]["records"], sidecar["recovered"]["bytes_left_over"]) == (1000, left)
    if about and left == 15:  # once is enough
        summary = replay(Job((str(tmp_path / NAME),)))
        assert (summary.counts[2].keys(), summary.events, summary.bytes_left_over) == ({9, 10}, 1000, left)


@pytest.mark.parametrize(("mhz", "firmware"), [(100, 17562), (250, 30474), (250, 46540), (500, 34688)])
@pytest.mark.parametrize("told", [True, False])
def test_records_of_every_layout(tmp_path: Path, mhz: int, firmware: int, told: bool) -> None:
    row = variant(mhz, firmware)
    data = encode(random_events(row, 500, 1), row).tobytes()
    settings = {"adc_mhz": [500.0, float(mhz)], "firmware_revision": [34688.0, float(firmware)]}
    about = {"module": 1, "configuration": {"ConvertToEvents": settings}} if told else None
    found = recover(_cut_off(tmp_path, data[:-8], about))
    # The last record is cut: the two words that it lacks make all of it left over.
    assert found.records == 499
    assert found.bytes == len(data) - 8
    assert (found.corrupt_regions, found.bytes_lost) == (0, 0)


def test_the_layout_can_be_given(tmp_path: Path) -> None:
    row = variant(100, 17562)
    data = encode(random_events(row, 100, 1), row).tobytes()
    found = recover(_cut_off(tmp_path, data, ABOUT), [Layout(100, 17562)])
    assert (found.records, found.corrupt_regions, found.layout) == (100, 0, str(row))
    assert layouts_of([100.0, 250.0], [30474.0], None) == [Layout(100, 30474), Layout(250, 30474)]
    with pytest.raises(Error, match="2 ADC rates and 3 firmware revisions"):
        layouts_of([100.0, 250.0], [30474.0] * 3, None)


def test_zeros_of_a_power_cut_are_in_no_record(tmp_path: Path) -> None:
    found = recover(_cut_off(tmp_path, FULL[:16_000] + bytes(4096), ABOUT))
    assert (found.records, found.corrupt_regions, found.bytes_lost + found.bytes_left_over) == (1000, 1, 4096)
    assert (tmp_path / NAME).stat().st_size == 20_096


def test_an_empty_file_is_left_as_it_is(tmp_path: Path) -> None:
    part = _cut_off(tmp_path, b"", ABOUT)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(Error, match=f"{NAME}.part is empty, there is nothing to recover"):
        recover(part)
    assert sorted(tmp_path.iterdir()) == before


def test_a_file_that_is_being_written_is_refused(tmp_path: Path) -> None:
    file = RawFile(tmp_path / NAME, about=ABOUT)
    file.write(FULL)
    with pytest.raises(Error, match=f"{NAME}.part is still being written: its run has not ended"):
        recover(file.part)
    file.finish(ABOUT)
    assert sorted(path.name for path in tmp_path.iterdir()) == [NAME, NAME + ".json"]
    assert (tmp_path / NAME).read_bytes() == FULL


def test_without_locks_only_what_is_quiet_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(*_: Any) -> None:
        raise OSError(95, "Operation not supported")

    part = _cut_off(tmp_path, FULL, ABOUT)
    monkeypatch.setattr(fcntl, "flock", no_locks)
    with pytest.raises(Error, match=r"was written to 0 s ago: recover it when it has not been for 10 s"):
        recover(part)
    os.utime(part, (1e9, 1e9))
    assert recover(part).records == 24_598
    assert json.loads((tmp_path / f"{NAME}.json").read_text())["end_time"] == 1e9


@pytest.mark.parametrize("links", [True, False])
def test_nothing_is_overwritten(tmp_path: Path, links: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    part = _cut_off(tmp_path, FULL, ABOUT)
    (tmp_path / NAME).write_text("mine")
    with pytest.raises(Error, match=f"{NAME} exists already; nothing is overwritten"):
        recover(part)
    assert (tmp_path / NAME).read_text() == "mine"
    assert part.read_bytes() == FULL
    if not links:

        def no_links(*_: Any) -> None:
            raise PermissionError

        monkeypatch.setattr(Path, "hardlink_to", no_links)
    with pytest.raises(FileExistsError):
        disk.rename_new(part, tmp_path / NAME)
    disk.rename_new(part, tmp_path / "other")
    assert (tmp_path / "other").read_bytes() == FULL
    assert not part.exists()


def test_a_sidecar_of_other_data_is_refused_and_its_own_is_kept(tmp_path: Path) -> None:
    sidecar = tmp_path / f"{NAME}.json"
    part = _cut_off(tmp_path, FULL, ABOUT)
    sidecar.write_text(json.dumps({"bytes": 5, "sha256": "x"}))
    with pytest.raises(Error, match="json exists already, and is of other data"):
        recover(part)
    # A run that was cut off when all was written, and only the name was missing.
    content = json.dumps({**ABOUT, "bytes": len(FULL), "sha256": hashlib.sha256(FULL).hexdigest()})
    sidecar.write_text(content)
    recover(part)
    assert sidecar.read_text() == content
    assert (tmp_path / NAME).read_bytes() == FULL


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("a.bin", "a.bin is not of a run that was cut off: its name does not end with .part"),
        (
            "a.parquet.part",
            "a.parquet.part is of a file of events that lacks its end, which says where everything is: replay",
        ),
        ("a.json.part", "a.json.part only describes a raw file, which is not there"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, name: str, says: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(Error, match=says):
        recover(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_folder_and_nothing_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Error, match="is a folder"):
        recover(tmp_path)
    with pytest.raises(Error, match="no file .*nix"):
        recover(tmp_path / "nix")
    with pytest.raises(Error, match="no file matches"):
        unfinished([str(tmp_path / "*.part")])


def _program(*arguments: str | Path, code: int) -> tuple[str, str]:
    command = [sys.executable, "-m", "pixieioc", "recover", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == code, done.stderr
    return done.stdout, without_compiling(done.stderr)


def test_the_command_says_what_it_has_done_and_what_not(tmp_path: Path) -> None:
    good = [_cut_off(tmp_path, FULL[:16_003], ABOUT | {"module": i}, f"run000007_mod0{i}.bin") for i in range(3)]
    (tmp_path / "run000007_mod01.bin").write_text("mine")
    out, err = _program(tmp_path / "*.part", code=1)
    assert out.splitlines() == [
        f"{tmp_path}/run000007_mod0{i}.bin: run 7, module {i}, 1000 whole records in 16003 bytes, "
        "with 3 bytes of a record that is not whole at the end, kept"
        for i in (0, 2)
    ]
    assert err == f"pixieioc: {tmp_path}/run000007_mod01.bin exists already; nothing is overwritten\n"
    (tmp_path / "run000007_mod01.bin").unlink()
    out, err = _program(good[1], "--json", code=0)
    told = json.loads(out)
    assert (told["refused"], err) == ([], "")
    assert (told["recovered"][0]["records"], told["recovered"][0]["run_id"]) == (1000, 7)
    assert not list(tmp_path.glob("*.part"))
    assert np.array_equal(np.fromfile(tmp_path / "run000007_mod01.bin", "u1"), np.frombuffer(FULL[:16_003], "u1"))
