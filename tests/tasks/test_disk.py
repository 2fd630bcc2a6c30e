"""Which folders are made, in areaDetector's way."""

from __future__ import annotations

from pathlib import Path

import pytest

from pixieioc.pipeline import Error
from pixieioc.tasks.disk import levels, make_folder, replace_file, why_not_made, why_not_new
from pixieioc.tasks.gather_data import GatherData

# CreateDirectory; levels of the path; those that there are; whether it is made
CASES = """
 0  4 4  yes
 0  4 3  no
 1  4 0  yes
 1  4 3  yes
 2  4 0  no
 2  4 1  yes
 4  4 2  no
 4  4 3  yes
 9  4 3  no
 9  4 4  yes
-1  4 3  yes
-1  4 2  no
-3  4 1  yes
-3  4 0  no
-9  4 0  yes
"""


@pytest.mark.parametrize("case", CASES.strip().splitlines(), ids=str.strip)
def test_which_folders_are_made(case: str) -> None:
    depth, all_levels, there, made = case.split()
    assert (not why_not_made("/a/b/c/d", int(all_levels), int(there), int(depth))) == (made == "yes")


def test_folders_are_made_or_refused_with_the_reason(tmp_path: Path) -> None:
    new = tmp_path / "a" / "b" / "c"
    there = levels(tmp_path)
    for depth, says in (
        (0, "CreateDirectory makes it"),
        (-2, "3 levels are missing, CreateDirectory = -2 makes 2"),
        (there + 2, f"CreateDirectory = {there + 2} needs {there + 1} levels of it, {there} are there"),
    ):
        with pytest.raises(Error, match=f"there is no folder {new}.*{says}"):
            make_folder(new, depth)
        assert not (tmp_path / "a").exists()
    make_folder(new, -3)
    assert new.is_dir()
    make_folder(new, 0)
    make_folder(new / "d", there + 4)
    (tmp_path / "file").touch()
    with pytest.raises(Error, match="cannot make the folder .*/file/x: Not a directory"):
        make_folder(tmp_path / "file" / "x", 1)


@pytest.mark.parametrize(
    ("given", "means"), [("No", 0), ("Yes", 1), (False, 0), (True, 1), (-3, -3), (2, 2), (-3.0, -3)]
)
def test_what_can_be_given(given: object, means: int) -> None:
    accepted = GatherData.parameters()["create_directory"].check(given)
    assert accepted == means
    assert type(accepted) is int


@pytest.mark.parametrize("given", ["yes", "2", 1.5, 100, None])
def test_what_cannot(given: object) -> None:
    with pytest.raises(ValueError, match="a whole number from -99 to 99, or No for 0, or Yes for 1"):
        GatherData.parameters()["create_directory"].check(given)


@pytest.mark.parametrize(
    ("name", "ending", "says"),
    [
        ("new.bin", ".part", ""),
        ("x" * 255, "", ""),
        ("x" * 255, ".part", "has 260 bytes, at most 255 are possible in {folder}"),
        ("ä" * 128, "", "has 256 bytes, at most 255 are possible in {folder}"),
        (f"{'x' * 256}/below/new.bin", "", "has 256 bytes, at most 255 are possible in {folder}"),
        ("not/made/yet/new.bin", "", ""),
        ("/".join(["x" * 250] * 17), "", "has more than 4095 bytes with its folder"),
        ("there.bin", "", "{folder}/there.bin exists already; nothing is overwritten"),
        ("link.bin", "", "{folder}/link.bin exists already; nothing is overwritten"),
    ],
)
def test_why_a_file_cannot_be_a_new_one(tmp_path: Path, name: str, ending: str, says: str) -> None:
    (tmp_path / "there.bin").touch()
    (tmp_path / "link.bin").symlink_to("nowhere")
    found = why_not_new(tmp_path / name, ending)
    assert found.endswith(says.format(folder=tmp_path))
    assert bool(found) == bool(says)


def test_what_cannot_take_its_place_is_not_left_beside_it(tmp_path: Path) -> None:
    taken = tmp_path / "a.json"
    taken.mkdir()
    with pytest.raises(OSError, match="directory"):
        replace_file(taken, b"{}")
    assert list(tmp_path.iterdir()) == [taken]
