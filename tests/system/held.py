"""What an IOC holds of its computer: processes, descriptors, folders of sockets, shared memory, temporary files."""

from __future__ import annotations

import contextlib
import os
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil

from pixieioc.drill.drill import Violation
from tests.running_ioc import Ioc

#: How long what was told to end, or to be removed, may take for it, in seconds.
_GOING = 5.0
#: Descriptors that come and go: connections of clients, files that are read.
_PASSING = 12
_SHARED = Path("/dev/shm")
#: How the names of shared memory and semaphores begin that Python or we would make.
_OURS = ("psm_", "sem.mp-", "pixieioc")


class Held:
    """What it is before a fault; `check` raises Violation unless it is the same afterwards."""

    def __init__(self, ioc: Ioc) -> None:
        self._ioc = ioc
        self._processes = processes_of(ioc)
        self._descriptors = ioc.processes()[0].num_fds()
        self._folders, self._shared = _folders(), _shared()

    def check(self, *, same_ioc: bool = True) -> None:
        """Once the next run is over; another IOC than before may have another number of descriptors."""
        end = time.monotonic() + _GOING
        while found := next(self._left(same_ioc=same_ioc), ""):
            if time.monotonic() > end:
                raise Violation(found)
            time.sleep(0.1)

    def _left(self, *, same_ioc: bool) -> Iterator[str]:
        there = processes_of(self._ioc)
        orphans = [process.pid for process in self._processes - there if lives(process)]
        if orphans:
            yield f"processes {orphans} belong to nobody"
        if len(there) > len(self._processes):
            yield f"{len(there)} processes, {len(self._processes)} before"
        descriptors = self._ioc.processes()[0].num_fds()
        if same_ioc and descriptors > self._descriptors + _PASSING:
            yield f"{descriptors} descriptors, {self._descriptors} before"
        if more := _folders() - self._folders:
            yield f"temporary: {dict(more)} more than {dict(self._folders)}"
        if more := _shared() - self._shared:
            yield f"in {_SHARED}: {sorted(more)}"
        for name in ("raw", "events", "state"):
            if new := [file.name for file in (self._ioc.folder / name).glob("*.new")]:
                yield f"in {name}: {new}"


def lives(process: psutil.Process) -> bool:
    """Whether a process is there, and no zombie."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def processes_of(ioc: Ioc) -> set[psutil.Process]:
    """The IOC's, and those of its tasks, whoever is their parent."""
    found = {process for process in ioc.processes() if lives(process)}
    for pid in map(ioc.pid_of, ioc.tasks()):
        with contextlib.suppress(
            psutil.NoSuchProcess
        ):  # a task that is lost, whose process is the next start's to make
            found.add(psutil.Process(pid))
    return found


def _folders() -> Counter[str]:
    """How many folders for sockets of each kind there are, and what is in them."""
    found: Counter[str] = Counter()
    for folder in Path(os.environ["TMPDIR"]).iterdir():
        kind = folder.name.partition("-")[0]
        if kind in ("pixieioc", "pymp") and folder.is_dir():
            found[kind] += 1
            found[f"files in {kind}"] += len(list(folder.iterdir()))
    return found


def _shared() -> set[str]:
    """Files in shared memory that are ours."""
    return {file.name for file in _SHARED.iterdir() if file.name.startswith(_OURS)}
