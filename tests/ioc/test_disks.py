"""Raw files through a running IOC: folders that are made, that vanish in a run, and files that were cut off."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest

from tests.ca_client import PutFailed
from tests.running_ioc import Ioc, ioc_folder, running
from tests.stopwatch import Stopwatch
from tests.tmpfs import tmpfs, unmount

ECA_PUTFAIL = 160
MAJOR = 2
CONFIG = """
[pipeline]
chain = ["DummyData", "GatherData"]

[tasks.GatherData]
auto_save = true
max_delay = 0.05
create_directory = true

[run]
preset_mode = "Real time"
preset_real = 0.2

[ioc]
state_dir = "state"
disk_lolo = 0.0
disk_low = 0.0
"""


@pytest.fixture
def place(ioc: Ioc, tmp_path: Path) -> Path:
    """The folder for raw files, which is there."""
    folder = tmp_path / "raw"
    ioc.put("FilePath", str(tmp_path))
    return folder


# What is written to CreateDirectory; what it reads then; new levels of the path; whether they are made
@pytest.mark.parametrize(
    ("depth", "reads", "missing", "made"),
    [
        ("No", 0, 0, True), ("No", 0, 1, False), (0, 0, 1, False), (-1, -1, 1, True), ("-2", -2, 3, False),
        (-3, -3, 3, True), ("Yes", 1, 3, True), (1, 1, 3, True), (2, 2, 1, True), (90, 90, 1, False),
    ],
)  # fmt: skip
def test_folders_are_made_as_by_areadetector(
    ioc: Ioc, place: Path, depth: int | str, reads: int, missing: int, made: bool
) -> None:
    folder = place.parent.joinpath(*"abc"[:missing])
    ioc.put("CreateDirectory", depth, datatype=str if isinstance(depth, str) else None)
    assert ioc.get("CreateDirectory") == reads
    ioc.put("FilePath", str(folder))
    if made:
        assert ioc.get("FilePathExists_RBV") == "Yes"
        ioc.put("Acquire", 1)
        assert Path(ioc.get("FullFileName_RBV")).parent == folder
        assert len(list(folder.glob("*.bin"))) == 1
    else:
        assert (ioc.get("FilePathExists_RBV"), ioc.severity("FilePathExists_RBV")) == ("No", MAJOR)
        with pytest.raises(PutFailed) as caught:
            ioc.put("Acquire", 1)
        assert caught.value.code == ECA_PUTFAIL
        assert f"there is no folder {folder}" in ioc.get("CmdMessage_RBV")
        assert not (place.parent / "a").exists()


def test_what_is_no_depth_is_refused_with_the_range(ioc: Ioc) -> None:
    for value in (100, "Perhaps"):
        with pytest.raises(PutFailed):
            ioc.put("CreateDirectory", value, datatype=str if isinstance(value, str) else None)
    ioc.put("ConfigJSON", '{"create_directory": "Yes"}')
    assert ioc.get("CreateDirectory") == 1


def _taken_away(ioc: Ioc) -> None:
    """Sees what is to be seen after a folder has vanished, which was just now."""
    gone = Stopwatch()
    ioc.until("WriteStatus_RBV", "Write error")
    assert gone.taken < 2
    assert ioc.severity("WriteStatus_RBV") == MAJOR
    ioc.until("Acquire", "Done")
    assert "removed, moved or unmounted in the run" in ioc.get("WriteMessage_RBV")
    assert (ioc.get("RunEndReason_RBV"), ioc.get("DetectorState_RBV")) == ("Task error", "Error")
    assert ioc.get("GatherData:ERROR") == "ERROR"


def test_a_folder_that_is_removed_in_a_run_is_noticed(ioc: Ioc, place: Path) -> None:
    ioc.put("FilePath", str(place))
    ioc.put("PresetMode", "No preset")
    done = ioc.put_later("Acquire", 1)
    ioc.until("DetectorState_RBV", "Acquire")
    ioc.until("BytesWritten_RBV", lambda size: size > 10_000)
    shutil.rmtree(place)
    _taken_away(ioc)
    with pytest.raises(PutFailed):
        done.result(60)
    # The next run has its folder made again.
    ioc.put("PresetMode", "Real time")
    ioc.put("Acquire", 1)
    assert (ioc.get("WriteStatus_RBV"), ioc.severity("WriteStatus_RBV")) == ("Write OK", 0)
    assert len(list(place.glob("*.bin"))) == 1


def test_a_disk_that_is_unmounted_in_a_run_is_noticed(ioc: Ioc, place: Path) -> None:
    with tmpfs(place):
        ioc.put("FilePath", str(place))
        ioc.put("PresetMode", "No preset")
        ioc.put_and_forget("Acquire", 1)
        ioc.until("DetectorState_RBV", "Acquire")
        ioc.until("BytesWritten_RBV", lambda size: size > 10_000)
        unmount(place)
        _taken_away(ioc)
    assert list(place.iterdir()) == []  # nothing has gone to the disk below


def test_a_full_disk_leaves_complete_files_and_the_next_run_works_when_there_is_space() -> None:
    with ioc_folder() as folder, tmpfs(folder / "raw", "1m") as raw:
        config = folder / "test.toml"
        config.write_text(CONFIG.replace("create", f'file_path = "{raw}"\ncreate').replace("0.2", "60"))
        with running(Ioc(folder, "run", config)) as ioc:
            ioc.put("DummyData:ChannelRate", 20_000.0)
            with pytest.raises(PutFailed):
                ioc.put("Acquire", 1)
            assert "No space left on device" in ioc.get("WriteMessage_RBV")
            assert (ioc.get("WriteStatus_RBV"), ioc.severity("WriteStatus_RBV")) == ("Write error", MAJOR)
            first = _content(raw)
            assert len(first) > 500_000
            assert ioc.get("UnfinishedFiles_RBV") == ""
            # One that waits goes on by itself, and its parts are one stream.
            for file in raw.iterdir():
                file.unlink()
            ioc.put("OnWriteError", "Wait")
            ioc.put("FileSizeLimit", 0.3)
            run = ioc.put_later("Acquire", 1)
            ioc.until("WriteMessage_RBV", lambda text: text.startswith("the run waits"))
            assert (ioc.get("Acquire_RBV"), ioc.severity("WriteStatus_RBV")) == ("Acquiring", MAJOR)
            parts = sorted(raw.glob("*.bin"))
            assert len(parts) > 2
            assert _content(raw)
            complete = ioc.get("FilesComplete_RBV")
            for file in parts[1:]:
                file.unlink()
            ioc.until("FilesComplete_RBV", lambda count: count > complete)  # WriteStatus_RBV is well for some ms only
            ioc.until("WriteMessage_RBV", lambda text: text.startswith("the run waits"))
            began = Stopwatch()
            assert isinstance(ioc.put_later("Stop", 1).exception(60), PutFailed)  # what waits is given up
            assert began.taken < 8 + 2
            assert isinstance(run.exception(60), PutFailed)
            assert ioc.get("RunEndReason_RBV") == "Task error"


def _content(folder: Path) -> bytes:
    """All raw files, each of which is what its sidecar says."""
    found = b""
    for path in sorted(folder.glob("*.bin")):
        content = path.read_bytes()
        about = json.loads(path.with_name(path.name + ".json").read_text())
        assert about["sha256"] == hashlib.sha256(content).hexdigest()
        found += content
    return found


def test_files_that_were_cut_off_are_named_when_their_task_is_killed_and_at_the_next_start() -> None:
    with ioc_folder() as folder:
        raw = folder / "raw"
        config = folder / "test.toml"
        config.write_text(CONFIG.replace("create", f'file_path = "{raw}"\ncreate').replace("0.2", "60"))
        ioc = Ioc(folder, "run", config)
        with running(ioc):
            assert ioc.get("UnfinishedFiles_RBV") == ""
            done = ioc.put_later("Acquire", 1)
            ioc.until("BytesWritten_RBV", lambda size: size > 10_000)
            ioc.kill_task("GatherData")
            assert isinstance(done.exception(60), PutFailed)
            [part] = raw.glob("*.bin.part")
            ioc.put("Reset", 1)
            ioc.until("UnfinishedFiles_RBV", f"1 raw file was cut off, pixieioc recover finishes it: {part}")
            assert ioc.end() == 0
            ioc.start()
            ioc.until("UnfinishedFiles_RBV", lambda text: text.endswith(str(part)))
            assert f"WARNING pixieioc.ioc.app: 1 raw file was cut off, pixieioc recover finishes it: {part}" in (
                ioc.output()
            )
            part.unlink()
            ioc.until("UnfinishedFiles_RBV", "")


EVENTS = """
[pipeline]
chain = ["DummyData", "ConvertToEvents", "WriteEvents"]

