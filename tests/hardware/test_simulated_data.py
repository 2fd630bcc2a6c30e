"""The simulated modules take data as their settings say, in the format of their type, and their counters agree."""

from __future__ import annotations

import ctypes
import time

import numpy as np
import pytest
from numpy.typing import NDArray

from pixieioc.hardware.crate import RUN_LEADER
from pixieioc.listmode.flags import FLAG_CFD_FORCED, FLAG_OUT_OF_RANGE, FLAG_PILEUP
from pixieioc.listmode.variant import VARIANTS, Variant, variant
from tests.hardware.simulation import Sdk, Simulation, decoded, until

LAYOUT = variant(500, 35207)
GOOD, POSITIVE, HISTOGRAM, TRACE, QDC, CFD, SUMS, GAIN = (1 << bit for bit in (2, 5, 7, 8, 9, 10, 12, 14))
ONLY_CHANNEL_0 = ("rate 0", "rate 2000 channel 0")
#: 1000 keV exactly, at equal intervals; 2000 ADC units of 16384 with the smaller gain.
PULSER = (*ONLY_CHANNEL_0, "pulser 1000")


def _of_channel_0(sdk: Sdk, csra: int = GOOD | POSITIVE, **settings: float) -> None:
    sdk.write("CHANNEL_CSRA", csra)
    for name, value in settings.items():
        sdk.write(name, value)


@pytest.mark.parametrize("layout", VARIANTS, ids=str)
def test_records_of_each_kind_of_module(simulation: Simulation, layout: Variant) -> None:
    revision = layout.first_revision
    letter = "H" if revision >= 46540 else "D" if layout.adc_mhz == 100 else "F"
    simulation.control(f"slot 5 {letter} {layout.adc_mhz} 14 {revision}", "rate 300")
    sdk = Sdk(simulation, (5,), boot=False)
    files = [str(path).encode() for path in simulation.firmware(letter.lower(), layout.adc_mhz, 14, revision)]
    settings = str(simulation.default_settings()).encode()
    assert sdk.api.Pixie16BootModule(files[0], files[1], b" ", files[2], settings, files[3], 0, 0x7F) == 0
    assert sdk.write_module("CrateID", 3) == 0
    channels = 32 if letter == "H" else 16
    for channel in range(channels):
        sdk.write("CHANNEL_CSRA", GOOD | POSITIVE | TRACE * (channel % 2) | SUMS * (channel % 3 == 0) | CFD, 0, channel)
    [words] = sdk.run(0.1)
    events, statistics = decoded(words, layout), sdk.statistics()
    assert set(events["slot"]) == {5}
    assert set(events["crate"]) == {3}
    assert np.bincount(events["channel"], minlength=32).tolist() == statistics["RawOutputCount"].tolist()
    assert np.bincount(events["channel"], minlength=32)[:channels].min() > 0
    assert events["time"].min() >= 0
    assert events["time"].max() <= 1e9 * statistics["RealTime"]
    with_trace = events["channel"] % 2 == 1
    samples = round(sdk.read("TRACE_LENGTH") * layout.adc_mhz)
    assert set(events["trace_length"][with_trace]) == {samples}
    assert set(events["trace_length"][~with_trace]) == {0}


def test_statistics_agree_with_the_data(simulation: Simulation) -> None:
    simulation.control("rate 12000")
    sdk = Sdk(simulation, (2, 3))
    for module, words in enumerate(sdk.run(0.3)):
        events, statistics = decoded(words, LAYOUT), sdk.statistics(module)
        counts = np.bincount(events["channel"], minlength=32)
        assert counts.tolist() == statistics["RawOutputCount"].tolist()
        used = slice(0, 16)
        assert (statistics["RawInputCount"][used] >= counts[used]).all()
        assert (statistics["LiveTime"][used] < statistics["RealTime"]).all()
        # The input rate is that of triggers in live time: the true one of what is above the threshold.
        assert statistics["InputCountRate"][used].mean() == pytest.approx(12_000 * 0.967, rel=0.05)
        assert statistics["OutputCountRate"][used].sum() == pytest.approx(len(events["time"]) / statistics["RealTime"])
        assert 0 < (events["flags"] & FLAG_PILEUP > 0).mean() < 0.05
        assert not events["energy"][events["flags"] & FLAG_PILEUP > 0].any()
        assert sdk.losses(module) == {
            "in": len(words), "out": len(words), "dma_in": len(words), "overflows": 0, "dropped": 0, "hw_overflows": 0
        }  # fmt: skip


