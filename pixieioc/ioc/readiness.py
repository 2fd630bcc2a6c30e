"""Whether a run can be started, and if not, why not."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from pixieioc.tasks.disk import existing, levels, why_not_made

#: What is looked at, in the order of the bits of ReadyBits_RBV.
CHECKS = (
    "no run in progress", "links empty", "settings valid", "disk space", "file path", "tasks started", "state folder",
)  # fmt: skip
#: So long may a file system take to answer, in seconds; then nothing is known of it any more.
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


@dataclass(frozen=True)
class Readiness:
    """The result of each check: an empty text, or what is wrong."""

    problems: tuple[str, ...]

    @property
    def ready(self) -> bool:
        """True if nothing is wrong."""
        return not any(self.problems)

    @property
    def failing(self) -> list[str]:
        """The names of the checks that are not well."""
        return [name for name, problem in zip(CHECKS, self.problems, strict=True) if problem]

    @property
    def about_files(self) -> bool:
        """True if something is wrong with disks or folders, where others may have changed something just now."""
        return not {"disk space", "file path", "state folder"}.isdisjoint(self.failing)

    @property
    def bits(self) -> int:
        """A bit for each check that is well."""
        return sum(1 << i for i, problem in enumerate(self.problems) if not problem)

    @property
    def message(self) -> str:
        """What is wrong, in one line."""
        return "; ".join(problem for problem in self.problems if problem)


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


def evaluate(
    run_on: str, draining: str, settings: str, saving: Saving, files: Files, path: str, starting: str = ""
) -> Readiness:
    """Puts the checks together; `run_on`, `draining`, `settings` and `starting` are their own problem (empty: well)."""
    disk = path_problem = ""
    folder = files.folder
    if saving.on and files.silent > PATIENCE:
        path_problem = f"the file system of {path} has not answered for {files.silent:.0f} s"
    elif saving.on and folder is not None:
        not_writable = "" if folder.writable else f"the folder {folder.path} is not writable"
        path_problem = folder.why_not_made(saving.depth) or not_writable
        if folder.free_gb <= saving.least_gb:
            disk = f"only {folder.free_gb:.1f} GB are free at {folder.path}, at least {saving.least_gb:g} GB are needed"
    path_problem = "; ".join(problem for problem in (path_problem, files.names) if problem)
    return Readiness((run_on, draining, settings, disk, path_problem, starting, files.state))
