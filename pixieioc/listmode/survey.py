"""The loop that looks at each event of a module's stream once: its key, its period, whether its time can be true.

A key is `time + cfd` in 1/32768 ns after the beginning of a *cell* of 2^47 ns (39 hours): one integer that orders
exactly. An event whose time is far from all before it is judged by those that follow: see `judge`.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from pixieioc.listmode.jit import compiled
from pixieioc.listmode.merge import settle

Whole = NDArray[np.int64]
Keys = NDArray[np.int64]
Rows = NDArray[np.uint32]

#: A cell has 2^CELL_BITS ns, so that a key has 62 bits.
CELL_BITS, CFD_BITS = 47, 15
_CELL = 1 << CELL_BITS
#: Earlier than any time of any counter, ns; and before any key.
NEVER = -(2**62)
#: The 48 bits of a counter with ticks of 8 and of 10 ns start again after this many ns.
_WRAPS = (8 << 48, 10 << 48)

#: A new period, or a jump ahead, is believed when this many times near each other confirm it; at the beginning of a
#: stream, where there is nothing to compare with, this many.
NEAR, START = 4, 8
#: Or this many that follow each other, each later than the one before: there is less than an event per reset time.
_AHEAD, _SLOW = 3, 4
#: Events that are looked at together.
BATCH = 256
#: Moves an event, on the average, by which a stream is put in order.
MOVES = 8
#: An event is judged by no more than this many.
LOOK = 16


class State(IntEnum):
    """What is in the array of integers that is a stream's state."""

    KNOWN = 0  #: whether any time has been believed
    PERIOD = 1
    LATEST = 2  #: time of the latest event of the period, ns
    LAST = 3  #: time of the last event, ns
    MARK = 4  #: no event of the period that is still to come is earlier, ns
    ORIGIN = 5  #: of the cell, ns
    WRAP = 6  #: what the counter counts to, ns, if the period began because it came there; otherwise 0
    COUNT = 7  #: events that were believed before they were confirmed, until that is done; otherwise START
    SILENT = 8  #: so long nothing has come, ns: the next event may be later by that, too


class Part(IntEnum):
    """What is in a row of the table of parts: events that follow each other in `keys`, of one period and cell."""

    PERIOD = 0
    ORIGIN = 1
    BEGIN = 2
    END = 3
    REMAINS = 4  #: 1: what was believed before of this stream was of a run that had ended
    SETTLED = 5  #: 0: it is still to be put in order, which takes more than some moves


#: The judgement of an event whose time is far from all before.
_WAIT, _ODD, _MOVED, _NEW = 0, 1, 2, 3


@compiled
def survey_times(
    time: Whole, cfd: NDArray[np.float32], origin: int, window: int, last: int, number: int, keys: Keys, order: Rows
) -> tuple[int, int, int, int]:
    """Keys and numbers of some events, many at a time; the earliest and the latest time, how far they say that the
    stream has come after an event at `last`, and all bits that a key has."""
    lowest = highest = time[0]
    mark, bits = min(last - window, int(time[0])), 0
    for k in range(len(time)):
        t = time[k]
        lowest, highest = min(lowest, t), max(highest, t)
        keys[k] = ((t - origin) << CFD_BITS) + np.int64(np.int32(cfd[k] * np.float32(32768)))
        order[k] = np.uint32(number + k)
        bits |= keys[k]
    for k in range(1, len(time)):
        mark = max(mark, min(time[k - 1] - window, time[k]))
    return lowest, highest, mark, bits


@compiled
def note(part: Whole, period: int, origin: int, begin: int, end: int, remains: int, settled: bool) -> None:
    """Fills in a row of the table of parts."""
    part[0], part[1], part[2], part[3], part[4], part[5] = period, origin, begin, end, remains, settled


@compiled
def judge(time: Whole, at: int, end: int, known: bool, latest: int, reset: int, final: bool) -> tuple[int, int]:
    """What the event in row `at` is, whose time is far from `latest`, and how many rows that is true of.

    _ODD: its time cannot be true, since those that follow are near `latest`, or are near each other without it.
    _MOVED: nothing has come for long, and it is the first that comes. _NEW: it is the first of a new period.
    _WAIT: events that will tell are not here yet.
    """
    need = NEAR if known else START
    for j in range(at, min(end, at + LOOK)):
        t = time[j]
        if known and abs(t - latest) <= reset:
            return _ODD, j - at
        near, first = 0, j
        for k in range(at, j + 1):
            if abs(time[k] - t) <= reset:
                near += 1
                first = min(first, k)
        if near < need:
            chain = 0  # how many, each later than the one before
            while j - chain >= at and time[j - chain] <= (time[j - chain + 1] if chain else t):
                chain += 1
            if known and chain >= _AHEAD and time[j - _AHEAD + 1] > latest:
                near, first = need, j - _AHEAD + 1
            elif chain >= _SLOW and t - time[j - _SLOW + 1] > reset:
                near, first = need, j - _SLOW + 1
        if near >= need:
            if first > at:
                return _ODD, first - at
            return (_MOVED if known and time[at] > latest else _NEW), 0
    if end - at >= LOOK:
        return _ODD, 1
    if not final:
        return _WAIT, end - at
    return last_judgement(time, at, end, known, latest, reset)


@compiled
def last_judgement(time: Whole, at: int, end: int, known: bool, latest: int, reset: int) -> tuple[int, int]:
    """The same where nothing else will come: what most of the few events say, or that time goes on."""
    if known:
        if time[at] > latest and (at + 1 == end or time[at + 1] >= time[at] - reset):
            return _MOVED, 0
        return _ODD, 1
    most, best = 0, at
    for j in range(at, end):
        near = 0
        for k in range(j, end):
            near += time[k] >= time[j] - reset
        if near > most:
            most, best = near, j
    return (_ODD, best - at) if best > at else (_NEW, 0)


