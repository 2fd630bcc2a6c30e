"""The list of a run's complete files: JSON that fits into its process variable, the latest last."""

from __future__ import annotations

import json
import os
from pathlib import Path

from pixieioc.tasks.complete_files import LONGEST_LIST, CompleteFile, CompleteFiles


def test_none_at_first() -> None:
    files = CompleteFiles()
    assert (json.loads(files.text), files.count) == ([], 0)


def test_names_are_whole_and_a_checksum_is_left_out_if_there_is_none() -> None:
    files = CompleteFiles()
    files.add(CompleteFile(Path("/data/a.bin"), 8, "ab", 3))
    files.add(CompleteFile(Path("b.npy"), 9))
    assert json.loads(files.text) == [
        {"file": "/data/a.bin", "module": 3, "bytes": 8, "sha256": "ab"},
        {"file": str(Path.cwd() / "b.npy"), "bytes": 9},
    ]


def test_of_very_many_files_the_list_has_the_latest() -> None:
    files = CompleteFiles()
    for number in range(1000):
        files.add(CompleteFile(Path(f"/data/é{number}.bin"), number, 64 * "0"))
        assert len(files.text.encode()) <= LONGEST_LIST
    names = [entry["file"] for entry in json.loads(files.text)]
    assert files.count == 1000
    assert names == [f"/data/é{number}.bin" for number in range(1000 - len(names), 1000)]
    assert len(names) > 200


def test_a_name_that_is_not_utf_8_can_be_read_back() -> None:
    files = CompleteFiles()
    files.add(CompleteFile(Path(os.fsdecode(b"/data/\xe9.bin")), 1))
    assert os.fsencode(json.loads(files.text.encode())[0]["file"]) == b"/data/\xe9.bin"