def test_the_threshold_decides_what_triggers(simulation: Simulation) -> None:
    simulation.control(*PULSER)
    sdk = Sdk(simulation)
    for threshold, seen in ((1999, True), (2001, False)):
        _of_channel_0(sdk, TRIGGER_RISETIME=0.02, TRIGGER_THRESHOLD=threshold)
        events = decoded(sdk.run(0.05)[0], LAYOUT)
        assert (len(events["time"]) > 50) is seen, threshold
        assert bool(sdk.statistics()["RawInputCount"][0] > 50) is seen


def test_polarity_gain_and_good_channel(simulation: Simulation) -> None:
    simulation.control(*PULSER)
    sdk = Sdk(simulation)
    energies = {}
    for name, csra in (
        ("small", GOOD | POSITIVE),
        ("large", GOOD | POSITIVE | GAIN),
        ("negative", GOOD),
        ("bad", POSITIVE),
    ):
        _of_channel_0(sdk, csra)
        energies[name] = decoded(sdk.run(0.05)[0], LAYOUT)["energy"]
        # What is not recorded may still trigger; with the wrong polarity, nothing does.
        assert bool(sdk.statistics()["RawInputCount"][0] > 0) is (name != "negative")
    assert len(energies["negative"]) == len(energies["bad"]) == 0
    assert energies["small"].mean() == pytest.approx(65536 * 1000 / 8192, rel=0.01)
    assert energies["large"].mean() == pytest.approx(4 * energies["small"].mean(), rel=0.01)
    simulation.control(*PULSER, "negative")
    _of_channel_0(sdk, GOOD)
    assert len(decoded(sdk.run(0.05)[0], LAYOUT)["time"]) > 50


@pytest.mark.parametrize(("length", "delay"), [(0.2, 0.1), (2.0, 0.8), (4.0, 0.4)])
def test_traces_have_their_length_and_their_pulse_after_the_delay(
    simulation: Simulation, length: float, delay: float
) -> None:
    simulation.control(*PULSER)
    sdk = Sdk(simulation)
    _of_channel_0(sdk, GOOD | POSITIVE | TRACE, TRACE_LENGTH=length, TRACE_DELAY=delay)
    assert sdk.api.Pixie16AdjustOffsets(0) == 0
    events = decoded(sdk.run(0.05)[0], LAYOUT)
    samples, before = round(500 * length), round(500 * delay)
    assert set(events["trace_length"]) == {samples}
    mean = np.mean([events["traces"][start : start + samples] for start in events["trace_start"]], axis=0)
    assert mean[:before].mean() == pytest.approx(0.1 * 16384, abs=3)  # BASELINE_PERCENT is 10
    assert mean[:before].std() < 2
    assert mean[before + 5] > mean[0] + 500
    assert mean.argmax() == pytest.approx(before + 30, abs=15)
    assert not (events["flags"] & FLAG_OUT_OF_RANGE).any()
    _of_channel_0(sdk, GOOD | POSITIVE | TRACE | GAIN, VOFFSET=1.4)
    assert (decoded(sdk.run(0.05)[0], LAYOUT)["flags"] & FLAG_OUT_OF_RANGE).all()


