"""The loops that fill the columns of events from the words of their records, compiled."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixieioc.listmode.events import FLAG_CFD_FORCED, FLAG_OUT_OF_RANGE, FLAG_PILEUP
from pixieioc.listmode.jit import compiled
from pixieioc.listmode.layout import NAMED, Layout, Numbers
from pixieioc.listmode.variant import PART_ESUM, PART_ETS, PART_QDC

#: Events that are filled in at a time, so that their words stay close to the processor.
BATCH = 512


@compiled
def fill_columns(
    earlier_words: NDArray[np.uint32],
    earlier_offsets: NDArray[np.int64],
    later_words: NDArray[np.uint32],
    later_offsets: NDArray[np.int64],
    numbers: Numbers,
    module: int,
    time: NDArray[np.int64],
    cfd: NDArray[np.float32],
    energy: NDArray[np.uint16],
    channel: NDArray[np.uint8],
    slot: NDArray[np.uint8],
    crate: NDArray[np.uint8],
    modules: NDArray[np.uint8],
    flags: NDArray[np.uint8],
    parts: NDArray[np.uint8],
    ets: NDArray[np.uint64],
    esum: NDArray[np.uint32],
    baseline: NDArray[np.float32],
    qdc: NDArray[np.uint32],
    trace_start: NDArray[np.int64],
    trace_length: NDArray[np.uint16],
) -> None:
    """All columns, one row an offset; those from `parts` on may be empty: then nothing is put there.

    The records lie in two arrays of words, one of which may be empty: in one call, since it takes the time of thousands
    of records to hand over so many arrays.

    A batch at a time: first each word of its records side by side, then column by column, many rows at once.
    """
    form = numbers.view(NAMED)[0]
    base, rows = np.empty((4, BATCH), np.uint32), np.empty(BATCH, np.int64)
    begin = 0
    for words, all_offsets in ((earlier_words, earlier_offsets), (later_words, later_offsets)):
        for first in range(0, len(all_offsets), BATCH):
            offsets = all_offsets[first : first + BATCH]
            count = len(offsets)
            end = begin + count
            gather(words, offsets, base)
            w0, w1, w2, w3 = base[0, :count], base[1, :count], base[2, :count], base[3, :count]
            fill_field(channel[begin:end], w0, 0, form.channel_mask)
            fill_field(slot[begin:end], w0, form.slot_shift, form.slot_mask)
            fill_field(crate[begin:end], w0, form.crate_shift, form.crate_mask)
            fill_field(energy[begin:end], w3, 0, form.energy_mask)
            modules[begin:end] = module
            fill_time(time[begin:end], w1, w2, form)
            fill_cfd(cfd[begin:end], flags[begin:end], w0, w2, w3 if form.range_word else w0, form)
            if len(parts):
                fill_parts(parts[begin:end], w0)
                fill_blocks(
                    words,
                    offsets,
                    parts[begin:end],
                    rows,
                    ets[begin:end],
                    esum[begin:end],
                    baseline[begin:end],
                    qdc[begin:end],
                )
            if len(trace_start):
                fill_traces(trace_start[begin:end], trace_length[begin:end], offsets, w0, form.length_mask)
            begin = end


@compiled
def gather(words: NDArray[np.uint32], offsets: NDArray[np.int64], base: NDArray[np.uint32]) -> None:
    """The four words that every record has, each in a row of `base`."""
    count, first = len(offsets), offsets[0]
    if offsets[count - 1] - first == 4 * (count - 1):  # no record has fewer than 4 words, so none of these has more
        these = words[first : first + 4 * count]
        for i in range(count):
            for j in range(4):
                base[j, i] = these[4 * i + j]
    else:
        for i in range(count):
            at = np.uint64(offsets[i])
            for j in range(4):
                base[j, i] = words[at + np.uint64(j)]


@compiled
def fill_field(column: NDArray[Any], word: NDArray[np.uint32], shift: int, mask: int) -> None:
    """A column that is a bit field of a word."""
    by, bits = np.uint32(shift), np.uint32(mask)
    for i in range(len(word)):
        column[i] = (word[i] >> by) & bits


@compiled
def fill_time(time: NDArray[np.int64], w1: NDArray[np.uint32], w2: NDArray[np.uint32], form: Layout) -> None:
    """Times in ns from 48 bits of ticks."""
    for i in range(len(time)):
        time[i] = (np.int64(w1[i]) | (np.int64(w2[i] & np.uint32(0xFFFF)) << 32)) * form.tick_ns


@compiled
def fill_cfd(
    cfd: NDArray[np.float32],
    flags: NDArray[np.uint8],
    w0: NDArray[np.uint32],
    w2: NDArray[np.uint32],
    with_range: NDArray[np.uint32],
    form: Layout,
) -> None:
    """CFD times and flags; `with_range` is the word that has the out-of-range bit.

    In 32 bits, which is exact: a CFD time is less than 2**19 units of 1/32768 ns.
    """
    fractions, unit = np.uint32(form.cfd_mask), np.int32(form.cfd_unit)
    sources, source_by = np.uint32(form.source_mask), np.uint32(form.source_shift)
    scale, zero = np.int32(form.source_scale), np.int32(form.source_offset)
    forces, forced_by, forced_if = (
        np.uint32(form.forced_mask),
        np.uint32(form.forced_shift),
        np.uint32(form.forced_value),
    )
    off, channels, range_by = np.uint32(form.cfd_off), np.uint32(form.channel_mask), np.uint32(form.range_shift)
    one = np.uint32(1)
    for i in range(len(w0)):
        fraction = np.int32((w2[i] >> np.uint32(16)) & fractions)
        source = np.int32((w2[i] >> source_by) & sources)
        forced = (form.forced_mask != 0) & (((w2[i] >> forced_by) & forces) == forced_if)
        forced |= ((off >> (w0[i] & channels)) & one) != 0
        sub_tick = np.int32(np.int32(unit * fraction) + np.int32(scale * source) + zero)
        cfd[i] = np.float32(0) if forced else np.float32(sub_tick) * np.float32(1 / 32768)
        flags[i] = (
            (w0[i] >> np.uint32(31)) * np.uint32(FLAG_PILEUP)
            + ((with_range[i] >> range_by) & one) * np.uint32(FLAG_OUT_OF_RANGE)
            + np.uint32(forced) * np.uint32(FLAG_CFD_FORCED)
        )


@compiled
def fill_parts(parts: NDArray[np.uint8], w0: NDArray[np.uint32]) -> None:
    """Which optional blocks each record has."""
    for i in range(len(w0)):
        parts[i] = (((w0[i] >> np.uint32(12)) & np.uint32(31)) - np.uint32(4)) >> np.uint32(1)


@compiled
def fill_traces(
    starts: NDArray[np.int64],
    lengths: NDArray[np.uint16],
    offsets: NDArray[np.int64],
    w0: NDArray[np.uint32],
    length_mask: int,
) -> None:
    """Where each record's trace lies in the words seen as 16-bit samples."""
    for i in range(len(w0)):
        header = (np.int64(w0[i]) >> 12) & 31
        starts[i] = 2 * (offsets[i] + header)
        lengths[i] = 2 * (((np.int64(w0[i]) >> 17) & length_mask) - header)


