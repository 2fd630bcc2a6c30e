"""Keeps tasks of a new pipeline from beginning while those of an earlier one, whose process is gone, still end."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path

from pixieioc.pipeline.error import Error

_NAME = "tasks.lock"
#: How often it is tried to get the lock, in seconds: flock(2) has no time limit.
_INTERVAL = 0.05


def hold(folder: Path) -> None:
    """For a task's process: others wait until it has ended."""
    # Without the file, or without locks on this file system, nobody can wait.
    with contextlib.suppress(OSError):
        descriptor = os.open(folder / _NAME, os.O_RDONLY | os.O_CLOEXEC)  # until the process ends
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)


class TaskLock:
    """A pipeline waits once, before its first tasks; those that it replaces later are its own."""

    def __init__(self) -> None:
        self._waited = False

    def wait_for_others(self, folder: Path | None, unwanted: Callable[[], bool], seconds: float) -> None:
        """Returns when no task of another pipeline has this state folder, or when that is not wanted any more.

        Raises Error if that takes longer than `seconds`.
        """
        if folder is None or self._waited:
            return
        end = time.monotonic() + seconds
        while not unwanted():
            if _is_free(folder / _NAME):
                self._waited = True
                return
            if time.monotonic() > end:
                raise Error(
                    f"tasks of an earlier IOC still have not ended after {seconds:g} s (`fuser -v {folder / _NAME}` "
                    "shows which): kill them; one that waits for a disk ends when that answers"
                )
            time.sleep(_INTERVAL)


def _is_free(lock: Path) -> bool:
    """Whether no task holds the lock; True as well where there are no locks."""
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError:  # a folder that cannot be written is told by others
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return True
