"""Time that goes on, seeds, counters, faults, and crates that cannot be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pixieioc.detector.crate import BadCrate, Channel, Crate, Module
from pixieioc.detector.simulation import SLICE_NS, Simulation
from pixieioc.listmode import events as ev
from pixieioc.listmode.stream import Decoder
from tests.detector.runs import MODULE, crate, run, words_of

CRATES = [
    crate(channels=16, channel_rate=3000.0, trace_us=1.0, qdc=True, energy_sums=True, external_time=True),
    crate((Module(), Module(100, 17562, "HPGe"), Module(250, 46540, "NaI")), channel_rate=2e5, dead_us=1.0),
    crate(channel_rate=5e4, corrupt_rate=20.0, truncate_rate=20.0, reset_interval=0.1),
]


@pytest.mark.parametrize("cut", CRATES, ids=["blocks", "mixed", "faults"])
def test_the_same_seed_gives_the_same_words_however_time_is_cut(cut: Crate) -> None:
    _, whole = words_of(cut, [0.3], finish=False)
    cuts = np.sort(np.random.default_rng(3).uniform(0, 0.3, 40)).tolist()
    _, pieces = words_of(cut, [*cuts, 0.3], finish=False)
    _, other = words_of(cut, [0.3], seed=2, finish=False)
    for module, words in whole.items():
        assert len(words) > 1000
        assert np.array_equal(words, pieces[module])
        assert not np.array_equal(words, other[module])


def test_read_outs_are_bounded_and_nothing_is_left_out() -> None:
    simulation = Simulation(crate(channels=16, channel_rate=1e5), np.random.default_rng(1))
    total = 0
    while not simulation.is_at(10**8):
        words = len(simulation.advance(10**8, most_words=100_000)[0])
        assert 0 < words < 300_000
        total += words
    total += len(simulation.finish(10**8)[0])
    assert total == simulation.counts.words == 4 * simulation.counts.events
    assert simulation.counts.events == pytest.approx(160_000, rel=0.03)
    with pytest.raises(ValueError, match="more than a slice"):
        simulation.finish(10**8 + 2 * SLICE_NS)


def test_rates_can_change() -> None:
    simulation = Simulation(crate(channel_rate=1e4), np.random.default_rng(1))
    simulation.advance(10**9)
    slow = simulation.counts.events
    simulation.change(channel_rate=5e4, corrupt_rate=0.0, truncate_rate=0.0)
    simulation.advance(2 * 10**9)
    assert (simulation.counts.events - slow) / slow == pytest.approx(5, rel=0.05)
    simulation.change(channel_rate=0.0, corrupt_rate=0.0, truncate_rate=0.0)
    simulation.finish()
    before = simulation.counts.events
    assert len(simulation.advance(3 * 10**9)[0]) == 0
    assert simulation.counts.events == before


@pytest.mark.parametrize("settings", [{}, {"trace_us": 1.0}, {"energy_sums": True, "qdc": True}], ids=str)
@pytest.mark.parametrize("kind", ["corrupt", "truncate"])
def test_faults_are_made_and_found(kind: str, settings: dict[str, Any]) -> None:
    data = run(4.0, channel_rate=2000.0, **{f"{kind}_rate": 5.0}, **settings)
    made, found = data.simulation.counts, data.decoded[0]
    faults = {"corrupt": made.corrupt_words, "truncate": made.truncated_blocks}[kind]
    assert 10 < faults < 35
    assert made.corrupt_words + made.truncated_blocks == faults
    assert made.words == len(data.words[0])
    # Two that are next to each other are one region.
    assert faults - 2 <= found.corrupt_regions <= faults
    assert found.words_lost > 0
    # What is missing is what was hit, and at most one record beside each fault that the decoder gives up.
    missing = made.events - found.events
    assert made.events_hit - faults <= missing <= made.events_hit + 4 * faults


def test_counters_begin_anew() -> None:
    data = run(1.0, channel_rate=5000.0, reset_interval=0.3, external_time=True)
    assert data.simulation.counts.counter_resets == 3
    time = data.events["time"]
    assert (np.diff(time) < -1e8).sum() == 3
    assert time.max() < 0.33e9
    # The external clock goes on.
    assert (np.diff(data.events["ets"].astype(float)) > -10_000).all()
    assert data.simulation.counts.events == len(time) == pytest.approx(20_000, rel=0.05)


def test_counters_begin_anew_when_told() -> None:
    simulation = Simulation(crate(channel_rate=5000.0), np.random.default_rng(1))
    simulation.advance(10**9)
    simulation.reset_counters()
    ticks = simulation.advance(2 * 10**9)[0][1::4]
    assert ticks.min() < 1e5 < 0.99e8 < ticks.max() < 1e8
    assert simulation.counts.counter_resets == 1


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"channels": 17}, "module 0: channels = 17: 500 MHz, firmware 34688 and later has channels 1 to 16"),
        ({"modules": (Module(250, 46540),), "channels": 33}, "has channels 1 to 32"),
        ({"modules": (Module(250, 46540), Module(250, 34688)), "channels": 20}, "module 1: channels = 20"),
        ({"modules": ()}, "0 modules: a crate has 1 to 13"),
        ({"modules": MODULE * 14}, "14 modules: a crate has 1 to 13"),
        ({"modules": (Module(400),)}, r"module 0: ADC rate 400 MHz: must be one of \[100, 250, 500\]"),
        ({"modules": (Module(500, 20000),)}, "firmware revision 20000 of a 500 MHz module: must be 29432 or later"),
        ({"modules": (Module(detector="BGO"),)}, "detector 'BGO': must be one of LaBr3, NaI, HPGe, scintillator"),
        ({"sources": (("61Co", 1.0),)}, "source '61Co': must be one of 22Na, 40K, "),
        ({"sources": (("60Co", 0.0),)}, "weight 0 of source 60Co: must be above 0"),
        ({"trace_us": 70.0}, "a trace of 70 us: at most 65.5"),
        (
            {"modules": (Module(100, 17562),), "external_time": True},
            "external time stamps need firmware revision 30980 or later, not 100 MHz, firmware 17562..29431",
        ),
    ],
)
def test_crates_that_cannot_be_are_refused(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(BadCrate, match=says):
        crate(**settings)


def test_settings_are_those_of_all_channels_or_of_each() -> None:
    each = Module(settings=(Channel(), Channel(good=False), Channel(threshold_kev=1e4), Channel(trace_us=0.2)))
    with pytest.raises(BadCrate, match="module 0: has those of 4 channels: must be 1 or 5"):
        Crate((each,), 5)
    with pytest.raises(BadCrate, match="module 0: faults need records of one length"):
        Crate((each,), 4, corrupt_rate=1.0)
    simulation = Simulation(Crate((each,), 4), np.random.default_rng(1))
    words = np.concatenate([simulation.advance(10**9)[0], simulation.finish(10**9)[0]])
    decoder = Decoder(each.layout)
    events = ev.concatenate([*decoder.feed(words), *decoder.finish()])
    counts = np.bincount(events["channel"], minlength=4)
    assert (simulation.records_of == counts).all()
    assert (counts[1], counts[2], simulation.hits_of[2]) == (0, 0, 0)
    assert min(counts[0], counts[3], simulation.hits_of[1]) > 800
    assert set(events["trace_length"][events["channel"] == 3]) == {100}


def test_all_that_is_wrong_is_said() -> None:
    with pytest.raises(BadCrate) as caught:
        crate((Module(400), Module(detector="BGO")), channels=17, sources=(("x", 1.0),))
    assert len(str(caught.value).split("; ")) == 4
