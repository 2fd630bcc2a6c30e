"""Has the disk take soon what was written to a file through the page cache: who writes to a slow one waits at once.

Otherwise the cache takes a whole run, and the end of the run waits for all of it to be written, longer than it may.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from math import inf

#: Bytes after which what was written is brought to the disk: at first, and as many as it takes in a moment (s).
_FIRST, _SMALLEST, _LARGEST = 1 << 20, 1 << 18, 1 << 24
_SHORT, _LONG = 0.1, 0.3
#: A shorter time tells nothing of how fast a disk is, in seconds; how often it is asked until it is known: one that is
#: slow may take a little at once, now and then.
_MEASURABLE, _LATEST = 0.01, 8


class Writeback:
    """That of one open file: a thread syncs what was written, while up to as much again is written.

    `progress` is called whenever a slow disk has taken something; what it raises goes to who writes.
    """

    def __init__(self, descriptor: int, progress: Callable[[], object] = lambda: None) -> None:
        self._descriptor, self._progress = descriptor, progress
        self._piece, self._dirty = _FIRST, 0
        self._thread: ThreadPoolExecutor | None = None
        self._syncing: Future[None] | None = None
        self._taken: deque[tuple[int, float]] = deque(maxlen=_LATEST)  # bytes, and the time that the disk took for them
        self.rate = inf  #: bytes per second that the disk takes, as far as it shows
        self.is_slow = False  #: whether it takes its time

    @property
    def room(self) -> int:
        """Bytes that are written at once at most."""
        return max(_SMALLEST, self._piece - self._dirty)

    def wrote(self, size: int) -> None:
        """So many more bytes were written; waits if the disk is behind. OSError if it has not taken what was before."""
        self._dirty += size
        if self._dirty >= self._piece:
            self.settle()
            self._thread = self._thread or ThreadPoolExecutor(1, "writeback")
            self._syncing, self._dirty = self._thread.submit(self._sync, self._dirty), 0
            if self.is_slow:
                self._progress()

    def settle(self) -> None:
        """Waits for what the thread does."""
        syncing, self._syncing = self._syncing, None
        if syncing is not None:
            syncing.result()

    def close(self) -> None:
        """Ends the thread, before the file is closed; it does not matter any more whether the disk has taken all."""
        if self._thread is not None:
            self._thread.shutdown()

    def _sync(self, size: int) -> None:
        """In the thread."""
        began = time.monotonic()
        os.fdatasync(self._descriptor)
        seconds = time.monotonic() - began
        self._taken.append((size, seconds))
        together = sum(seconds for _, seconds in self._taken)
        self.rate = sum(size for size, _ in self._taken) / together if together > _MEASURABLE else inf
        self.is_slow = max(seconds for _, seconds in self._taken) > _SHORT
        if seconds < _SHORT:
            self._piece = min(_LARGEST, 2 * self._piece)
        elif seconds > _LONG:
            self._piece = max(_SMALLEST, min(self._piece // 2, int(_LONG * size / seconds)))
