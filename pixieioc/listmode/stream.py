"""A stream of list-mode words, cut anywhere, as events: only whole, confirmed records; what is broken is counted.

A record is believed when its own header is consistent and the next record's header is too (or the stream ends with it,
or the module was read again and had nothing). Where a header breaks an invariant, either it is corrupt itself or the
record before it had a wrong length: the search for the next chain of consistent records begins within that record, and
the answer tells which. So one corrupt word costs the record that it is in; what it can change unnoticed is the content
of that record, and where that ends, if by chance another record begins there: then those between belong to it. The
events do not depend on where the stream was cut into blocks.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pixieioc.listmode import events as ev
from pixieioc.listmode.chain import CORRUPT, END, FULL, find_chain, walk
from pixieioc.listmode.events import Events, Memory
from pixieioc.listmode.fill import BATCH, fill_base, fill_parts
from pixieioc.listmode.layout import numbers_of
from pixieioc.listmode.variant import (
    LONGEST_RECORD,
    PART_ESUM,
    PART_ETS,
    PART_QDC,
    SLOT_FIRST,
    VARIANTS,
    Variant,
)

Words = NDArray[np.uint32]

#: So many records in a row must be consistent before a broken stream is trusted again.
CHAIN = 4
#: Most records are not longer; what is carried from block to block is copied with so much first.
SHORT_RECORD = 1020
#: Broken regions whose place is remembered; all are counted.
REGIONS_KEPT = 100

_OF_PART = {PART_ETS: ("ets",), PART_ESUM: ("esum", "baseline"), PART_QDC: ("qdc",)}
_OF_TRACE = ("trace_start", "trace_length")
_SAMPLES = np.dtype("<u2")
#: Base columns that `fill_base` fills; and those of them that often have one value only: they are the last in their
#: memory, so that they need not travel then.
_FILLED = tuple(column.name for column in ev.BASE_COLUMNS if column.name != "module")
_OFTEN_ONE = ("flags", "slot", "crate")
#: For fewer events, to ask takes longer than is saved.
_WORTH_ASKING = 16384
_IN_BLOCKS = ("parts", "ets", "esum", "baseline", "qdc")
#: Stands for the columns of optional blocks that are not there.
_NO_ROWS = ev.allocate(ev.EXTRA_COLUMNS, 0)


class _Piece(NamedTuple):
    """Words, where the events begin in them, all parts that they have, and how many samples."""

    words: Words
    offsets: NDArray[np.int64]
    parts: int
    samples: int


_NOTHING = _Piece(ev.constant(np.empty(0, np.uint32)), np.empty(0, np.int64), 0, 0)


@dataclass
class StreamCounts:
    """What one decoder has seen; words are 4 bytes, places are words from the start of the stream."""

    words: int = 0
    events: int = 0
    corrupt_regions: int = 0
    words_lost: int = 0
    words_left_over: int = 0
    regions: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])


class Decoder:
    """Turns the list-mode words of one module into events, block by block.

    `layout` is the module's record layout, `module` the number that goes into the events' `module` column. `cfd_off`
    are channels whose CFD is switched off, which the data do not tell: a 500 MHz module writes what would mean -2 ns
    then. `memory` is where columns are put.
    """

    def __init__(self, layout: Variant, module: int = 0, cfd_off: Iterable[int] = (), memory: Memory = ev.heap) -> None:
        self._memory = memory
        self.variant = layout
        self.module = module
        self.counts = StreamCounts()
        self._form = numbers_of(layout, sum(1 << channel for channel in set(cfd_off)))
        self._offsets = np.empty(1 << 15, np.int64)
        self._scratch, self._rows = np.empty(4 * BATCH, np.uint32), np.empty(BATCH, np.int64)
        self._carry: Words = np.empty(0, np.uint32)
        self._searching = self._joined = False

    def feed(self, block: ArrayLike, *, joined: bool = False) -> list[Events]:
        """The events that `block` (uint32 words, any number of them) completes, in the order of the stream.

        A list of chunks rather than one, so that traces need not be copied: `traces` of a chunk is a view of `block`
        where it can be. With `joined` there is one chunk at most: traces that are not all in `block` are copied into
        the decoder's memory. Raises TypeError unless `block` is one-dimensional with 4-byte unsigned integers.
        """
        words, self._joined = _as_words(block), joined
        self.counts.words += len(words)
        if not len(words):
            return self._confirm()
        if not len(self._carry):
            return self._decode(words, 0, final=False)
        chunks = self._across_the_cut(words)
        if chunks is None:
            chunks = self._decode(ev.constant(np.concatenate([self._carry, words])), 0, final=False)
        return chunks

    def finish(self) -> list[Events]:
        """The events that only the end of the stream confirms; the decoder is as new afterwards but for `counts`.

        Words that are not a whole record are in `counts.words_left_over`.
        """
        chunks = self._decode(ev.constant(self._carry), 0, final=True) if len(self._carry) else []
        self.counts.words_left_over += len(self._carry)
        self._carry, self._searching = np.empty(0, np.uint32), False
        return chunks

    @property
    def complete_regions(self) -> list[tuple[int, int]]:
        """Those of `counts.regions` whose end is known."""
        regions = self.counts.regions
        is_last = self._searching and self.counts.corrupt_regions == len(regions)
        return regions[:-1] if is_last else regions

    @property
    def holds_nothing(self) -> bool:
        """True if all that was fed is in events or lost: no record waits for its end or for the next one's header."""
        return not len(self._carry)

    def _confirm(self) -> list[Events]:
        """Nothing followed: a whole record that ends where all that was read ends does not wait for a next header."""
        carry = ev.constant(self._carry)
        if self._searching or not len(carry):
            return []
        ended, count, at, parts, samples = walk(carry, 0, len(carry), self._form, self._offsets, 0)
        if ended != END or at != len(carry):
            return []
        self._carry = np.empty(0, np.uint32)
        return self._chunks(_NOTHING, _Piece(carry, self._offsets[:count], parts, samples))

    def _across_the_cut(self, words: Words) -> list[Events] | None:
        """Decodes what was carried over with as little of the new block as it needs, so that the block is not copied.

        None if that is not enough, or anything is broken there.
        """
        carried = len(self._carry)
        if self._searching or carried >= len(self._offsets):
            return None
        for needed in (SHORT_RECORD + 4, LONGEST_RECORD + 4):
            joint = ev.constant(np.concatenate([self._carry, words[:needed]]))
            ended, count, at, parts, samples = walk(joint, 0, carried, self._form, self._offsets, 0)
            if ended == CORRUPT:
                return None
            if at >= carried and at + 4 <= len(joint):
                before = _Piece(joint, self._offsets[:count].copy(), parts, samples)
                return self._decode(words, at - carried, final=False, before=before)
        return None

    def _decode(
        self,
        words: Words,
        start: int,
        *,
        final: bool,
        before: _Piece | None = None,
    ) -> list[Events]:
        """Walks `words` from `start`, keeps what is undecided as the new carry, and makes columns of the rest."""
        origin = self.counts.words - len(words)  # place of words[0] in the stream
        at, count, chain, parts, samples = start, 0, 0, 0, 0
        keep = len(words)
        while True:
            if self._searching:
                found, place = find_chain(words, at, self._form, CHAIN, final)
                self._lose(origin, at, place, new=False)
                at = keep = place
                if not found:
                    break
                self._searching, chain = False, count
            ended, count, at, more, longer = walk(words, at, len(words), self._form, self._offsets, count)
            parts, samples = parts | more, samples + longer
            if ended == FULL:
                self._offsets = np.concatenate([self._offsets, np.empty_like(self._offsets)])
                continue
            last = int(self._offsets[count - 1]) if count > chain else at
            if ended == END and not final:
                # The last record is confirmed by the next header; if that is not here yet, the record waits.
                judged = at + 4 <= len(words)
                keep, count = (at, count) if judged or count == chain else (last, count - 1)
                break
            if at == len(words):
                keep = at
                break
            found, place = find_chain(words, last + 1, self._form, CHAIN, final)
            if ended == END and not found:
                keep = at
                break
            if place <= at and not found:
                keep, count = last, count - (last < at)
                break
            wrong = last if place < at else at
            count -= place < at
            self._lose(origin, wrong, place, new=True)
            at = keep = place
            chain = count
            if not found:
                self._searching = True
                break
        self._carry = words[keep:].copy()
        piece = _Piece(words, self._offsets[:count], parts, samples)
        return self._chunks(before or _NOTHING, piece) if count or before else []

    def _lose(self, origin: int, begin: int, end: int, *, new: bool) -> None:
        counts = self.counts
        counts.words_lost += end - begin
        counts.corrupt_regions += new
        if new and len(counts.regions) < REGIONS_KEPT:
            counts.regions.append((origin + begin, end - begin))
        elif not new and end > begin and counts.corrupt_regions <= REGIONS_KEPT:
            place, length = counts.regions[-1]
            counts.regions[-1] = (place, length + end - begin)

    def _chunks(self, before: _Piece, piece: _Piece) -> list[Events]:
        """The events in two pieces, as one chunk if they have no traces, which are views of different words."""
        split, count = len(before.offsets), len(before.offsets) + len(piece.offsets)
        self.counts.events += count
        columns = self._filled(before, piece, count)
        if "trace_start" not in columns:
            return [columns]
        if self._joined and 0 < split < count:
            columns["trace_start"][split:] += before.words.view(_SAMPLES).size
            columns[ev.TRACES] = self._memory(before.words.nbytes + piece.words.nbytes).view(_SAMPLES)
            np.concatenate([before.words, piece.words], out=columns[ev.TRACES].view(np.uint32))
            return [columns]
        return [
            {**ev.take(columns, rows), ev.TRACES: words.view(_SAMPLES)}
            for words, rows in ((before.words, slice(0, split)), (piece.words, slice(split, count)))
            if rows.start < rows.stop
        ]

    def _filled(self, before: _Piece, piece: _Piece, count: int) -> Events:
        """The columns of the events in two pieces; those of optional blocks and traces if there are any."""
        samples = before.samples + piece.samples
        laid_out, names = _columns(before.parts | piece.parts, samples > 0)
        columns = ev.lay_out(laid_out, count, self._memory)
        filled = [columns[name] for name in _FILLED]
        filled += [columns.get(name, _NO_ROWS[name]) for name in ("parts", *_OF_TRACE)]
        words = before.words, before.offsets, piece.words, piece.offsets
        fill_base(*words, self._form, self._scratch, *filled)
        columns["module"] = ev.repeated(np.uint8(self.module), count)
        for name in _OFTEN_ONE if count >= _WORTH_ASKING else ():
            columns[name] = ev.repeated_if_same(columns[name])
        if before.parts | piece.parts:
            parts, ets, esum, baseline, qdc = (columns.get(name, _NO_ROWS[name]) for name in _IN_BLOCKS)
            bits = baseline.view(np.uint32)
            fill_parts(*words, self._rows, parts, ets, esum.ravel(), bits, qdc.ravel())
        return {name: columns[name] for name in names}


