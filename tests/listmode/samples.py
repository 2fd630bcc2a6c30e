"""Random events that a variant can express, and ways to look at what came back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixieioc.listmode import events as ev
from pixieioc.listmode.events import Events
from pixieioc.listmode.flags import FLAG_CFD_FORCED
from pixieioc.listmode.stream import Decoder
from pixieioc.listmode.variant import Variant

Words = NDArray[np.uint32]


def random_events(row: Variant, count: int, seed: int, *, parts: int | None = None, traces: bool = True) -> Events:
    """Events with all fields at random; `parts` fixes the optional blocks."""
    random = np.random.default_rng(seed)
    events = ev.allocate((*ev.BASE_COLUMNS, *ev.EXTRA_COLUMNS), count, zero=True)
    events["time"][:] = np.sort(random.integers(0, 2**48, count)) * row.tick_ns
    source = random.integers(0, row.last_source + 1, count)
    fraction = random.integers(0, row.cfd_fraction.mask + 1, count)
    units = row.cfd_unit * fraction + 32768 * (row.source_ns * source + row.source_offset_ns)
    events["cfd"][:] = units / 32768
    events["energy"][:] = random.integers(0, row.energy.mask + 1, count)
    events["channel"][:] = random.integers(0, row.channel.mask + 1, count)
    events["slot"][:] = random.integers(2, 15, count)
    events["crate"][:] = random.integers(0, row.crate.mask + 1, count)
    forced = (random.random(count) < 0.3) & (row.cfd_forced.count > 0)
    events["flags"][:] = random.integers(0, 4, count) + FLAG_CFD_FORCED * forced
    events["cfd"][forced] = 0
    has = random.integers(0, 8, count) if parts is None else np.full(count, parts)
    events["parts"][:] = has
    events["ets"][:] = np.where(has & 1, random.integers(0, 2**48, count), 0)
    events["esum"][:] = np.where((has & 2)[:, None] > 0, random.integers(0, 2**32, (count, 3)), 0)
    events["baseline"][:] = np.where(has & 2, random.normal(size=count), 0)
    events["qdc"][:] = np.where((has & 4)[:, None] > 0, random.integers(0, 2**32, (count, 8)), 0)
    if traces:
        lengths = 2 * random.integers(0, 20, count) * (random.random(count) < 0.5)
        events["trace_length"][:] = lengths
        events["trace_start"][:] = np.concatenate([[0], np.cumsum(lengths)[:-1]])
        events[ev.TRACES] = random.integers(0, 65536, int(lengths.sum())).astype("<u2")
    return events


def trace_list(events: Events) -> list[list[int]]:
    """Each event's samples."""
    if ev.TRACES not in events:
        return [[]] * ev.size(events)
    pairs = zip(events["trace_start"], events["trace_length"], strict=True)
    return [events[ev.TRACES][start : start + int(length)].tolist() for start, length in pairs]


def rows(chunks: list[Events]) -> list[tuple[Any, ...]]:
    """All events as tuples that can be compared: the bytes of all fields, and the samples."""
    names = [c.name for c in (*ev.BASE_COLUMNS, *ev.EXTRA_COLUMNS) if c.name != "trace_start"]
    found: list[tuple[Any, ...]] = []
    for chunk in chunks:
        count = ev.size(chunk)
        if count == 0:
            continue
        events = {**ev.allocate(ev.EXTRA_COLUMNS, count, zero=True), **chunk}
        columns = [np.ascontiguousarray(events[name]).view(np.uint8).reshape(count, -1) for name in names]
        fields = (row.tobytes() for row in np.concatenate(columns, axis=1))
        found += zip(fields, map(tuple, trace_list(chunk)), strict=True)
    return found


def decode(row: Variant, words: Words, cuts: Iterable[int] = ()) -> tuple[list[tuple[Any, ...]], Decoder]:
    """All events of a stream that comes in blocks which end at `cuts`, as tuples that can be compared."""
    chunks, decoder = chunks_of(row, words, cuts)
    return rows(chunks), decoder


def chunks_of(row: Variant, words: Words, cuts: Iterable[int] = ()) -> tuple[list[Events], Decoder]:
    """All events of a stream that comes in blocks which end at `cuts`."""
    decoder, chunks, begin = Decoder(row), list[Events](), 0
    for end in (*cuts, len(words)):
        chunks += decoder.feed(words[begin:end])
        begin = end
    return chunks + decoder.finish(), decoder
