"""A `Variant` as plain integers, the form that compiled code takes."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pixieioc.listmode.variant import Bits, Variant


class Layout(NamedTuple):
    """What the loops need to know of a `Variant`; masks are for a field that is shifted down already."""

    tick_ns: int
    length_mask: int
    energy_mask: int
    trace_mask: int
    range_word: int
    range_shift: int
    cfd_mask: int
    cfd_unit: int
    source_shift: int
    source_mask: int
    source_scale: int
    source_offset: int
    forced_shift: int
    forced_mask: int
    forced_value: int
    cfd_off: int
    channel_mask: int
    slot_shift: int
    slot_mask: int
    crate_shift: int
    crate_mask: int


#: What compiled code is called with, by the numbers below: a tuple of 21 integers, or a record of 21 names, would take
#: longer to hand over, and to compile.
Numbers = NDArray[np.int64]
#: One of them, or another integer of compiled code.
Int = int | np.integer[Any]
(
    TICK_NS, LENGTH_MASK, ENERGY_MASK, TRACE_MASK, RANGE_WORD, RANGE_SHIFT, CFD_MASK, CFD_UNIT, SOURCE_SHIFT,
    SOURCE_MASK, SOURCE_SCALE, SOURCE_OFFSET, FORCED_SHIFT, FORCED_MASK, FORCED_VALUE, CFD_OFF, CHANNEL_MASK,
    SLOT_SHIFT, SLOT_MASK, CRATE_SHIFT, CRATE_MASK,
) = range(len(Layout._fields))  # fmt: skip


def numbers_of(row: Variant, cfd_off: int = 0) -> Numbers:
    """The table's row for compiled code; what all variants share (the shifts of words 0 and 3) is in the loops.

    `cfd_off` has a bit for each channel whose CFD is switched off.
    """

    def shared(bits: Bits, word: int, shift: int) -> int:
        if (bits.word, bits.shift) != (word, shift):
            raise ValueError(f"{row}: field at {bits}, the loops expect word {word} bit {shift}")
        return bits.mask

    form = Layout(
        row.tick_ns,
        shared(row.record_length, 0, 17),
        shared(row.energy, 3, 0),
        shared(row.trace_length, 3, 16),
        row.out_of_range.word,
        row.out_of_range.shift,
        shared(row.cfd_fraction, 2, 16),
        row.cfd_unit,
        row.cfd_source.shift,
        row.cfd_source.mask,
        row.source_ns * 32768,
        row.source_offset_ns * 32768,
        row.cfd_forced.shift,
        row.cfd_forced.mask,
        row.forced_value,
        cfd_off,
        shared(row.channel, 0, 0),
        row.slot.shift,
        row.slot.mask,
        row.crate.shift,
        row.crate.mask,
    )
    return np.array(form, np.int64)