@compiled
def fill_blocks(
    words: NDArray[np.uint32],
    offsets: NDArray[np.int64],
    parts: NDArray[np.uint8],
    rows: NDArray[np.int64],
    ets: NDArray[np.uint64],
    esum: NDArray[np.uint32],
    baseline: NDArray[np.float32],
    qdc: NDArray[np.uint32],
) -> None:
    """The columns of the optional blocks that are there: zeros, then the rows with the block; `rows` is scratch."""
    if len(ets):
        ets[:] = 0
        for i in rows_with(parts, PART_ETS, rows):
            at = np.uint64(offsets[i] + begin_of(int(parts[i]), PART_ETS))
            ets[i] = np.uint64(words[at]) | (np.uint64(words[at + np.uint64(1)] & 0xFFFF) << np.uint64(32))
    if len(esum):
        floats = words.view(np.float32)
        esum[:] = 0
        baseline[:] = 0
        for i in rows_with(parts, PART_ESUM, rows):
            at = np.uint64(offsets[i] + begin_of(int(parts[i]), PART_ESUM))
            for j in range(3):
                esum[i, j] = words[at + np.uint64(j)]
            baseline[i] = floats[at + np.uint64(3)]
    if len(qdc):
        qdc[:] = 0
        for i in rows_with(parts, PART_QDC, rows):
            at = np.uint64(offsets[i] + begin_of(int(parts[i]), PART_QDC))
            for j in range(8):
                qdc[i, j] = words[at + np.uint64(j)]


@compiled
def rows_with(parts: NDArray[np.uint8], part: int, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """The rows whose record has a part, in `rows`; without a branch, which the processor could not foresee."""
    count = 0
    for i in range(len(parts)):
        rows[count] = i
        count += (parts[i] & part) != 0
    return rows[:count]


@compiled
def begin_of(parts: int, part: int) -> int:
    """Where a part begins in a record: the order is always ESUM (4 words), QDC (8 words), ETS."""
    at = 4
    if part != PART_ESUM:
        at += 4 * ((parts & PART_ESUM) != 0)
    if part == PART_ETS:
        at += 8 * ((parts & PART_QDC) != 0)
    return at


@compiled
def end_to_end(lengths: NDArray[np.uint16], starts: NDArray[np.int64]) -> int:
    """Where each trace begins if one follows the other; returns where the last ends."""
    end = 0
    for i in range(len(lengths)):
        starts[i] = end
        end += int(lengths[i])
    return end


@compiled
def copy_traces(
    samples: NDArray[np.uint16], starts: NDArray[np.int64], lengths: NDArray[np.uint16], copy: NDArray[np.uint16]
) -> None:
    """The samples of each trace, one trace after the other."""
    at = 0
    for i in range(len(starts)):
        count = int(lengths[i])
        these, there = samples[starts[i] : starts[i] + count], copy[at : at + count]
        for j in range(count):  # several times faster than `there[:] = these`
            there[j] = these[j]
        at += count
