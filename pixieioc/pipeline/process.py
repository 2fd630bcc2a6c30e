"""How a task's process begins, and how it ends when nobody is left to end it."""

from __future__ import annotations

import contextlib
import ctypes
import json
import multiprocessing
import os
import site
from collections.abc import Callable, Iterator
from multiprocessing import forkserver, resource_tracker
from pathlib import Path

from pixieioc.pipeline.forked import PROCESSES
from pixieioc.pipeline.temporary import folder_of_multiprocessing, hold_listener, make_again
from pixieioc.signals import blocked_for_children

# Imported once there, it costs the tasks nothing.
PROCESSES.set_forkserver_preload(["pixieioc.pipeline.preloaded"])

#: Has Python not look for modules in the folder in which it is started, and where else.
_SAFE_PATH, _PATH = "PYTHONSAFEPATH", "PYTHONPATH"
#: What these were for whoever started us, while a helper begins.
_BEFORE = "PIXIEIOC_ENVIRONMENT"
#: Signals to the pipeline's process that come within this many seconds are one: a terminal and the program that has
#: started this one, such as `timeout`, both pass a signal on.
SAME_WISH = 1.0
#: The niceness of a process that goes first.
_FIRST = -10
#: Seconds between two beats.
BEAT_INTERVAL = 1.0

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8


def prepare() -> None:
    """Starts the process that the tasks' processes come from, so that it is ready when the first is wanted.

    It, its helper and the tasks, until they have said what signals mean to them, inherit that these are blocked.
    """
    make_again(folder_of_multiprocessing())
    for server in (resource_tracker, forkserver):
        with _importing_as_we_do(), blocked_for_children():  # each for itself: the first of them unblocks some
            server.ensure_running()
    hold_listener()


@contextlib.contextmanager
def _importing_as_we_do() -> Iterator[None]:
    """Processes that begin in here import the modules that this process does.

    multiprocessing starts its helpers with `python -c`, which looks into the current folder first: a `random.py` there
    would be taken for Python's, and a copy of this package for the one that runs.
    """
    before = {name: os.environ.get(name) for name in (_SAFE_PATH, _PATH)}
    os.environ[_SAFE_PATH] = "1"
    # Where the package was installed is looked at anyway, but behind Python's own modules, as it should be.
    root = str(Path(__file__).parents[2])
    if root not in (*site.getsitepackages(), site.getusersitepackages()):
        os.environ[_PATH] = os.pathsep.join(filter(None, (root, before[_PATH])))
    os.environ[_BEFORE] = json.dumps(before)
    try:
        yield
    finally:
        _restore_environment()


def _restore_environment() -> None:
    """What tasks start has the environment that this program was started with."""
    before: dict[str, str | None] = json.loads(os.environ.pop(_BEFORE, "{}"))
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


# Here, because this is imported first in a helper.
_restore_environment()


def keep_memory() -> None:
    """Has the C library keep what is freed: blocks of megabytes come and go, and new pages for each cost much time.

    One arena serves all threads of the process, so that what the one frees the other gets. glibc only, see mallopt(3).
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for option, value in ((_M_MMAP_THRESHOLD, 2**28), (_M_TRIM_THRESHOLD, 2**28), (_M_ARENA_MAX, 1)):
            mallopt(option, value)


def go_first() -> None:
    """Has this process, and threads that it starts from now on, go before ordinary ones, if the system allows that.

    It does for root, or with LimitNICE= of systemd.
    """
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, _FIRST)


def parent_has_ended() -> bool:
    """Whether the pipeline's process is gone; this is asked of the system."""
    parent = multiprocessing.parent_process()
    return parent is not None and not parent.is_alive()


def beat_until_parent_ends(beat: Callable[[], None]) -> None:
    """Calls `beat` once a second; returns when the pipeline's process is gone, however it went."""
    parent = multiprocessing.parent_process()
    while parent is not None and parent.is_alive():
        beat()
        parent.join(BEAT_INTERVAL)