@pytest.mark.parametrize(("kind", "layout"), [("F 500 14", LAYOUT), ("F 250 16", variant(250, 35207))])
def test_the_cfd_tells_the_time_within_a_tick(simulation: Simulation, kind: str, layout: Variant) -> None:
    # Two channels see the same pulser, 1.7 ns apart.
    simulation.control(f"slot 2 {kind}", "rate 0", "rate 1007 channel 0", "rate 1007 channel 1", "pulser 1000")
    sdk = Sdk(simulation)
    found = {}
    for csra in (GOOD | POSITIVE, GOOD | POSITIVE | CFD):
        for channel in (0, 1):
            sdk.write("CHANNEL_CSRA", csra, 0, channel)
        events = decoded(sdk.run(0.05)[0], layout)
        times = [(events["time"] + events["cfd"].astype(float))[events["channel"] == channel] for channel in (0, 1)]
        found[csra & CFD] = times[1] - times[0]
    assert found[CFD] == pytest.approx(1.7, abs=0.001)
    assert set(found[0]) <= {0.0, float(layout.tick_ns)}
    # A threshold of the CFD above the pulse: it cannot tell.
    for channel in (0, 1):
        sdk.write("CFDThresh", 65535, 0, channel)
    events = decoded(sdk.run(0.05)[0], layout)
    assert (events["flags"] & FLAG_CFD_FORCED).all()
    assert not events["cfd"].any()


def test_sums_and_qdc_belong_to_the_pulse(simulation: Simulation) -> None:
    simulation.control(*PULSER)
    sdk = Sdk(simulation)
    _of_channel_0(sdk, GOOD | POSITIVE | SUMS | QDC, TRACE_DELAY=0.4, QDCLen0=0.4, QDCLen1=0.2)
    sdk.api.Pixie16AdjustOffsets(0)
    events = decoded(sdk.run(0.05)[0], LAYOUT)
    ticks = round(sdk.read("ENERGY_RISETIME") / 0.01)
    trailing, leading, gap = events["esum"][0]
    assert (leading - trailing) / ticks == pytest.approx(2000, rel=0.01)
    assert events["baseline"][0] == pytest.approx(1638, abs=2)
    assert trailing < gap / sdk.read("ENERGY_FLATTOP") * sdk.read("ENERGY_RISETIME") < leading
    # The first sum ends where the pulse begins: the baseline alone, 200 samples of it.
    assert events["qdc"][0][0] / 200 == pytest.approx(1638, abs=2)
    assert events["qdc"][0][1] / 100 > 1638 + 1000


def test_histograms_follow_their_bit_and_binning(simulation: Simulation) -> None:
    simulation.control(*PULSER)
    sdk = Sdk(simulation)
    bins = (ctypes.c_uint * 32768)()

    def histogram() -> NDArray[np.uint32]:
        assert sdk.api.Pixie16ReadHistogramFromModule(bins, 32768, 0, 0) == 0
        return np.array(bins)

    for csra, factor, emin, wanted in (
        (GOOD | POSITIVE, 1, 0, None),
        (GOOD | POSITIVE | HISTOGRAM, 1, 0, 4000),
        (GOOD | POSITIVE | HISTOGRAM, 3, 0, 1000),
        (GOOD | POSITIVE | HISTOGRAM, 3, 20000, None),
    ):
        _of_channel_0(sdk, csra, BINFACTOR=factor, EMIN=emin)
        events = decoded(sdk.run(0.05)[0], LAYOUT)
        found = histogram()
        assert found.sum() == (len(events["time"]) if wanted else 0)
        if wanted:
            assert np.average(np.arange(32768), weights=found) == pytest.approx(wanted, rel=0.01)
    # A run for histograms alone ends by itself.
    _of_channel_0(sdk, GOOD | POSITIVE, EMIN=0)
    preset = ctypes.c_uint.from_buffer_copy(ctypes.c_float(0.1)).value
    assert sdk.write_module("HOST_RT_PRESET", preset) == 0
    assert sdk.api.Pixie16StartHistogramRun(0, 1) == 0
    until(lambda: not sdk.api.Pixie16CheckRunStatus(0))
    assert sdk.statistics()["RealTime"] == pytest.approx(0.1)
    assert (histogram().sum(), sdk.level()) == (200, 0)


