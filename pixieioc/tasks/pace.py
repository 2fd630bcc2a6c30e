"""When the modules of a crate are looked at and read: no queue of theirs may run over, however the rates change.

A module's data go into its FIFO, and from there, as fast as the bus is, into the host's queue. As long as there is room
in the queue the FIFO empties at the speed of the bus, and nothing is lost that the bus could carry. So the next look
must come before a module at the limit of its bus could have filled what is left of the queue.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from pixieioc.hardware import QUEUE_WORDS

#: What one module can move over the bus at most, words/s (50 MB/s); and by how much a look may be late, s.
BUS, LATENESS = 50e6 / 4, 0.010
#: Looks are never closer than that, s: what is due at once need not be looked at faster.
_SHORTEST = 0.0005


@dataclass(frozen=True)
class Pace:
    """How a read-out is asked to go: words that are worth a read, and times in seconds."""

    threshold: int  #: a module is read when it has more words than that
    max_delay: float  #: the longest time between two reads
    interval: float  #: the shortest between two looks, as far as the queue allows it

    def is_due(self, level: int, since_read: float) -> bool:
        """Whether the modules are to be read: `level` is the highest of theirs, in words."""
        return level > self.threshold or since_read > self.max_delay - _SHORTEST

    def pause(self, level: int, rate: float, since_read: float) -> float:
        """The time until the next look (s), from what a look has left: the highest level, and how fast it rises (1/s).

        At the rate that was seen there is a look half way to the threshold; but rates may change at once.
        """
        most = longest_pause(level)
        half_way = (self.threshold - level) / rate / 2 if rate > 0 else math.inf
        until_read = max(0.0, self.max_delay - since_read)
        evenly = until_read / math.ceil(until_read / most) if until_read else most
        return min(max(min(half_way, evenly), self.interval), most)


def longest_pause(level: int) -> float:
    """The longest time until the next look (s) in which no module can fill its queue, with `level` words in it now."""
    return max(_SHORTEST, (QUEUE_WORDS - level) / BUS - LATENESS)
