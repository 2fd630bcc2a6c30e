"""Streams: cut anywhere, broken anywhere."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pixieioc.listmode import events as ev
from pixieioc.listmode.encode import encode
from pixieioc.listmode.stream import Decoder
from pixieioc.listmode.variant import VARIANTS, Variant, variant
from tests.conftest import DATA
from tests.fuzz.list_mode import Stream, check, streams
from tests.listmode.samples import decode, random_events, rows

NEWEST = variant(500, 34688)


@pytest.mark.parametrize("row", VARIANTS, ids=str)
@pytest.mark.parametrize("parts", range(8))
@settings(max_examples=20)
@given(seed=st.integers(0, 2**32 - 1), count=st.integers(1, 60), traces=st.booleans())
def test_encode_then_decode_gives_back_every_field(
    row: Variant, parts: int, seed: int, count: int, traces: bool
) -> None:
    events = random_events(row, count, seed, parts=parts, traces=traces)
    back, decoder = decode(row, encode(events, row))
    assert back == rows([events])
    assert (decoder.counts.events, decoder.counts.corrupt_regions, decoder.counts.words_left_over) == (count, 0, 0)


@settings(max_examples=200)
@given(streams())
def test_any_bytes_are_accounted_for(stream: Stream) -> None:
    check(stream)


@pytest.mark.parametrize("row", VARIANTS, ids=str)
def test_the_result_does_not_depend_on_any_single_cut(row: Variant) -> None:
    events = random_events(row, 24, 1)
    events["parts"][:] = np.arange(24) % 8  # all header lengths
    words = encode(events, row)
    whole, _ = decode(row, words)
    assert len(whole) == 24
    for cut in range(len(words) + 1):
        assert decode(row, words, [cut])[0] == whole


@pytest.mark.parametrize("step", [1, 2, 3, 5, 7, 64])
def test_the_result_does_not_depend_on_the_block_size(step: int) -> None:
    words = encode(random_events(NEWEST, 60, 2), NEWEST)
    assert decode(NEWEST, words, range(step, len(words), step))[0] == decode(NEWEST, words)[0]


def test_a_cut_off_record_is_counted() -> None:
    words = encode(random_events(NEWEST, 10, 3, parts=7, traces=False), NEWEST)
    back, decoder = decode(NEWEST, words[:-5])
    assert len(back) == 9
    assert decoder.counts.words_left_over == 13
    assert decoder.counts.corrupt_regions == 0


def test_events_come_as_soon_as_they_are_confirmed() -> None:
    decoder = Decoder(NEWEST)
    words = encode(random_events(NEWEST, 3, 4, parts=0, traces=False), NEWEST)
    assert len(rows(decoder.feed(words[:8]))) == 1  # the second waits for the header behind it
    assert len(rows(decoder.feed(words[8:]))) == 1
    assert len(rows(decoder.finish())) == 1


@settings(max_examples=400)
@given(st.sampled_from(VARIANTS), st.integers(0, 3), st.integers(0, 2**32 - 1), st.data())
def test_one_corrupt_word_costs_little_wherever_the_cuts_are(
    row: Variant, seed: int, value: int, data: st.DataObject
) -> None:
    words = encode(random_events(row, 30, seed), row)
    whole, _ = decode(row, words)
    broken = words.copy()
    broken[data.draw(st.integers(0, len(words) - 1))] = value
    back, decoder = decode(row, broken)
    # What exactly is the matter of test_damage; here a record may by chance claim more than its neighbour.
    lost, strange = set(whole) - set(back), set(back) - set(whole)
    assert len(lost) <= 2
    assert len(strange) <= 1
    cuts = sorted(data.draw(st.lists(st.integers(0, len(words)), max_size=5)))
    again, cut = decode(row, broken, cuts)
    assert again == back
    assert cut.counts == decoder.counts


def _lengths(events: dict[str, np.ndarray]) -> np.ndarray:
    return 4 + 2 * events["parts"].astype(int) + events["trace_length"].astype(int) // 2


@settings(max_examples=200)
@given(st.lists(st.integers(0, 2**32 - 1), max_size=60), st.integers(0, 29), st.integers(0, 3))
def test_inserted_garbage_is_skipped(garbage: list[int], place: int, seed: int) -> None:
    events = random_events(NEWEST, 30, seed)
    words = encode(events, NEWEST)
    whole, _ = decode(NEWEST, words)
    at = int(_lengths(events)[:place].sum())
    broken = np.concatenate([words[:at], np.array(garbage, np.uint32), words[at:]])
    back, decoder = decode(NEWEST, broken)
    # Garbage may look like the head of a record whose length is right by chance only.
    assert len(set(whole) - set(back)) <= 2
    if garbage:
        assert decoder.counts.words_lost + decoder.counts.words_left_over >= len(garbage) - 8 or len(back) > len(whole)


@settings(max_examples=300)
@given(st.lists(st.integers(0, 2**32 - 1), max_size=300), st.lists(st.integers(0, 300), max_size=6))
def test_noise_neither_crashes_nor_depends_on_cuts(noise: list[int], cuts: list[int]) -> None:
    words = np.array(noise, np.uint32)
    back, decoder = decode(NEWEST, words)
    again, cut = decode(NEWEST, words, sorted(min(c, len(words)) for c in cuts))
    assert again == back
    assert cut.counts == decoder.counts
    counts = decoder.counts
    assert counts.words == len(words)


def test_lost_words_and_places_are_reported() -> None:
    words = encode(random_events(NEWEST, 20, 6, parts=0, traces=False), NEWEST)
    broken = np.concatenate([words[:40], np.zeros(7, np.uint32), words[40:]])
    back, decoder = decode(NEWEST, broken)
    assert len(back) == 20
    counts = decoder.counts
    assert (counts.corrupt_regions, counts.words_lost, counts.regions) == (1, 7, [(40, 7)])


def test_all_words_are_accounted_for() -> None:
    rng = np.random.default_rng(7)
    words = encode(random_events(NEWEST, 200, 7, parts=0, traces=False), NEWEST)
    words[rng.integers(0, len(words), 20)] = rng.integers(0, 2**32, 20)
    _, decoder = decode(NEWEST, words)
    counts = decoder.counts
    assert 4 * counts.events + counts.words_lost + counts.words_left_over == len(words)


def test_a_decoder_can_be_used_again_after_finish() -> None:
    decoder = Decoder(NEWEST)
    words = encode(random_events(NEWEST, 5, 8), NEWEST)
    first = rows(decoder.feed(words[:-1]) + decoder.finish())
    second = rows(decoder.feed(words) + decoder.finish())
    assert (len(first), len(second)) == (4, 5)


@pytest.mark.parametrize("block", [np.zeros(4), np.zeros((2, 2), np.uint32), np.zeros(4, np.uint16), [1, 2], b"abcd"])
def test_what_are_no_words_is_refused(block: object) -> None:
    with pytest.raises(TypeError, match="need a one-dimensional uint32 array"):
        Decoder(NEWEST).feed(block)  # type: ignore[arg-type]


def test_traces_are_views_of_the_block() -> None:
    words = encode(random_events(NEWEST, 50, 9), NEWEST)
    (chunk,) = Decoder(NEWEST).feed(words)
    assert np.shares_memory(chunk["traces"], words)


@pytest.mark.parametrize("traces", [True, False])
def test_what_a_block_completes_can_be_joined_to_one_chunk(traces: bool) -> None:
    words = encode(random_events(NEWEST, 60, 2, traces=traces), NEWEST)
    for step in (5, 64, 500):
        decoder = Decoder(NEWEST)
        chunks = [decoder.feed(words[begin : begin + step], joined=True) for begin in range(0, len(words), step)]
        assert max(map(len, chunks)) == 1
        assert rows([*itertools.chain(*chunks), *decoder.finish()]) == decode(NEWEST, words)[0]


@pytest.mark.parametrize("layout", VARIANTS, ids=str)
def test_words_of_any_kind_need_no_more_than_what_warming_up_compiles(layout: Variant) -> None:
    """The fixture of this folder looks at what has been compiled."""
    for traces in False, True:
        words = encode(random_events(layout, 100, 1, traces=traces), layout)
        words[200:203] = 0
        for block in words, np.frombuffer(words.tobytes(), "<u4"), words[::2], words.astype(">u4"):
            decoder = Decoder(layout, cfd_off=[1])
            for events in decoder.feed(block[:500]) + decoder.feed(block[500:]) + decoder.finish():
                for some in events, ev.take(events, slice(1, None)), ev.take(events, np.arange(0)):
                    ev.compact(some)


def test_the_real_recording() -> None:
    words = np.fromfile(DATA / "pixie16_binary_data-full.bin", "<u4")
    decoder = Decoder(NEWEST, module=3)
    chunks = decoder.feed(words) + decoder.finish()
    events = {name: np.concatenate([chunk[name] for chunk in chunks]) for name in chunks[0]}
    assert len(events["time"]) == 24_598
    assert np.bincount(events["channel"])[[9, 10]].tolist() == [12_105, 12_493]
    assert events["energy"].astype(int).sum() == 351_344_482
    assert (events["time"][0], events["time"][-1]) == (1_170_569_551_910, 1_180_572_322_710)
    assert set(events["slot"]) == {2}
    assert set(events["module"]) == {3}
    assert round(((events["flags"] & 4) > 0).mean(), 3) == 0.306
    assert round((np.diff(events["time"]) < 0).mean(), 3) == 0.089


def test_the_five_parts_are_the_whole() -> None:
    parts = [np.fromfile(DATA / f"pixie16_binary_data-0{i}.bin", "<u4") for i in range(5)]
    whole = np.fromfile(DATA / "pixie16_binary_data-full.bin", "<u4")
    decoder = Decoder(NEWEST)
    chunks = [chunk for part in parts for chunk in decoder.feed(part)] + decoder.finish()
    assert np.array_equal(np.concatenate(parts), whole)
    assert rows(chunks) == decode(NEWEST, whole)[0]
