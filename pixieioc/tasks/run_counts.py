"""What came of each module in a run and what did not: records counted here against events counted in the module."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pixieioc.hardware import QUEUE_WORDS, Losses, Statistics
from pixieioc.listmode.stream import RecordCounter
from pixieioc.listmode.variant import SLOT_FIRST, VARIANTS, Variant
from pixieioc.tasks.items import WordBlock

Counts = NDArray[np.float64]


def warm_up() -> None:
    """Compiles the loops that count, or loads them, so that no run need wait for it."""
    counter = RecordCounter(VARIANTS[0])
    # A record, and words that are none.
    counter.feed(np.array([SLOT_FIRST << 4 | 4 << 12 | 4 << 17, *[0] * 7], np.uint32))
    counter.finish()


class RunCounts:
    """The counts of one run. While it lasts, losses are known to have happened; at its end, how many they were.

    A module counts an event when it makes its record. The record is lost if the module's FIFO is full then, or if the
    host has no room for it: whatever was counted and has not come as a whole record is lost, by whatever cause.
    """

    def __init__(self, layouts: Sequence[Variant]) -> None:
        self._counters = [RecordCounter(layout, module) for module, layout in enumerate(layouts)]
        count = len(layouts)
        self.words = 0  #: that were read
        self.lost: Counts = np.zeros(count)  #: hits by module: at least this number; exactly, once the run has ended
        self.overflows: Counts = np.zeros(count)  #: how often the module's FIFO was seen full
        self._levels: Counts = np.zeros(count)

    def add(self, block: WordBlock) -> None:
        """Words that were read."""
        for module, words in block.items():
            if len(words):
                self.words += len(words)
                self._counters[module].feed(words)

    def note_level(self, module: int, words: int) -> None:
        """How many words waited in a module when it was looked at."""
        self._levels[module] = max(self._levels[module], words)

    def take_levels(self) -> Counts:
        """The greatest level (%) of each module since the last call."""
        levels, self._levels = self._levels, np.zeros_like(self._levels)
        return 100.0 * levels / QUEUE_WORDS

    def note_losses(self, losses: Sequence[Losses | None]) -> None:
        """What the SDK has counted between module and host so far; None if it cannot be read."""
        for module, each in enumerate(losses):
            if each is not None:
                self.overflows[module] = each.full_fifo
                self.lost[module] = max(self.lost[module], float(each.any))

    def settle(self, statistics: Sequence[Statistics]) -> list[str]:
        """The run has ended and all was read: how many hits were lost; what does not add up, as sentences."""
        wrong: list[str] = []
        for module, (counter, counted) in enumerate(zip(self._counters, statistics, strict=True)):
            counter.finish()
            made, came = float(counted.output_counts.sum()), counter.counts.events
            self.lost[module] = max(0.0, made - came)
            if came > made:
                wrong.append(f"module {module} has sent {came} records, and counts {made:.0f} events")
        return wrong
