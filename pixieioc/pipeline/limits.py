"""What the system must allow this program, looked at before anything starts."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator

import psutil

from pixieioc.counted import counted
from pixieioc.pipeline.control_groups import left
from pixieioc.pipeline.error import Refused

#: Open files of the controlling process: its own, its sockets and files; for each task; for clients of each server.
_OWN, _EACH_TASK, _CLIENTS = 40, 7, 16
#: Open files of each server but the first, beside those of clients: its sockets, those it turns away, what it keeps.
_EACH_FURTHER = 20
#: More than that is not asked for: some programs that tasks may start look at each that is possible.
_ENOUGH = 65536


#: Processes and threads of all but the tasks, and of each task, at least: raw files of many modules take more.
_OWN_THREADS, _TASK_THREADS = 20, 5
#: Bytes of addresses that the largest process has at least: libraries, stacks of threads; those of a further server.
_ADDRESSES, _ADDRESSES_OF_FURTHER = 10**9, 6 * 10**8
#: Where more than that is allowed beside what is needed, it is not counted what this account has, which takes time.
_PLENTY = 4096


def needed_files(tasks: int, servers: int = 1) -> int:
    """Open files that this number of tasks and some clients of each server need."""
    return _fixed(tasks, servers) + _CLIENTS * servers


def _fixed(tasks: int, servers: int) -> int:
    return _OWN + _EACH_TASK * tasks + _EACH_FURTHER * (servers - 1)


def clients_at_most(tasks: int, servers: int = 1) -> int:
    """Clients of each server for which there are open files beside those of tasks and of runs."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _ENOUGH if soft == resource.RLIM_INFINITY else max(1, (soft - _fixed(tasks, servers)) // servers)


def needed_processes(tasks: int) -> int:
    """Processes and threads that this number of tasks needs at least; the system counts both together."""
    return _OWN_THREADS + _TASK_THREADS * tasks


def needed_addresses(servers: int = 1) -> int:
    """Bytes of addresses that a process needs that has so many servers."""
    return _ADDRESSES + _ADDRESSES_OF_FURTHER * (servers - 1)


def processes_left() -> tuple[int, str]:
    """How many more processes and threads may be started, and what says so; -1: as many as wanted."""
    group = left("pids")
    found = [(max(0, group.amount), str(group.file))] if group is not None else []
    allowed = resource.getrlimit(resource.RLIMIT_NPROC)[0]
    if allowed != resource.RLIM_INFINITY and os.geteuid():  # root may do what it likes
        found.append((max(0, allowed - (0 if allowed > _PLENTY else _threads_of_this_account())), "ulimit -u"))
    return min(found, default=(-1, ""))


def _threads_of_this_account() -> int:
    """All of them count."""
    uid, count = os.getuid(), 0
    for process in psutil.process_iter(["uids", "num_threads"]):
        uids = process.info["uids"]
        if uids is not None and uids.real == uid:
            count += process.info["num_threads"] or 0
    return count


def addresses_allowed() -> int:
    """Bytes of addresses that a process may have; -1: as many as wanted."""
    allowed = resource.getrlimit(resource.RLIMIT_AS)[0]
    return -1 if allowed == resource.RLIM_INFINITY else allowed


def no_thread() -> str:
    """Why the system has not started a thread, as far as its limits tell."""
    count, what = processes_left()
    told = [f"{counted(count, 'more is', 'more are')} allowed by {what}"] if count >= 0 else []
    if (addresses := addresses_allowed()) >= 0:
        told.append(f"ulimit -v allows a process {addresses / 1e9:.1f} GB of addresses")
    return f"the system starts no more threads ({'; '.join(told) or 'see the limits of the whole computer'})"


def claim(tasks: int, servers: int = 1) -> None:
    """Asks for as many open files as the system allows; Refused names each limit that is too low for the tasks."""
    if problems := [*_files(tasks, servers), *_processes(tasks), *_addresses(servers)]:
        raise Refused("; ".join(problems), problems=tuple(problems))


def _processes(tasks: int) -> Iterator[str]:
    needed = needed_processes(tasks)
    count, what = processes_left()
    if 0 <= count < needed:
        yield (
            f"only {counted(count, 'more process or thread', 'more processes and threads')} may be started ({what}), "
            f"at least {needed} are needed for {tasks} tasks (see ulimit -u, or TasksMax= and LimitNPROC= of systemd)"
        )


def _addresses(servers: int) -> Iterator[str]:
    allowed = addresses_allowed()
    needed = needed_addresses(servers)
    if 0 <= allowed < needed:
        yield (
            f"a process may have {allowed / 1e9:.1f} GB of addresses only, at least {needed / 1e9:.1f} are "
            "needed (see ulimit -v, or LimitAS= of systemd; memory is limited by MemoryMax=)"
        )


def _files(tasks: int, servers: int) -> Iterator[str]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = _ENOUGH if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
        soft = allowed
    needed = needed_files(tasks, servers)
    if soft != resource.RLIM_INFINITY and soft < needed:
        yield (
            f"only {soft} files may be open at a time, at least {needed} are needed for {tasks} tasks and some clients "
            "(see ulimit -n, or LimitNOFILE= of systemd)"
        )