[tasks.WriteEvents]
file = "{0}/run{{run}}.npy"
format = "npy"

[run]
preset_mode = "Real time"
preset_real = 60

[ioc]
state_dir = "state"
disk_lolo = 0.0
disk_low = 0.0
[ioc.log]
file = "{0}/log"
"""


def test_event_files_on_a_full_disk_which_has_the_log_too() -> None:
    with ioc_folder() as folder, tmpfs(folder / "small", "1m") as small:
        config = folder / "test.toml"
        config.write_text(EVENTS.format(small))
        with running(Ioc(folder, "run", config)) as ioc:
            ioc.put("DummyData:ChannelRate", 5_000.0)
            with pytest.raises(PutFailed):
                ioc.put("Acquire", 1)
            assert "No space left on device" in ioc.get("WriteEvents:REPORT:WriteMessage_RBV")
            for name in ("WriteStatus_RBV", "EventsNotWritten_RBV"):
                assert ioc.severity(f"WriteEvents:REPORT:{name}") == MAJOR
            [file] = small.glob("*[0-9].npy")
            about = json.loads(file.with_name(file.name + ".json").read_text())
            assert ioc.get("WriteEvents:REPORT:EventsWritten_RBV") == about["events"] == len(np.load(file)) > 1000
            # A run that waits goes on when there is space; the log has none either, which is nothing to the run.
            for setting, value in (("OnWriteError", "Wait"), ("FileTimeLimit", 0.5)):
                ioc.put(f"WriteEvents:{setting}", value)
            ioc.put("DummyData:ChannelRate", 500.0)
            ioc.put("PresetReal", 2)
            run = ioc.put_later("Acquire", 1)
            ioc.until("WriteEvents:REPORT:WriteMessage_RBV", lambda text: text.startswith("the run waits"))
            filler = small / "filler"
            filler.write_bytes(bytes(_free(small)))
            for _ in range(100):  # more lines than fit into the page that the file has already
                ioc.process.send_signal(signal.SIGHUP)
                ioc.get("Acquire")
            ioc.until("IOC:LogLost_RBV", lambda lost: lost > 0)
            filler.unlink()
            file.unlink()
            run.result(60)
            assert ioc.get("WriteEvents:REPORT:EventsNotWritten_RBV") == 0
            parts = [path for path in small.glob("*.npy") if path != file]
            assert sum(len(np.load(path)) for path in parts) == ioc.get("WriteEvents:REPORT:EventsWritten_RBV")


def _free(folder: Path) -> int:
    """Bytes that are free."""
    free = os.statvfs(folder)
    return free.f_bavail * free.f_bsize
