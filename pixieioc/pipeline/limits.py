"""What the system must allow this program, looked at before anything starts."""

from __future__ import annotations

import resource

from pixieioc.pipeline.error import Error

#: Open files of the controlling process: its own, its sockets and files; for each task; and for clients.
_OWN, _EACH_TASK, _CLIENTS = 40, 7, 16
#: More than that is not asked for: some programs that tasks may start look at each that is possible.
_ENOUGH = 65536


def needed_files(tasks: int) -> int:
    """Open files that this number of tasks and some clients need."""
    return _OWN + _EACH_TASK * tasks + _CLIENTS


def clients_at_most(tasks: int) -> int:
    """Clients for which there are open files beside those of tasks and of runs, which clients must not use up."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _ENOUGH if soft == resource.RLIM_INFINITY else max(1, soft - needed_files(tasks) + _CLIENTS)


def claim(tasks: int) -> None:
    """Asks for as many open files as the system allows; Error in one line if they are too few for `tasks` tasks."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = _ENOUGH if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
        soft = allowed
    needed = needed_files(tasks)
    if soft != resource.RLIM_INFINITY and soft < needed:
        raise Error(
            f"only {soft} files may be open at a time, at least {needed} are needed for {tasks} tasks and some clients "
            "(see ulimit -n, or LimitNOFILE= of systemd)"
        )
