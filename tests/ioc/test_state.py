"""What survives a restart of the IOC."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from pixieioc.ioc.state import BadState, State


def test_a_run_number_never_comes_again(tmp_path: Path) -> None:
    numbers = []
    for _ in range(3):
        state = State(tmp_path)
        numbers += [state.next_run() for _ in range(3)]
        assert state.run_id == numbers[-1]
    assert numbers == list(range(1, 10))
    assert State(tmp_path).run_id == 9


def test_it_knows_how_often_it_was_started_and_whether_a_run_was_cut_off(tmp_path: Path) -> None:
    told = []
    for end in ("no run", "run", "no run", "run has ended", "run", "run"):
        state = State(tmp_path / "made" / "when needed")
        told.append((state.starts, state.interrupted))
        if end != "no run":
            state.next_run()
        if end == "run has ended":
            state.run_ended()
    assert told == [(1, False), (2, False), (3, True), (4, False), (5, False), (6, True)]


def test_a_number_is_on_disk_before_the_run_begins(tmp_path: Path) -> None:
    state = State(tmp_path)
    assert state.next_run() == 1
    assert json.loads(state.path.read_bytes()) == {"run_id": 1, "starts": 1, "running": True}
    state.sync()
    assert [path.name for path in tmp_path.iterdir()] == ["state.json"]


def test_a_change_that_was_cut_off_leaves_the_one_before(tmp_path: Path) -> None:
    State(tmp_path).next_run()
    (tmp_path / "state.json.part").write_text('{"run_id": 7')
    state = State(tmp_path)
    assert (state.run_id, state.interrupted) == (1, True)


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", '{"run_id": "seven"}', '{"run_id": 1.5}', '{"run_id": null}', b"\xff\xfe"],
)
def test_what_cannot_be_read_is_not_overwritten(tmp_path: Path, content: str | bytes) -> None:
    file = tmp_path / "state.json"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    before = file.read_bytes()
    with pytest.raises(BadState, match=r"state\.json: .*mend or remove it") as caught:
        State(tmp_path)
    assert str(file) in str(caught.value)
    assert file.read_bytes() == before


def test_a_file_that_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "state.json").mkdir()
    with pytest.raises(BadState, match=r"Is a directory.*mend or remove it"):
        State(tmp_path)


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=os.strerror(20)):
        State(tmp_path / "file" / "state")
