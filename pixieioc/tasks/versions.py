"""Numbered versions of a small file: each is a file of its own, written once, and safe before an old one goes."""

from __future__ import annotations

import functools
import re
import time
from collections.abc import Callable
from pathlib import Path

from pixieioc.tasks.disk import read_file, replace_file, sync

#: As many versions are kept beside the newest one, and the last one of as many days before.
KEPT = 10


class Versions:
    """Those of one file in a folder, `settings-000007.sav`, of which the highest number is the newest.

    Whatever ends this program, or the computer, the newest version whose `write` has returned is there and whole; one
    whose `write` has not returned is there whole, or not at all, or is damaged and found to be so by its content.
    """

    def __init__(self, folder: Path, name: str, ending: str) -> None:
        self.folder, self._name, self._ending = folder, name, ending
        #: A version that is kept in any case.
        self.begun_with: Path | None = None
        self._pattern = re.compile(rf"{re.escape(name)}-(\d{{6,}}){re.escape(ending)}")

    def paths(self) -> list[Path]:
        """All versions, newest first; OSError if the folder cannot be read."""
        numbers = {path: number for path in self.folder.iterdir() if (number := self._number(path)) is not None}
        return sorted(numbers, key=lambda path: numbers[path], reverse=True)

    def has(self, path: Path) -> bool:
        """Whether a file has the name of a version."""
        return self._number(path) is not None and path.parent.resolve() == self.folder.resolve()

    def write(self, content: bytes, *, instead_of: Path | None = None) -> Path:
        """Adds a version, and returns when it is on the disk; OSError if it is not.

        `instead_of` is a version that is not worth keeping beside it.
        """
        old = self.paths()
        number = (self._number(old[0]) or 0) + 1 if old else 1
        path = self.folder / f"{self._name}-{number:06}{self._ending}"
        replace_file(path, content)
        sync(self.folder)
        self._tidy(self._old([each for each in old if each != instead_of]), instead_of)
        return path

    def _old(self, paths: list[Path]) -> list[Path]:
        """Those of some versions, newest first, that are kept no longer."""
        more = paths[KEPT:]
        if not more:
            return []
        days = {path: time.localtime(path.lstat().st_mtime)[:3] for path in more}
        last = {days[path]: path for path in reversed(more) if days[path] != time.localtime()[:3]}
        kept = {self.begun_with, *sorted(last.values(), key=more.index)[:KEPT]}
        return [path for path in more if path not in kept]

    def _tidy(self, old: list[Path], more: Path | None) -> None:
        """Removes versions, and what a write that was cut off has left."""
        left = self.folder.glob(f"{self._name}-*{self._ending}.new")
        for path in (*old, *([more] if more is not None else []), *left):
            path.unlink(missing_ok=True)

    def _number(self, path: Path) -> int | None:
        found = self._pattern.fullmatch(path.name)
        return int(found[1]) if found is not None else None


def readers(paths: list[Path]) -> list[tuple[str, Callable[[], bytes]]]:
    """The names of files, and how each is read."""
    return [(path.name, functools.partial(read_file, path)) for path in paths]
