"""How a task's process begins, and how it ends when nobody is left to end it."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
from multiprocessing import forkserver

#: The parent runs an event loop and threads, so its memory must not be forked; a small server process forks instead.
PROCESSES = multiprocessing.get_context("forkserver")
# Imported once there, these cost the tasks nothing.
PROCESSES.set_forkserver_preload(["__main__", "pixieioc.pipeline.task"])

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8


def prepare() -> None:
    """Starts the process that the tasks' processes come from, so that it is ready when the first is wanted."""
    forkserver.ensure_running()


def keep_memory() -> None:
    """Has the C library keep what is freed: blocks of megabytes come and go, and new pages for each cost much time.

    One arena serves all threads of the process, so that what the one frees the other gets. glibc only, see mallopt(3).
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for option, value in ((_M_MMAP_THRESHOLD, 2**28), (_M_TRIM_THRESHOLD, 2**28), (_M_ARENA_MAX, 1)):
            mallopt(option, value)


def die_with_parent() -> None:
    """Ends this process when the pipeline's process is gone, however it went."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
    os._exit(1)
