"""What each process of an IOC uses, now."""

from __future__ import annotations

import contextlib
import csv
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import psutil


@dataclass(frozen=True)
class Sample:
    """One process at one moment; bytes in KiB."""

    time: float  #: s since the beginning
    role: str
    pid: int
    private: int  #: memory that no other process has
    anonymous: int  #: memory that is no file's, with what it still has in common with the fork server
    shared: int  #: its share of memory without a name or in /dev/shm
    open: int  #: file descriptors, of which are
    sockets: int
    pipes: int
    memfds: int
    files: int
    threads: int
    cpu: float  #: s of a processor, since its beginning


@dataclass(frozen=True)
class Figure:
    """Something else that must not grow, at one moment."""

    time: float
    name: str
    value: float


def role_of(process: psutil.Process, tasks: Mapping[int, str], ioc: int) -> str:
    """What a process of the IOC is for."""
    if process.pid == ioc:
        return "IOC"
    if process.pid in tasks:
        return tasks[process.pid]
    command = " ".join(process.cmdline())
    if "resource_tracker" in command:
        return "resource tracker"
    if "/bin/sh" in command or command.startswith("sleep"):
        return "cleanup process"
    return "fork server" if "forkserver" in command else f"another: {command[:40]}"


def sample(process: psutil.Process, role: str, since: float) -> Sample:
    """What this one uses."""
    memory = _rollup(process.pid)
    links = Counter(map(_kind, _links(process.pid)))
    return Sample(
        time=round(since, 1), role=role, pid=process.pid,
        private=memory["Private_Clean"] + memory["Private_Dirty"], anonymous=memory["Anonymous"],
        shared=memory["Pss_Shmem"], open=sum(links.values()), sockets=links["socket"], pipes=links["pipe"],
        memfds=links["memfd"], files=links["file"], threads=process.num_threads(),
        cpu=round(sum(process.cpu_times()[:2]), 2),
    )  # fmt: skip


def _rollup(pid: int) -> dict[str, int]:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    return {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)}


def _links(pid: int) -> list[str]:
    found = []
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            found.append(str(link.readlink()))
    return found


def _kind(link: str) -> str:
    kind = link.partition(":")[0]
    if kind in ("socket", "pipe"):
        return kind
    return "memfd" if link.startswith("/memfd:") else "file" if link.startswith("/") else "other"


def in_folder(path: Path, name: str, since: float, without: Path | None = None) -> list[Figure]:
    """Entries and bytes of a folder, but for one folder in it."""
    sizes = []
    for each in path.rglob("*"):
        with contextlib.suppress(FileNotFoundError):  # removed meanwhile
            if without is None or not each.is_relative_to(without):
                sizes.append(each.lstat().st_size)
    return [Figure(since, f"{name}, entries", len(sizes)), Figure(since, f"{name}, bytes", sum(sizes))]


class Recording:
    """Samples, in tables that can be read while they grow."""

    def __init__(self, folder: Path) -> None:
        self._began = time.monotonic()
        self._files = {
            kind: (folder / f"{kind.__name__.lower()}s.csv").open("w", newline="") for kind in (Sample, Figure)
        }
        self._tables = {
            kind: csv.DictWriter(file, [f.name for f in fields(kind)]) for kind, file in self._files.items()
        }
        for table in self._tables.values():
            table.writeheader()

    @property
    def since(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self._began

    def add(self, row: Sample | Figure) -> None:
        """One more."""
        self._tables[type(row)].writerow(asdict(row))
        self._files[type(row)].flush()

    def close(self) -> None:
        """No more come."""
        for file in self._files.values():
            file.close()
