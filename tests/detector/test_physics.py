"""What a physicist would look for in the simulated data, with fixed seeds."""

from __future__ import annotations

import numpy as np
import pytest

from pixieioc.detector.crate import Module
from pixieioc.detector.response import DETECTORS, compton_edge
from tests.detector.runs import busy, run

GAIN = 10.0


def _in(energy: np.ndarray, low: float, high: float) -> np.ndarray:
    return energy[(energy >= low) & (energy < high)]


@pytest.mark.parametrize(("detector", "percent"), [("NaI", 7.0), ("LaBr3", 3.0), ("HPGe", 0.2), ("scintillator", 15.0)])
def test_lines_are_in_place_and_as_wide_as_the_detector_makes_them(detector: str, percent: float) -> None:
    alone = {"background": 0.0, "coincidence": 0.0, "pileup": False, "channels": 16, "channel_rate": 20_000.0}
    assert 100 * DETECTORS[detector].fwhm(661.7) / 661.7 == pytest.approx(percent)
    for source, line in (("137Cs", 661.7), ("54Mn", 834.8), ("40K", 1460.8)):
        data = run(0.5, (Module(detector=detector),), sources=((source, 1.0),), **alone)
        kev = (data.events["energy"] + 0.0) / GAIN
        width = percent / 100 * (661.7 * line) ** 0.5
        # Above the line's centre there is nothing but its upper half.
        upper = _in(kev, line, line + 5 * width) - line
        assert 2.3548 * (upper**2).mean() ** 0.5 == pytest.approx(width, rel=0.05)
        if detector != "scintillator":  # a peak, not only the end of the Compton continuum
            assert np.median(_in(kev, line - width, line + width)) == pytest.approx(line, abs=0.1 * width)


def test_the_continuum_is_klein_nishinas_with_a_backscatter_peak() -> None:
    data = run(
        1.0,
        (Module(detector="HPGe"),),
        sources=(("137Cs", 1.0),),
        background=0.0,
        pileup=False,
        channels=16,
        channel_rate=20_000.0,
    )
    kev = data.events["energy"] / GAIN
    edge = compton_edge(661.7)
    assert edge == pytest.approx(477.3, abs=0.1)
    assert len(_in(kev, edge + 2, 650)) == 0 < len(_in(kev, edge - 20, edge - 2))
    # Klein and Nishina by angle, as in the textbooks, instead of by energy.
    cosine = np.linspace(-1, 1, 100_001)
    ratio = 1 / (1 + 661.7 / 511 * (1 - cosine))
    weights = ratio**2 * (ratio + 1 / ratio - 1 + cosine**2)
    expected = np.histogram(661.7 * (1 - ratio), (250, 300, 350, 400, 450, 470), weights=weights)[0]
    found = np.histogram(kev, (250, 300, 350, 400, 450, 470))[0]
    assert found / found.sum() == pytest.approx(expected / expected.sum(), rel=0.05)
    # Scattered by 180 degrees: 661.7 / (1 + 2 x 661.7 / 511).
    assert len(_in(kev, 184.3, 200)) > 2 * len(_in(kev, 165, 180.7))


def test_the_room_is_an_exponential() -> None:
    data = run(1.0, sources=(), pileup=False, channels=16, channel_rate=20_000.0)
    assert data.events["energy"].mean() / GAIN == pytest.approx(400, rel=0.03)


def test_times_are_poisson_distributed() -> None:
    data = run(1.0, coincidence=0.0, channels=4, channel_rate=20_000.0)
    for channel in range(4):
        times = np.sort(data.time[data.events["channel"] == channel])
        assert len(times) == pytest.approx(20_000, abs=5 * 20_000**0.5)
        gaps = np.diff(times) / 50_000  # in units of the mean
        for k in (1, 2, 3):  # the moments of an exponential distribution are k!
            assert (gaps**k).mean() == pytest.approx([1, 1, 2, 6][k], rel=0.12)
        # Kolmogorov and Smirnov's distance, at 99.9 %.
        expected = 1 - np.exp(-np.sort(gaps))
        assert np.abs(np.arange(len(gaps)) / len(gaps) - expected).max() < 1.95 / len(gaps) ** 0.5
        counts = np.histogram(times, 500, (0, 1e9))[0]
        assert counts.var() / counts.mean() == pytest.approx(1, abs=0.2)


