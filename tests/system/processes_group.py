"""A limit of processes and threads as service managers and containers set it: a control group."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_VERSION_2 = Path("/sys/fs/cgroup")
_VERSION_1 = _VERSION_2 / "pids"


def _root() -> Path | None:
    controllers = _VERSION_2 / "cgroup.subtree_control"
    if controllers.is_file() and "pids" in controllers.read_text().split() and os.access(_VERSION_2, os.W_OK):
        return _VERSION_2
    return _VERSION_1 if os.access(_VERSION_1 / "cgroup.procs", os.W_OK) else None


def why_not() -> str:
    """Why there is no such group here, or an empty text."""
    return "" if _root() is not None else "no control group can be made here"


@dataclass(frozen=True)
class ProcessesGroup:
    """A group in a folder of the kernel's."""

    folder: Path

    def limit(self, most: int) -> None:
        """From now on it may have so many."""
        (self.folder / "pids.max").write_text(str(most))

    def join(self) -> None:
        """For a process that begins: it belongs to the group, and all that it starts."""
        (self.folder / "cgroup.procs").write_text(str(os.getpid()))


@contextlib.contextmanager
def processes_group() -> Iterator[ProcessesGroup]:
    """A group for as long as this lasts."""
    root = _root()
    assert root is not None
    folder = root / f"pixieioc-{os.getpid()}"
    folder.mkdir()
    try:
        yield ProcessesGroup(folder)
    finally:
        end = time.monotonic() + 10
        while (folder / "cgroup.procs").read_text() and time.monotonic() < end:  # what was killed has to be gone
            time.sleep(0.05)
        folder.rmdir()
