"""Finds what has changed in a folder and those below it since the index last looked.

Files get their names by renaming, and that changes the time of their folder: a folder whose time is as it was has
nothing new, and is not read. What somebody has edited in place is seen by a thorough look only.
"""

from __future__ import annotations

import os
import sqlite3
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from pixieioc.catalogue.entry import Entry, entry_of
from pixieioc.catalogue.tables import INSERT, follow, key_of, path_of

#: A folder that has changed less than this before it was read may have changed again without another time, in seconds.
_RACY = 2.0
#: Sidecars that are read at most between two words of how far it is.
_STEP = 1000
_State = tuple[int, int, int]


@dataclass
class Changes:
    """What a look has found."""

    added: int = 0
    changed: int = 0
    removed: int = 0
    damaged: int = 0


def refresh(
    db: sqlite3.Connection, root: Path, told: Callable[[int], None] = lambda _: None, *, thorough: bool = False
) -> Changes:
    """Brings the index up to date; `told` is called now and then with how many sidecars were read so far."""
    return _Look(db, told, thorough).at(root)


class _Look:
    def __init__(self, db: sqlite3.Connection, told: Callable[[int], None], thorough: bool) -> None:
        self._db, self._told, self._thorough = db, told, thorough
        self._changes = Changes()
        self._read = 0
        self._seen: set[tuple[int, int]] = set()

    def at(self, root: Path) -> Changes:
        """The folder and all below it."""
        there: list[str] = []
        waiting: list[tuple[str, int | None]] = [(str(root), None)]
        while waiting:
            path, parent = waiting.pop()
            try:
                found = os.stat(path)  # noqa: PTH116 (a hundred thousand names: text is enough)
            except OSError:
                continue
            if (found.st_dev, found.st_ino) in self._seen or not stat.S_ISDIR(found.st_mode):
                continue
            self._seen.add((found.st_dev, found.st_ino))
            there.append(path)
            number, below = self._folder(path, parent, found.st_mtime_ns)
            waiting += [(each, number) for each in below]
        self._forget(there)
        return self._changes

    def _folder(self, path: str, parent: int | None, mtime: int) -> tuple[int, list[str]]:
        """Its number, and the folders in it."""
        known = self._db.execute("SELECT id, mtime, settled FROM folders WHERE path = ?", (key_of(path),)).fetchone()
        if known is not None and known[1:] == (mtime, 1) and not self._thorough:
            below = self._db.execute("SELECT path FROM folders WHERE parent = ?", (known[0],))
            return known[0], [path_of(row[0]) for row in below]
        settled = int(time.time() - mtime / 1e9 > _RACY)
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")  # another process that indexes has done this folder then
            number = self._note(path, parent, mtime, settled)
            return number, self._compare(number, path)

    def _note(self, path: str, parent: int | None, mtime: int, settled: int) -> int:
        self._db.execute(
            "INSERT INTO folders (path, parent, mtime, settled) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (path) DO UPDATE SET parent = excluded.parent, mtime = excluded.mtime, "
            "settled = excluded.settled",
            (key_of(path), parent, mtime, settled),
        )
        return self._db.execute("SELECT id FROM folders WHERE path = ?", (key_of(path),)).fetchone()[0]

    def _compare(self, number: int, path: str) -> list[str]:
        known: dict[str, _State] = {
            path_of(row[0]): row[1:]
            for row in self._db.execute("SELECT name, mtime, size, inode FROM sidecars WHERE folder = ?", (number,))
        }
        below, news = [], []
        try:
            entries = list(os.scandir(path))
        except OSError:  # it may have been removed just now, or not be ours to read
            return []
        for entry in entries:
            if entry.name.endswith(".json"):
                if (state := _state(entry)) is None:
                    continue
                before = known.pop(entry.name, None)
                if before != state:
                    news.append((entry.name, state, before))
            elif not entry.name.startswith(".") and entry.is_dir():
                below.append(entry.path)
        self._remove(number, known)
        self._add(number, path, news)
        follow(self._db)
        return below

    def _add(self, number: int, path: str, news: list[tuple[str, _State, _State | None]]) -> None:
        for name, state, before in news:
            entry = _read(path, name)
            self._read += 1
            if self._read % _STEP == 0:
                self._told(self._read)
            if before is not None:
                self._touch("folder = ? AND name = ?", (number, key_of(name)))
            if entry is None:  # no sidecar, which is remembered: it is not read again
                entry = Entry(run="")
            else:
                self._changes.added += before is None
                self._changes.changed += before is not None
                self._changes.damaged += bool(entry.problem)
            self._db.execute(INSERT, (number, key_of(name), *state, *msgspec.structs.astuple(entry)))
            if entry.run:
                self._db.execute("INSERT OR IGNORE INTO touched VALUES (?)", (entry.run,))

    def _touch(self, where: str, values: tuple[object, ...]) -> None:
        self._db.execute(f"INSERT OR IGNORE INTO touched SELECT run FROM sidecars WHERE run != '' AND {where}", values)

    def _remove(self, number: int, names: dict[str, _State]) -> None:
        for name in names:
            self._touch("folder = ? AND name = ?", (number, key_of(name)))
            gone = self._db.execute(
                "DELETE FROM sidecars WHERE folder = ? AND name = ? RETURNING run", (number, key_of(name))
            ).fetchall()
            self._changes.removed += sum(bool(run) for (run,) in gone)

    def _forget(self, there: list[str]) -> None:
        """Folders that are not there any more, with all that was in them."""
        known = dict(self._db.execute("SELECT path, id FROM folders"))
        kept = set(map(key_of, there))
        gone = [number for path, number in known.items() if path not in kept]
        if not gone:
            return
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            for number in gone:
                self._touch("folder = ?", (number,))
                found = self._db.execute("DELETE FROM sidecars WHERE folder = ? RETURNING run", (number,)).fetchall()
                self._changes.removed += sum(bool(run) for (run,) in found)
                self._db.execute("DELETE FROM folders WHERE id = ?", (number,))
            follow(self._db)


def _state(entry: os.DirEntry[str]) -> _State | None:
    try:
        found = entry.stat()
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_size, found.st_ino) if stat.S_ISREG(found.st_mode) else None


def _read(folder: str, name: str) -> Entry | None:
    try:
        with open(f"{folder}/{name}", "rb") as file:  # noqa: PTH123 (see above)
            content = file.read()
    except OSError as error:
        return Entry(problem=f"cannot be read: {error.strerror}", run=f"?{key_of(name)}")
    entry = entry_of(name, content)
    if entry is not None and entry.problem and not os.path.exists(f"{folder}/{name[:-5]}"):  # noqa: PTH110
        return None  # beside no data it need not be a sidecar at all
    return entry


def paths(db: sqlite3.Connection, run: str) -> Iterator[Path]:
    """The sidecars of a run, those that have its record first."""
    rows = db.execute(
        "SELECT path, name FROM sidecars JOIN folders ON folders.id = folder WHERE run = ? "
        "ORDER BY recorded DESC, path, name",
        (run,),
    )
    for folder, name in rows:
        yield Path(path_of(folder)) / path_of(name)