@compiled
def survey(
    time: Whole,
    cfd: NDArray[np.float32],
    begin: int,
    end: int,
    first: int,
    tail: int,
    at: int,
    keys: Keys,
    order: Rows,
    low: Rows,
    odd: Rows,
    back: Rows,
    parts: NDArray[np.int64],
    state: NDArray[np.int64],
    window: int,
    reset: int,
    final: bool,
) -> tuple[int, int, int, int, int]:
    """Looks at the events from `begin` to `end` of one stream.

    Writes their keys to `keys[at:]`, and their numbers, which are their rows plus `first`, to `order[at:]`; puts both
    in order, together with those that are there from `tail` on. What is not near is judged: rows whose time cannot be
    true go to `odd`, rows that belong to the period before to `back`.

    Returns the number of parts, of rows in `odd` and in `back`, where `keys` end, and the first row that nothing could
    be said about: what it is depends on events that are not here yet. With `final`, nothing else will come.
    """
    known, latest, last, mark = bool(state[0] != 0), int(state[2]), int(state[3]), int(state[4])
    period, origin, wrap, count, ahead = state[1], state[5], state[6], state[7], reset + state[8]
    n_odd, n_back, n_parts, start, remains = 0, 0, 0, tail, 0
    top = keys[at - 1] if at > tail else np.int64(NEVER)
    # Without a sign: indices from the end would have to be thought of.
    i, a, stop, number = np.uint64(begin), np.uint64(at), np.uint64(end), np.uint64(first)
    n_low, none, one, many = np.uint64(0), np.uint64(0), np.uint64(1), np.uint64(BATCH)
    while i < stop:
        far, went = True, a
        while known and i + many <= stop:
            earliest, newest, far_as, bits = survey_times(
                time[i : i + many],
                cfd[i : i + many],
                origin,
                window,
                last,
                int(np.int64(number + i)),
                keys[a:],
                order[a:],
            )
            if newest > latest + reset or earliest < max(newest, latest) - reset:
                break
            if np.uint64(bits) >> np.uint64(CELL_BITS + CFD_BITS):
                break
            ahead = reset
            mark, latest, last = max(mark, far_as), max(latest, newest), int(time[i + many - one])
            for _ in range(BATCH):
                key = keys[a]
                low[n_low] = np.uint32(a)
                n_low += np.uint64(key < top)
                top = max(top, key)
                a += one
            i += many
        soon = min(stop, i + many)
        while known and i < soon:
            t = time[i]
            far = t > latest + ahead or t < latest - reset
            key = ((t - origin) << CFD_BITS) + np.int64(np.int32(cfd[i] * np.float32(32768)))
            if far or np.uint64(key) >> np.uint64(CELL_BITS + CFD_BITS):
                break
            ahead = reset
            mark = max(mark, min(last - window, t))
            latest, last = max(latest, int(t)), int(t)
            keys[a] = key
            order[a] = np.uint32(number + i)
            low[n_low] = np.uint32(a)
            n_low += np.uint64(key < top)
            top = max(top, key)
            a += one
            i += one
        count = min(START, count + int(np.int64(a - went)))
        if i >= stop:
            break
        if i == soon and known:
            continue
        t = time[i]
        begins, wrapped = not known, np.int64(0)
        if known and far:
            for counts_to in _WRAPS:
                if abs(t + counts_to - latest) <= reset:
                    wrapped = np.int64(counts_to)
            if wrap and abs(t - wrap - latest) <= reset:
                back[n_back] = np.uint32(i)
                n_back += 1
                i += one
                continue
        if not known or (far and not wrapped):
            verdict, rows = judge(time, int(np.int64(i)), end, known, latest, reset, final)
            if verdict == _WAIT:
                break
            if verdict == _ODD:
                for row in range(int(np.int64(i)), int(np.int64(i)) + rows):
                    odd[n_odd] = row
                    n_odd += 1
                i += np.uint64(rows)
                continue
            if verdict == _MOVED:
                latest = t
                continue
            begins = True
        # Another part begins here: of another cell, or of another period.
        if int(np.int64(a)) > start:
            settled = settle(keys, order, low, int(np.int64(n_low)), start, MOVES * (int(np.int64(a)) - start))
            note(parts[n_parts], period, origin, start, int(np.int64(a)), remains, settled)
            n_parts += 1
        remains = 0
        if wrapped:
            period += 1
            mark, wrap, last = mark - wrapped, wrapped, last - wrapped
            latest = t
        elif begins:
            if known and count < START:
                remains = 1
            elif known:
                period += 1
            latest = last = int(t)
            mark, wrap, count = np.int64(NEVER), np.int64(0), 0 if final and not known else START
            known = True
        origin = ((t + (np.int64(np.int32(cfd[i] * np.float32(32768))) >> CFD_BITS)) >> CELL_BITS) << CELL_BITS
        start, n_low, top = int(np.int64(a)), none, np.int64(NEVER)
        if n_parts >= len(parts) - 2 and not remains:  # there is room for one more: what follows is for the next call
            break
    if int(np.int64(a)) > start:
        settled = settle(keys, order, low, int(np.int64(n_low)), start, MOVES * (int(np.int64(a)) - start))
        note(parts[n_parts], period, origin, start, int(np.int64(a)), remains, settled)
        n_parts += 1
    state[0], state[1], state[2], state[3], state[4] = known, period, latest, last, mark
    state[5], state[6], state[7], state[8] = origin, wrap, count, ahead - reset
    return n_parts, n_odd, n_back, int(np.int64(a)), int(np.int64(i))
