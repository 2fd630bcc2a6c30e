"""SortEvents, GatherEvents, PickSingleModule, FillSpectra and PrintData in a chain."""

from __future__ import annotations

import itertools
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pixieioc.pipeline import Status
from pixieioc.tasks.print_data import describe
from tests.conftest import DATA
from tests.recorder import Recorder
from tests.tasks.conftest import module_words

FULL = DATA / "pixie16_binary_data-full.bin"


def through(
    pipeline: Recorder, tmp_path: Path, tasks: list[str], files: list[Path], **config: Any
) -> dict[str, np.ndarray]:
    pipeline.chain_of("LoadFiles", "ConvertToEvents", *tasks, "KeepEvents")
    pipeline.configure({"files": [str(f) for f in files], "keep_in": str(tmp_path / "kept.npz"), **config})
    pipeline.run_through()
    return dict(np.load(tmp_path / "kept.npz"))


def _key(events: dict[str, np.ndarray]) -> list[tuple[int, float, int, int, int]]:
    names = ("time", "cfd", "module", "channel", "energy")
    return sorted(zip(*(events[name].tolist() for name in names), strict=True))


@pytest.mark.parametrize("block_size", [524_288, 5000])
def test_sorting_real_data(pipeline: Recorder, tmp_path: Path, block_size: int) -> None:
    before = time.time()
    events = through(pipeline, tmp_path, ["SortEvents"], [FULL], block_size=block_size)
    assert len(events["time"]) == 24_598
    exact = events["time"].astype(object) * 32768 + (events["cfd"] * 32768).astype(int)
    assert all(earlier <= later for earlier, later in itertools.pairwise(exact))
    assert events["energy"].astype(int).sum() == 351_344_482
    assert (pipeline.reported("SortEvents", "late_events"), pipeline.reported("SortEvents", "resets")) == (0, 0)
    # The recording is 10 s long, and its first event is taken to be now.
    stamps = events["chunk_timestamp"]
    assert before <= stamps[0] <= time.time()
    assert stamps[-1] - stamps[0] == pytest.approx(10.0027708, abs=1e-6)


@pytest.mark.parametrize("block_size", [524_288, 20_000])
def test_sorting_two_modules(pipeline: Recorder, tmp_path: Path, two_modules: dict[int, Path], block_size: int) -> None:
    files = list(two_modules.values())
    events = through(pipeline, tmp_path, ["SortEvents"], files, block_size=block_size)
    assert np.bincount(events["module"]).tolist() == [40_000, 10_000]
    assert (np.diff(events["time"] + events["cfd"].astype(float)) >= 0).all()
    assert pipeline.reported("SortEvents", "late_events") == 0


def test_late_events_are_marked_not_misplaced(pipeline: Recorder, tmp_path: Path, two_modules: dict[int, Path]) -> None:
    # The modules' files one after the other, and room for a few events only: those of the second come too late.
    words = [np.fromfile(path, "<u4") for path in two_modules.values()]
    np.concatenate(words).tofile(tmp_path / "both.bin")
    events = through(
        pipeline, tmp_path, ["SortEvents"], [tmp_path / "both.bin"], block_size=16_000, reset_time=1e6, max_events=1000
    )
    late = events["flags"] & 8 > 0
    assert len(late) == 50_000
    assert late.sum() == pipeline.reported("SortEvents", "late_events") > 9000
    assert (np.diff(events["time"][~late] + events["cfd"][~late].astype(float)) >= 0).all()


def test_a_counter_that_begins_anew(pipeline: Recorder, tmp_path: Path) -> None:
    first, second = module_words(0, 1.0, 1000, start=100.0), module_words(0, 1.0, 1000, seed=5)
    np.concatenate([first, second]).tofile(tmp_path / "twice.bin")
    config = {"time_mode": "start times", "start_times": [1e9, 2e9], "block_size": 3000}
    events = through(pipeline, tmp_path, ["SortEvents"], [tmp_path / "twice.bin"], **config)
    assert pipeline.reported("SortEvents", "resets") == 1
    assert (events["time"][:1000] >= 100e9).all()
    assert (events["time"][1000:] < 2e9).all()
    assert events["chunk_timestamp"][[0, 1000]].tolist() == [1e9, 2e9]
    assert (np.diff(events["chunk_timestamp"]) >= 0).all()


def test_start_times_must_be_given(pipeline: Recorder) -> None:
    pipeline.chain_of("LoadFiles", "SortEvents")
    pipeline.configure({"time_mode": "start times", "files": [str(FULL)]})
    with pytest.raises(Exception, match="start_times is an empty list"):
        pipeline.start()
    pipeline.wait(60)


def test_gathering_makes_larger_chunks(pipeline: Recorder, tmp_path: Path) -> None:
    config = {"block_size": 1600, "chunk_size": 5000, "GatherEvents": {"max_delay": 60}}
    events = through(pipeline, tmp_path, ["GatherEvents"], [FULL], **config)
    assert len(events["time"]) == 24_598
    sizes = [int(size) for size in pipeline.reported("KeepEvents", "sizes").split()]
    assert all(5000 <= size < 5200 for size in sizes[:-1])
    assert pipeline.reported("GatherEvents", "chunks") == len(sizes) == 5
    assert pipeline.reported("GatherEvents", "events_held") == 0


