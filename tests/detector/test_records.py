"""Records of every variant: what the decoder reads is what the encoder would have written."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pixieioc.detector import pulse
from pixieioc.detector.crate import FIRST_ETS_REVISION, Module
from pixieioc.detector.response import DETECTORS
from pixieioc.listmode import events as ev
from pixieioc.listmode.encode import encode
from pixieioc.listmode.stream import Decoder
from pixieioc.listmode.variant import VARIANTS, Variant
from tests.detector.runs import TRIGGER, run

BLOCKS: dict[str, Any] = {"qdc": True, "energy_sums": True, "external_time": True}


def _revision(row: Variant) -> int:
    """The row's first revision, or the first with external time stamps if it is in the row."""
    last = row.last_revision or row.first_revision
    return min(max(row.first_revision, FIRST_ETS_REVISION), last)


@pytest.mark.parametrize("traced", [0.0, 1.0])
@pytest.mark.parametrize("row", VARIANTS, ids=str)
def test_words_are_those_of_the_encoder(row: Variant, traced: float) -> None:
    blocks = {**BLOCKS, "external_time": _revision(row) >= FIRST_ETS_REVISION}
    for settings in (blocks, {"qdc": True}, {"energy_sums": True}, {}):
        module = Module(row.adc_mhz, _revision(row))
        data = run(
            0.02, (module,), channels=16, channel_rate=10_000.0, full_scale_kev=1000.0, trace_us=traced, **settings
        )
        counts = data.decoded[0]
        assert (counts.events, counts.corrupt_regions) == (data.simulation.counts.events, 0)
        assert counts.events > 2500
        assert (encode(data.events, row) == data.words[0]).all()
        assert np.bitwise_or.reduce(data.events["flags"]) == (7 if row.cfd_forced.count else 3)
        if settings:
            assert (data.events["parts"] == data.simulation.crate.modules[0].channel(0).parts).all()


def test_all_channels_of_a_module_with_32() -> None:
    data = run(0.01, (Module(250, 46540),) * 2, channels=32, channel_rate=5000.0)
    assert set(data.events["channel"]) == set(range(32))
    assert set(data.events["slot"]) == {2, 3}


@pytest.mark.parametrize("adc_mhz", [100, 250, 500])
@pytest.mark.parametrize("detector", list(DETECTORS))
def test_traces_are_pulses_on_a_baseline(detector: str, adc_mhz: int) -> None:
    module = Module(adc_mhz, 34688, detector)
    data = run(0.02, (module,), channels=4, channel_rate=1000.0, trace_us=2.0, sources=(("40K", 1.0),), coincidence=0.0)
    events = ev.compact(data.events)
    traces = events[ev.TRACES].reshape(-1, 2 * adc_mhz).astype(float)
    clean = events["flags"] == 0
    trigger = int(TRIGGER * 2 * adc_mhz)
    before = traces[clean][:, : trigger - 1]
    heights = traces[clean].max(axis=1) - np.median(before, axis=1)
    kev = events["energy"][clean] / 10
    units = (pulse.ADC_TOP - pulse.BASELINE) / 3000.0
    big = kev > 600
    assert big.sum() > 20
    assert heights[big] / units == pytest.approx(kev[big], rel=0.02 if adc_mhz > 100 else 0.06)
    if detector != "HPGe":  # its pulses still decay in the next trace
        assert np.median(before) == pytest.approx(1750, abs=2)
        assert before[:, :-1].std(axis=1).mean() == pytest.approx(4, rel=0.1)
    # Half of the height is reached right behind the trigger.
    half = np.argmax(traces[clean][big] > 1750 + heights[big][:, None] / 2, axis=1)
    if detector != "HPGe":
        assert np.abs(half - trigger).max() <= 2 + 30e-3 * adc_mhz


def test_what_is_above_full_scale_is_clipped_and_marked() -> None:
    data = run(0.1, channels=4, channel_rate=5000.0, trace_us=1.0, full_scale_kev=600.0, sources=(("137Cs", 1.0),))
    events = ev.compact(data.events)
    highest = events[ev.TRACES].reshape(-1, 500).max(axis=1)
    marked = events["flags"] & 2 > 0
    assert highest.max() == pulse.ADC_TOP
    assert (highest[marked] == pulse.ADC_TOP).all()
    assert (highest[~marked] <= pulse.ADC_TOP).all()
    assert 0.2 < marked.mean() < 0.6
    sums_only = run(0.1, channels=4, channel_rate=5000.0, full_scale_kev=600.0, sources=(("137Cs", 1.0),))
    assert (sums_only.events["flags"] & 2 > 0).mean() == pytest.approx(marked.mean(), abs=0.05)


def test_a_piled_up_trace_has_both_pulses_and_tails_of_earlier_ones() -> None:
    late = {"channels": 1, "channel_rate": 1e5, "trace_us": 4.0, "rise_us": 1.5, "cfd_fails_kev": 0.0}
    data = run(0.02, sources=(("137Cs", 1.0),), background=0.0, **late)
    events = ev.compact(data.events)
    traces = events[ev.TRACES].reshape(-1, 2000).astype(float)
    gaps = np.diff(data.time)
    pairs = np.flatnonzero((gaps > 500) & (gaps < 2500))
    assert len(pairs) > 100
    for i in pairs:
        second = 600 + int(gaps[i] // 2)  # what is the trigger of the one is in the middle of the other
        assert traces[i][second : second + 50].max() == pytest.approx(traces[i + 1][600:650].max(), abs=60)
    tails = run(0.02, (Module(detector="HPGe"),), **late).events
    first = ev.compact(tails)[ev.TRACES].reshape(-1, 2000)[:, 0]
    assert first[:3].min() < 2200 < np.median(first)


def test_sums_are_those_of_the_trace() -> None:
    data = run(0.1, channels=4, channel_rate=2000.0, trace_us=1.6, **BLOCKS)
    events = ev.compact(data.events)
    traces = events[ev.TRACES].reshape(-1, 800)
    assert (traces.reshape(-1, 8, 100).sum(axis=2) == events["qdc"]).all()
    trailing, leading, gap = events["esum"].astype(float).T
    units = (pulse.ADC_TOP - pulse.BASELINE) / 3000.0
    clean = events["flags"] & 1 == 0
    samples = round(0.2 * 500)
    assert ((leading - trailing) / samples / units)[clean] == pytest.approx(events["energy"][clean] / 10, abs=0.1)
    assert trailing / samples == pytest.approx(events["baseline"], abs=0.02)
    assert (gap >= trailing / samples * 50 - 1).all()
    # Pileup spoils the energy, not the sums.
    assert (leading > trailing)[events["energy"] == 0].all()
    # 100 MHz: the external clock counts units of 10 ns.
    assert np.abs(events["ets"].astype(float) * 10 - data.time).max() <= 20


def test_a_decoder_may_get_them_in_pieces() -> None:
    data = run(0.05, channels=4, channel_rate=5000.0, trace_us=1.0, **BLOCKS)
    decoder = Decoder(Module().layout)
    chunks = [c for block in np.array_split(data.words[0], 97) for c in decoder.feed(block)] + decoder.finish()
    assert (encode(ev.concatenate(chunks), Module().layout) == data.words[0]).all()
