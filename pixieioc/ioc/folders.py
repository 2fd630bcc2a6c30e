"""The folders that runs are written to: what is known of them, and what is wanted."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from pixieioc.tasks.disk import existing, levels, why_not_made

#: How long a file system may take to answer, in seconds; after that nothing is known of it any more.
PATIENCE = 3.0


@dataclass(frozen=True)
class Folder:
    """A folder for raw files, or the nearest folder above it that exists."""

    path: str
    exists: bool
    writable: bool
    free_gb: float
    levels: int = 1  #: of its path
    existing_levels: int = 0  #: those of them that there are

    def why_not_made(self, depth: int) -> str:
        """Why the next start does not make it with CreateDirectory = `depth`; empty if it does, or need not."""
        return "" if self.exists else why_not_made(self.path, self.levels, self.existing_levels, depth)


@dataclass(frozen=True)
class Saving:
    """Whether raw files are to be written, and whether their folder may be made."""

    on: bool = False
    depth: int = 0  #: CreateDirectory
    least_gb: float = 0.0


@dataclass(frozen=True)
class Files:
    """What is known of the file systems: where raw files are written, and how long that one has not answered (s)."""

    folder: Folder | None = None
    names: str = ""  #: what is wrong with the names of the next run's files
    silent: float = 0.0
    state: str = ""  #: what is wrong with the state folder


def examine(path: str) -> Folder:
    """The state of a folder; may take as long as the file system does."""
    wanted = Path(path)
    try:
        folder = existing(wanted)
        stat = os.statvfs(folder)
    except OSError:  # a name that is too long, a folder that may not be looked into
        return Folder(path, False, False, 0.0)
    writable = folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)
    free_gb = stat.f_bavail * stat.f_frsize / 1e9
    return Folder(path, wanted.is_dir(), writable, free_gb, levels(wanted), levels(folder))
