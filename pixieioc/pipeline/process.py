"""How a task's process begins, and how it ends when nobody is left to end it."""

from __future__ import annotations

import multiprocessing
import os
import shutil
from multiprocessing import forkserver

#: The parent runs an event loop and threads, so its memory must not be forked; a small server process forks instead.
PROCESSES = multiprocessing.get_context("forkserver")
# Imported once there, these cost the tasks nothing.
PROCESSES.set_forkserver_preload(["__main__", "pixieioc.pipeline.task"])


def prepare() -> None:
    """Starts the process that the tasks' processes come from, so that it is ready when the first is wanted."""
    forkserver.ensure_running()


def die_with_parent(folder: str) -> None:
    """Ends this process, and removes the pipeline's folder, when the pipeline's process is gone, however it went."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(1)
