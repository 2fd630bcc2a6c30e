"""The loops that put keys in order, compiled.

What comes is nearly in order: a few events of a stream come behind later ones, mostly by one place. Those are moved to
their places; everything is sorted only if that takes too many moves. Streams are merged two by two, each pair from both
ends at once: two chains of comparisons that do not wait for each other, and no branch for the processor to guess.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pixieioc.listmode.jit import compiled

Keys = NDArray[np.int64]
Rows = NDArray[np.uint32]

#: Keys of a slice of time when runs are merged.
_SLICE = 16384


@compiled
def settle(keys: Keys, order: Rows, low: Rows, count: int, begin: int, most: int) -> bool:
    """Moves keys from the first `count` places in `low` down to where they belong; False if that is not all of them,
    as it would take more than `most` moves."""
    moves, first, one = 0, np.uint64(begin), np.uint64(1)
    for k in range(count):
        place = np.uint64(low[k])
        key, number, at = keys[place], order[place], place
        while at > first and keys[at - one] > key:
            keys[at], order[at] = keys[at - one], order[at - one]
            at -= one
        keys[at], order[at] = key, number
        moves += np.int64(place - at)
        if moves > most:
            return False
    return True


@compiled
def merge_runs(
    keys: Keys, order: Rows, runs: NDArray[np.int64], spare: Keys, rows: Rows, bounds: NDArray[np.int64], out: Rows
) -> None:
    """Merges runs that are in order, and puts their part of `order` into `out`; of equal keys, those of the earlier run
    come first.

    A slice of time after the other, which stays close to the processor while it goes to and fro in `spare`: as words
    that hold how much later a key is than the first one, and, below that, which one it is. No two are equal, and one
    word moves instead of a key and a number; a slice ends where the words have no more bits.

    `spare` is as long as all runs together, twice; `rows` is as long as they are. `runs` holds begin and end of each,
    and is used up; `bounds` has room for a number for each run, and one more.
    """
    half, bits = len(spare) // 2, 1
    while len(out) >> bits:
        bits += 1
    span, mask = np.int64(1) << (62 - bits), np.uint64((1 << bits) - 1)
    done = 0
    while done < len(out):
        longest, first = 0, 2**62
        for run in range(len(runs)):
            if runs[run, 0] < runs[run, 1]:
                first = min(first, int(keys[runs[run, 0]]))
            if runs[run, 1] - runs[run, 0] > runs[longest, 1] - runs[longest, 0]:
                longest = run
        end, pivot = first + span, runs[longest, 0] + _SLICE // len(runs)
        if pivot < runs[longest, 1]:
            end = min(end, max(keys[pivot], first + 1))
        size = 0
        for run in range(len(runs)):
            begin = runs[run, 0]
            low, high = begin, runs[run, 1]
            while low < high:
                middle = (low + high) // 2
                if keys[middle] < end:
                    low = middle + 1
                else:
                    high = middle
            runs[run, 0], bounds[run] = high, size
            pack(keys[begin:high], order[begin:high], first, size, bits, spare[size:], rows[size:])
            size += high - begin
        left, here, there = len(runs), spare[:half], spare[half:]
        while left > 1:
            bounds[left] = size
            for pair in range(0, left, 2):
                begin, middle, stop = bounds[pair], bounds[pair + 1], bounds[min(pair + 2, left)]
                merge(here[begin:middle], here[middle:stop], there[begin:stop])
                bounds[pair // 2] = begin
            left, here, there = (left + 1) // 2, there, here
        unpack(here[:size], mask, rows, out[done:])
        done += size


@compiled
def pack(keys: Keys, order: Rows, first: int, number: int, bits: int, words: Keys, rows: Rows) -> None:
    """Makes words of keys, with numbers from `number` on in their lowest bits; copies `order`."""
    for k in range(len(keys)):
        words[k] = ((keys[k] - first) << bits) | (number + k)
    for k in range(len(order)):
        rows[k] = order[k]


@compiled
def unpack(words: Keys, mask: np.uint64, rows: Rows, out: Rows) -> None:
    """Puts rows into the order of the words."""
    for k in range(len(words)):
        out[k] = rows[np.uint64(words[k]) & mask]


@compiled
def part_of(a: Keys, b: Keys, count: int) -> int:
    """How many of the first `count` words of both are of `a`."""
    low, high = max(0, count - len(b)), min(len(a), count)
    while low < high:
        middle = (low + high) // 2
        if a[middle] < b[count - 1 - middle]:
            low = middle + 1
        else:
            high = middle
    return low


@compiled
def merge(a: Keys, b: Keys, out: Keys) -> None:
    """Merges words, of which no two are equal: in four parts side by side, each from both ends at once."""
    one, quarter = np.uint64(1), len(out) // 4
    c1, c2, c3 = part_of(a, b, quarter), part_of(a, b, 2 * quarter), part_of(a, b, 3 * quarter)
    a1, b1, out1 = a[:c1], b[: quarter - c1], out[:quarter]
    a2, b2, out2 = a[c1:c2], b[quarter - c1 : 2 * quarter - c2], out[quarter : 2 * quarter]
    a3, b3, out3 = a[c2:c3], b[2 * quarter - c2 : 3 * quarter - c3], out[2 * quarter : 3 * quarter]
    a4, b4, out4 = a[c3:], b[3 * quarter - c3 :], out[3 * quarter :]
    # So many steps can be made from each end before any of the eight runs is used up. Of the runs `b` so many have been
    # taken, from the beginning and up to the end; all others are of `a`.
    steps = min(len(a1), len(b1), len(a2), len(b2), len(a3), len(b3), len(a4), len(b4))
    from1 = from2 = from3 = from4 = one - one
    to1, last1 = np.uint64(len(b1)) - one, np.uint64(len(out1)) - one
    to2, last2 = np.uint64(len(b2)) - one, np.uint64(len(out2)) - one
    to3, last3 = np.uint64(len(b3)) - one, np.uint64(len(out3)) - one
    to4, last4 = np.uint64(len(b4)) - one, np.uint64(len(out4)) - one
    for step in range(steps):
        k = np.uint64(step)
        x, y = a1[k - from1], b1[from1]
        out1[k] = min(x, y)
        from1 += np.uint64(y < x)
        x, y = a1[last1 - one - k - to1], b1[to1]
        out1[last1 - k] = max(x, y)
        to1 -= np.uint64(y > x)
        x, y = a2[k - from2], b2[from2]
        out2[k] = min(x, y)
        from2 += np.uint64(y < x)
        x, y = a2[last2 - one - k - to2], b2[to2]
        out2[last2 - k] = max(x, y)
        to2 -= np.uint64(y > x)
        x, y = a3[k - from3], b3[from3]
        out3[k] = min(x, y)
        from3 += np.uint64(y < x)
        x, y = a3[last3 - one - k - to3], b3[to3]
        out3[last3 - k] = max(x, y)
        to3 -= np.uint64(y > x)
        x, y = a4[k - from4], b4[from4]
        out4[k] = min(x, y)
        from4 += np.uint64(y < x)
        x, y = a4[last4 - one - k - to4], b4[to4]
        out4[last4 - k] = max(x, y)
        to4 -= np.uint64(y > x)
    merge_rest(a1, b1, out1, np.uint64(steps), from1, to1 + one)
    merge_rest(a2, b2, out2, np.uint64(steps), from2, to2 + one)
    merge_rest(a3, b3, out3, np.uint64(steps), from3, to3 + one)
    merge_rest(a4, b4, out4, np.uint64(steps), from4, to4 + one)


@compiled
def merge_rest(a: Keys, b: Keys, out: Keys, done: np.uint64, b_at: np.uint64, b_end: np.uint64) -> None:
    """Merges what is left when so many words have been put to either end of `out`: of `b` from `b_at` to `b_end`."""
    one = np.uint64(1)
    low, high = done, np.uint64(len(out)) - done
    a_at, a_end = low - b_at, high - b_end
    while a_at < a_end and b_at < b_end:
        for _ in range(min(a_end - a_at, b_end - b_at)):
            x, y = a[a_at], b[b_at]
            second = y < x
            out[low] = min(x, y)
            b_at += np.uint64(second)
            a_at += np.uint64(not second)
            low += one
            x, y = a[a_end - one], b[b_end - one]
            second = y > x
            high -= one
            out[high] = max(x, y)
            b_end -= np.uint64(second)
            a_end -= np.uint64(not second)
    for i in range(a_end - a_at):
        out[low + i] = a[a_at + i]
    for i in range(b_end - b_at):
        out[low + i] = b[b_at + i]