def test_gathered_events_do_not_wait_for_ever(pipeline: Recorder, tmp_path: Path) -> None:
    pipeline.chain_of("DummyData", "ConvertToEvents", "GatherEvents", "KeepEvents")
    pipeline.configure({"channel_rate": 50.0, "chunk_size": 10**6, "keep_in": str(tmp_path / "kept.npz")})
    pipeline.configure({"max_delay": 0.2})
    pipeline.start()
    pipeline.until(lambda: pipeline.reported("KeepEvents", "counter") >= 2)
    pipeline.stop()
    assert pipeline.wait(60) is Status.WAITING
    assert pipeline.reported("KeepEvents", "events") == pipeline.reported("ConvertToEvents", "events")


def test_picking_one_module(pipeline: Recorder, tmp_path: Path, two_modules: dict[int, Path]) -> None:
    events = through(pipeline, tmp_path, ["PickSingleModule"], list(two_modules.values()), module=1, block_size=9000)
    assert set(events["module"]) == {1}
    assert len(events["time"]) == 10_000
    told = pipeline.reported
    assert (told("PickSingleModule", "events"), told("PickSingleModule", "events_left_out")) == (10_000, 40_000)
    assert "{0:" not in told("KeepEvents", "reads")


def test_spectra_hold_every_event(pipeline: Recorder, tmp_path: Path) -> None:
    events = through(pipeline, tmp_path, ["FillSpectra"], [FULL], block_size=8000)
    told = pipeline.reported
    assert told("FillSpectra", "counts")[0, [9, 10]].tolist() == [12_105, 12_493]
    spectrum = told("FillSpectra", "spectrum")
    assert spectrum.shape == (1, 16, 2048)
    assert spectrum.sum() == 24_598
    of_9 = events["energy"][events["channel"] == 9]
    assert spectrum[0, 9].tolist() == np.histogram(of_9, 2048, (0, 65536))[0].tolist()
    assert told("FillSpectra", "events_elsewhere") == 0


def test_regions_of_interest_follow_spectra_and_windows(pipeline: Recorder, tmp_path: Path) -> None:
    events = through(pipeline, tmp_path, ["FillSpectra"], [FULL], roi_low=[100, 700], roi_high={"M00:C09": [300, 900]})
    told = pipeline.reported
    bins = events["energy"][events["channel"] == 9] // 32
    first, second = (((bins >= low) & (bins <= high)).sum() for low, high in ((100, 300), (700, 900)))
    assert min(first, second) > 100
    assert told("FillSpectra", "roi_counts")[0, 9].tolist() == [first, second, 0, 0]
    assert told("FillSpectra", "roi_counts").sum() == first + second
    assert told("FillSpectra", "roi_net")[0, 9, 0] < first
    # A window that is changed is counted at once, from the spectrum that there is.
    pipeline.configure({"FillSpectra": {"roi_high": {"M00:C10": [2047]}, "roi_low": [0], "roi_background": -1}})
    assert told("FillSpectra", "roi_counts")[0, [9, 10]].tolist() == [[0] * 4, [12_493, 0, 0, 0]]
    assert told("FillSpectra", "roi_net")[0, 10, 0] == 12_493
    pipeline.configure({"FillSpectra": {"erase": True}})
    assert told("FillSpectra", "roi_counts").sum() == 0


def test_events_without_a_spectrum_are_counted(tmp_path: Path) -> None:
    with Recorder({"FillSpectra": {"channels": 10, "bins": 64}}) as pipeline:
        through(pipeline, tmp_path, ["FillSpectra"], [FULL])
        assert pipeline.reported("FillSpectra", "events_elsewhere") == 12_493
        assert pipeline.reported("FillSpectra", "spectrum").shape == (1, 10, 64)
        assert pipeline.reported("FillSpectra", "spectrum").sum() == 12_105


def test_spectra_begin_anew_unless_kept_and_can_be_erased(pipeline: Recorder, tmp_path: Path) -> None:
    through(pipeline, tmp_path, ["FillSpectra"], [FULL])
    pipeline.run_through()
    assert pipeline.reported("FillSpectra", "counts").sum() == 24_598
    pipeline.configure({"keep": True})
    pipeline.run_through()
    assert pipeline.reported("FillSpectra", "counts").sum() == 2 * 24_598
    pipeline.configure({"FillSpectra": {"erase": True}})
    assert pipeline.reported("FillSpectra", "counts").sum() == 0
    pipeline.run_through()
    assert pipeline.reported("FillSpectra", "counts").sum() == 24_598


def test_printing_shows_what_flows(pipeline: Recorder) -> None:
    pipeline.chain_of("LoadFiles", "ConvertToEvents", "PrintData", "GatherEvents")
    pipeline.configure({"files": [str(FULL)]})
    pipeline.run_through()
    (_, line), *_ = pipeline.heard_prints
    assert line.startswith("item 1: {events: {time: int64[24597] 1170569551910..")
    assert pipeline.reported("GatherEvents", "events") == 24_598


@pytest.mark.parametrize(
    ("datum", "text"),
    [
        ({0: np.arange(3, dtype="<u4")}, "{0: uint32[3] 0..2}"),
        ([np.zeros(0), "x", None], "[float64[0], 'x', None]"),
        (np.zeros(2, "S3"), "|S3[2]"),
    ],
)
def test_descriptions(datum: Any, text: str) -> None:
    assert describe(datum) == text
