"""Versions of a file: whatever is lost in a power cut, the newest one that was written is there and whole."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pixieioc.ioc.sav import written
from pixieioc.ioc.saved_settings import choose
from pixieioc.tasks.versions import KEPT, Versions, readers


def _content(number: int) -> bytes:
    return written({"P:X": str(number)}, {}, "P:", "today")


@dataclass(frozen=True)
class Write:
    """A file was opened anew, and has this content; until it is synced, the disk may have none or a part of it."""

    name: str
    content: bytes


@dataclass(frozen=True)
class Sync:
    """What was written to a file is on the disk; of the folder, which names there are."""

    name: str


@dataclass(frozen=True)
class Rename:
    old: str
    new: str


@dataclass(frozen=True)
class Unlink:
    name: str


@dataclass(frozen=True)
class Done:
    """The write of a version has returned."""

    number: int


Step = Write | Sync | Rename | Unlink | Done


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Step]:
    """Everything that happens to the files of a folder from now on, in its order."""
    steps: list[Step] = []
    fsync, rename, unlink = os.fsync, Path.rename, Path.unlink

    def note_sync(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        if path.is_file():
            steps.append(Write(path.name, path.read_bytes()))  # whatever was written of it so far
        steps.append(Sync("" if path == tmp_path else path.name))
        fsync(descriptor)

    def note_rename(self: Path, target: Path) -> Path:
        steps.append(Rename(self.name, target.name))
        return rename(self, target)

    def note_unlink(self: Path, **options: Any) -> None:
        steps.append(Unlink(self.name))
        unlink(self, **options)

    monkeypatch.setattr(os, "fsync", note_sync)
    monkeypatch.setattr(Path, "rename", note_rename)
    monkeypatch.setattr(Path, "unlink", note_unlink)
    return steps


def _disks(steps: list[Step]) -> Iterator[dict[str, bytes]]:
    """What a disk may have after a power cut behind these steps, by name.

    Names of the folder and contents of files go to the disk on their own: of what was not synced, any part may be
    there. A file without its sync has nothing, half of its content or all of it.
    """
    names: dict[str, int] = {}  # on the disk for certain
    contents: list[tuple[bytes, bool]] = []  # of each file that there ever was: and whether it was synced
    now: dict[str, int] = {}
    pending: list[tuple[str, int | None]] = []  # changes of names that may be lost
    for step in steps:
        match step:
            case Write(name, content):
                now[name] = len(contents)
                contents.append((content, False))
                pending.append((name, now[name]))
            case Sync(""):
                for name, file in pending:
                    names.pop(name, None) if file is None else names.update({name: file})
                pending.clear()
            case Sync(name):
                contents[now[name]] = (contents[now[name]][0], True)
            case Rename(old, new):
                now[new] = now.pop(old)
                pending += [(new, now[new]), (old, None)]
            case Unlink(name):
                now.pop(name, None)
                pending.append((name, None))
            case Done():
                pass
    for kept in itertools.product((False, True), repeat=len(pending)):
        found = dict(names)
        for (name, file), is_kept in zip(pending, kept, strict=True):
            if is_kept:
                found.pop(name, None) if file is None else found.update({name: file})
        loose = sorted({file for file in found.values() if not contents[file][1]})
        for shares in itertools.product((0.0, 0.5, 1.0), repeat=len(loose)):
            part = dict(zip(loose, shares, strict=True))
            yield {n: contents[f][0][: int(len(contents[f][0]) * part.get(f, 1.0))] for n, f in found.items()}


def _restored(disk: dict[str, bytes]) -> int:
    """The number that is read after a restart from a disk: the newest version that is whole; 0: there is none."""
    names = sorted((name for name in disk if name.endswith(".sav")), reverse=True)
    saved = choose([(name, lambda name=name: disk[name]) for name in names], "P:").saved
    return 0 if saved is None else int(saved.values["P:X"])


@pytest.mark.parametrize("instead", [False, True], ids=["versions", "one instead of the other"])
def test_after_a_power_cut_the_newest_version_that_was_written_is_there(
    tmp_path: Path, journal: list[Step], instead: bool
) -> None:
    versions = Versions(tmp_path, "settings", ".sav")
    newest: Path | None = None
    for number in range(1, KEPT + 4):
        newest = versions.write(_content(number), instead_of=newest if instead else None)
        journal.append(Done(number))
    seen = 0
    for cut in range(len(journal) + 1):
        steps = journal[:cut]
        safe = max((step.number for step in steps if isinstance(step, Done)), default=0)
        for disk in _disks(steps):
            seen += 1
            assert safe <= _restored(disk) <= safe + 1
    assert seen > 200


def test_a_write_that_is_not_synced_is_found_out_by_this_model() -> None:
    one, two = _content(1), _content(2)
    steps: list[Step] = [Write("a.new", one), Sync("a.new"), Rename("a.new", "a.sav"), Sync(""), Done(1)]
    steps += [Write("b.new", two), Rename("b.new", "a.sav"), Sync("")]  # without its sync, in the place of the first
    assert 0 in {_restored(disk) for disk in _disks(steps)}


def test_ten_versions_are_kept_beside_the_newest(tmp_path: Path) -> None:
    versions = Versions(tmp_path, "settings", ".sav")
    (tmp_path / "settings-000001.sav.new").write_bytes(b"what a write that was cut off has left")
    (tmp_path / "settings-other.sav").write_bytes(b"what is no version")
    for number in range(14):
        versions.write(_content(number))
    assert [path.name for path in versions.paths()] == [f"settings-{n:06}.sav" for n in range(14, 3, -1)]
    assert versions.paths()[0].read_bytes() == _content(13)
    assert {path.name for path in tmp_path.iterdir()} - {path.name for path in versions.paths()} == {
        "settings-other.sav"
    }


def test_a_version_that_is_not_worth_keeping_goes(tmp_path: Path) -> None:
    versions = Versions(tmp_path, "settings", ".sav")
    first = versions.write(_content(1))
    second = versions.write(_content(2))
    third = versions.write(_content(3), instead_of=second)
    assert versions.paths() == [third, first]


def test_numbers_go_on_behind_the_highest(tmp_path: Path) -> None:
    (tmp_path / "settings-999999.sav").write_bytes(b"no file of settings")
    versions = Versions(tmp_path, "settings", ".sav")
    assert versions.write(_content(1)).name == "settings-1000000.sav"
    assert versions.paths()[0].name == "settings-1000000.sav"


DAY = 86400.0


def _written(versions: Versions, content: str, days_ago: float = 0.0) -> Path:
    path = versions.write(content.encode())
    then = time.time() - days_ago * DAY
    os.utime(path, (then, then))
    return path


def test_ten_are_kept_the_one_that_was_begun_with_and_the_last_of_each_day_before(tmp_path: Path) -> None:
    versions = Versions(tmp_path, "a", ".sav")
    for day in range(14, 0, -1):
        for content in ("morning", "evening"):
            _written(versions, f"{content} {day}", day)
    begun = versions.begun_with = _written(versions, "begun with")
    for number in range(40):
        _written(versions, f"today {number}")
    contents = [read().decode() for _, read in readers(versions.paths())]
    assert contents[: KEPT + 1] == [f"today {number}" for number in range(39, 28, -1)]
    assert contents[KEPT + 1 :] == ["begun with", *(f"evening {day}" for day in range(1, 11))]
    versions.begun_with = None
    _written(versions, "today 40")
    assert not begun.exists()


def test_what_may_never_end_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a-000001.sav")
    (tmp_path / "a-000002.sav").symlink_to("/dev/zero")
    (tmp_path / "a-000003.sav").mkdir()
    for _, read in readers(Versions(tmp_path, "a", ".sav").paths()):
        with pytest.raises(OSError, match=r"no ordinary file|Is a directory"):
            read()
