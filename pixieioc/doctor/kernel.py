"""Facts that the kernel keeps: its clock, and what it allows."""

from __future__ import annotations

import ctypes
import resource

import psutil

from pixieioc.config import Config
from pixieioc.doctor.facts import Clock, Limits
from pixieioc.doctor.gather import year
from pixieioc.pipeline.control_groups import left
from pixieioc.pipeline.limits import (
    addresses_allowed,
    needed_addresses,
    needed_files,
    needed_processes,
    processes_left,
)

#: Processes beside those of the tasks, and memory of each in bytes.
_PROCESSES, _MEMORY = 4, 250e6
#: adjtimex(2): what it answers when the clock is not synchronised.
_TIME_ERROR = 5


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
    tasks = len(config.tasks)
    memory, source = _memory()
    processes, limited_by = processes_left()
    return Limits(
        files=resource.getrlimit(resource.RLIMIT_NOFILE)[1],
        files_needed=needed_files(tasks, config.ioc.servers),
        processes=processes,
        processes_needed=needed_processes(tasks),
        processes_source=limited_by,
        address_space=addresses_allowed(),
        address_space_needed=needed_addresses(config.ioc.servers),
        memory=memory,
        memory_needed=(tasks + _PROCESSES) * _MEMORY,
        memory_source=source,
    )


def _memory() -> tuple[float, str]:
    """What is left: of the computer, or of the control group if that is less."""
    free, group = float(psutil.virtual_memory().available), left("memory")
    return (float(group.amount), str(group.file)) if group and group.amount < free else (free, "MemAvailable")
