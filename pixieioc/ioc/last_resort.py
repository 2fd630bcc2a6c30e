"""The end of the process itself, which nothing holds up: no disk that is silent, no thread that waits for one.

What a thread has asked of a file system that does not answer, the system itself waits for: of a local disk not even
SIGKILL ends that, and the process stays as a zombie until the disk answers. But its sockets are closed by then, its
state folder is unlocked, and the next IOC can begin.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterable
from math import inf
from typing import NoReturn

#: Exit code of an IOC that has ended, and has not written everything; and of one that has not closed everything.
UNWRITTEN, UNCLEAN = os.EX_IOERR, os.EX_SOFTWARE
#: How long what is said last may take, in seconds: stderr may be a file on the same disk.
_SAYING = 0.2


def within(seconds: float, function: Callable[[], object]) -> bool:
    """Calls `function` in a thread, and waits so long for it at most; whether it has returned."""
    thread = threading.Thread(target=function, name="pixieioc last", daemon=True)
    try:
        thread.start()
    except RuntimeError:  # the system starts no more threads: then there is no limit
        function()
        return True
    thread.join(seconds)
    return not thread.is_alive()


def exit_now(code: int, left: Iterable[str]) -> NoReturn:
    """Ends the process, and says on stderr what it has left undone."""
    if text := "; ".join(left):
        say(f"ended, but not written: {text}")
    os._exit(code)


def say(text: str) -> None:
    """A line on stderr, which is not waited for longer than a moment."""
    line = f"pixieioc: {text}\n".encode(errors="replace")

    def write() -> None:
        with contextlib.suppress(OSError):  # nobody reads it any more
            os.write(2, line)

    within(_SAYING, write)


class LastResort:
    """Ends the process at a time, whatever all others wait for; `sources` say what is not written by then."""

    def __init__(self) -> None:
        self.sources: list[Callable[[], Iterable[str]]] = []
        self._due = inf
        self._sooner = threading.Condition()
        self._thread: threading.Thread | None = None

    def left(self) -> list[str]:
        """What is not written."""
        return [text for source in self.sources for text in _asked(source) if text]

    def by(self, due: float) -> None:
        """The process has ended by then, by the monotonic clock, or is ended."""
        with self._sooner:
            self._due = min(self._due, due)
            self._sooner.notify_all()
        if self._thread is None:
            self._thread = threading.Thread(target=self._wait, name="pixieioc last resort", daemon=True)
            with contextlib.suppress(RuntimeError):  # the system starts no more threads: there is no last resort
                self._thread.start()

    def _wait(self) -> None:
        with self._sooner:
            while (left := self._due - time.monotonic()) > 0:
                self._sooner.wait(left)
        unwritten = self.left()
        exit_now(UNWRITTEN if unwritten else UNCLEAN, unwritten or ["the IOC has not closed everything in time"])


def _asked(source: Callable[[], Iterable[str]]) -> list[str]:
    """What a source says; it is asked in another thread than its own, and must not be what keeps the process alive."""
    try:
        return list(source())
    except Exception as error:
        return [f"{type(error).__name__}: {error}"]
