"""What the control groups that this process is in leave to it: those of systemd, of containers, of a batch system."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_ROOT, _OWN, _COUNTS = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup"), Path("/proc/vmstat")
#: By controller, the files that say what is allowed and what is used: of version 2 of the kernel's interface, and of 1.
_FILES = {
    "pids": (("pids.max", "pids.current"), ("pids.max", "pids.current")),
    "memory": (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes")),
}
#: From this on a limit of version 1 is none.
_UNLIMITED = 2**60


class Left(NamedTuple):
    """How much of what a group allows is left, and the file that says what it allows."""

    amount: int
    file: Path


def left(controller: str) -> Left | None:
    """What is left of `pids` (processes and threads) or `memory` (bytes), in the narrowest group; None: no limit."""
    found = [each for folder, files in _groups(controller) if (each := _left(folder, *files)) is not None]
    return min(found, default=None)


def killed_for_memory() -> int:
    """How many processes of this computer the kernel has killed because memory ran out, of all of it or of a group."""
    try:
        counts = dict(line.split() for line in _COUNTS.read_text(encoding="utf-8").splitlines())
    except (OSError, ValueError):
        return 0
    return int(counts.get("oom_kill", 0))


def _groups(controller: str) -> Iterator[tuple[Path, tuple[str, str]]]:
    """The folders of this process's group and of those that it is in."""
    two, one = _FILES[controller]
    for line in _lines():
        _, controllers, path = line.split(":", 2)
        if not controllers:
            root, files = _ROOT, two
        elif controller in controllers.split(","):
            root, files = _ROOT / controllers, one
        else:
            continue
        inner = Path(path.lstrip("/"))
        yield from ((root / each, files) for each in (inner, *inner.parents))


def _lines() -> list[str]:
    try:
        return _OWN.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []


def _left(folder: Path, most: str, used: str) -> Left | None:
    """None where the group has no limit, or is not to be seen from here."""
    try:
        allowed = int((folder / most).read_text(encoding="utf-8"))  # no number is `max`
        given_back = _given_back(folder) if used.startswith("memory") else 0
        there = int((folder / used).read_text(encoding="utf-8")) - given_back
    except (OSError, ValueError):
        return None
    return Left(allowed - there, folder / most) if allowed < _UNLIMITED else None


def _given_back(folder: Path) -> int:
    """Bytes of files that are kept in memory only for as long as nobody needs it."""
    try:
        counts = dict(line.split() for line in (folder / "memory.stat").read_text(encoding="utf-8").splitlines())
    except (OSError, ValueError):
        return 0
    return int(counts.get("total_inactive_file", counts.get("inactive_file", 0)))
