"""Processes that were killed and do not end: the system itself waits, as for a file server that does not answer."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterable, Sequence
from multiprocessing import process as multiprocessing_process
from pathlib import Path

from pixieioc.pipeline.task import Task


class Undying:
    """Those of a pipeline, until they end after all. They have no more to say, but they may still hold files."""

    def __init__(self) -> None:
        self._tasks: list[Task] = []
        self._waited: list[Task] = []  # that were killed just now
        self._lock = threading.Lock()

    def note(self, tasks: Sequence[Task]) -> None:
        """These are being killed; `end` waits for them."""
        with self._lock:
            self._waited += [task for task in tasks if task not in self._waited]

    def end(self, tasks: Sequence[Task], seconds: float) -> list[Task]:
        """Waits for processes that were killed; returns those that have ended in time, and keeps the others."""
        for task in tasks:  # multiprocessing must not wait for them at the end of the program, which may come meanwhile
            _children().discard(task)
        self.note(tasks)
        due = time.monotonic() + seconds
        for task in tasks:
            task.join(max(0.0, due - time.monotonic()))
        ended = [task for task in tasks if not task.is_alive()]
        with self._lock:
            self._tasks += [task for task in tasks if task not in ended]
            self._waited = [task for task in self._waited if task not in tasks]
        return ended

    def there(self) -> list[Task]:
        """Those that still have not ended; what others have had open is closed."""
        with self._lock:
            for task in [task for task in self._tasks if not task.is_alive()]:
                self._tasks.remove(task)
                task.close()
            return list(self._tasks)

    def names(self) -> list[str]:
        """The names of those, and of tasks that were killed just now and wait in the system."""
        return [task.name for task in self._killed()]

    def problem(self, names: Iterable[str]) -> str:
        """What there is of tasks of these names, as a sentence, or an empty text."""
        known = set(names)
        return _sentence(task for task in self.there() if task.name in known)

    def left(self) -> str:
        """The same of all tasks, for a program that ends: those that were killed just now are among them."""
        return _sentence(self._killed())

    def _killed(self) -> list[Task]:
        there = self.there()
        with self._lock:
            return [*(task for task in self._waited if task not in there and is_stuck(task)), *there]


def _sentence(tasks: Iterable[Task]) -> str:
    found = list(tasks)
    stuck = [_named(task) for task in found if is_stuck(task)]
    busy = [_named(task) for task in found if _named(task) not in stuck]
    return "; ".join([does_not_end(stuck)] * bool(stuck) + [_not_ended_yet(busy)] * bool(busy))


def _named(task: Task) -> str:
    return f"{task.name} (process {task.pid})"


def _not_ended_yet(tasks: Sequence[str]) -> str:
    what = "was killed and has" if len(tasks) == 1 else "were killed and have"
    return f"{', '.join(tasks)} {what} not ended yet: the computer is very busy"


def does_not_end(tasks: Sequence[str]) -> str:
    """A sentence about tasks whose processes were killed and wait in the system."""
    what = "was killed and does not end: it waits" if len(tasks) == 1 else "were killed and do not end: they wait"
    return f"{', '.join(tasks)} {what} for a disk or file server, which must answer first"


def is_stuck(task: Task) -> bool:
    """Whether a process that was killed waits in the system (state D), rather than being about to end."""
    for stat in Path(f"/proc/{task.pid}/task").glob("*/stat"):
        with contextlib.suppress(OSError):  # it has just ended
            if stat.read_bytes().rpartition(b")")[2].split()[0] == b"D":
                return True
    return False


def _children() -> set[object]:
    return multiprocessing_process._children  # pyright: ignore[reportPrivateUsage, reportAttributeAccessIssue]
