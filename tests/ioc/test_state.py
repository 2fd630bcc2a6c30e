"""What survives a restart of the IOC."""

from __future__ import annotations

import errno
import json
import os
import subprocess
from pathlib import Path

import pytest

from pixieioc.ioc import state as state_module
from pixieioc.ioc.state import BadState, State
from tests.tmpfs import tmpfs


def test_a_run_number_never_comes_again_and_none_is_left_out(tmp_path: Path) -> None:
    numbers = []
    for _ in range(3):
        with State(tmp_path) as state:
            for _ in range(3):
                number = state.run_id + 1
                state.begin_run(number)
                state.end_run(number)
                numbers.append(number)
            state.release(state.run_id)
    assert numbers == list(range(1, 10))
    with State(tmp_path) as state:
        assert state.run_id == 9


def test_a_number_that_was_shown_before_anything_was_written_never_comes_again(tmp_path: Path) -> None:
    shown = 0  # the number of the last run that clients have seen
    for killed in ("without a run", "as a run is accepted", "in a run", "behind one that never began", "after a run"):
        with State(tmp_path) as state:  # what it does at its end is what a SIGKILL leaves: nothing
            assert state.run_id >= shown
            assert state.reserved == state.run_id + 1
            if killed == "without a run":
                continue
            shown = state.run_id + 1
            if killed in ("in a run", "after a run"):
                state.begin_run(shown)
            if killed == "behind one that never began":
                assert state.check(shown + 1) == ""
                shown += 1
            if killed == "after a run":
                state.end_run(shown)
    with State(tmp_path) as state:
        assert state.run_id >= shown


def test_what_could_not_be_noted_is_before_the_next_number_is_shown(tmp_path: Path) -> None:
    with State(tmp_path) as state:
        (tmp_path / "state.json.new").mkdir()  # nothing can be written
        state.begin_run(1)
        state.reserve()
        assert state.reserved == 1  # number 2 is not to be given yet
        assert state.unreserved == f"the state folder {tmp_path} cannot be written: Is a directory"
        assert state.check(2) == state.unreserved
        (tmp_path / "state.json.new").rmdir()
        assert state.check(2) == ""
        assert (state.reserved, state.unreserved) == (2, "")


def test_it_knows_how_often_it_was_started_and_which_run_was_cut_off(tmp_path: Path) -> None:
    told = []
    for end in ("no run", "run", "no run", "run has ended", "run", "run"):
        with State(tmp_path / "made" / "when needed") as state:
            told.append((state.starts, state.interrupted))
            number = state.run_id + 1
            if end != "no run":
                state.begin_run(number)
            if end == "run has ended":
                state.end_run(number)
            state.release(state.run_id)
    assert told == [(1, 0), (2, 0), (3, 1), (4, 0), (5, 0), (6, 3)]


def test_a_number_is_on_disk_before_the_run_begins(tmp_path: Path) -> None:
    with State(tmp_path) as state:
        assert json.loads(state.path.read_bytes()) == {"run_id": 0, "reserved": 1, "starts": 1}
        state.begin_run(1)
        state.reserve()
        assert json.loads(state.path.read_bytes()) == {"run_id": 1, "reserved": 2, "starts": 1}
        state.begin_run(4)  # of which nothing is there yet
        assert json.loads(state.path.read_bytes()) == {"run_id": 4, "reserved": 5, "starts": 1}
        assert (tmp_path / "state.running").read_text() == "4"
        state.end_run(4)
    assert {path.name for path in tmp_path.iterdir()} == {"state.json", "state.lock"}


def test_a_change_that_was_cut_off_leaves_the_one_before(tmp_path: Path) -> None:
    with State(tmp_path) as state:
        state.begin_run(1)
        state.release(1)
    (tmp_path / "state.json.new").write_text('{"run_id": 7')
    with State(tmp_path) as state:
        assert (state.run_id, state.interrupted) == (1, 1)


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", '{"run_id": "seven"}', '{"run_id": 1.5}', '{"run_id": null}', b"\xff\xfe"],
)
def test_what_cannot_be_read_is_not_overwritten(tmp_path: Path, content: str | bytes) -> None:
    file = tmp_path / "state.json"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    before = file.read_bytes()
    with pytest.raises(BadState, match=r'state\.json: .*write \{"run_id": N\} into it') as caught:
        State(tmp_path)
    assert str(file) in str(caught.value)
    assert file.read_bytes() == before
    file.write_text('{"run_id": 41}')  # as it was told to
    with State(tmp_path) as state:
        assert state.run_id == 41


def test_a_file_that_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "state.json").mkdir()
    with pytest.raises(BadState, match="Is a directory.*must be a file"):
        State(tmp_path)


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadState, match=rf"the state folder {tmp_path}/file/state cannot be used: .*{os.strerror(20)}"):
        State(tmp_path / "file" / "state")


def test_a_folder_that_is_read_only(tmp_path: Path) -> None:
    with tmpfs(tmp_path / "state") as folder:
        with State(folder):
            pass
        subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
        with pytest.raises(BadState, match=rf"{folder} cannot be used: .*Read-only.*set state_dir in \[ioc\]"):
            State(folder)


def test_a_folder_is_one_iocs_only(tmp_path: Path) -> None:
    with State(tmp_path) as first:
        first.begin_run(1)
        before = first.path.read_bytes()
        for _ in range(2):  # being refused changes nothing
            with pytest.raises(
                BadState, match=rf"another IOC \(process {os.getpid()} on \S+\) uses the state folder {tmp_path}: stop"
            ):
                State(tmp_path)
        assert first.path.read_bytes() == before
        first.release(1)
    with State(tmp_path) as second:
        assert second.run_id == 1


def test_without_locks_it_goes_on_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def flock(descriptor: int, how: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(state_module.fcntl, "flock", flock)
    with State(tmp_path) as state:
        state.begin_run(1)
    assert "this file system has no locks" in caplog.text
