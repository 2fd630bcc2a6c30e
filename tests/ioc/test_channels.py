"""Channels as an operator has them: rates, dead times, regions of interest and traces, through a real client."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.ca_client import NoAnswer, PutFailed
from tests.running_ioc import Ioc, ioc_folder, running

CONFIG = """
[pipeline]
chain = ["DummyData", "ConvertToEvents", "FillSpectra", "SnapTraces"]

[crate]
channels = 2

[tasks.DummyData]
channel_rate = 10000
dead_time = 25
traces = true
trace_length = 0.2

[tasks.FillSpectra]
bins = 1024
rois = 2
roi_low = [0, 90]
roi_high = { "*" = [1023, 115], "M00:C01" = [-1, 115] }
roi_name = ["all", "137Cs"]

[tasks.SnapTraces]
max_samples = 60

[ioc]
state_dir = "state"
"""
WITHOUT_RATES = """
[pipeline]
chain = ["LoadFiles", "ConvertToEvents", "FillSpectra"]

[crate]
channels = 1
"""


def _run(ioc: Ioc, seconds: float) -> None:
    ioc.put("PresetMode", "Real time")
    ioc.put("PresetReal", seconds)
    ioc.put("Acquire", 1)


def test_rates_and_dead_times_while_a_run_is_on(ioc: Ioc) -> None:
    done = ioc.put_later("Acquire", 1)
    for channel in ("M00:C00", "M00:C01"):
        ioc.until(f"{channel}:InputCountRate_RBV", lambda rate: 8000 < rate < 12_000)
        ioc.until(f"{channel}:DeadTime_RBV", lambda dead: 17 < dead < 23)  # 1 - 1 / (1 + 0.25)
        ioc.until(f"{channel}:OutputCountRate_RBV", lambda rate: 6500 < rate < 9500)
    ioc.until("M00:InputCountRates_RBV", lambda rates: len(rates) == 2 and (rates > 8000).all())
    ioc.until("M00:DeadTimes_RBV", lambda dead: len(dead) == 2 and (dead > 17).all())
    ioc.until("DeadTime_RBV", lambda dead: 17 < dead < 23)
    assert (ioc.severity("DeadTime_RBV"), ioc.severity("M00:C00:DeadTime_RBV")) == (0, 0)
    ioc.put("Stop", 1)
    done.result(60)
    assert ioc.get("M00:C00:InputCountRate_RBV") == ioc.get("M00:C00:OutputCountRate_RBV") == 0
    assert ioc.get("ElapsedLive_RBV") / ioc.get("ElapsedReal_RBV") == pytest.approx(0.8, abs=0.02)


def test_rates_and_dead_time_of_a_channel_belong_together(ioc: Ioc) -> None:
    names = [f"M00:C00:{name}_RBV" for name in ("InputCountRate", "OutputCountRate", "DeadTime")]
    with ioc.watch(*names) as watch:
        ioc.put_and_forget("Acquire", 1)
        watch.until(names[0], lambda _: len(watch.values(names[0])) > 9)
        ioc.put("Stop", 1)
    cycles: dict[float, dict[str, float]] = {}
    for post in watch.posts:
        cycles.setdefault(post.stamp, {})[post.name] = post.value
    told = [cycle for cycle in cycles.values() if cycle.get(names[0])]
    measured = [[cycle[name] for name in names] for cycle in told if len(cycle) == 3]
    assert len(measured) >= max(5, len(told) - 2)  # all three are in each cycle, but where the watch begins and ends
    for hits, records, dead in measured:
        assert 0 < records <= hits
        assert round(dead, 1) == pytest.approx(100 * (1 - round(records, 1) / round(hits, 1)), abs=0.1)


def test_a_dead_time_that_is_too_high_is_an_alarm(ioc: Ioc) -> None:
    ioc.put("DummyData:DeadTime", 100.0)
    done = ioc.put_later("Acquire", 1)
    ioc.until("M00:C00:DeadTime_RBV", lambda dead: 45 < dead < 55)
    ioc.until("DeadTime_RBV", lambda dead: 45 < dead < 55)
    assert (ioc.severity("DeadTime_RBV"), ioc.severity("M00:C00:DeadTime_RBV")) == (1, 1)
    ioc.put("Stop", 1)
    done.result(60)


def test_a_preset_of_live_time_counts_live_time(ioc: Ioc) -> None:
    ioc.put("PresetMode", "Live time")
    ioc.put("PresetLive", 1.0)
    ioc.put("Acquire", 1)
    assert ioc.get("RunEndReason_RBV") == "Preset"
    assert ioc.get("ElapsedLive_RBV") == pytest.approx(1.0, abs=0.005)  # of a share that is known after the fact
    assert ioc.get("ElapsedReal_RBV") >= 1.2


def test_regions_of_interest_count_what_is_in_the_spectrum(ioc: Ioc) -> None:
    _run(ioc, 0.5)
    for channel in ("M00:C00", "M00:C01"):
        spectrum = ioc.raw(f"{channel}:Spectrum_RBV")
        assert ioc.get(f"{channel}:ROI2:Counts_RBV") == spectrum[90:116].sum() > 100
        background = 26 * (spectrum[89:92].mean() + spectrum[114:117].mean()) / 2
        assert ioc.get(f"{channel}:ROI2:Net_RBV") == pytest.approx(spectrum[90:116].sum() - background)
    counts = [ioc.get(f"M00:C0{c}:ROI2:Counts_RBV") for c in (0, 1)]
    assert ioc.get("M00:ROI2:Counts_RBV").tolist() == counts
    assert ioc.get("M00:C00:ROI1:Counts_RBV") == ioc.get("M00:C00:Counts_RBV")
    assert (ioc.get("M00:C01:ROI1:High"), ioc.get("M00:C01:ROI1:Counts_RBV")) == (-1, 0)
    assert ioc.get("M00:C01:ROI2:Name_RBV") == "137Cs"
    ioc.put("Erase", 1)
    assert ioc.get("M00:ROI2:Counts_RBV").tolist() == [0, 0]


def test_a_window_is_used_as_soon_as_it_is_written_with_or_without_a_run(ioc: Ioc) -> None:
    _run(ioc, 0.3)
    spectrum = ioc.raw("M00:C01:Spectrum_RBV")
    ioc.put("M00:C01:ROI2:Low", 100)  # the put is answered when it is counted
    assert ioc.get("M00:C01:ROI2:Counts_RBV") == spectrum[100:116].sum()
    assert (ioc.get("M00:C01:ROI2:Low_RBV"), ioc.get("ConfigDirty_RBV")) == (100, "No")
    assert (ioc.get("M00:C00:ROI2:Low_RBV"), ioc.get("M00:C01:ROI1:Low_RBV")) == (90, 0)
    ioc.put("FillSpectra:RoiBackground", -1)
    assert ioc.get("M00:C01:ROI2:Net_RBV") == spectrum[100:116].sum()
    done = ioc.put_later("Acquire", 1)
    ioc.until("M00:C01:ROI2:Counts_RBV", lambda counts: counts > 50)
    ioc.put("M00:C01:ROI2:High", -1)
    assert ioc.get("M00:C01:ROI2:Counts_RBV") == 0
    ioc.put("M00:C01:ROI2:Name", "nothing: ä")
    assert ioc.get("M00:C01:ROI2:Name_RBV") == "nothing: ä"
    assert ioc.get("CmdMessage_RBV") == "M00:C01:ROI2:Name = nothing: ä"
    ioc.put("Stop", 1)
    done.result(60)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("M00:C01:ROI2:High", 1024, "roi_high of M00:C01:ROI2 = 1024: must be below bins, which is 1024"),
        ("M00:C01:ROI1:Low", -1, "roi_low of M00:C01:ROI1 = -1: must be a whole number from 0 to 65535 (bin)"),
        ("M00:C01:ROI1:High", -2, "roi_high of M00:C01:ROI1 = -2: must be a whole number from -1 to 65535 (bin)"),
    ],
)
def test_what_cannot_be_a_window_is_refused(ioc: Ioc, name: str, value: int, says: str) -> None:
    before = ioc.get(name)
    with pytest.raises(PutFailed):
        ioc.put(name, value)
    assert says in ioc.get("CmdMessage_RBV")
    assert (ioc.get(name), ioc.get(f"{name}_RBV")) == (before, before)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("M00:C00:ROI2:Low", 116, "roi_high of M00:C00:ROI2 = 115: is below roi_low of M00:C00:ROI2 = 116"),
        ("M00:C01:ROI2:High", 89, "roi_high of M00:C01:ROI2 = 89: is below roi_low of M00:C01:ROI2 = 90"),
    ],
)
def test_an_edge_that_does_not_fit_the_other_waits_for_it(ioc: Ioc, name: str, value: int, says: str) -> None:
    before = ioc.get(name)
    ioc.put(name, value)
    assert (ioc.get(name), ioc.get(f"{name}_RBV"), ioc.get("ConfigDirty_RBV")) == (value, before, "Yes")
    assert says in ioc.get("ReadyMessage_RBV")
    ioc.put(name, before)
    assert ioc.get("ConfigDirty_RBV") == "No"


def test_both_edges_at_once(ioc: Ioc) -> None:
    windows = {"roi_low": {"*": [0, 200], "M00:C01": [300, 400]}, "roi_high": {"*": [10, 210], "M00:C01": [310, 410]}}
    ioc.put("ConfigJSON", json.dumps({"FillSpectra": windows}))
    edges = [ioc.get(f"M00:C0{c}:ROI{n}:{edge}_RBV") for c in (0, 1) for n in (1, 2) for edge in ("Low", "High")]
    assert edges == [0, 10, 200, 210, 300, 310, 400, 410]
    assert json.loads(ioc.get("ConfigJSON_RBV"))["FillSpectra"]["roi_low"] == {
        "M00:C00": [0, 200],
        "M00:C01": [300, 400],
    }
    with pytest.raises(PutFailed):
        ioc.put("ConfigJSON", json.dumps({"FillSpectra": {"roi_low": {"M01:C00": [1]}}}))
    assert "M01:C00: modules are 0 to 0 (modules)" in ioc.get("CmdMessage_RBV")


def test_traces(ioc: Ioc) -> None:
    ioc.put("Erase", 1)
    for channel in ("M00:C00", "M00:C01"):  # as long as they will be
        trace = ioc.raw(f"{channel}:Trace_RBV")
        assert (len(trace), np.isnan(trace).all()) == (60, True)
    done = ioc.put_later("Acquire", 1)
    with ioc.watch("M00:C00:Trace_RBV") as watch:
        watch.until("M00:C00:Trace_RBV", lambda trace: not np.isnan(trace).any())  # 60 of 100 samples
        trace = ioc.raw("M00:C00:Trace_RBV")
        assert (trace.max() > trace[:20].mean()) & (trace > 0).all()
        watch.clear()
        watch.until("M00:C00:Trace_RBV", lambda now: not np.array_equal(now, trace))
    ioc.put("SnapTraces:Freeze", "Yes")
    frozen, seen = ioc.raw("M00:C01:Trace_RBV"), ioc.get("SnapTraces:REPORT:TracesSeen_RBV")
    ioc.until("SnapTraces:REPORT:TracesSeen_RBV", lambda now: now > seen + 10_000)
    assert np.array_equal(ioc.raw("M00:C01:Trace_RBV"), frozen)
    ioc.put("Stop", 1)
    done.result(60)


def test_arrays_of_channels_have_their_length_from_the_start_of_the_ioc() -> None:
    with ioc_folder() as folder, running(Ioc(folder, "demo")) as demo:
        for name, length, unknown in (("Trace", 250, True), ("Spectrum", 2048, False)):
            value = demo.raw(f"M00:C00:{name}_RBV")
            assert (len(value), np.isnan(value).all()) == (length, unknown)


def test_without_a_source_that_knows_there_are_no_rates() -> None:
    with ioc_folder() as folder:
        (folder / "test.toml").write_text(WITHOUT_RATES)
        with running(Ioc(folder, "run", folder / "test.toml")) as ioc:
            assert np.isnan([ioc.get("DeadTime_RBV"), ioc.get("ElapsedLive_RBV")]).all()
            assert [ioc.severity(name) for name in ("DeadTime_RBV", "ElapsedLive_RBV")] == [0, 0]
            ioc.put("PresetMode", "Live time")
            ioc.until("ReadyMessage_RBV", lambda why: "no task of the chain knows the dead time" in why)
            with pytest.raises(NoAnswer):
                ioc.raw("M00:C00:InputCountRate_RBV", timeout=0.5)
