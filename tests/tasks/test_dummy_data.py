"""DummyData: a simulated crate in a pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pixieioc.pipeline import Refused, Status
from tests.recorder import Recorder
from tests.stopwatch import Stopwatch


def _events(pipeline: Recorder, tmp_path: Path, **settings: Any) -> dict[str, np.ndarray]:
    pipeline.chain_of("DummyData", "ConvertToEvents", "KeepEvents")
    pipeline.configure({"run_time": 0.5, "seed": 5, "keep_in": str(tmp_path / "kept.npz"), **settings})
    pipeline.run_through()
    return dict(np.load(tmp_path / "kept.npz"))


def test_a_seed_makes_runs_of_a_given_time_alike(pipeline: Recorder, tmp_path: Path) -> None:
    first = _events(pipeline, tmp_path)
    pipeline.run_through()
    again = dict(np.load(tmp_path / "kept.npz"))
    assert len(first["time"]) == pytest.approx(8000, abs=600)
    for name, column in first.items():
        assert np.array_equal(column, again[name])


def test_every_record_that_is_made_arrives(pipeline: Recorder, tmp_path: Path) -> None:
    crate = {"modules": 3, "channels": 16, "adc_mhz": [100, 250, 500], "firmware_revision": [30980, 34688, 34688]}
    blocks = {"traces": True, "trace_length": 0.4, "qdc": True, "energy_sums": True, "external_time": True}
    detectors = {"detectors": ["HPGe", "NaI", "LaBr3"], "sources": ["22Na:3", "152Eu"], "dead_time": 2.0}
    clock = Stopwatch()
    events = _events(pipeline, tmp_path, **crate, **blocks, **detectors, run_time=0.2)
    told = {name: pipeline.reported("DummyData", name) for name in ("events_made", "words_made", "hits_lost", "lag")}
    assert told["events_made"] == len(events["time"]) == pytest.approx(9600, rel=0.1)
    assert told["hits_lost"] > 0
    assert told["lag"] < 1 + clock.busy
    assert pipeline.reported("ConvertToEvents", "corrupt_regions") == 0
    assert [set(events["trace_length"][events["module"] == m]) for m in range(3)] == [{40}, {100}, {200}]
    assert set(events["parts"]) == {7}
    header = 4 + 14
    assert told["words_made"] == (header + events["trace_length"].astype(int) // 2).sum()


def test_faults_on_request(pipeline: Recorder, tmp_path: Path) -> None:
    events = _events(pipeline, tmp_path, run_time=1.0, corrupt_rate=10, truncate_rate=10, reset_interval=0.3)
    told = {
        name: pipeline.reported("DummyData", name) for name in ("corrupt_words", "truncated_blocks", "counter_resets")
    }
    assert told["corrupt_words"] > 0
    assert told["truncated_blocks"] > 0
    assert told["counter_resets"] == 3
    assert (np.diff(events["time"]) < -1e8).sum() == 3
    assert pipeline.reported("ConvertToEvents", "corrupt_regions") > 0
    missing = pipeline.reported("DummyData", "events_made") - len(events["time"])
    assert missing >= pipeline.reported("DummyData", "events_hit") - sum(told.values())


def test_rates_faults_and_resets_while_a_run_is_on(pipeline: Recorder) -> None:
    pipeline.chain_of("DummyData", "ConvertToEvents")
    pipeline.start()
    pipeline.until(lambda: 12_000 < pipeline.reported("DummyData", "input_count_rate") < 20_000)
    pipeline.configure({"channel_rate": 20_000.0, "corrupt_rate": 50.0})
    pipeline.until(lambda: pipeline.reported("DummyData", "input_count_rate") > 40_000)
    pipeline.until(lambda: pipeline.reported("ConvertToEvents", "corrupt_regions") > 0)
    pipeline.configure({"DummyData": {"reset_counters": True}})
    pipeline.until(lambda: pipeline.reported("DummyData", "counter_resets") == 1)
    pipeline.stop()
    assert pipeline.wait(60) is Status.WAITING
    assert pipeline.reported("DummyData", "corrupt_words") > 0
    assert pipeline.reported("DummyData", "input_count_rate") == 0


def test_a_source_that_cannot_keep_up_says_so_and_leaves_nothing_out(pipeline: Recorder) -> None:
    # 13 x 16 channels with a million hits a second each: nobody simulates that in real time.
    pipeline.chain_of("DummyData")
    pipeline.configure({"modules": 13, "channels": 16, "channel_rate": 1e6})
    pipeline.start()
    pipeline.until(lambda: pipeline.reported("DummyData", "lag") > 1)
    assert pipeline.reported("DummyData", "elapsed") >= pipeline.reported("DummyData", "lag")
    pipeline.stop()  # at once: what it is behind is not made up for
    assert pipeline.wait(60) is Status.WAITING
    made, elapsed = pipeline.reported("DummyData", "events_made"), pipeline.reported("DummyData", "elapsed")
    assert 0 < made < 208e6 * elapsed
    assert pipeline.reported("DummyData", "words_made") == 4 * made


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"channels": 17}, "DummyData.channels: at most 16, those of a module with 500 MHz, firmware 34688 and later"),
        ({"channels": 33}, "DummyData.channels = 33: must be a whole number from 1 to 32"),
        (
            {"modules": 2, "detectors": ["NaI", "BGO"]},
            "DummyData.detectors = .*detector 'BGO': must be one of LaBr3, NaI, HPGe, ",
        ),
        (
            {"modules": 3, "adc_mhz": [100, 250]},
            "DummyData.adc_mhz: has 2 values: must be one for all, or one for each of 3 modules",
        ),
        ({"adc_mhz": [200]}, "module 0: ADC rate 200 MHz: must be one of"),
        ({"sources": ["60Co:many"]}, "sources: '60Co:many' must be a name or name:weight, as 60Co:2"),
        ({"sources": ["Co60"]}, "source 'Co60': must be one of 22Na"),
        ({"sources": ["60Co:0"]}, "weight 0 of source 60Co: must be above 0"),
        ({"modules": 3, "detectors": ["NaI", "NaI"]}, "DummyData.detectors: has 2 values: must be one for all, or one"),
        (
            {"traces": True, "trace_length": 100.0},
            "DummyData.trace_length: module 0: 100 is not possible, only 0 to 40.94 us",
        ),
        (
            {"external_time": True, "adc_mhz": [100], "firmware_revision": [17562]},
            "DummyData.external_time: module 0: external time stamps need firmware revision 30980 or later",
        ),
        ({"channel_rate": -1}, "DummyData.channel_rate = -1: must be a number from 0 to 1000000"),
    ],
)
def test_crates_that_cannot_be_are_refused(pipeline: Recorder, settings: dict[str, Any], says: str) -> None:
    pipeline.create_task("DummyData")
    with pytest.raises(Refused, match=says):
        pipeline.configure({"DummyData": settings})


def test_a_setting_that_a_module_has_is_what_a_module_makes_of_it(pipeline: Recorder) -> None:
    pipeline.create_task("DummyData")
    used: Any = pipeline.processes["DummyData"].task.parameter_values
    pipeline.configure({"DummyData": {"energy_rise": 0.203, "trace_length": 0.509}})
    assert (used["energy_rise"], used["energy_flat_top"], used["trace_length"]) == (0.2, 0.1, 0.5)
    pipeline.configure({"DummyData": {"adc_mhz": [250]}})
    assert (used["energy_rise"], used["energy_flat_top"], used["trace_length"]) == (0.208, 0.096, 0.496)
    with pytest.raises(
        Refused, match="energy_rise: module 0: 70 is not possible, only 1.024 to 63.488 us with ENERGY_F"
    ):
        pipeline.configure({"DummyData": {"energy_rise": 70.0, "energy_flat_top": 1.6}})
    with pytest.raises(
        Refused, match="energy_flat_top: module 0: 0.05 is not possible, only 1.536 to 5.12 us with ENE"
    ):
        pipeline.configure({"DummyData": {"energy_rise": 60.0, "energy_flat_top": 0.05}})
    assert used["energy_rise"] == 0.208


def test_a_module_with_32_channels(pipeline: Recorder, tmp_path: Path) -> None:
    events = _events(pipeline, tmp_path, adc_mhz=[250], firmware_revision=[46540], channels=32)
    assert set(events["channel"].tolist()) == set(range(32))


def _start(pipeline: Recorder, presets: dict[str, float]) -> float:
    """Starts a run with presets, waits for its end; returns how long that took."""
    pipeline.follow(pipeline.starting(None, presets))
    started = Stopwatch()
    assert pipeline.wait(60) is Status.WAITING
    assert pipeline.errors == []
    return started.taken


def test_a_preset_real_time_is_kept_to_the_hit(pipeline: Recorder) -> None:
    pipeline.chain_of("DummyData", "ConvertToEvents")
    pipeline.configure({"interval": 10.0})  # the end does not wait for the next read-out
    _start(pipeline, {"real_time": 0.01})
    took = sorted(_start(pipeline, {"real_time": 0.25}) for _ in range(5))
    assert pipeline.reported("DummyData", "elapsed_real") == 0.25
    assert took[2] < 2  # and not half a minute
    assert pipeline.reported("DummyData", "elapsed_live") == pytest.approx(0.25, rel=0.05)
    pipeline.configure({"run_time": 0.1})  # the shorter of both counts
    _start(pipeline, {"real_time": 0.25})
    assert pipeline.reported("DummyData", "elapsed_real") == 0.1


def test_a_preset_live_time_takes_the_dead_time_longer(pipeline: Recorder) -> None:
    pipeline.chain_of("DummyData", "ConvertToEvents")
    pipeline.configure({"channel_rate": 10_000.0, "dead_time": 50.0})  # a third of the hits is lost
    _start(pipeline, {"live_time": 0.4})
    assert pipeline.reported("DummyData", "elapsed_live") == pytest.approx(0.4, abs=0.004)
    share = pipeline.reported("DummyData", "live_share") / 100
    assert 0.5 < share < 0.8
    assert pipeline.reported("DummyData", "elapsed_real") == pytest.approx(0.4 / share, abs=0.01)


def test_counts_by_the_real_time_scatter_as_counting_does(pipeline: Recorder) -> None:
    pipeline.chain_of("DummyData", "ConvertToEvents")
    pipeline.configure({"channels": 1, "coincidence": 0.0, "channel_rate": 1000.0})
    counts, times = [], []
    for point in range(30):
        if point % 2:
            _start(pipeline, {"real_time": 0.1})
        else:  # an operator's stop, at any time
            pipeline.start()
            pipeline.until(lambda: pipeline.reported("DummyData", "elapsed") > 0.05)
            pipeline.stop()
            assert pipeline.wait(60) is Status.WAITING
        counts.append(pipeline.reported("ConvertToEvents", "events"))
        times.append(pipeline.reported("DummyData", "elapsed_real"))
    expected = 1000.0 * np.array(times)
    chi = (np.array(counts) - expected) ** 2 / expected
    assert 0.25 < chi.mean() < 2.7  # 1 is expected, within 0.26; by chance, this fails once in 50 000 times