def test_cascade_partners_are_in_another_channel_within_1500_ps() -> None:
    modules = (Module(), Module(250, 34688), Module(100, 34688))
    data = run(
        1.0,
        modules,
        sources=(("60Co", 1.0),),
        coincidence=0.3,
        background=0.0,
        cfd_fails_kev=0.0,
        channels=4,
        channel_rate=200.0,
        pileup=False,
    )
    order = np.argsort(data.time, kind="stable")
    time, place = data.time[order], (4 * data.events["module"].astype(int) + data.events["channel"])[order]
    gap = np.diff(time)
    pairs = gap < 3
    assert gap[pairs].max() <= 1.5 + 0.001
    assert gap[pairs].mean() == pytest.approx(0.75, abs=0.1)
    assert (place[1:][pairs] != place[:-1][pairs]).all()
    assert 2 * pairs.sum() / len(time) == pytest.approx(2 * 0.3 / 1.3, rel=0.1)
    assert set(zip(place[1:][pairs] // 4, place[:-1][pairs] // 4, strict=True)) == {
        (a, b) for a in range(3) for b in range(3)
    }
    # One is 1173 keV, the other 1333 keV.
    kev = (data.events["energy"] / GAIN)[order]
    first, second = kev[:-1][pairs], kev[1:][pairs]
    peak = (first > 1140) & (second > 1140)  # above both Compton edges
    assert peak.sum() > 10
    assert np.abs(first + second - 2505.7)[peak].max() < 200


@pytest.mark.parametrize(("rate", "rise", "flat"), [(5e4, 0.2, 0.1), (1e4, 2.0, 0.5), (1e5, 0.5, 1.0)])
def test_pileup(rate: float, rise: float, flat: float) -> None:
    tau = 1e-6 * (rise + flat)
    data = run(8e5 / 16 / rate, channels=16, channel_rate=rate, rise_us=rise, flat_top_us=flat, coincidence=0.0)
    piled = data.events["flags"] & 1 > 0
    assert piled.mean() == pytest.approx(1 - np.exp(-2 * rate * tau), rel=0.04)
    assert (data.events["energy"][piled] == 0).mean() == pytest.approx(0.5, abs=0.03)
    assert (data.events["energy"][~piled] == 0).mean() < 0.01
    # Exactly those are marked that have a neighbour; a tick's rounding (10 ns) decides at the window's end.
    for channel in range(16):
        here = data.events["channel"] == channel
        order = np.argsort(data.events["time"][here])
        gaps = np.concatenate([[np.inf], np.diff(data.events["time"][here][order]), [np.inf]])
        nearest, marked = np.minimum(gaps[:-1], gaps[1:]), piled[here][order]
        assert marked[nearest < tau * 1e9 - 10].all()
        assert not marked[nearest > tau * 1e9 + 10].any()


def test_a_stream_goes_backwards_as_often_as_a_real_one() -> None:
    for data in (
        busy(),
        run(1.0, channels=16, channel_rate=3000.0),
        run(0.1, channels=2, channel_rate=2e5, coincidence=0.0),
        run(0.02, channels=16, channel_rate=3e5, sources=(("22Na", 1.0),), coincidence=0.5),
    ):
        time = data.events["time"]
        assert (np.diff(time) < 0).mean() == pytest.approx(0.09, abs=0.02)
        assert (np.maximum.accumulate(time) - time).max() < 50_000
        # Each channel by itself is in order.
        for channel in range(16):
            assert (np.diff(time[data.events["channel"] == channel]) >= 0).all()
    ordered = run(0.1, channels=16, channel_rate=2e4, backwards=0.0, coincidence=0.0).events["time"]
    assert (np.diff(ordered) < 0).mean() < 0.01


def test_the_cfd_fails_more_often_at_low_energies() -> None:
    events = busy().events
    clean = events["flags"] & 1 == 0
    failed, kev = events["flags"][clean] & 4 > 0, events["energy"][clean] / GAIN
    for low, high in ((50, 100), (150, 200), (400, 450), (640, 680), (1300, 1400)):
        here = (kev >= low) & (kev < high)
        share = np.exp(-kev[here] / 200).mean()
        assert failed[here].mean() == pytest.approx(share, abs=4 * (share / here.sum()) ** 0.5 + 0.001)
    assert (events["cfd"][events["flags"] & 4 > 0] == 0).all()


def test_dead_time() -> None:
    rate, dead = 20_000.0, 10e-6
    data = run(1.0, channels=16, channel_rate=rate, dead_us=dead * 1e6, coincidence=0.0)
    counts = data.simulation.counts
    assert counts.events / counts.hits == pytest.approx(1 / (1 + rate * dead), rel=0.005)
    assert counts.hits == counts.events + counts.dead
    for channel in range(16):
        assert np.diff(np.sort(data.time[data.events["channel"] == channel])).min() > dead * 1e9 - 10


def test_every_channel_has_its_rate() -> None:
    data = busy()
    assert data.simulation.counts.events == len(data.events["time"]) == data.simulation.counts.hits
    rates = np.bincount(data.events["channel"], minlength=16)
    assert np.abs(rates - 20_000).max() < 6 * 20_000**0.5
    assert data.events["time"].max() < 1e9
