"""Streams that are hard to bring into order, read in blocks of any size: the same rows, in the right order."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pixieioc.listmode.flags import FLAG_LATE
from pixieioc.offline.job import Job
from pixieioc.offline.replay import replay
from pixieioc.offline.summary import Summary
from tests.running_ioc import ROOT

CASES = ROOT.parent / "shared" / "data" / "cases"
pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason=f"the streams are not here: {CASES}")


def _right(name: str) -> dict[str, Any]:
    return json.loads((CASES / "right.json").read_text())[name]


def _replay(name: str, tmp_path: Path, block_size: int) -> tuple[Summary, np.ndarray[Any, Any]]:
    """Summary and events of a case, through a chain of processes."""
    out = tmp_path / f"{name}_{block_size}.npy"
    files = tuple(str(CASES / file) for file in _right(name)["files"])
    sets = (f"LoadFiles.block_size={block_size}",)
    summary = replay(Job(files, sets=sets, out=out, format="npy", adc_mhz=(250.0,), firmware=(34688.0,)))
    return summary, np.load(out)


def _in_order(events: np.ndarray[Any, Any]) -> Iterator[tuple[int, int]]:
    """Period and exact time of the events that are not marked."""
    for period, time, cfd in events[events["flags"] & FLAG_LATE == 0][["period", "time", "cfd"]].tolist():
        yield period, time * 32768 + round(cfd * 32768)


@pytest.mark.parametrize("name", ["quiet", "flipped", "wrap", "remains"])
def test_cases_in_blocks_of_any_size(name: str, tmp_path: Path) -> None:
    right, rows = _right(name), list[bytes]()
    for block_size in (6 * 1024**2, 100_000, 2000):
        summary, events = _replay(name, tmp_path, block_size)
        marked = right.get("late_events", right.get("events_with_a_wrong_time_at_most"))
        marked = right["events_late_or_flagged_at_most"] if marked is None else marked
        assert (summary.events, summary.late_events) == (right["events"], marked)
        assert summary.counter_resets == right.get("counter_resets", right.get("counter_resets_per_module", 0))
        times = list(_in_order(events))
        assert times == sorted(times)
        # Both modules throughout: nobody waits for the end of the other.
        halves = np.array_split(events["module"], 10 if name != "quiet" else 2)
        assert all(len(np.unique(half)) == 2 for half in halves)
        good = events[events["flags"] & FLAG_LATE == 0]
        rows.append(good[[n for n in good.dtype.names if n != "chunk_timestamp"]].tobytes())
    assert len(set(rows)) == 1
