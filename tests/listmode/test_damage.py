"""Each word of a stream corrupted in turn, in all variants: what that costs, and that what is said of it is true."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from pixieioc.listmode import events as ev
from pixieioc.listmode.encode import encode
from pixieioc.listmode.events import Events
from pixieioc.listmode.stream import StreamCounts
from pixieioc.listmode.variant import HEADER_LENGTHS, SLOT_FIRST, SLOT_LAST, VARIANTS, Bits, Variant
from tests.fuzz.list_mode import words_of
from tests.listmode.samples import chunks_of, random_events

#: Each header length with a trace and without.
RECORDS = 2 * len(HEADER_LENGTHS)
ALL_ONES = 0xFFFFFFFF
_NAMES = [c.name for c in (*ev.BASE_COLUMNS, *ev.EXTRA_COLUMNS) if c.name != "trace_start"]


@dataclass(frozen=True)
class Table:
    """Events as bytes that can be compared: a row an event, and all samples, one event's after the other's."""

    rows: NDArray[np.uint8]
    samples: NDArray[np.uint16]
    ends: NDArray[np.int64]  #: where each event's samples end

    @classmethod
    def of(cls, events: Events) -> Table:
        """The table of `events`, which have all columns."""
        events = ev.compact(events)
        columns = [np.ascontiguousarray(events[name]).view(np.uint8).reshape(ev.size(events), -1) for name in _NAMES]
        ends = np.cumsum(events["trace_length"], dtype=np.int64)
        return cls(np.concatenate(columns, axis=1), events[ev.TRACES], ends)

    def first(self, count: int) -> bytes:
        """The first `count` events."""
        return self.rows[:count].tobytes() + self.samples[: self.ends[count - 1] if count else 0].tobytes()

    def last(self, count: int) -> bytes:
        """The last `count` events."""
        begin = len(self.rows) - count
        return self.rows[begin:].tobytes() + self.samples[self.ends[begin - 1] if begin else 0 :].tobytes()


@pytest.mark.parametrize("row", VARIANTS, ids=str)
def test_a_corrupt_word_costs_at_most_the_records_it_touches(row: Variant) -> None:
    words, begins = _stream(row)
    whole = Table.of(_decoded(row, words, ())[0])
    assert len(whole.rows) == RECORDS
    random = np.random.default_rng(1)
    for record, begin in enumerate(begins[:-1]):
        for at in range(begin, begins[record + 1]):
            for value in _damages(row, words, begin, at, random):
                broken = words.copy()
                broken[at] = value
                try:
                    _check(row, whole, broken, begins, record)
                except AssertionError as error:
                    raise AssertionError(
                        f"word {at - begin} of record {record}: {words[at]:#x} -> {value:#x}"
                    ) from error


def _stream(row: Variant) -> tuple[NDArray[np.uint32], list[int]]:
    """Words, and where their records begin; the last place is where they end."""
    events = random_events(row, RECORDS, 5, traces=False)
    events["parts"][:] = np.arange(RECORDS) % len(HEADER_LENGTHS)
    lengths = np.where(np.arange(RECORDS) // len(HEADER_LENGTHS), 2 + 2 * (np.arange(RECORDS) % 3), 0)
    events["trace_length"][:] = lengths
    events["trace_start"][:] = np.cumsum(lengths) - lengths
    events[ev.TRACES] = np.random.default_rng(6).integers(0, 65536, int(lengths.sum())).astype("<u2")
    mixed = np.random.default_rng(7).permutation(RECORDS)
    events = ev.take(events, mixed)
    sizes = 4 + 2 * events["parts"].astype(int) + events["trace_length"].astype(int) // 2
    return encode(events, row), [0, *np.cumsum(sizes).tolist()]


def _damages(
    row: Variant, words: NDArray[np.uint32], begin: int, at: int, random: np.random.Generator
) -> Iterator[int]:
    """Other values for the word at `at` of the record that begins at `begin`."""
    word = int(words[at])
    framing = at - begin in (0, 3)
    values = {0, ALL_ONES, *random.integers(0, 2**32, 2).tolist()}
    values |= {word ^ 1 << bit for bit in (range(32) if framing else random.integers(0, 32, 2).tolist())}
    if at == begin:  # the worst: a header that is consistent, and as long as it is not
        header = word >> 12 & 31
        values |= {word + (other - header) * ((1 << 17) + (1 << 12)) for other in HEADER_LENGTHS}
    return iter(sorted(value for value in values if value != word and 0 <= value <= ALL_ONES))


def _check(row: Variant, whole: Table, broken: NDArray[np.uint32], begins: list[int], record: int) -> None:
    begin, end = begins[record], begins[record + 1]
    claims = _claimed_length(row, broken, begin)
    # What no reader could notice: the record claims others, and ends where one begins.
    claimed = begins.index(begin + claims) - record if begin + claims in begins[record + 1 :] else 1

    events, counts = _decoded(row, broken, ())
    found = Table.of(events)
    behind = RECORDS - record - claimed
    assert found.first(record) == whole.first(record)
    assert found.last(behind) == whole.last(behind)
    itself = len(found.rows) - record - behind
    assert itself in (0, 1)

    assert counts.events == len(found.rows)
    assert words_of(events) + counts.words_lost + counts.words_left_over == counts.words == len(broken)
    assert counts.corrupt_regions == len(counts.regions) <= 1
    assert sum(length for _, length in counts.regions) == counts.words_lost
    assert all(begin <= place and place + length <= end for place, length in counts.regions)
    if claims == 0:  # noticed, and all of it is told
        assert (itself, counts.regions, counts.words_left_over) == (0, [(begin, end - begin)], 0)
    elif begin + claims in begins:  # not to be noticed
        assert (itself, counts.regions, counts.words_left_over) == (1, [], 0)
    else:
        assert counts.words_lost + counts.words_left_over > 0

    again, same = _decoded(row, broken, (begin + 2, end - 1))
    assert Table.of(again).first(len(found.rows)) == found.first(len(found.rows))
    assert same == counts


def _claimed_length(row: Variant, words: NDArray[np.uint32], begin: int) -> int:
    """How long the record says that it is; 0 if its header is not consistent."""

    def field(bits: Bits) -> int:
        return int(words[begin + bits.word]) >> bits.shift & bits.mask

    length, header = field(row.record_length), int(words[begin]) >> 12 & 31
    consistent = header in HEADER_LENGTHS and SLOT_FIRST <= field(row.slot) <= SLOT_LAST
    return length if consistent and 2 * (length - header) == field(row.trace_length) else 0


def _decoded(row: Variant, words: NDArray[np.uint32], cuts: tuple[int, ...]) -> tuple[Events, StreamCounts]:
    chunks, decoder = chunks_of(row, words, cuts)
    return ev.concatenate(chunks), decoder.counts
