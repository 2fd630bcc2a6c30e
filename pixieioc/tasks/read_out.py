"""The read-out of a crate in a run: what the modules hold comes into memory, and goes on when the next task takes it.

Whoever reads does not wait for the tasks behind until `room` bytes wait here: only then the modules' own buffers fill.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pixieioc.hardware import Crate, HardwareError
from pixieioc.tasks.backlog import Backlog
from pixieioc.tasks.items import RunBegins, Silence, WordBlock
from pixieioc.tasks.pace import Pace
from pixieioc.tasks.run_counts import RunCounts

#: What has piled up goes on in items of at most about this many bytes, at least this many; and how many of them fill a
#: link, which may hold about as much as waits here: at the end of a run all of it must get to its place.
_ITEM, _SMALLEST, _ITEMS = 1024**2, 64 * 1024, 16
#: While data wait here, it is tried so often to hand them on, in seconds.
_RETRY = 0.005
_NOTHING = np.empty(0, np.uint32)

#: Hands something to the next task; False if that has to wait.
Offer = Callable[[object], bool]


class ReadOut:
    """Reads all modules of a crate; `now` are monotonic times in seconds."""

    def __init__(self, crate: Crate, counts: RunCounts, begins: RunBegins, now: float) -> None:
        """The modules take data since `now`; `begins` goes before the first of them."""
        self._crate, self.counts = crate, counts
        self._modules = range(len(crate.modules))
        self._begins: RunBegins | None = begins
        self._backlog, self._silence = Backlog(), Silence()
        self._levels: dict[int, int] = {}
        self._highest, self._rate = 0, 0.0
        self._looked = self._last_read = now

    @property
    def bytes_waiting(self) -> int:
        """What was read and has not been handed on."""
        return self._backlog.bytes

    def refresh(self, now: float) -> None:
        """Asks all modules how much they hold."""
        self._levels = {module: self._crate.level(module) for module in self._modules}
        for module, words in self._levels.items():
            if words:
                self.counts.note_level(module, words)
        before, self._highest = self._highest, max(self._levels.values())
        self._rate = max(self._highest - before, 0) / max(now - self._looked, 1e-6)
        self._looked = now

    def read_if_due(self, pace: Pace, now: float, room: int) -> None:
        """Reads the modules that have data, if that is due and less than `room` bytes wait.

        That there is nothing is said at once: the next task may hold an event back until it knows that.
        """
        if not self._highest:
            self._last_read = now
            if not self._silence.complete:
                self._take(dict.fromkeys(self._levels, _NOTHING))
        elif pace.is_due(self._highest, now - self._last_read) and self._backlog.bytes < room:
            self._last_read = now
            read = self._crate.read
            self._take({module: read(module) if words else _NOTHING for module, words in self._levels.items()})
            self._highest = 0

    def pause(self, pace: Pace, now: float) -> float:
        """Until the next look."""
        pause = pace.pause(self._highest, self._rate, now - self._last_read)
        return min(pause, _RETRY) if self._backlog else pause

    def hand_on(self, offer: Offer, room: int) -> None:
        """Hands on what waits, until `offer` says that this has to wait."""
        size = min(_ITEM, max(_SMALLEST, room // _ITEMS))
        if self._begins is not None and offer(self._begins):
            self._begins = None
        while self._begins is None and self._backlog:
            count, block = self._backlog.first(size)
            if not offer(block):
                break
            self._backlog.remove(count)

    def read_all(self) -> None:
        """Reads what the modules hold now, however much waits here; if one of them fails, what the others have."""
        failed: dict[int, HardwareError] = {}
        self._read_but(failed)
        _raise_first(failed)

    def empty(self) -> None:
        """The same until the modules hold nothing: their run has ended."""
        failed: dict[int, HardwareError] = {}
        while self._read_but(failed):
            pass
        _raise_first(failed)

    def _read_but(self, failed: dict[int, HardwareError]) -> bool:
        """Reads all modules but those that have failed, and adds those that fail now; whether there was anything."""
        block: WordBlock = {}
        for module in self._modules:
            if module in failed:
                continue
            try:
                block[module] = self._crate.read(module)
            except HardwareError as error:
                failed[module] = error
        found = any(len(words) for words in block.values())
        if found:
            self._take(block)
        return found

    def _take(self, block: WordBlock) -> None:
        self.counts.add(block)
        if self._backlog and not any(len(words) for words in block.values()):
            return  # that there was nothing says nothing as long as something waits
        self._silence.send(block, self._backlog.add)


def _raise_first(failed: dict[int, HardwareError]) -> None:
    for error in failed.values():
        raise error
