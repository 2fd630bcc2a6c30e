"""Hand-made words against the table, and what cannot be encoded."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pixieioc.listmode import events as ev
from pixieioc.listmode.encode import encode
from pixieioc.listmode.events import Events
from pixieioc.listmode.flags import FLAG_CFD_FORCED, FLAG_OUT_OF_RANGE, FLAG_PILEUP
from pixieioc.listmode.stream import Decoder
from pixieioc.listmode.variant import variant

NEWEST = variant(500, 34688)


def _event(**fields: Any) -> Events:
    events = ev.allocate(ev.BASE_COLUMNS, 1, zero=True)
    events["slot"][:] = 2
    events["flags"][:] = FLAG_CFD_FORCED
    for name, value in fields.items():
        if name in events:
            events[name][:] = value
        elif name == ev.TRACES:
            events[name] = np.asarray(value, "<u2")
        else:
            events[name] = np.array([value], ev.COLUMNS[name].dtype)
    return events


def _decoded(words: list[int], mhz: int, revision: int) -> Events:
    decoder = Decoder(variant(mhz, revision))
    (chunk,) = decoder.feed(np.array(words, np.uint32)) + decoder.finish()
    return chunk


def test_words_by_hand_500_mhz() -> None:
    # channel 9, slot 2, crate 1, header 4 words, record 4 words, pileup; tick 0x1234_89ABCDEF; source 3, fraction 4096
    # of 8192; energy 0x8001, out of range.
    words = [
        1 << 31 | 4 << 17 | 4 << 12 | 1 << 8 | 2 << 4 | 9,
        0x89ABCDEF,
        3 << 29 | 4096 << 16 | 0x1234,
        1 << 31 | 0x8001,
    ]
    event = _decoded(words, 500, 34688)
    assert event["time"][0] == 0x123489ABCDEF * 10
    assert event["cfd"][0] == 2 * (3 - 1 + 0.5)
    assert (event["energy"][0], event["channel"][0], event["slot"][0], event["crate"][0]) == (0x8001, 9, 2, 1)
    assert event["flags"][0] == FLAG_PILEUP + FLAG_OUT_OF_RANGE
    assert encode(event, NEWEST).tolist() == words


def test_words_by_hand_250_mhz() -> None:
    # Source 1, fraction 1/4 of 16384: 4 ns times (0.25 - 1).
    event = _decoded([4 << 17 | 4 << 12 | 14 << 4 | 15, 1, 1 << 30 | 4096 << 16, 77], 250, 34688)
    assert (event["time"][0], event["cfd"][0], event["energy"][0]) == (8, -3.0, 77)
    forced = _decoded([4 << 17 | 4 << 12 | 14 << 4, 1, 1 << 31 | 1 << 30 | 4096 << 16, 77], 250, 34688)
    assert (forced["cfd"][0], forced["flags"][0]) == (0, FLAG_CFD_FORCED)


def test_words_by_hand_100_mhz_oldest() -> None:
    # 13-bit record length, out of range in bit 30 of word 0, 16-bit CFD fraction.
    event = _decoded([1 << 30 | 4 << 17 | 4 << 12 | 5 << 4 | 3, 7, 0x8000 << 16, 0xFFFF], 100, 18000)
    assert (event["time"][0], event["cfd"][0], event["energy"][0]) == (70, 5.0, 0xFFFF)
    assert event["flags"][0] == FLAG_OUT_OF_RANGE


def test_words_by_hand_32_channels() -> None:
    event = _decoded([4 << 17 | 4 << 12 | 3 << 10 | 9 << 6 | 31, 0, 0, 0], 250, 46540)
    assert (event["channel"][0], event["slot"][0], event["crate"][0]) == (31, 9, 3)


def test_words_by_hand_all_blocks() -> None:
    baseline = np.float32(1.5).view(np.uint32)
    # ESUM (trailing, leading, gap, baseline), QDC 0 to 7, ETS low and high, then a trace of four samples.
    words = [
        20 << 17 | 18 << 12 | 2 << 4,
        0,
        7 << 29,
        4 << 16,
        1,
        2,
        3,
        int(baseline),
        *range(10, 18),
        0xAABBCCDD,
        0x11223344,
    ]
    event = _decoded([*words, 2 << 16 | 1, 4 << 16 | 3], 500, 34688)
    assert event["esum"][0].tolist() == [1, 2, 3]
    assert event["baseline"][0] == 1.5
    assert event["qdc"][0].tolist() == list(range(10, 18))
    assert event["ets"][0] == 0x3344AABBCCDD  # 16 bits of the high word are the stamp's
    start, length = int(event["trace_start"][0]), int(event["trace_length"][0])
    assert event["traces"][start : start + length].tolist() == [1, 2, 3, 4]


def test_a_channel_with_its_cfd_off_gives_the_tick_alone() -> None:
    words = np.array([4 << 17 | 4 << 12 | 2 << 4 | 3, 1, 0, 5], np.uint32)
    # Source and fraction are 0 then, which is a CFD time too: which of them it is must be told.
    for off, cfd, flags in (((), -2.0, 0), ([3], 0.0, FLAG_CFD_FORCED), ([0, 4], -2.0, 0)):
        decoder = Decoder(NEWEST, cfd_off=off)
        (event,) = decoder.feed(words) + decoder.finish()
        assert (event["cfd"][0], event["flags"][0]) == (cfd, flags)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"time": 5}, "time modulo the tick of 10 ns of event 0 is 5: must be 0..0"),
        ({"time": 2**48 * 10}, "time in ticks of event 0"),
        ({"time": -10}, "time in ticks of event 0 is -1"),
        ({"slot": 1}, "slot of event 0 is 1: must be 2..14"),
        ({"slot": 15}, "slot of event 0 is 15"),
        ({"channel": 16}, "channel of event 0 is 16: must be 0..15"),
        ({"crate": 16}, "crate of event 0 is 16"),
        ({"flags": 0, "cfd": 8.0}, "CFD source of event 0 is 5: must be 0..4"),
        ({"flags": 0, "cfd": 1 / 3}, "cfd in units of 1/32768 ns"),
        ({"flags": 0, "cfd": 1 / 32768}, "cfd in steps of 8/32768 ns"),
        ({"parts": 8}, "parts of event 0 is 8: must be 0..7"),
        ({"trace_length": 3, "traces": [1, 2, 3]}, "trace_length of event 0 is 3: must be 0..32767 and even"),
        ({"trace_length": 4, "traces": [1, 2]}, "trace_start of event 0 is 4: must be 0..2"),
        ({"ets": 2**48, "parts": 1}, "ets of event 0"),
    ],
)
def test_what_does_not_fit_is_named_with_the_range(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        encode(_event(**fields), NEWEST)


def test_an_old_layout_has_narrower_fields() -> None:
    with pytest.raises(ValueError, match="energy of event 0 is 40000: must be 0..32767"):
        encode(_event(energy=40000), variant(500, 30000))
    with pytest.raises(ValueError, match="cannot say that a CFD was forced"):
        encode(_event(), variant(100, 18000))


def test_a_record_too_long_for_its_length_field() -> None:
    event = _event(flags=0, trace_length=17_000, traces=np.zeros(17_000))
    with pytest.raises(ValueError, match="record length of event 0 is 8504: must be 4..8191"):
        encode(event, variant(100, 18000))


def test_no_events_are_no_words() -> None:
    assert len(encode(ev.empty(), NEWEST)) == 0