class RecordCounter(Decoder):
    """Counts the records of a stream as a decoder does, in `counts`, and makes no columns of them."""

    def _chunks(self, before: _Piece, piece: _Piece) -> list[Events]:
        self.counts.events += len(before.offsets) + len(piece.offsets)
        return []


@functools.cache
def _columns(parts: int, samples: bool) -> tuple[tuple[tuple[str, np.dtype[Any], int], ...], tuple[str, ...]]:
    """Columns of events with these parts, and with traces or without: name, type and width of those that are filled,
    as they lie in memory; and all names, in their usual order."""
    columns = list(ev.BASE_COLUMNS)
    if parts or samples:
        names = ["parts", *(name for part, names in _OF_PART.items() if parts & part for name in names)]
        columns += [ev.COLUMNS[name] for name in (*names, *(_OF_TRACE if samples else ()))]
    filled = sorted((c for c in columns if c.name != "module"), key=lambda column: column.name in _OFTEN_ONE)
    return tuple((c.name, np.dtype(c.dtype), c.width) for c in filled), tuple(c.name for c in columns)


def warm_up() -> None:
    """Compiles the loops, or loads them from the cache, so that no data need wait for it, whatever they are."""
    decoder = Decoder(VARIANTS[0])
    # A record with all blocks and a trace, and a word that is no record.
    decoder.feed(np.array([_header(19, 18), 0, 0, 2 << 16, *[0] * 15, 0], np.uint32))
    decoder.finish()
    ev.warm_up()


def _header(length: int, header: int) -> int:
    return length << 17 | header << 12 | SLOT_FIRST << 4


def _as_words(block: ArrayLike) -> Words:
    words = np.asarray(block)
    if words.dtype.kind != "u" or words.dtype.itemsize != 4 or words.ndim != 1:
        raise TypeError(
            f"list-mode words: need a one-dimensional uint32 array, got {words.dtype} of {words.ndim} dimensions"
        )
    if not (words.flags.c_contiguous and words.flags.aligned and words.dtype.isnative):
        words = np.array(words, np.uint32)
    return ev.constant(words)
