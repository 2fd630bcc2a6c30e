"""Recorded runs that are given together: one after the other, whatever the counters, each with its own time."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from pixieioc.listmode.events import Events
from pixieioc.offline.job import Job
from pixieioc.offline.replay import replay
from tests.tasks.conftest import module_words
from tests.tasks.test_write_events import read


def _record(folder: Path, run: int, module: int, start: float, *, parts: int = 1) -> list[Path]:
    """A run of 10 s of one module, whose counter began at 0, in one file or several that do not respect records."""
    data = module_words(module, 10.0, 300, seed=10 * run).tobytes()
    cuts = [len(data) * i // parts for i in range(parts + 1)]
    paths = []
    for part, (begin, end) in enumerate(itertools.pairwise(cuts)):
        name = f"x_{run}_mod0{module}" + f"_part{part + 8}" * (parts > 1) + ".bin"
        paths.append(folder / name)
        paths[-1].write_bytes(data[begin:end])
        about = {"run_id": run, "module": module, "start_time": start, "end_time": start + 10}
        (folder / f"{name}.json").write_text(json.dumps(about))
    return paths


def _about(path: Path) -> dict[str, Any]:
    return json.loads(pq.read_metadata(path).metadata[b"pixieioc"])


def _in_order(events: Events) -> bool:
    """Whether times only grow within each period."""
    times = events["time"] + events["cfd"].astype(float)
    return bool(((np.diff(times) >= 0) | (np.diff(events["period"].astype(int)) == 1)).all())


@pytest.mark.parametrize("block_size", [6 * 1024**2, 5000])
def test_two_runs_of_two_modules(tmp_path: Path, block_size: int) -> None:
    second = [path for module in (0, 1) for path in _record(tmp_path, 10, module, 1.7e9 + 60)]
    first = [path for module in (0, 1) for path in _record(tmp_path, 2, module, 1.7e9, parts=3)]
    out = tmp_path / "events.parquet"
    names = tuple(map(str, second + sorted(first)))  # as a shell gives them: _10 before _2, and part10 before part8
    summary = replay(Job(names, out=out, sets=(f"LoadFiles.block_size={block_size}",)))
    assert (summary.events, summary.late_events, summary.counter_resets, summary.runs) == (12_000, 0, 1, 2)
    assert (summary.bytes_left_over, summary.corrupt_regions, summary.intact) == (0, 0, True)
    events = read(out)
    assert np.count_nonzero(np.diff(events["run_id"].astype(int))) == 1
    assert np.count_nonzero(np.diff(events["module"].astype(int))) > 4000  # both modules, all through
    assert np.unique(events["run_id"]).tolist() == [2, 10]
    assert (events["period"] == (events["run_id"] == 10)).all()
    assert _in_order(events)
    stamps = events["chunk_timestamp"]
    for run, start in ((2, 1.7e9), (10, 1.7e9 + 60)):
        times = events["time"][events["run_id"] == run]
        assert stamps[events["run_id"] == run] - start == pytest.approx((times - times[0]) * 1e-9, abs=1e-6)
    about = _about(out)
    assert about["runs"] == [
        {"run_id": 2, "start_time": 1.7e9, "end_time": 1.7e9 + 10},
        {"run_id": 10, "start_time": 1.7e9 + 60, "end_time": 1.7e9 + 70},
    ]
    assert (about["run_id"], about["start_time"], about["end_time"]) == (None, None, None)
    assert (about["first_time"], about["last_time"]) == (events["time"][0], events["time"][-1])
    assert about["configuration"]["LoadFiles"]["files"] == [str(path) for path in second + first]


def test_one_run_is_what_the_file_is_about(tmp_path: Path) -> None:
    [path] = _record(tmp_path, 7, 3, 1.7e9)
    out = tmp_path / "events.npy"
    replay(Job((str(path),), out=out))
    about = json.loads((tmp_path / "events.npy.json").read_text())
    assert (about["run_id"], about["start_time"], about["end_time"]) == (7, 1.7e9, 1.7e9 + 10)
    assert about["written"]["start_time"] > 1.7e9 + 10
    assert read(out)["chunk_timestamp"][0] == 1.7e9
    assert (read(out)["run_id"] == 7).all()


def test_a_record_that_the_end_of_a_run_cuts_is_not_continued_in_the_next(tmp_path: Path) -> None:
    [first], [second] = _record(tmp_path, 1, 0, 1e9), _record(tmp_path, 2, 0, 2e9)
    first.write_bytes(first.read_bytes()[:-6])
    summary = replay(Job((str(first), str(second))))
    assert (summary.events, summary.bytes_left_over, summary.corrupt_regions) == (5999, 10, 0)


def test_a_module_that_is_two_hours_ahead_is_named(tmp_path: Path) -> None:
    names = [str(tmp_path / f"x_1_mod0{module}.bin") for module in (0, 1, 2)]
    for module, name in enumerate(names):
        module_words(module, 10.0, 300, start=7200.0 if module == 1 else 0.0).tofile(name)
    summary = replay(Job(tuple(names), out=tmp_path / "events.parquet"))
    assert (summary.events, summary.late_events) == (9000, 0)
    assert summary.modules_apart.startswith("module 1: its data begin at 7200.")
    assert _in_order(read(tmp_path / "events.parquet"))
