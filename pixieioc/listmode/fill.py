"""The loops that fill the columns of events from the words of their records, compiled.

To compile takes longer than to run: so there are few loops, without slices, and those for optional blocks are compiled
apart, where there are such data. A place without a sign needs no thought about indices from the end.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixieioc.listmode.flags import FLAG_CFD_FORCED, FLAG_OUT_OF_RANGE, FLAG_PILEUP
from pixieioc.listmode.jit import compiled
from pixieioc.listmode.layout import (
    CFD_MASK,
    CFD_OFF,
    CFD_UNIT,
    CHANNEL_MASK,
    CRATE_MASK,
    CRATE_SHIFT,
    ENERGY_MASK,
    FORCED_MASK,
    FORCED_SHIFT,
    FORCED_VALUE,
    LENGTH_MASK,
    RANGE_SHIFT,
    RANGE_WORD,
    SLOT_MASK,
    SLOT_SHIFT,
    SOURCE_MASK,
    SOURCE_OFFSET,
    SOURCE_SCALE,
    SOURCE_SHIFT,
    TICK_NS,
    Int,
    Numbers,
)
from pixieioc.listmode.variant import PART_ESUM, PART_ETS, PART_QDC

#: Events that are filled in at a time, so that their words stay close to the processor.
BATCH = 512


@compiled
def fill_base(
    earlier_words: NDArray[np.uint32],
    earlier_offsets: NDArray[np.int64],
    later_words: NDArray[np.uint32],
    later_offsets: NDArray[np.int64],
    form: Numbers,
    scratch: NDArray[np.uint32],
    time: NDArray[np.int64],
    cfd: NDArray[np.float32],
    energy: NDArray[np.uint16],
    channel: NDArray[np.uint8],
    slot: NDArray[np.uint8],
    crate: NDArray[np.uint8],
    flags: NDArray[np.uint8],
    parts: NDArray[np.uint8],
    starts: NDArray[np.int64],
    lengths: NDArray[np.uint16],
) -> None:
    """The columns that all events have, one row an offset; `scratch` has room for four words of a batch.

    Unless these are empty, also which optional blocks a record has, and where its trace lies in the words seen as
    16-bit samples.

    The records lie in two arrays of words, one of which may be empty: in one call, since it takes the time of thousands
    of records to hand over so many arrays.

    A batch at a time: first each word of its records side by side, then column by column, many rows at once.
    """
    begin, first_word, last_word, no_shift = np.uint64(0), np.uint64(0), np.uint64(3 * BATCH), np.int64(0)
    for words, offsets in ((earlier_words, earlier_offsets), (later_words, later_offsets)):
        for first in range(0, len(offsets), BATCH):
            count = len(offsets) - first
            if count > BATCH:
                count = BATCH
            gather(words, offsets, first, count, scratch)
            fill_field(channel, begin, count, scratch, first_word, no_shift, form[CHANNEL_MASK])
            fill_field(slot, begin, count, scratch, first_word, form[SLOT_SHIFT], form[SLOT_MASK])
            fill_field(crate, begin, count, scratch, first_word, form[CRATE_SHIFT], form[CRATE_MASK])
            fill_field(energy, begin, count, scratch, last_word, no_shift, form[ENERGY_MASK])
            tick_ns = form[TICK_NS]
            for i in range(count):
                low, high = scratch[np.uint64(BATCH + i)], scratch[np.uint64(2 * BATCH + i)]
                time[begin + np.uint64(i)] = (np.int64(low) | (np.int64(high & np.uint32(0xFFFF)) << 32)) * tick_ns
            fill_cfd(cfd, flags, begin, count, scratch, form)
            fill_shapes(parts, starts, lengths, begin, offsets, first, count, scratch, form[LENGTH_MASK])
            begin += np.uint64(count)


@compiled
def gather(
    words: NDArray[np.uint32], offsets: NDArray[np.int64], first: Int, count: Int, scratch: NDArray[np.uint32]
) -> None:
    """The four words that every record has, from `first` on: all first words, all second words ..."""
    begin = offsets[np.uint64(first)]
    if offsets[np.uint64(first + count - 1)] - begin == 4 * (count - 1):
        # No record has fewer than 4 words, so none of these has more.
        for i in range(count):
            at = np.uint64(begin + 4 * i)
            for j in range(4):
                scratch[np.uint64(BATCH * j + i)] = words[at + np.uint64(j)]
    else:
        for i in range(count):
            at = np.uint64(offsets[np.uint64(first + i)])
            for j in range(4):
                scratch[np.uint64(BATCH * j + i)] = words[at + np.uint64(j)]


@compiled
def fill_field(
    column: NDArray[Any], begin: Int, count: Int, scratch: NDArray[np.uint32], word: Int, shift: Int, mask: Int
) -> None:
    """Rows of a column that is a bit field of a word."""
    by, bits = np.uint32(shift), np.uint32(mask)
    for i in range(count):
        column[begin + np.uint64(i)] = (scratch[word + np.uint64(i)] >> by) & bits


@compiled
def fill_cfd(
    cfd: NDArray[np.float32],
    flags: NDArray[np.uint8],
    begin: Int,
    count: Int,
    scratch: NDArray[np.uint32],
    form: Numbers,
) -> None:
    """CFD times and flags, in 32 bits, which is exact: a CFD time is less than 2**19 units of 1/32768 ns."""
    fractions, unit = np.uint32(form[CFD_MASK]), np.int32(form[CFD_UNIT])
    sources, source_by = np.uint32(form[SOURCE_MASK]), np.uint32(form[SOURCE_SHIFT])
    scale, zero = np.int32(form[SOURCE_SCALE]), np.int32(form[SOURCE_OFFSET])
    forces, forced_by = np.uint32(form[FORCED_MASK]), np.uint32(form[FORCED_SHIFT])
    forced_if, can_be_forced = np.uint32(form[FORCED_VALUE]), form[FORCED_MASK] != 0
    off, channels, range_by = np.uint32(form[CFD_OFF]), np.uint32(form[CHANNEL_MASK]), np.uint32(form[RANGE_SHIFT])
    range_word = np.uint64(BATCH * form[RANGE_WORD])
    one = np.uint32(1)
    for i in range(count):
        place = np.uint64(i)
        w0, w2 = scratch[place], scratch[np.uint64(2 * BATCH) + place]
        fraction = np.int32((w2 >> np.uint32(16)) & fractions)
        source = np.int32((w2 >> source_by) & sources)
        forced = can_be_forced & (((w2 >> forced_by) & forces) == forced_if)
        forced |= ((off >> (w0 & channels)) & one) != 0
        sub_tick = np.int32(np.int32(unit * fraction) + np.int32(scale * source) + zero)
        cfd[begin + place] = np.float32(0) if forced else np.float32(sub_tick) * np.float32(1 / 32768)
        flags[begin + place] = (
            (w0 >> np.uint32(31)) * np.uint32(FLAG_PILEUP)
            + ((scratch[range_word + place] >> range_by) & one) * np.uint32(FLAG_OUT_OF_RANGE)
            + np.uint32(forced) * np.uint32(FLAG_CFD_FORCED)
        )


@compiled
def fill_shapes(
    parts: NDArray[np.uint8],
    starts: NDArray[np.int64],
    lengths: NDArray[np.uint16],
    begin: Int,
    offsets: NDArray[np.int64],
    first: Int,
    count: Int,
    scratch: NDArray[np.uint32],
    length_mask: Int,
) -> None:
    """Which optional blocks records have, and where their traces lie; not for columns that are empty."""
    one, longest = np.uint32(1), np.uint32(length_mask)
    if len(parts):
        for i in range(count):
            header = (scratch[np.uint64(i)] >> np.uint32(12)) & np.uint32(31)
            parts[begin + np.uint64(i)] = (header - np.uint32(4)) >> one
    if len(starts):
        for i in range(count):
            header = (scratch[np.uint64(i)] >> np.uint32(12)) & np.uint32(31)
            length = (scratch[np.uint64(i)] >> np.uint32(17)) & longest
            starts[begin + np.uint64(i)] = (offsets[np.uint64(first + i)] + np.int64(header)) << 1
            lengths[begin + np.uint64(i)] = (length - header) << one


@compiled
def fill_parts(
    earlier_words: NDArray[np.uint32],
    earlier_offsets: NDArray[np.int64],
    later_words: NDArray[np.uint32],
    later_offsets: NDArray[np.int64],
    rows: NDArray[np.int64],
    parts: NDArray[np.uint8],
    ets: NDArray[np.uint64],
    esum: NDArray[np.uint32],
    baseline: NDArray[np.uint32],
    qdc: NDArray[np.uint32],
) -> None:
    """The columns of the optional blocks, of which `parts` says who has them; those that are empty are not there.

    The order in a record is always ESUM (4 words), QDC (8 words), ETS. A batch at a time: `rows` is scratch, for the
    rows of a batch; `baseline` are the bits of the numbers; `esum` and `qdc` have the values of an event side by side.
    """
    one, four, eight, begin = np.uint64(1), np.uint64(4), np.uint64(8), np.uint64(0)
    for words, offsets in ((earlier_words, earlier_offsets), (later_words, later_offsets)):
        for start in range(0, len(offsets), BATCH):
            first = np.int64(begin) + start
            last = np.int64(begin) + min(start + BATCH, len(offsets))
            if len(ets):
                for i in range(first, last):
                    ets[np.uint64(i)] = 0
                for k in range(rows_with(parts, first, last, np.uint8(PART_ETS), rows)):
                    i = np.uint64(rows[np.uint64(k)])
                    at = np.uint64(offsets[i - begin]) + four
                    at += four * np.uint64((parts[i] & PART_ESUM) != 0) + eight * np.uint64((parts[i] & PART_QDC) != 0)
                    ets[i] = np.uint64(words[at]) | (np.uint64(words[at + one] & np.uint32(0xFFFF)) << np.uint64(32))
            if len(esum):
                for i in range(first, last):
                    baseline[np.uint64(i)] = 0
                for i in range(3 * first, 3 * last):
                    esum[np.uint64(i)] = 0
                for k in range(rows_with(parts, first, last, np.uint8(PART_ESUM), rows)):
                    i = np.uint64(rows[np.uint64(k)])
                    at = np.uint64(offsets[i - begin]) + four
                    for j in range(3):
                        esum[np.uint64(3) * i + np.uint64(j)] = words[at + np.uint64(j)]
                    baseline[i] = words[at + np.uint64(3)]
            if len(qdc):
                for i in range(8 * first, 8 * last):
                    qdc[np.uint64(i)] = 0
                for k in range(rows_with(parts, first, last, np.uint8(PART_QDC), rows)):
                    i = np.uint64(rows[np.uint64(k)])
                    at = np.uint64(offsets[i - begin]) + four + four * np.uint64((parts[i] & PART_ESUM) != 0)
                    for j in range(8):
                        qdc[eight * i + np.uint64(j)] = words[at + np.uint64(j)]
        begin += np.uint64(len(offsets))


@compiled
def rows_with(parts: NDArray[np.uint8], first: Int, last: Int, part: Int, rows: NDArray[np.int64]) -> int:
    """How many records have a part; their rows, in `rows`; without a branch, which the processor could not foresee."""
    count = np.uint64(0)
    for i in range(first, last):
        rows[count] = i
        count += np.uint64((parts[np.uint64(i)] & part) != 0)
    return int(count)


@compiled
def copy_traces(
    earlier: NDArray[np.uint16],
    samples: NDArray[np.uint16],
    starts: NDArray[np.int64],
    lengths: NDArray[np.uint16],
    copy: NDArray[np.uint16],
    places: NDArray[np.int64],
) -> None:
    """The samples of each trace, one trace after the other, and where each begins then.

    A start below 0 is one in `earlier`: -1 is its beginning, -2 the sample after it.
    """
    at = 0
    for i in range(len(starts)):
        count, start = np.int64(lengths[np.uint64(i)]), starts[np.uint64(i)]
        places[np.uint64(i)] = at
        if start < 0:
            for j in range(count):
                copy[np.uint64(at + j)] = earlier[np.uint64(j - 1 - start)]
        else:
            for j in range(count):  # several times faster than a copy of slices
                copy[np.uint64(at + j)] = samples[np.uint64(start + j)]
        at += count
