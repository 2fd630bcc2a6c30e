"""A new file on its way to disk: `*.part` until it is complete and safe."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from pixieioc.pipeline import Error
from pixieioc.tasks.disk import is_in_place, sync, sync_all


class PartFile:
    """A new file that is called `<path>.part` until it is complete and safe on disk."""

    def __init__(self, path: Path) -> None:
        self.path, self.part = path, path.with_name(path.name + ".part")
        refuse_existing(path)
        try:
            descriptor = os.open(self.part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        except FileExistsError:
            raise Error(f"{self.part} exists already: another program writes it, or was killed while it did") from None
        except OSError as error:
            raise Error(f"cannot make {self.part}: {error.strerror}") from error
        self._own = os.fstat(descriptor)
        os.close(descriptor)

    @property
    def wider(self) -> Path:
        """Where the file is rewritten when later data have more columns; `replace` gives it the place of the old."""
        return self.part.with_name(self.part.name + ".wider")

    def replace(self) -> None:
        """The file `wider` becomes this one."""
        self._own = self.wider.stat()
        self.wider.replace(self.part)

    def check_in_place(self, size: int = 0) -> None:
        """Error unless the file can still be found where it is being written, with at least `size` bytes."""
        if not is_in_place(self.part, self._own, size):
            raise Error(f"{self.part} is no longer there: it or its folder was removed, moved or unmounted in the run")

    def fill(self, content: bytes) -> None:
        """Writes `content` in the place of what is there: on a full disk, too, if it is not longer."""
        with naming(self.path), self.part.open("r+b") as file:
            file.write(content)
            file.truncate()

    def discard(self) -> None:
        """Removes the file."""
        with contextlib.suppress(OSError):  # its folder may be gone, or be read-only: then it cannot be removed
            self.part.unlink(missing_ok=True)
            self.wider.unlink(missing_ok=True)


def publish(*files: PartFile) -> None:
    """Gives files of one folder their names, in this order, once all of them are on the disk."""
    last = files[-1].path
    with naming(last):
        sync_all([file.part for file in files])
    for file in files:
        with naming(file.path):
            refuse_existing(file.path)
            file.part.rename(file.path)
    with naming(last):
        sync(last.parent)


def refuse_existing(*paths: Path) -> None:
    """Error if one of the files is there."""
    for path in paths:
        if path.exists():
            raise Error(f"{path} exists already; nothing is overwritten")


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Says which file it was that could not be written."""
    try:
        yield
    except OSError as error:
        raise Error(f"cannot write {path}: {error.strerror or error}") from error
