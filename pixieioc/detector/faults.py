"""What goes wrong between a module and its reader, made on request."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint32]
#: The header length that a corrupt word tells: no record has it.
NO_HEADER = 1


@dataclass
class FaultCounts:
    """Faults that were made; `events_hit`: records that were damaged or taken away by them."""

    corrupt_words: int = 0
    truncated_blocks: int = 0
    events_hit: int = 0


def corrupt(words: Words, record: int, random: np.random.Generator, counts: FaultCounts) -> Words:
    """Garbage in place of the first word of one of the records, which are `record` words long."""
    at = record * int(random.integers(len(words) // record))
    broken = words.copy()
    broken[at] = (int(random.integers(2**32)) & ~(31 << 12)) | NO_HEADER << 12
    counts.corrupt_words += 1
    counts.events_hit += 1
    return broken


def truncate(words: Words, record: int, random: np.random.Generator, counts: FaultCounts) -> Words:
    """The block without its end, which begins within a record."""
    at = int(random.integers(len(words) // record))
    counts.truncated_blocks += 1
    counts.events_hit += len(words) // record - at
    return words[: record * at + int(random.integers(1, record))]