def test_synchronous_modules_start_and_end_together(simulation: Simulation) -> None:
    simulation.control("rate 500")
    sdk = Sdk(simulation, (2, 3, 4))
    sdk.write_module("SYNCH_WAIT", 1)
    sdk.write_module("IN_SYNCH", 0)
    assert sdk.start() == -206  # until one of them leads the run
    sdk.write_module("MODULE_CSRB", RUN_LEADER, 1)
    for module in (0, 1):
        assert sdk.api.Pixie16StartListModeRun(module, 0x100, 1) == 0
    time.sleep(0.05)  # they wait for the third: as long as that takes, they count nothing
    assert sdk.statistics()["RealTime"] == 0
    assert sdk.api.Pixie16StartListModeRun(2, 0x100, 1) == 0
    assert sdk.api.Pixie16StartListModeRun(2, 0x100, 1) == -218
    until(lambda: bool(sdk.statistics()["RealTime"] > 0.05))
    assert sdk.api.Pixie16EndRun(1) == 0
    assert [sdk.api.Pixie16CheckRunStatus(module) for module in range(3)] == [0, 0, 0]
    assert len({float(sdk.statistics(module)["RealTime"]) for module in range(3)}) == 1
    # Clocks go on unless they are told to begin again.
    assert sdk.read_module("IN_SYNCH") == 1
    first = decoded(sdk.run(0.05)[0], LAYOUT)["time"].min()
    sdk.write_module("IN_SYNCH", 0)
    again = decoded(sdk.run(0.05)[0], LAYOUT)["time"].min()
    assert again < 2e7 < first


def test_a_stalled_reader_loses_whole_records_that_are_counted(simulation: Simulation) -> None:
    simulation.control("rate 12000", "buffers 4", "fifo_words 16384")
    sdk = Sdk(simulation)
    assert sdk.start() == 0
    time.sleep(0.3)  # nobody reads
    assert sdk.api.Pixie16EndRun(0) == 0
    losses, words = sdk.losses(), sdk.take()
    events = decoded(words[: len(words) // 4 * 4], LAYOUT)
    taken = sdk.statistics()["RawOutputCount"].sum()
    assert len(words) == 4 * 8192
    assert (losses["in"], losses["dropped"] + losses["in"]) == (4 * 8192, 4 * 8192 + 16384)
    assert losses["hw_overflows"] > 0
    assert losses["overflows"] > 0
    assert taken > len(events["time"]) + losses["dropped"] / 4 > 0
    # The next run begins without what is left; nothing is lost of it, however late this computer reads.
    simulation.control("rate 200", "buffers 4")
    [words] = sdk.run(0.05)
    assert len(decoded(words, LAYOUT)["time"]) == sdk.statistics()["RawOutputCount"].sum()


def test_set_up_tools(simulation: Simulation) -> None:
    simulation.control("rate 1000", "tau 0.7", "slot 3 H 250 14")
    sdk = Sdk(simulation, (2, 3))
    taus, cut = (ctypes.c_double * 32)(*[0.0] * 32), ctypes.c_uint()
    for module in (0, 1):
        samples = ctypes.c_uint()
        trace = (ctypes.c_ushort * 8192)()
        assert sdk.api.Pixie16ReadSglChanADCTrace(trace, 8192, module, 0) == -206
        assert sdk.api.Pixie16AcquireADCTrace(module) == 0
        assert sdk.api.PixieGetTraceLength(module, 0, ctypes.byref(samples)) == 0
        assert sdk.api.Pixie16AdjustOffsets(module) == 0
        assert sdk.api.Pixie16ReadSglChanADCTrace(trace, samples.value, module, 0) == 0
        assert np.median(np.array(trace)) == pytest.approx(1638, abs=20)
    values, times = (ctypes.c_double * 3640)(), (ctypes.c_double * 3640)()
    assert sdk.api.Pixie16AcquireBaselines(0) == 0
    assert sdk.api.Pixie16ReadSglChanBaselines(values, times, 3640, 0, 0) == 0
    assert np.mean(np.array(values)) == pytest.approx(1638, abs=2)
    assert sdk.api.Pixie16BLcutFinder(0, 0, ctypes.byref(cut)) == 0
    assert sdk.read("BLCUT") == cut.value > 0
    sdk.write("CHANNEL_CSRA", POSITIVE, 0, 1)
    assert sdk.api.Pixie16TauFinder(0, taus) == 0
    assert list(taus) == [0.7, -1.0, *[0.7] * 14, *[0.0] * 16]
    # Not with modules of revision H.
    assert sdk.api.Pixie16AcquireBaselines(1) == sdk.api.Pixie16TauFinder(1, taus) == -803
    assert sdk.api.Pixie16BLcutFinder(1, 0, ctypes.byref(cut)) == -803
