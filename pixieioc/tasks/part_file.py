"""A new file on its way to disk: `*.part` until it is complete and safe."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from pixieioc.pipeline import Error
from pixieioc.tasks.disk import sync


class PartFile:
    """A new file that is called `<path>.part` until it is complete and safe on disk."""

    def __init__(self, path: Path) -> None:
        self.path, self.part = path, path.with_name(path.name + ".part")
        refuse_existing(path)
        try:
            os.close(os.open(self.part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644))
        except FileExistsError:
            raise Error(f"{self.part} exists already: another program writes it, or was killed while it did") from None
        except OSError as error:
            raise Error(f"cannot make {self.part}: {error.strerror}") from error

    @property
    def size(self) -> int:
        """Bytes in the file."""
        return (self.part if self.part.exists() else self.path).stat().st_size

    @property
    def wider(self) -> Path:
        """Where the file is written anew when later data have more columns; `replace` gives it the place of the old."""
        return self.part.with_name(self.part.name + ".wider")

    def replace(self) -> None:
        """The file `wider` becomes this one."""
        self.wider.replace(self.part)

    def publish(self) -> None:
        """Gives the file its name, once it is on the disk."""
        with naming(self.path):
            sync(self.part)
            refuse_existing(self.path)
            self.part.rename(self.path)
            sync(self.path.parent)

    def discard(self) -> None:
        """Removes the file."""
        self.part.unlink(missing_ok=True)
        self.wider.unlink(missing_ok=True)


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
