"""The loops that bring columns into an order, compiled.

An order is an array of numbers: those of events that had waited come first, then those of a block's rows. What follows
each other in the block, but for some events that are displaced, is copied, and only those are picked one by one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixieioc.listmode.jit import compiled
from pixieioc.listmode.merge import Rows

#: Rows of the table of pieces: where a piece of what goes out begins and ends, and in which row of the block the first
#: of it is, if the others follow that but for some.
Pieces = NDArray[np.int64]
#: Instead of that row: they do not follow each other, and some may have waited, or none has.
MIXED, NEW = -1, -2
#: Events that are copied at a time: what is displaced among them is then still close to the processor.
BATCH = 1024


@compiled
def displaced(numbers: Rows, held: int, pieces: Pieces, places: Rows) -> int:
    """Which of those that should follow each other in the block do not: how many, and where, in `places`."""
    count = np.uint64(0)
    for piece in range(len(pieces)):
        begin, end, row = pieces[piece, 0], pieces[piece, 1], pieces[piece, 2]
        if row >= 0:
            first = np.uint32(held + row - begin)
            for i in range(begin, end):
                places[count] = i
                count += np.uint64(numbers[np.uint64(i)] != first + np.uint32(i))
    return int(np.int64(count))


@compiled
def put(
    numbers: Rows,
    held: int,
    pieces: Pieces,
    places: Rows,
    before: NDArray[Any],
    column: NDArray[Any],
    out: NDArray[Any],
) -> None:
    """Puts the values with these numbers into `out`: the first `held` are those of `before`, the others of `column`.

    `places` are where events are displaced, in all pieces.
    """
    # Without slices and other functions: to compile takes longer than to run.
    done, count, first = np.uint64(0), np.uint64(len(places)), np.uint64(held)
    for piece in range(len(pieces)):
        begin, end, row = np.uint64(pieces[piece, 0]), np.uint64(pieces[piece, 1]), pieces[piece, 2]
        if row == MIXED:
            for at in range(begin, end):
                number = np.uint64(numbers[at])
                out[at] = before[number] if number < first else column[number - first]
        elif row == NEW:
            for at in range(begin, end):
                out[at] = column[np.uint64(numbers[at]) - first]
        else:
            shift = np.uint64(row) - begin
            while begin < end:
                stop = min(begin + np.uint64(BATCH), end)
                for at in range(begin, stop):
                    out[at] = column[at + shift]
                begin = stop
                while done < count and places[done] < stop:
                    place = np.uint64(places[done])
                    number = np.uint64(numbers[place])
                    out[place] = before[number] if number < first else column[number - first]
                    done += np.uint64(1)
