"""The tools that set a detector up, over Channel Access on the simulated SDK, and on a crate that a task simulates."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from pixieioc.pipeline import Refused
from pixieioc.testing import Recorder, chain
from tests.ca_client import PutFailed
from tests.hardware.crate_ioc import RATE, Crate, running_crate
from tests.running_ioc import Ioc
from tests.test_readme import Terminal, section


@pytest.fixture(scope="module")
def ioc_of_crate() -> Iterator[Crate]:
    """An IOC with two modules, which have booted; before that the tools are refused."""
    with running_crate() as (ioc, simulation):
        for name in ("AcquireTraces", "FindTau", "FindBaselineCut", "ReadHistograms"):
            assert "the crate is not booted: write 1 to Boot" in _refused(ioc, name)
        ioc.put("Boot", 1)
        yield ioc, simulation


@pytest.fixture
def crate(ioc_of_crate: Crate) -> Crate:
    """The same, with tools that work on all modules."""
    ioc, simulation = ioc_of_crate
    simulation.control(RATE)
    _choose(ioc, -1, -1)
    return ioc_of_crate


def _choose(ioc: Ioc, module: int, channel: int) -> None:
    ioc.put("SetupModule", module)
    ioc.put("SetupChannel", channel)


def _refused(ioc: Ioc, pv: str, value: float = 1) -> str:
    """Why a put is refused, which it must be."""
    with pytest.raises(PutFailed):
        ioc.put(pv, value)
    assert ioc.get("CmdStatus_RBV") == "Refused"
    return ioc.get("CmdMessage_RBV")


def _of_all(ioc: Ioc, name: str) -> dict[str, float]:
    return {f"M{m:02}:C{c:02}": ioc.get(f"M{m:02}:C{c:02}:{name}") for m in (0, 1) for c in range(16)}


def test_traces_of_the_chosen_channel_are_there_when_the_put_is_done(crate: Crate) -> None:
    ioc, _ = crate
    assert len(ioc.raw("M00:C03:AdcTrace_RBV")) == 0
    _choose(ioc, 1, 3)
    ioc.put("M01:C03:XDT", 0.12)
    with ioc.watch("M00:C03:AdcTrace_RBV", "M01:C03:AdcTrace_RBV", "M01:C04:AdcTrace_RBV") as watch:
        watch.clear()
        ioc.put("AcquireTraces", 1)
        trace, times = ioc.get("M01:C03:AdcTrace_RBV"), ioc.get("M01:C03:AdcTraceTime_RBV")
        assert watch.values("M00:C03:AdcTrace_RBV") == watch.values("M01:C04:AdcTrace_RBV") == []
        assert len(watch.values("M01:C03:AdcTrace_RBV")) == 1
    assert len(trace) == 8192
    assert 0 < np.median(trace) < 2**14
    assert trace.std() > 0
    assert times == pytest.approx(0.12 * np.arange(8192))
    _choose(ioc, -1, -1)
    ioc.put("AcquireTraces", 1)
    assert {len(ioc.raw(f"M{m:02}:C{c:02}:AdcTrace_RBV")) for m in (0, 1) for c in range(16)} == {8192}
    assert ioc.get("M00:C03:AdcTraceTime_RBV")[1] == ioc.get("M00:C03:XDT_RBV")


def test_a_trace_follows_the_offset_and_the_offset_its_adjustment(crate: Crate) -> None:
    ioc, _ = crate
    ioc.put("M01:C05:GoodChannel", "No")
    before = _of_all(ioc, "VOFFSET_RBV")
    _choose(ioc, 1, -1)
    ioc.put("AdjustOffsets", 1)
    after = _of_all(ioc, "VOFFSET_RBV")
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {f"M01:C{c:02}" for c in range(16)} - {"M01:C05"}
    assert ioc.get("M01:C03:VOFFSET") == after["M01:C03"]
    ioc.put("AcquireTraces", 1)
    assert np.median(ioc.get("M01:C03:AdcTrace_RBV")) == pytest.approx(0.1 * 2**14, abs=20)
    ioc.until("SettingsChanges_RBV", lambda text: "VOFFSET" in text)
    ioc.put("M01:C05:GoodChannel", "Yes")


def test_what_was_changed_before_a_tool_failed_is_shown(crate: Crate) -> None:
    ioc, simulation = crate
    before = ioc.get("M00:C03:VOFFSET_RBV")
    ioc.put("M00:C03:BASELINE_PERCENT", 20)
    simulation.control(RATE, "fail Pixie16AdjustOffsets code 505 module 1")
    assert "Pixie16AdjustOffsets of module 1: device hardware failure (-505)" in _refused(ioc, "AdjustOffsets")
    assert ioc.get("M00:C03:VOFFSET_RBV") == ioc.get("M00:C03:VOFFSET") != before


def test_baselines_have_their_times(crate: Crate) -> None:
    ioc, _ = crate
    _choose(ioc, 0, -1)
    ioc.put("AcquireBaselines", 1)
    values, times = ioc.get("M00:C15:Baselines_RBV"), ioc.get("M00:C15:BaselineTimes_RBV")
    assert len(values) == len(times) == 3640
    assert (np.diff(times) > 0).all()
    ioc.put("AcquireTraces", 1)
    assert np.median(values) == pytest.approx(np.median(ioc.get("M00:C15:AdcTrace_RBV")), abs=20)
    assert len(ioc.raw("M01:C15:Baselines_RBV")) == 0


def test_decay_times_are_shown_and_applied_by_another_command(crate: Crate) -> None:
    ioc, simulation = crate
    assert "FindTau has found no decay time" in _refused(ioc, "ApplyTau")
    simulation.control(RATE, "tau 7.5")
    ioc.put("M00:C05:GoodChannel", "No")
    ioc.put("FindTau", 1)
    found, before = _of_all(ioc, "FoundTau_RBV"), _of_all(ioc, "TAU_RBV")
    assert [name for name, tau in found.items() if math.isnan(tau)] == ["M00:C05"]
    assert found["M01:C15"] == 7.5
    assert 7.5 not in before.values()
    assert ioc.get("M01:FoundTaus_RBV")[4] == 7.5
    _choose(ioc, 0, -1)
    ioc.put("ApplyTau", 1)
    after = _of_all(ioc, "TAU_RBV")
    applied = {f"M00:C{c:02}" for c in range(16)} - {"M00:C05"}
    assert {name for name, tau in after.items() if tau == 7.5} == applied
    assert ioc.get("M00:C03:TAU") == 7.5
    ioc.put("M00:C05:GoodChannel", "Yes")


def test_a_baseline_cut_is_found_in_one_channel_or_all(crate: Crate) -> None:
    ioc, _ = crate
    for name in ("M00:C03", "M00:C04", "M01:C03"):
        ioc.put(f"{name}:BLCUT", 1)
    _choose(ioc, 0, 3)
    ioc.put("FindBaselineCut", 1)
    cuts = _of_all(ioc, "BLCUT_RBV")
    assert cuts["M00:C03"] == ioc.get("M00:C03:BLCUT") > 1
    assert cuts["M00:C04"] == cuts["M01:C03"] == 1
    _choose(ioc, -1, -1)
    ioc.put("FindBaselineCut", 1)
    assert min(_of_all(ioc, "BLCUT_RBV").values()) > 1


def test_a_channel_that_is_not_there_is_refused(crate: Crate) -> None:
    ioc, _ = crate
    assert "must be below modules, which is 2" in _refused(ioc, "SetupModule", 2)
    assert "must be below channels, which is 16" in _refused(ioc, "SetupChannel", 16)
    assert (ioc.get("SetupModule"), ioc.get("SetupChannel_RBV")) == (-1, -1)


def test_a_tool_that_takes_long_is_no_hang(crate: Crate) -> None:
    ioc, simulation = crate
    ioc.put("TakeData:HangTimeout", 1)
    simulation.control(RATE, "hang Pixie16TauFinder")
    with ioc.watch("TakeData:BusyTime_RBV", "TakeData:HeartBeat") as watch:
        put = ioc.put_later("FindTau", 1)
        ioc.until("SetupProgress_RBV", "decay times of module 0")
        beats = ioc.get("TakeData:HeartBeat")
        watch.until("TakeData:HeartBeat", lambda beat: beat >= beats + 2)
        assert ioc.severity("TakeData:BusyTime_RBV") == 0
        simulation.control(RATE)
        put.result()
    assert ioc.get("SetupProgress_RBV") == ""
    assert ioc.get("TakeData:ERROR") == "OK"
    ioc.put("TakeData:HangTimeout", 60)


def test_in_a_run_tools_are_refused_and_histograms_are_read(crate: Crate) -> None:
    ioc, simulation = crate
    simulation.control(RATE, "pulser 1000")  # without pile-up, of which a histogram has nothing
    ioc.put("M00:C02:CaptureHistogram", "Yes")
    ioc.put("M00:C03:CaptureHistogram", "No")
    ioc.put("HistogramInterval", 0.2)
    ioc.put("PresetMode", "No preset")
    with ioc.watch("M00:C02:Histogram_RBV") as watch:
        ioc.put_and_forget("Acquire", 1)
        ioc.until("ConvertToEvents:Events_RBV", lambda events: events > 0)
        for name in ("AcquireTraces", "AcquireBaselines", "FindTau", "ApplyTau", "FindBaselineCut", "AdjustOffsets"):
            assert f"TakeData: {name} is not possible during a run" in _refused(ioc, name)
        first = watch.until("M00:C02:Histogram_RBV", lambda counts: counts.sum() > 0).value
        watch.until("M00:C02:Histogram_RBV", lambda counts: counts.sum() > first.sum())
        ioc.put("HistogramInterval", 0.3)  # is live
        ioc.put("Stop", 1)
        ioc.until("Acquire", lambda acquire: acquire == "Done")
    histogram = ioc.get("M00:C02:Histogram_RBV")
    assert len(histogram) == 32768
    counts = ioc.get("M00:OutputCounts_RBV")[2]
    assert histogram.sum() == counts > 0  # also those between the last read and the end of the run
    assert len(ioc.raw("M00:C03:Histogram_RBV")) == 0
    ioc.put("HistogramInterval", 0)
    _choose(ioc, 0, 3)
    ioc.put("ReadHistograms", 1)
    assert len(ioc.raw("M00:C03:Histogram_RBV")) == 32768


def test_the_scan_of_the_how_to_counts_less_behind_a_higher_threshold(crate: Crate) -> None:
    ioc, simulation = crate
    [script] = section("docs/how-to/hardware.md", "Scan a parameter")
    simulation.control("rate 5000")
    ioc.put("M00:C03:TRIGGER_THRESHOLD", 77)
    lines = Terminal(simulation.folder).type(
        script.text.replace("PX16:", ioc.prefix).replace("PresetReal 2", "PresetReal 0.2")
    )
    thresholds, counts, times = np.array([line.split() for line in lines.splitlines()], float).T
    assert thresholds.tolist() == [20, 50, 100, 200, 500, 1000]
    rates = counts / times
    assert rates[0] > rates[-1]
    assert counts[-1] > 100
    assert times.min() >= 0.2  # the script's computer ends the run, when it comes to that
    assert np.median(times) < 2
    assert ioc.get("M00:C03:TRIGGER_THRESHOLD_RBV") == 77


# -- the crate that a task simulates ----------------------------------------------------------------------------------


@pytest.fixture
def simulated() -> Iterator[Recorder]:
    """A chain whose crate is simulated in the task, booted."""
    settings = {"TakeData": {"implementation": "simulated", "modules": 2, "channels": 16}}
    with chain("TakeData", "ConvertToEvents", settings=settings) as pipeline:
        pipeline.until(lambda: pipeline.reported("TakeData", "boot_state") == "Booted")
        yield pipeline


def _do(pipeline: Recorder, **config: object) -> None:
    pipeline.configure({"TakeData": config})


def test_the_tools_work_on_a_crate_that_is_simulated_in_the_task(simulated: Recorder) -> None:
    _do(simulated, setup_module=1)
    _do(simulated, acquire_traces=True)
    traces = simulated.reported("TakeData", "adc_trace")
    assert list(traces) == [f"M01:C{channel:02}" for channel in range(16)]
    assert {trace.shape for trace in traces.values()} == {(8192,)}
    _do(simulated, acquire_baselines=True)
    assert simulated.reported("TakeData", "baselines")["M01:C04"].shape == (3640,)
    _do(simulated, find_tau=True)
    taus = simulated.reported("TakeData", "found_tau")
    assert np.isnan(taus[0]).all()
    assert (taus[1] > 0).all()
    _do(simulated, apply_tau=True)
    used: Any = simulated.processes["TakeData"].task.parameter_values
    assert [row[7] for row in used["TAU"]] == [used["TAU"][0][0], taus[1, 7]]
    _do(simulated, setup_channel=4, find_baseline_cut=True)
    assert used["BLCUT"][1][4] > 0
    _do(simulated, read_histograms=True)
    assert list(simulated.reported("TakeData", "histogram")) == ["M01:C04"]
    with pytest.raises(Refused, match="must be below channels, which is 16"):
        _do(simulated, setup_channel=20)
