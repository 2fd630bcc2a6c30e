"""Searches for list-mode bytes that make the decoder crash, hang, grow or say what is not so.

    python -m tests.fuzz.list_mode --minutes 10

Each stream is valid records of one variant with damage in them, or bytes that are no records at all; what `check` asks
of the decoder holds for any bytes. The first stream that fails is shown, made as small as hypothesis can.
"""

from __future__ import annotations

import faulthandler
import time
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import psutil
import typer
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pixieioc.listmode import events as ev
from pixieioc.listmode.encode import encode
from pixieioc.listmode.events import Events
from pixieioc.listmode.stream import REGIONS_KEPT, warm_up
from pixieioc.listmode.variant import VARIANTS, Variant
from tests.listmode.samples import chunks_of, random_events, rows

#: Streams of one round, after which memory and time are looked at.
ROUND = 500
#: What one stream may take at most, s; a thousand times what it does take.
HANG = 20.0
#: What all rounds after the first few may add to the process's memory, bytes.
GROWTH = 50e6
_WARM_ROUNDS = 3


@dataclass(frozen=True)
class Stream:
    """Bytes for a decoder, and where they are cut into blocks (in words)."""

    variant: Variant
    data: bytes
    cuts: tuple[int, ...]

    @property
    def words(self) -> NDArray[np.uint32]:
        """The whole words."""
        return np.frombuffer(self.data[: len(self.data) // 4 * 4], "<u4")


@st.composite
def streams(draw: st.DrawFn) -> Stream:
    """Records with damage: bytes changed, taken out, put in or repeated; or any bytes at all."""
    variant = draw(st.sampled_from(VARIANTS))
    data = bytearray()
    if draw(st.integers(0, 4)):
        count = draw(st.integers(1, 60))
        data += encode(random_events(variant, count, draw(st.integers(0, 2**16))), variant).astype("<u4").tobytes()
    for _ in range(draw(st.integers(0, 8))):
        at = draw(st.integers(0, len(data)))
        size = draw(st.integers(0, 64))
        match draw(st.sampled_from(("change", "take out", "put in", "repeat", "zero", "one"))):
            case "change":
                given_bytes = draw(st.binary(max_size=64))
                data[at : at + len(given_bytes)] = given_bytes
            case "take out":
                del data[at : at + size]
            case "put in":
                data[at:at] = draw(st.binary(max_size=256))
            case "repeat":
                data[at:at] = data[max(0, at - size) : at]
            case "zero":
                data[at : at + size] = bytes(size)
            case "one":
                data[at : at + size] = b"\xff" * size
            case other:
                raise AssertionError(other)
    cuts = draw(st.lists(st.integers(0, len(data) // 4), max_size=6))
    return Stream(variant, bytes(data), tuple(sorted(cuts)))


def check(stream: Stream) -> None:
    """What holds for any bytes: each word is in one event, lost or left over; events stand in the stream; cuts are
    nothing to the result."""
    chunks, decoder = chunks_of(stream.variant, stream.words)
    counts = decoder.counts
    in_events = sum(words_of(chunk) for chunk in chunks)
    assert counts.events == sum(map(ev.size, chunks))
    assert in_events + counts.words_lost + counts.words_left_over == counts.words == len(stream.words)
    assert (counts.corrupt_regions > 0) >= (counts.words_lost > 0)
    assert len(counts.regions) == min(counts.corrupt_regions, REGIONS_KEPT)
    if counts.corrupt_regions <= REGIONS_KEPT:
        assert sum(length for _, length in counts.regions) == counts.words_lost
    ends = [0, *(place + length for place, length in counts.regions)]
    assert all(end <= place for end, (place, _) in zip(ends, counts.regions, strict=False))
    assert ends[-1] <= len(stream.words)
    for chunk in chunks:
        _stand_in(chunk, stream)
    again, cut = chunks_of(stream.variant, stream.words, stream.cuts)
    assert rows(again) == rows(chunks)
    assert cut.counts == counts


def words_of(chunk: Events) -> int:
    """Words of the records that these events are from."""
    blocks = chunk["parts"] if "parts" in chunk else np.zeros(ev.size(chunk), np.uint8)
    samples = int(chunk["trace_length"].astype(np.int64).sum()) if "trace_length" in chunk else 0
    return int((4 + 2 * blocks.astype(np.int64)).sum()) + samples // 2


def _stand_in(chunk: Events, stream: Stream) -> None:
    """No event is invented: words 1 and the 16 bits of word 2 that are the time stand in the stream, in this order."""
    ticks = chunk["time"] // stream.variant.tick_ns
    low = np.flatnonzero(np.isin(stream.words, (ticks & 0xFFFFFFFF).astype(np.uint32)))
    pairs = {
        (int(stream.words[i]), int(stream.words[i + 1]) & 0xFFFF) for i in low.tolist() if i + 1 < len(stream.words)
    }
    assert {(int(tick) & 0xFFFFFFFF, int(tick) >> 32) for tick in ticks.tolist()} <= pairs


def main(
    minutes: Annotated[float, typer.Option(min=0.01, help="How long to search.")] = 10.0,
    first: Annotated[int, typer.Option("--seed", help="Seed of the first round; the next has the next.")] = 0,
) -> None:
    """Search for bytes that break the list-mode decoder."""
    warm_up()
    process, began, number, base = psutil.Process(), time.monotonic(), first, 0.0
    while time.monotonic() - began < 60 * minutes:
        run_round(number)
        number += 1
        memory = process.memory_info().rss
        if number - first == _WARM_ROUNDS:
            base = memory
        if base and memory - base > GROWTH:
            raise SystemExit(f"memory has grown from {base / 1e6:.0f} to {memory / 1e6:.0f} MB")
        seconds = time.monotonic() - began
        typer.echo(f"\r{seconds:6.0f} s  {(number - first) * ROUND:8d} streams  {memory / 1e6:4.0f} MB", nl=False)
    typer.echo(f"\nno fault found; the next seed is {number}")


def run_round(number: int) -> None:
    """One round of streams; a fault is raised with the smallest stream that shows it."""

    @seed(number)
    @settings(
        max_examples=ROUND,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        phases=[Phase.generate, Phase.shrink],
    )
    @given(streams())
    def search(stream: Stream) -> None:
        faulthandler.dump_traceback_later(HANG, exit=True)
        check(stream)
        faulthandler.cancel_dump_traceback_later()

    search()


if __name__ == "__main__":
    typer.run(main)
