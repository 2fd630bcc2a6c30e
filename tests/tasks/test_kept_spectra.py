"""Spectra that are kept are there again after a restart, with the number of their run, or it is said why not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pixieioc.tasks.kept_spectra import SpectraFile
from tests.recorder import Recorder
from tests.tasks.test_event_tasks import FULL, through

SHAPE = (1, 2, 16)


@pytest.fixture
def file(tmp_path: Path) -> Iterator[SpectraFile]:
    made = SpectraFile(tmp_path / "spectra.npz")
    yield made
    made.end(5)


def _spectra(value: int) -> np.ndarray:
    return np.full(SHAPE, value, np.int64)


def test_what_was_written_last_is_read(file: SpectraFile) -> None:
    assert file.read(SHAPE) is None
    for number in range(20):  # in between, what is not written yet is replaced
        file.write(number, _spectra(2**40 + number))
    file.end(5)
    found = file.read(SHAPE)
    assert found is not None
    assert found[0] == 19
    assert (found[1] == _spectra(2**40 + 19)).all()
    assert [path.name for path in file.path.parent.iterdir()] == ["spectra.npz"]


def test_others_than_these_are_refused(file: SpectraFile) -> None:
    file.write(1, _spectra(1))
    file.end(5)
    with pytest.raises(ValueError, match=r"has spectra of shape \(1, 2, 16\), not \(1, 4, 16\)"):
        file.read((1, 4, 16))
    whole = file.path.read_bytes()
    for damaged in (whole[:-30], whole[:400], b"", b"something else", whole.replace(b"\1\0\0\0\0\0\0\0", b"\2" * 8)):
        file.path.write_bytes(damaged)
        with pytest.raises(ValueError, match="cannot be read"):
            file.read(SHAPE)


def test_a_folder_that_is_not_there_is_a_problem_until_it_is(tmp_path: Path) -> None:
    file = SpectraFile(tmp_path / "gone" / "spectra.npz")
    file.write(1, _spectra(1))
    file.end(5)
    assert file.problem == f"the spectra cannot be kept: {file.path}: No such file or directory"


def _told(pipeline: Recorder) -> tuple[float, int]:
    return pipeline.reported("FillSpectra", "counts").sum(), pipeline.reported("FillSpectra", "spectra_run")


@pytest.mark.parametrize("kept", [True, False])
def test_after_a_restart_they_are_there_if_that_is_wanted(tmp_path: Path, kept: bool) -> None:
    state = tmp_path / "state"
    state.mkdir()
    settings = {"FillSpectra": {"keep_spectra": kept}}
    with Recorder(settings) as pipeline:
        pipeline.processes.state_folder = state
        through(pipeline, tmp_path, ["FillSpectra"], [FULL])
        taken = _told(pipeline)
        assert taken[0] == 24_598
        pipeline.quit()
    with Recorder(settings) as pipeline:
        pipeline.processes.state_folder = state
        pipeline.create_task("FillSpectra")
        pipeline.configure({"FillSpectra": {"roi_background": 2}})  # which has it report
        assert _told(pipeline) == (taken if kept else (0, 0))
        pipeline.configure({"FillSpectra": {"erase": True}})
        assert _told(pipeline) == (0, 0)
        pipeline.quit()
    with Recorder(settings) as pipeline:
        pipeline.processes.state_folder = state
        pipeline.create_task("FillSpectra")
        pipeline.configure({"FillSpectra": {"roi_background": 1}})
        assert _told(pipeline) == (0, 0)  # what was erased remains so
