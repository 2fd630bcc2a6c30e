"""The loops that find where records begin, compiled."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pixieioc.listmode.jit import compiled
from pixieioc.listmode.layout import LENGTH_MASK, SLOT_MASK, SLOT_SHIFT, TRACE_MASK, Int, Numbers
from pixieioc.listmode.variant import SLOT_FIRST, SLOT_LAST

#: How a walk ended: all that can be judged is walked; a broken record; room for offsets is used up.
END, CORRUPT, FULL = 0, 1, 2
#: After this many records of one length in a row, as many more of it are expected.
RUN = 16


@compiled
def record_length(
    words: NDArray[np.uint32], at: int, length_mask: Int, slot_shift: Int, slot_mask: Int, trace_mask: Int
) -> int:
    """The length of the record whose header is at `at`, in words; 0 if it breaks an invariant of the format.

    What it needs of the layout is given one by one: from memory, it would be read again for each record.
    """
    here = np.uint64(at)  # with a sign, indices from the end would have to be thought of
    w0 = np.int64(words[here])
    header = (w0 >> 12) & 31
    length = (w0 >> 17) & length_mask
    slot = (w0 >> slot_shift) & slot_mask
    trace = (np.int64(words[here + np.uint64(3)]) >> 16) & trace_mask
    if header < 4 or header > 18 or header & 1 or slot < SLOT_FIRST or slot > SLOT_LAST:
        return 0
    if 2 * (length - header) != trace:
        return 0
    return int(length)


@compiled
def walk(
    words: NDArray[np.uint32], start: int, stop: int, form: Numbers, offsets: NDArray[np.int64], count: int
) -> tuple[int, int, int, int, int]:
    """Follows the chain of records from `start` as long as whole headers lie before `stop`.

    Writes where they begin to `offsets[count:]`. Returns how the walk ended, the number of offsets, the place where it
    ended, the parts (ETS, ESUM, QDC) that any record has, and the number of trace samples. A header behind `stop` must
    be consistent too, as it confirms the last record.
    """
    at, parts, samples, last = start, 0, 0, len(words)
    a, b, c, d = form[LENGTH_MASK], form[SLOT_SHIFT], form[SLOT_MASK], form[TRACE_MASK]
    length = header = last - last  # not 0: that is a type of its own, for which all would be compiled once more
    while at < stop and at + 4 <= last:
        # One by one, because where a record begins is known only when the one before is read ...
        alike = True
        for _ in range(RUN):
            if at >= stop or at + 4 > last:
                break
            before, length = length, record_length(words, at, a, b, c, d)
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
            run = count_alike(words, at, stop, length, form, len(offsets) - count)
            for i in range(run):
                offsets[np.uint64(count + i)] = at + i * length
            samples += 2 * run * (length - header)
            count += run
            at += run * length
    if at + 4 <= last and record_length(words, at, a, b, c, d) == 0:
        return CORRUPT, count, at, parts, samples
    return END, count, at, parts, samples


@compiled
def count_alike(words: NDArray[np.uint32], at: int, stop: int, length: int, form: Numbers, room: int) -> int:
    """How many records from `at` on have the length, parts and slot of the one before: a multiple of RUN up to `room`.

    They begin before `stop`. As that one is consistent, so are they: what the format asks is the same in all.
    """
    shape = np.uint32(form[LENGTH_MASK] << 17 | 31 << 12 | form[SLOT_MASK] << form[SLOT_SHIFT])
    trace = np.uint32(form[TRACE_MASK] << 16)
    w0, w3 = words[np.uint64(at - length)], words[np.uint64(at - length + 3)]
    run, last = 0, len(words)
    while run + RUN <= room and at + (run + RUN - 1) * length < stop and at + (run + RUN) * length <= last:
        begin = at + run * length
        differ = np.uint32(0)
        if length == 4:  # a step that the compiler knows: many at once
            for i in range(RUN):
                here = np.uint64(begin + 4 * i)
                differ |= ((words[here] ^ w0) & shape) | ((words[here + np.uint64(3)] ^ w3) & trace)
        else:
            for i in range(RUN):
                here = np.uint64(begin + i * length)
                differ |= ((words[here] ^ w0) & shape) | ((words[here + np.uint64(3)] ^ w3) & trace)
        if differ:
            break
        run += RUN
    return run


@compiled
def find_chain(words: NDArray[np.uint32], start: int, form: Numbers, links: int, final: bool) -> tuple[bool, int]:
    """The first place from `start` where `links` consistent records follow each other.

    Returns (True, place), or (False, place) where nothing before `place` can begin a chain and more words are needed to
    judge what begins there. With `final` no more words will come: a chain that ends exactly with the words counts too.
    """
    last = len(words)
    a, b, c, d = form[LENGTH_MASK], form[SLOT_SHIFT], form[SLOT_MASK], form[TRACE_MASK]
    for begin in range(start, last):
        at, found, broken = begin, 0, False
        while found < links:
            if at == last and found > 0:
                break
            if at + 4 > last:
                broken = final
                break
            length = record_length(words, at, a, b, c, d)
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
