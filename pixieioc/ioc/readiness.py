"""Whether a run can be started, and if not, why not."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from pixieioc.pvinfo.states import Cure
from pixieioc.tasks.disk import existing, levels, why_not_made

#: What is checked, in the order of the bits of ReadyBits_RBV.
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
class Problem:
    """What keeps a run from being started, and what an operator is offered against it."""

    text: str
    cure: Cure


def problem(text: str, cure: Cure) -> Problem | None:
    """The problem that this text describes; None if it is empty."""
    return Problem(text, cure) if text else None


@dataclass(frozen=True)
class Readiness:
    """The result of each check: what is wrong, or None."""

    problems: tuple[Problem | None, ...]

    @property
    def ready(self) -> bool:
        """True if nothing is wrong."""
        return not any(self.problems)

    @property
    def failing(self) -> list[str]:
        """The names of the checks that have found a problem."""
        return [name for name, found in zip(CHECKS, self.problems, strict=True) if found]

    @property
    def cure(self) -> Cure:
        """What to do first: make a folder that is missing, which takes one button; otherwise by order of the checks."""
        cures: list[Cure] = [found.cure for found in self.problems if found]
        cures.sort(key=lambda cure: cure != "Make folder")
        return cures[0] if cures else "None"

    @property
    def about_files(self) -> bool:
        """True if something is wrong with disks or folders, where others may have changed something just now."""
        return not {"disk space", "file path", "state folder"}.isdisjoint(self.failing)

    @property
    def bits(self) -> int:
        """A bit for each check that has found no problem."""
        return sum(1 << i for i, found in enumerate(self.problems) if not found)

    @property
    def message(self) -> str:
        """What is wrong, in one line."""
        return "; ".join(found.text for found in self.problems if found)


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
    run_on: str, draining: str, settings: Problem | None, saving: Saving, files: Files, path: str, starting: str = ""
) -> Readiness:
    """Puts the checks together; `run_on`, `draining` and `starting` say what their own problem is (empty: none)."""
    return Readiness(
        (
            problem(run_on, "None"),
            problem(draining, "Wait"),
            settings,
            _disk_problem(saving, files.folder),
            _path_problem(saving, files, path),
            problem(starting, "Wait"),
            problem(files.state, "None"),
        )
    )


def _disk_problem(saving: Saving, folder: Folder | None) -> Problem | None:
    if not saving.on or folder is None or folder.free_gb > saving.least_gb:
        return None
    free, least = (
        f"only {folder.free_gb:.1f} GB are free at {folder.path}",
        f"at least {saving.least_gb:g} GB are needed",
    )
    return Problem(f"{free}, {least}", "File")


def _path_problem(saving: Saving, files: Files, path: str) -> Problem | None:
    """What is wrong with the folder of raw files, and with their names."""
    missing = not_usable = ""
    if saving.on and files.silent > PATIENCE:
        not_usable = f"the file system of {path} has not answered for {files.silent:.0f} s"
    elif saving.on and files.folder is not None:
        missing = files.folder.why_not_made(saving.depth)
        not_usable = "" if files.folder.writable else f"the folder {files.folder.path} is not writable"
    text = "; ".join(found for found in (missing or not_usable, files.names) if found)
    return problem(text, "Make folder" if missing else "File")
