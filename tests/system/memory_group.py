"""A limit of memory as containers and service managers set it: a control group whose processes the kernel kills."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from pixieioc.drill.faults import Fault, Outcome

#: Version 2 of the kernel's interface, or version 1, with the file of the limit and what stands for none.
_ROOTS = (
    (Path("/sys/fs/cgroup"), "cgroup.subtree_control", "memory.max", "max"),
    (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes", "memory.limit_in_bytes", "-1"),
)


def _root() -> tuple[Path, str, str] | None:
    for path, sign, limit, none in _ROOTS:
        file = path / sign
        if os.access(path, os.W_OK) and file.exists() and (sign == limit or "memory" in file.read_text().split()):
            return path, limit, none
    return None


@contextlib.contextmanager
def memory_group() -> Iterator[Fault | None]:
    """A fault that puts a process into a group with hardly any memory left to it; None where there are no groups."""
    found = _root()
    if found is None:
        yield None
        return
    root, limit, none = found
    groups: set[Path] = set()

    def do(task: str, pid: int, share: float) -> None:
        group = root / f"pixieioc-{pid}"
        group.mkdir(exist_ok=True)
        groups.add(group)
        (group / limit).write_text(str(2**18 + int(share * 2**20)))  # what it has already is not counted
        (group / "cgroup.procs").write_text(str(pid))

    def undo(pid: int) -> None:
        (root / f"pixieioc-{pid}" / limit).write_text(none)
        with contextlib.suppress(ProcessLookupError):  # it was killed
            (root / "cgroup.procs").write_text(str(pid))

    try:
        yield Fault("memory of its control group", Outcome.EITHER, do, undo)
    finally:
        for group in groups:
            with contextlib.suppress(OSError):  # its process is still there
                group.rmdir()
