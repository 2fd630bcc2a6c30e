"""What a task's process is doing: a page that it writes and that its pipeline can read at any time, by its own clock.

While a `do_work` lasts, no message leaves the process, and while that holds Python's lock not even a thread runs; the
page then still says since when. Linux has one monotonic clock for all processes.
"""

from __future__ import annotations

import mmap
import time
from dataclasses import dataclass
from pathlib import Path

#: The numbers on the page. BUSY: since when the task has been busy (0: it sleeps; negative: it is starting). SIGN: when
#: it last gave a sign of life by itself. BEATS, BEAT: how often its beating thread has run, and when it last did.
_BUSY, _SIGN, _BEATS, _BEAT, _COUNT = range(5)
_BYTES = 8 * _COUNT


def page_of(address: str) -> Path:
    """Where the page of a task lies whose link is at this `ipc://` address."""
    return Path(address.removeprefix("ipc://") + ".activity")


@dataclass(frozen=True)
class Doing:
    """What a task was doing when it was looked at; all times in seconds until then."""

    busy: float = 0.0  #: how long the present piece of work has lasted; 0 while it waits, or is starting
    unanswered: float = 0.0  #: the same, since its latest sign of life
    starting: float = 0.0  #: how long it has been starting or compiling, since its latest sign of life
    silent: float = 0.0  #: since its process last ran at all


class Activity:
    """The page of one task; `create` makes it again, which is for the pipeline to do."""

    def __init__(self, path: Path, *, create: bool = False) -> None:
        with path.open("w+b" if create else "r+b") as file:
            if create:
                file.truncate(_BYTES)
            self._page = memoryview(mmap.mmap(file.fileno(), _BYTES)).cast("d")
        if create:
            self._page[_BEAT] = time.monotonic()

    # -- what the task writes -----------------------------------------------------------------------------------------

    def sleep(self) -> None:
        """Nothing is to be done; the task waits for messages or data."""
        self._page[_BUSY] = 0.0

    def work(self) -> None:
        """A piece of work begins."""
        self._page[_BUSY] = time.monotonic()

    def start(self) -> None:
        """Something begins that may take long and is no alarm: the task starts, compiles, or boots its hardware."""
        self._page[_BUSY] = -time.monotonic()

    def waited(self, seconds: float) -> None:
        """So long the present piece of work has waited for another task: that does not count."""
        since = self._page[_BUSY]
        self._page[_BUSY] = since + seconds if since > 0 else since

    def sign(self) -> None:
        """The task gives a sign of life in the middle of its work."""
        self._page[_SIGN] = time.monotonic()

    def beat(self) -> None:
        """The process runs."""
        self._page[_BEATS] += 1
        self._page[_BEAT] = time.monotonic()

    # -- what the pipeline reads --------------------------------------------------------------------------------------

    @property
    def beats(self) -> int:
        """Beats since the process began."""
        return int(self._page[_BEATS])

    def read(self, now: float) -> Doing:
        """What the task is doing; `now` is the monotonic time."""
        since, silent = self._page[_BUSY], now - self._page[_BEAT]
        unanswered = max(0.0, now - max(abs(since), self._page[_SIGN]))
        if since > 0:
            return Doing(busy=max(0.0, now - since), unanswered=unanswered, silent=max(0.0, silent))
        return Doing(starting=unanswered if since < 0 else 0.0, silent=max(0.0, silent))
