"""The loops over event times, compiled: nearly sorted runs are put in order by merging, never by sorting all anew.

Two times are compared by their whole ns, and by the rest in 1/32768 ns if those are equal: exact for any counter.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixieioc.listmode.jit import compiled

Whole = NDArray[np.int64]
Rest = NDArray[np.int16]
Order = NDArray[np.int32]
#: Up to so many parts, it is faster to merge them two by two than by slices of time.
_FEW_PARTS = 2
#: Events of one slice of time, at most.
_LONGEST_SLICE = 32


@compiled
def forward(time: Whole, latest: int, reset_ns: int) -> tuple[int, int]:
    """How many events there are before time goes back by more than `reset_ns`, and the latest time among them.

    `latest` is that of the events before these.
    """
    for i in range(len(time)):
        if time[i] > latest:
            latest = time[i]
        elif time[i] < latest - reset_ns:
            return i, latest
    return len(time), latest


@compiled
def split(time: Whole, cfd: NDArray[np.float32], whole: Whole, rest: Rest) -> bool:
    """Splits `time + cfd` (ns) into whole ns and 1/32768 ns; True if the events are in order already."""
    ordered = True
    for i in range(len(time)):
        fine = np.int64(cfd[i] * np.float32(32768.0))
        whole[i] = time[i] + (fine >> 15)
        rest[i] = fine & 32767
        if i and (whole[i] < whole[i - 1] or (whole[i] == whole[i - 1] and rest[i] < rest[i - 1])):
            ordered = False
    return ordered


@compiled
def put_in_order(whole: Whole, rest: Rest, bounds: Whole) -> Order:
    """The events' numbers in the order of time, stable. `bounds` are the ends of parts, each nearly in order by itself.

    Many parts that span about the same time are merged slice by slice. Otherwise, in each part, events that are earlier
    than one before them are taken out and sorted (there are few), then merged with the others; then the parts are
    merged, two by two.
    """
    count = len(whole)
    if len(bounds) > _FEW_PARTS:
        order = _by_slices(whole, rest)
        if len(order):
            return order
    order, spare = np.empty(count, np.int32), np.empty(count, np.int32)
    ends = bounds.copy()
    begin = 0
    for end in ends:
        _sort_part(whole, rest, begin, end, order, spare)
        begin = end
    return _merge_all(whole, rest, order, spare, ends, len(ends))


@compiled
def _by_slices(whole: Whole, rest: Rest) -> Order:
    """Deals the events out to slices of time, about one an event, then puts each slice in order.

    Parts that are nearly in order walk along the slices side by side, so it takes the same time for any number of them.
    Nothing if any slice gets so many that to insert one by one would take long.
    """
    count = len(whole)
    first = last = whole[0]
    for i in range(1, count):
        first, last = min(first, whole[i]), max(last, whole[i])
    shift = 0
    while (last - first) >> shift > count:
        shift += 1
    begins = np.zeros(((last - first) >> shift) + 2, np.int32)
    for i in range(count):
        begins[((whole[i] - first) >> shift) + 1] += 1
    for number in range(1, len(begins)):
        if begins[number] > _LONGEST_SLICE:
            return np.empty(0, np.int32)
        begins[number] += begins[number - 1]
    order = np.empty(count, np.int32)
    for i in range(count):
        number = (whole[i] - first) >> shift
        order[begins[number]] = i
        begins[number] += 1
    late, late_rest = whole[order[0]], rest[order[0]]
    for place in range(1, count):
        moved = order[place]
        if whole[moved] > late or (whole[moved] == late and rest[moved] >= late_rest):
            late, late_rest = whole[moved], rest[moved]
            continue
        at = place
        while at and _less(whole, rest, moved, order[at - 1]):
            order[at] = order[at - 1]
            at -= 1
        order[at] = moved
    return order


@compiled
def _sort_part(whole: Whole, rest: Rest, begin: int, end: int, order: Order, spare: Order) -> None:
    """Puts the numbers of one part in order, into the same part of `order`."""
    # Those that are in order stay at the front of `order`, the others go to the back of it, for the moment. What is
    # compared is kept at hand: to look it up through `order` takes twice as long.
    kept, back = begin, end
    last, last_rest = np.int64(-(2**63)), np.int16(0)
    for i in range(begin, end):
        if whole[i] < last or (whole[i] == last and rest[i] < last_rest):
            back -= 1
            spare[back] = i
        else:
            order[kept] = i
            kept += 1
            last, last_rest = whole[i], rest[i]
    if back == end:
        return
    # They were put there from the end: turn them round, and find the runs that are in order.
    taken = spare[back:end][::-1].copy()
    ends = np.empty(len(taken), np.int64)
    runs = 0
    for i in range(1, len(taken)):
        if _less(whole, rest, taken[i], taken[i - 1]):
            ends[runs] = i
            runs += 1
    ends[runs] = len(taken)
    sorted_ = _merge_all(whole, rest, taken, np.empty_like(taken), ends, runs + 1)
    # Merge from the back, so that what is kept needs no room of its own.
    a, b = kept - 1, len(sorted_) - 1
    moved = sorted_[b]
    late, late_rest = whole[moved], rest[moved]
    for place in range(end - 1, begin - 1, -1):
        # Of equal times, the one that came first goes first.
        if a >= begin:
            i = order[a]
            time = whole[i]
            if time > late or (time == late and (rest[i] > late_rest or (rest[i] == late_rest and i > moved))):
                order[place] = i
                a -= 1
                continue
        order[place] = moved
        b -= 1
        if b < 0:
            break
        moved = sorted_[b]
        late, late_rest = whole[moved], rest[moved]


@compiled
def _merge_all(whole: Whole, rest: Rest, order: Order, spare: Order, ends: Whole, runs: int) -> Order:
    """Merges neighbouring runs, two by two, until there is one; `ends` is used up."""
    while runs > 1:
        begin, merged = 0, 0
        for pair in range(0, runs, 2):
            middle = ends[pair]
            end = ends[pair + 1] if pair + 1 < runs else middle
            _merge(whole, rest, order, begin, middle, end, spare)
            ends[merged] = end
            merged += 1
            begin = end
        order, spare, runs = spare, order, merged
    return order


@compiled
def _merge(whole: Whole, rest: Rest, order: Order, begin: int, middle: int, end: int, out: Order) -> None:
    a, b = begin, middle
    for place in range(begin, end):
        if a < middle and (b >= end or not _before(whole, rest, order[b], order[a])):
            out[place] = order[a]
            a += 1
        else:
            out[place] = order[b]
            b += 1


@compiled
def _less(whole: Whole, rest: Rest, a: int, b: int) -> bool:
    """True if event `a` is earlier than event `b`."""
    return whole[a] < whole[b] or (whole[a] == whole[b] and rest[a] < rest[b])


@compiled
def _before(whole: Whole, rest: Rest, a: int, b: int) -> bool:
    """True if `a` belongs before `b`: it is earlier, or at the same time and came first."""
    if whole[a] != whole[b]:
        return whole[a] < whole[b]
    if rest[a] != rest[b]:
        return rest[a] < rest[b]
    return a < b


@compiled
def count_before(whole: Whole, rest: Rest, order: Order, whole_ns: int, rest_ns: int) -> int:
    """How many of the events in `order` are earlier than a time."""
    low, high = 0, len(order)
    while low < high:
        middle = (low + high) // 2
        i = order[middle]
        if whole[i] < whole_ns or (whole[i] == whole_ns and rest[i] < rest_ns):
            low = middle + 1
        else:
            high = middle
    return low


@compiled
def pick(order: Order, column: NDArray[Any], out: NDArray[Any]) -> None:
    """The values of the events in `order`: column by column, so that few streams of memory are read at a time."""
    for place in range(len(order)):
        out[place] = column[order[place]]
