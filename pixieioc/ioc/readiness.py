"""Whether a run can be started, and if not, why not."""

from __future__ import annotations

from dataclasses import dataclass

from pixieioc.ioc.folders import PATIENCE, Files, Folder, Saving
from pixieioc.pvinfo.states import Cure

#: What is checked, in the order of the bits of ReadyBits_RBV.
CHECKS = (
    "no run in progress", "links empty", "settings valid", "disk space", "file path", "tasks started", "state folder",
)  # fmt: skip


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
        f"more than {saving.least_gb:g} GB (ioc.disk_lolo) are needed",
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
