"""The loops over words, compiled: find where records begin, then fill columns from there."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pixieioc.listmode.events import FLAG_CFD_FORCED, FLAG_OUT_OF_RANGE, FLAG_PILEUP
from pixieioc.listmode.jit import compiled
from pixieioc.listmode.variant import SLOT_FIRST, SLOT_LAST, Bits, Variant

#: How a walk ended: all that can be judged is walked; a broken record; room for offsets is used up.
END, CORRUPT, FULL = 0, 1, 2


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


def layout(row: Variant, cfd_off: int = 0) -> Layout:
    """The table's row for compiled code; what all variants share (the shifts of words 0 and 3) is in the loops.

    `cfd_off` has a bit for each channel whose CFD is switched off.
    """

    def shared(bits: Bits, word: int, shift: int) -> int:
        if (bits.word, bits.shift) != (word, shift):
            raise ValueError(f"{row}: field at {bits}, the loops expect word {word} bit {shift}")
        return bits.mask

    return Layout(
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


@compiled
def record_length(words: NDArray[np.uint32], at: int, form: Layout) -> int:
    """The length of the record whose header is at `at`, in words; 0 if it breaks an invariant of the format."""
    w0 = np.int64(words[at])
    header = (w0 >> 12) & 31
    length = (w0 >> 17) & form.length_mask
    slot = (w0 >> form.slot_shift) & form.slot_mask
    trace = (np.int64(words[at + 3]) >> 16) & form.trace_mask
    if header < 4 or header > 18 or header & 1 or slot < SLOT_FIRST or slot > SLOT_LAST:
        return 0
    if 2 * (length - header) != trace:
        return 0
    return int(length)


@compiled
def walk(
    words: NDArray[np.uint32], start: int, stop: int, form: Layout, offsets: NDArray[np.int64], count: int
) -> tuple[int, int, int, int, int]:
    """Follows the chain of records from `start` as long as whole headers lie before `stop`.

    Writes where they begin to `offsets[count:]`. Returns how the walk ended, the number of offsets, the place where it
    ended, the parts (ETS, ESUM, QDC) that any record has, and the number of trace samples.
    """
    at, parts, samples, last = start, 0, 0, len(words)
    while at < stop and at + 4 <= last:
        length = record_length(words, at, form)
        if length == 0:
            return CORRUPT, count, at, parts, samples
        if at + length > last:
            return END, count, at, parts, samples
        if count == len(offsets):
            return FULL, count, at, parts, samples
        header = (words[at] >> 12) & 31
        parts |= (header - 4) >> 1
        samples += 2 * (length - header)
        offsets[count] = at
        count += 1
        at += length
    return END, count, at, parts, samples


@compiled
def find_chain(words: NDArray[np.uint32], start: int, form: Layout, links: int, final: bool) -> tuple[bool, int]:
    """The first place from `start` where `links` consistent records follow each other.

    Returns (True, place), or (False, place) where nothing before `place` can begin a chain and more words are needed to
    judge what begins there. With `final` no more words will come: a chain that ends exactly with the words counts too.
    """
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
def fill_base(
    words: NDArray[np.uint32],
    offsets: NDArray[np.int64],
    form: Layout,
    module: int,
    time: NDArray[np.int64],
    cfd: NDArray[np.float32],
    energy: NDArray[np.uint16],
    channel: NDArray[np.uint8],
    slot: NDArray[np.uint8],
    crate: NDArray[np.uint8],
    modules: NDArray[np.uint8],
    flags: NDArray[np.uint8],
) -> None:
    """The columns that every record has, one row an offset."""
    for i in range(len(offsets)):
        at = offsets[i]
        w0 = np.int64(words[at])
        w1 = np.int64(words[at + 1])
        w2 = np.int64(words[at + 2])
        w3 = np.int64(words[at + 3])
        fraction = (w2 >> 16) & form.cfd_mask
        source = (w2 >> form.source_shift) & form.source_mask
        forced = form.forced_mask != 0 and ((w2 >> form.forced_shift) & form.forced_mask) == form.forced_value
        forced |= ((form.cfd_off >> (w0 & form.channel_mask)) & 1) != 0
        sub_tick = form.cfd_unit * fraction + form.source_scale * source + form.source_offset
        time[i] = (w1 | ((w2 & 0xFFFF) << 32)) * form.tick_ns
        cfd[i] = 0.0 if forced else sub_tick / 32768
        energy[i] = w3 & form.energy_mask
        channel[i] = w0 & form.channel_mask
        slot[i] = (w0 >> form.slot_shift) & form.slot_mask
        crate[i] = (w0 >> form.crate_shift) & form.crate_mask
        modules[i] = module
        range_word = w0 if form.range_word == 0 else w3
        flags[i] = (
            FLAG_PILEUP * (w0 >> 31)
            + FLAG_OUT_OF_RANGE * ((range_word >> form.range_shift) & 1)
            + (FLAG_CFD_FORCED if forced else 0)
        )


@compiled
def fill_extra(
    words: NDArray[np.uint32],
    floats: NDArray[np.float32],
    offsets: NDArray[np.int64],
    form: Layout,
    first_sample: int,
    parts: NDArray[np.uint8],
    ets: NDArray[np.uint64],
    esum: NDArray[np.uint32],
    baseline: NDArray[np.float32],
    qdc: NDArray[np.uint32],
    trace_start: NDArray[np.int64],
    trace_length: NDArray[np.uint16],
) -> None:
    """The columns of the optional blocks; `floats` is `words` seen as IEEE 754, for the baselines.

    `first_sample` is where the samples of these words begin in the events' `traces`.
    """
    for i in range(len(offsets)):
        at = offsets[i]
        header = np.int64((words[at] >> 12) & 31)
        length = (np.int64(words[at]) >> 17) & form.length_mask
        has = (header - 4) >> 1
        here = at + 4
        parts[i] = has
        if has & 2:
            esum[i, 0], esum[i, 1], esum[i, 2] = words[here], words[here + 1], words[here + 2]
            baseline[i] = floats[here + 3]
            here += 4
        else:
            esum[i, 0], esum[i, 1], esum[i, 2], baseline[i] = 0, 0, 0, 0.0
        for j in range(8):
            qdc[i, j] = words[here + j] if has & 4 else 0
        if has & 4:
            here += 8
        ets[i] = np.uint64(words[here]) | (np.uint64(words[here + 1] & 0xFFFF) << np.uint64(32)) if has & 1 else 0
        trace_start[i] = first_sample + 2 * (at + header)
        trace_length[i] = 2 * (length - header)
