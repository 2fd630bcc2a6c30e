"""`pixieioc recover` of events in numpy's files: what is whole in all of them is kept."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pixieioc.listmode import events as ev
from pixieioc.listmode.variant import variant
from pixieioc.offline.recover import unfinished
from pixieioc.offline.recover_events import recover_events as recover
from pixieioc.pipeline import Error
from pixieioc.tasks.event_formats import new_file
from tests.listmode.samples import random_events, rows
from tests.tasks.test_write_events import read

GIVEN = random_events(variant(500, 34688), 400, 1)


def _cut_off(folder: Path) -> Path:
    """What a process leaves that is killed while it writes."""
    script = (
        "import os; from pathlib import Path; from pixieioc.tasks.event_formats import new_file\n"
        "from tests.offline.test_recover_events import GIVEN\n"
        f"file = new_file(Path('{folder}/e.npy'), 'npy', {{'run_id': 7, 'part': 1}})\n"
        "file.write(GIVEN); file.flush(); os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == -signal.SIGKILL
    return folder / "e.npy.part"


def test_all_events_that_were_written_are_kept(tmp_path: Path) -> None:
    part = _cut_off(tmp_path)
    assert unfinished([str(tmp_path / "*.part")]) == [part]
    found = recover(part)
    assert (found.run_id, found.bytes_left_over) == (7, 0)
    assert str(found) == f"{tmp_path}/e.npy: run 7, 400 events in {found.bytes} bytes"
    assert rows([read(tmp_path / "e.npy")]) == rows([GIVEN])
    about = json.loads((tmp_path / "e.npy.json").read_text())
    assert (about["run_id"], about["events"], about["recovered"]["events"]) == (7, 400, 400)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["e.extra.npy", "e.npy", "e.npy.json", "e.traces.npy"]


@pytest.mark.parametrize(("which", "cut", "events"), [("", 5, 399), ("", 27 * 100, 300), (".traces", 2, -1)])
def test_an_event_that_is_not_whole_is_given_up(tmp_path: Path, which: str, cut: int, events: int) -> None:
    part = _cut_off(tmp_path)
    file = tmp_path / f"e{which}.npy.part"
    row = np.load(_header_only(file), allow_pickle=False).dtype.itemsize if which == "" else 0
    os.truncate(file, file.stat().st_size - (cut if cut != 27 * 100 else 100 * row))
    if events < 0:  # the last with a trace, and those after it
        events = int(np.flatnonzero(GIVEN["trace_length"])[-1])
    recover(part)
    assert rows([read(tmp_path / "e.npy")]) == rows([ev.compact(ev.take(GIVEN, slice(0, events)))])


def _header_only(part: Path) -> Path:
    """A copy of the beginning, whose length is 0."""
    copy = part.with_name("header.npy")
    copy.write_bytes(part.read_bytes()[:1000])
    return copy


def test_files_that_are_still_written_are_refused(tmp_path: Path) -> None:
    file = new_file(tmp_path / "e.npy", "npy")
    with pytest.raises(Error, match="is still being written"):
        recover(tmp_path / "e.npy.part")
    file.rescue(dict)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    part = _cut_off(tmp_path)
    (tmp_path / "e.npy.json").write_text("mine")
    with pytest.raises(Error, match="e.npy.json exists already, and is of other data; nothing is overwritten"):
        recover(part)
    assert (part.exists(), (tmp_path / "e.npy.json").read_text()) == (True, "mine")


def test_files_that_were_complete_and_had_no_names_yet(tmp_path: Path) -> None:
    file = new_file(tmp_path / "e.npy", "npy")
    file.write(GIVEN)
    file.finish({"events": 400})
    (tmp_path / "e.npy").rename(tmp_path / "e.npy.part")
    (tmp_path / "e.extra.npy").rename(tmp_path / "e.extra.npy.part")
    assert recover(tmp_path / "e.npy.part").events == 400
    assert rows([read(tmp_path / "e.npy")]) == rows([GIVEN])
