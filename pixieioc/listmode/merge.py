"""The loops that put keys in order, compiled, and those that put columns in the order of the keys.

What comes is nearly in order: a few events of a stream come behind later ones, mostly by one place. Those are moved to
their places; everything is sorted only if that takes too many moves. Streams are merged two by two, each pair from both
ends at once: two chains of comparisons that do not wait for each other, and no branch for the processor to guess.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixieioc.listmode.jit import compiled

Keys = NDArray[np.int64]
Rows = NDArray[np.uint32]

#: Keys of a slice of time when runs are merged.
_SLICE = 8192


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

    A slice of time after the other, which stays close to the processor while it goes through `spare` and `rows`; those
    are as long as all runs together, twice. `runs` holds begin and end of each, and is used up; `bounds` has room for
    two numbers for each run.
    """
    half, longest = len(spare) // 2, 0
    for run in range(len(runs)):
        if runs[run, 1] - runs[run, 0] > runs[longest, 1] - runs[longest, 0]:
            longest = run
    done = 0
    while done < len(out):
        pivot = runs[longest, 0] + _SLICE // len(runs)
        last = pivot >= runs[longest, 1] or keys[pivot] == keys[runs[longest, 0]]
        size = 0
        for run in range(len(runs)):
            begin = runs[run, 0]
            low, high = begin, runs[run, 1]
            while low < high and not last:
                middle = (low + high) // 2
                if keys[middle] < keys[pivot]:
                    low = middle + 1
                else:
                    high = middle
            runs[run, 0] = high
            bounds[2 * run], bounds[2 * run + 1] = begin, high
            size += high - begin
        left, here = len(runs), 0
        while True:
            # The first time from where the runs are, the last time to where they are wanted.
            merged, to, last_time = 0, half - here, left <= 2
            from_keys, from_order = (keys, order) if left == len(runs) else (spare, rows)
            to_order, shift = (out, done - to) if last_time else (rows, 0)
            for pair in range(0, left, 2):
                a, a_end = bounds[2 * pair], bounds[2 * pair + 1]
                b, b_end = (bounds[2 * pair + 2], bounds[2 * pair + 3]) if pair + 1 < left else (a_end, a_end)
                merge(from_keys, from_order, a, a_end, b, b_end, spare, to_order, to, to + shift)
                bounds[2 * merged], bounds[2 * merged + 1] = to, to + a_end - a + b_end - b
                to = bounds[2 * merged + 1]
                merged += 1
            if last_time:
                break
            left, here = merged, half - here
        done += size


@compiled
def merge(
    keys: Keys,
    order: Rows,
    begin: int,
    end: int,
    second_begin: int,
    second_end: int,
    to_keys: Keys,
    to_order: Rows,
    at: int,
    order_at: int,
) -> None:
    """Merges `keys[begin:end]` and `keys[second_begin:second_end]` into `to_keys` from `at` on; `order` likewise."""
    one = np.uint64(1)
    # What is left of the first run is [a, a_end), of the second [b, b_end), of the place for both [low, high).
    a, a_end, b, b_end = np.uint64(begin), np.uint64(end), np.uint64(second_begin), np.uint64(second_end)
    low, shift = np.uint64(at), np.uint64(order_at - at)
    high = low + (a_end - a) + (b_end - b)
    while a < a_end and b < b_end:
        # So many steps can be made from either end before any of the runs is used up.
        for _ in range(min(a_end - a, b_end - b)):
            x, y = keys[a], keys[b]
            second = y < x
            to_keys[low] = y if second else x
            to_order[low + shift] = order[b] if second else order[a]
            b += np.uint64(second)
            a += np.uint64(not second)
            low += one
            x, y = keys[a_end - one], keys[b_end - one]
            second = y >= x
            high -= one
            to_keys[high] = y if second else x
            to_order[high + shift] = order[b_end - one] if second else order[a_end - one]
            b_end -= np.uint64(second)
            a_end -= np.uint64(not second)
    if b < b_end:
        a, a_end = b, b_end
    for i in range(a_end - a):
        to_keys[low + i] = keys[a + i]
        to_order[low + shift + i] = order[a + i]


@compiled
def displaced(order: Rows, first: int, places: Rows) -> int:
    """Where `order` is not `first`, `first + 1` and so on: how many places that are, and which, in `places`."""
    count = np.uint64(0)
    for i in range(len(order)):
        places[count] = i
        count += np.uint64(order[i] != first + i)
    return np.int64(count)


@compiled
def pick(order: Rows, places: Rows, before: NDArray[Any], column: NDArray[Any], out: NDArray[Any]) -> None:
    """Puts values in order: those of `before` have the first numbers, those of `column` the next ones.

    At these `places` of `out` only, or at all of them if there are none.
    """
    held = np.uint64(len(before))
    if len(places):
        for place in places:
            i = np.uint64(order[place])
            out[place] = before[i] if i < held else column[i - held]
    elif held:
        for place in range(len(order)):
            i = np.uint64(order[place])
            out[place] = before[i] if i < held else column[i - held]
    else:
        for place in range(len(order)):
            out[place] = column[order[place]]
