"""Facts that the kernel keeps: its clock, and what it allows."""

from __future__ import annotations

import ctypes
import resource
from pathlib import Path

import psutil

from pixieioc.config import Config
from pixieioc.doctor.facts import Clock, Limits
from pixieioc.doctor.gather import year
from pixieioc.pipeline.limits import needed_files

#: Processes beside those of the tasks, threads of each, and memory of each in bytes.
_PROCESSES, _THREADS, _MEMORY = 4, 12, 250e6
#: adjtimex(2): what it answers when the clock is not synchronised.
_TIME_ERROR = 5
_CGROUP = Path("/sys/fs/cgroup")


class _Timex(ctypes.Structure):
    """The beginning of the kernel's structure, and room for the rest."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 256),
    )


def clock() -> Clock:
    """What the kernel says of its clock; nothing is set."""
    timex = _Timex()
    answer = ctypes.CDLL(None).adjtimex(ctypes.byref(timex))
    return Clock(answer not in (-1, _TIME_ERROR), timex.maxerror / 1e6, year())


def limits(config: Config) -> Limits:
    """What this process is allowed, and about what the IOC needs."""
    tasks = len(config.tasks) + _PROCESSES
    allowed = resource.getrlimit(resource.RLIMIT_NPROC)[0]
    memory, source = _memory()
    return Limits(
        files=resource.getrlimit(resource.RLIMIT_NOFILE)[1],
        files_needed=needed_files(len(config.tasks)),
        processes=-1 if allowed == resource.RLIM_INFINITY else allowed - _own_threads(),
        processes_needed=tasks * _THREADS,
        address_space=resource.getrlimit(resource.RLIMIT_AS)[0],
        memory=memory,
        memory_needed=tasks * _MEMORY,
        memory_source=source,
    )


def _own_threads() -> int:
    """Threads of this account, all of which count."""
    uid, count = psutil.Process().uids().real, 0
    for process in psutil.process_iter(["uids", "num_threads"]):
        uids = process.info["uids"]
        if uids is not None and uids.real == uid:
            count += process.info["num_threads"] or 0
    return count


def _memory() -> tuple[float, str]:
    """What is left: of the computer, or of the control group if that is less."""
    free = float(psutil.virtual_memory().available)
    try:
        most = int((_CGROUP / "memory.max").read_text())
        left = float(most - int((_CGROUP / "memory.current").read_text()))
    except (OSError, ValueError):
        return free, "MemAvailable"
    return (left, "memory.max of the control group") if left < free else (free, "MemAvailable")
