"""What there is to know about a host, as plain data; times are in seconds, sizes in bytes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Package:
    """A Python package that is needed, and why; `error` if it cannot be imported."""

    name: str
    error: str = ""
    #: What brings it, as for pip.
    source: str = "pixieioc"


@dataclass(frozen=True)
class Port:
    """A port to be listened on; `error` if that is not possible, and who has it if that is known."""

    protocol: str
    address: str
    number: int
    error: str = ""
    owner: str = ""
    taken: bool = False
    #: What the port is set by, if it is another one than that of Channel Access, and what happens if it is taken.
    set_by: str = ""
    otherwise: str = ""


@dataclass(frozen=True)
class Name:
    """A host by name, and how long its look-up took."""

    host: str
    used_for: str
    seconds: float
    error: str = ""


@dataclass(frozen=True)
class Folder:
    """A folder that is written to; `error` if it cannot be."""

    path: str
    used_for: str
    error: str = ""
    free: float = 0.0
    #: Whether no folder is there, and none would be made.
    missing: bool = False
    #: Kind of the file system, as mount(8) has it.
    kind: str = ""
    #: Files in it that are used, but not by this account: somebody else's.
    foreign: tuple[str, ...] = ()


@dataclass(frozen=True)
class AccessFile:
    """The file that says who may write (empty: there is none), what is wrong with it, and what it comes to."""

    path: str = ""
    problems: tuple[str, ...] = ()
    summary: str = ""


@dataclass(frozen=True)
class StateLock:
    """The IOC that uses a state folder; empty: none does."""

    path: str
    owner: str = ""


@dataclass(frozen=True)
class Speed:
    """How fast a folder was written to, with fsync, in bytes per second; `error` if that was not possible."""

    path: str
    rate: float
    slowest: float = 0.0
    error: str = ""


@dataclass(frozen=True)
class Clock:
    """Whether the kernel knows that its clock is set, and how far it may be off in seconds."""

    synchronised: bool
    error_bound: float
    year: int


@dataclass(frozen=True)
class Limits:
    """What the system allows a process, as in ulimit and control groups; -1 is no limit."""

    files: int
    files_needed: int
    processes: int
    processes_needed: int
    address_space: int
    memory: float
    memory_needed: float
    memory_source: str = "MemAvailable"
    processes_source: str = "ulimit -u"
    address_space_needed: int = 0


@dataclass(frozen=True)
class RealTime:
    """Whether a thread got a real-time priority; `wanted` unless EPICS' variable says no."""

    allowed: bool
    wanted: bool
    limit: int


@dataclass(frozen=True)
class Library:
    """XIA's SDK as it is configured: the library, its firmware, and devices of its driver; `error` if one is wrong."""

    implementation: str
    path: str = ""
    error: str = ""
    missing: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    unreachable: tuple[str, ...] = ()
