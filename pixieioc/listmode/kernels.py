"""The loops over words, compiled: find where records begin, then fill columns from there."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pixieioc.listmode.events import FLAG_CFD_FORCED, FLAG_OUT_OF_RANGE, FLAG_PILEUP
from pixieioc.listmode.jit import compiled
from pixieioc.listmode.variant import PART_ESUM, PART_ETS, PART_QDC, SLOT_FIRST, SLOT_LAST, Bits, Variant

#: How a walk ended: all that can be judged is walked; a broken record; room for offsets is used up.
END, CORRUPT, FULL = 0, 1, 2
#: After so many records of one length in a row, as many more of it are expected.
RUN = 16
#: Events that are filled in at a time, so that their words stay close to the processor.
BATCH = 512


class Layout(NamedTuple):
    """A `Variant` as plain integers, the form that compiled code takes."""

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


#: What compiled code is called with: a call takes 1 us longer with a tuple of 21 integers, or a record of 21 names.
Numbers = NDArray[np.int64]
#: What it then sees in them.
_NAMED = np.dtype([(name, np.int64) for name in Layout._fields])


def layout(row: Variant, cfd_off: int = 0) -> Numbers:
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


@compiled
def record_length(words: NDArray[np.uint32], at: int, form: Layout) -> int:
    """The length of the record whose header is at `at`, in words; 0 if it breaks an invariant of the format."""
    here = np.uint64(at)  # with a sign, indices from the end would have to be thought of
    w0 = np.int64(words[here])
    header = (w0 >> 12) & 31
    length = (w0 >> 17) & form.length_mask
    slot = (w0 >> form.slot_shift) & form.slot_mask
    trace = (np.int64(words[here + np.uint64(3)]) >> 16) & form.trace_mask
    if header < 4 or header > 18 or header & 1 or slot < SLOT_FIRST or slot > SLOT_LAST:
        return 0
    if 2 * (length - header) != trace:
        return 0
    return int(length)


@compiled
def walk(
    words: NDArray[np.uint32], start: int, stop: int, numbers: Numbers, offsets: NDArray[np.int64], count: int
) -> tuple[int, int, int, int, int]:
    """Follows the chain of records from `start` as long as whole headers lie before `stop`.

    Writes where they begin to `offsets[count:]`. Returns how the walk ended, the number of offsets, the place where it
    ended, the parts (ETS, ESUM, QDC) that any record has, and the number of trace samples. A header behind `stop` must
    be consistent too, as it confirms the last record.
    """
    form = numbers.view(_NAMED)[0]
    at, parts, samples, last = start, 0, 0, len(words)
    length, header = 0, 0
    while at < stop and at + 4 <= last:
        # One by one, because where a record begins is known only when the one before is read ...
        alike = True
        for _ in range(RUN):
            if at >= stop or at + 4 > last:
                break
            before, length = length, record_length(words, at, form)
            if length == 0:
                return CORRUPT, count, at, parts, samples
            if at + length > last:
                return END, count, at, parts, samples
            if count == len(offsets):
                return FULL, count, at, parts, samples
            header = int(words[np.uint64(at)]) >> 12 & 31
            parts |= (header - 4) >> 1
            samples += 2 * (length - header)
            offsets[np.uint64(count)] = at
            count += 1
            at += length
            alike &= length == before
        # ... unless its length can be guessed.
        if alike:
            room = min((stop - at + length - 1) // length, (last - at) // length, len(offsets) - count)
            run = count_alike(words, at, length, form, room)
            for i in range(run):
                offsets[count + i] = at + i * length
            samples += 2 * run * (length - header)
            count += run
            at += run * length
    if at + 4 <= last and record_length(words, at, form) == 0:
        return CORRUPT, count, at, parts, samples
    return END, count, at, parts, samples


@compiled
def count_alike(words: NDArray[np.uint32], at: int, length: int, form: Layout, room: int) -> int:
    """How many records from `at` on have the length, parts and slot of the one before: a multiple of RUN up to `room`.

    As that one is consistent, so are they: what the invariants of the format ask is the same in all.
    """
    shape = np.uint32(form.length_mask << 17 | 31 << 12 | form.slot_mask << form.slot_shift)
    trace = np.uint32(form.trace_mask << 16)
    w0, w3 = words[at - length], words[at - length + 3]
    run = 0
    while run + RUN <= room:
        begin = at + run * length
        differ = np.uint32(0)
        if length == 4:  # a step that the compiler knows: many at once
            these = words[begin : begin + 4 * RUN]
            for i in range(RUN):
                differ |= ((these[4 * i] ^ w0) & shape) | ((these[4 * i + 3] ^ w3) & trace)
        else:
            for i in range(RUN):
                here = np.uint64(begin + i * length)
                differ |= ((words[here] ^ w0) & shape) | ((words[here + np.uint64(3)] ^ w3) & trace)
        if differ:
            break
        run += RUN
    return run


@compiled
def find_chain(words: NDArray[np.uint32], start: int, numbers: Numbers, links: int, final: bool) -> tuple[bool, int]:
    """The first place from `start` where `links` consistent records follow each other.

    Returns (True, place), or (False, place) where nothing before `place` can begin a chain and more words are needed to
    judge what begins there. With `final` no more words will come: a chain that ends exactly with the words counts too.
    """
    form = numbers.view(_NAMED)[0]
    last = len(words)
    for begin in range(start, last):
        at, found, broken = begin, 0, False
        while found < links:
            if at == last and found > 0:
                break
            if at + 4 > last:
                broken = final
                break
            length = record_length(words, at, form)
            if length == 0 or (final and at + length > last):
                broken = True
                break
            at += length
            found += 1
            if at > last:
                break
        if broken:
            continue
        if found == links or (final and at == last):
            return True, begin
        return False, begin
    return False, last


@compiled
def fill(
    words: NDArray[np.uint32],
    offsets: NDArray[np.int64],
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

    A batch at a time: first each word of its records side by side, then column by column, many rows at once.
    """
    form = numbers.view(_NAMED)[0]
    base, rows = np.empty((4, BATCH), np.uint32), np.empty(BATCH, np.int64)
    for begin in range(0, len(offsets), BATCH):
        end = min(begin + BATCH, len(offsets))
        gather(words, offsets[begin:end], base)
        w0, w1, w2, w3 = base[0, : end - begin], base[1, : end - begin], base[2, : end - begin], base[3, : end - begin]
        fill_field(channel[begin:end], w0, 0, form.channel_mask)
        fill_field(slot[begin:end], w0, form.slot_shift, form.slot_mask)
        fill_field(crate[begin:end], w0, form.crate_shift, form.crate_mask)
        fill_field(energy[begin:end], w3, 0, form.energy_mask)
        modules[begin:end] = module
        fill_time(time[begin:end], w1, w2, form)
        fill_cfd(cfd[begin:end], flags[begin:end], w0, w2, w3 if form.range_word else w0, form)
        if len(parts):
            fill_parts(parts[begin:end], w0)
            fill_blocks(words, offsets, parts, begin, end, rows, ets, esum, baseline, qdc)
        if len(trace_start):
            fill_traces(trace_start[begin:end], trace_length[begin:end], offsets[begin:end], w0, form.length_mask)


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
    begin: int,
    end: int,
    rows: NDArray[np.int64],
    ets: NDArray[np.uint64],
    esum: NDArray[np.uint32],
    baseline: NDArray[np.float32],
    qdc: NDArray[np.uint32],
) -> None:
    """The columns of the optional blocks from `begin` to `end`, those that are there: zeros, then the rows that have
    the block."""
    if len(ets):
        ets[begin:end] = 0
        for i in rows_with(parts, begin, end, PART_ETS, rows):
            at = np.uint64(offsets[i] + begin_of(int(parts[i]), PART_ETS))
            ets[i] = np.uint64(words[at]) | (np.uint64(words[at + np.uint64(1)] & 0xFFFF) << np.uint64(32))
    if len(esum):
        floats = words.view(np.float32)
        esum[begin:end] = 0
        baseline[begin:end] = 0
        for i in rows_with(parts, begin, end, PART_ESUM, rows):
            at = np.uint64(offsets[i] + begin_of(int(parts[i]), PART_ESUM))
            for j in range(3):
                esum[i, j] = words[at + np.uint64(j)]
            baseline[i] = floats[at + np.uint64(3)]
    if len(qdc):
        qdc[begin:end] = 0
        for i in rows_with(parts, begin, end, PART_QDC, rows):
            at = np.uint64(offsets[i] + begin_of(int(parts[i]), PART_QDC))
            for j in range(8):
                qdc[i, j] = words[at + np.uint64(j)]


@compiled
def rows_with(parts: NDArray[np.uint8], begin: int, end: int, part: int, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """The rows whose record has a part, in `rows`; without a branch, which the processor could not foresee."""
    count = 0
    for i in range(begin, end):
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
def copy_traces(
    samples: NDArray[np.uint16], starts: NDArray[np.int64], lengths: NDArray[np.int64], copy: NDArray[np.uint16]
) -> None:
    """The samples of each trace, one trace after the other."""
    at = 0
    for i in range(len(starts)):
        count = lengths[i]
        these, there = samples[starts[i] : starts[i] + count], copy[at : at + count]
        for j in range(count):  # several times faster than `there[:] = these`
            there[j] = these[j]
        at += count
