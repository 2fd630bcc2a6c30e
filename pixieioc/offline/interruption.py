"""Signals that end an offline job: remembered when they come, and raised where the job asks for them.

An exception that a signal handler raises comes up wherever the program is at that instant. In a finalizer, in a
callback of C code or in the cleanup after another exception it is swallowed, or leaves half of the cleanup undone.
"""

from __future__ import annotations

import os
import signal
import time
from types import FrameType
from typing import Any, Self

from pixieioc.pipeline.process import SAME_WISH

#: What ends a job: a terminal, the end of a session, a batch system that is out of patience or of time.
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)


class Interrupted(BaseException):
    """A signal has come that ends the job."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number

    @property
    def exit_code(self) -> int:
        """That of a program that a signal has ended, as a shell has it."""
        return 128 + self.number


class Interruption:
    """A context manager in which signals are remembered; the main thread only.

    A second one ends the program at once, wherever it is: `last_words` are then printed on stderr. Signals that are
    ignored stay so, as with nohup.
    """

    def __init__(self, last_words: str = "") -> None:
        self._last_words = last_words
        self._number = 0
        self._came = 0.0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for number in _ENDING:
            if (before := signal.getsignal(number)) is not signal.SIG_IGN:
                self._before[number] = before
                signal.signal(number, self._take)
        return self

    def __exit__(self, *_: object) -> None:
        while self._before:
            signal.signal(*self._before.popitem())

    def check(self) -> None:
        """Raises Interrupted if a signal has come."""
        if self._number:
            raise Interrupted(self._number)

    def _take(self, number: int, _: FrameType | None) -> None:
        now = time.monotonic()
        if not self._number:
            self._number, self._came = number, now
        elif now - self._came > SAME_WISH:
            os.write(2, self._last_words.encode(errors="replace"))
            os._exit(128 + number)
