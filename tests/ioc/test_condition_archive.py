"""The file of what conditions were in the course of a run: it covers the whole run and never grows beyond its limit."""

from __future__ import annotations

import errno
import json
import resource
import signal
from itertools import pairwise
from pathlib import Path
from typing import Any

from pixieioc.ioc.condition_archive import ConditionArchive
from pixieioc.site_pvs import NOT_CONNECTED, OK, Reading


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def _archive(folder: Path, limit: int = 10_000, period: float = 1.0) -> ConditionArchive:
    return ConditionArchive(folder, 7, ["A", "B"], period, limit, 1000.0)


def test_it_says_what_it_is_and_has_values_with_time_and_alarm(tmp_path: Path) -> None:
    archive = _archive(tmp_path)
    readings = [Reading(OK, 1.5, severity="NO_ALARM", time=999.5), Reading(OK, "on", severity="MINOR", time=5.0)]
    archive.write([line for i, r in enumerate(readings) if (line := archive.line_of(i, r, 1000.0))])
    lost = archive.line_of(1, Reading(NOT_CONNECTED), 1000.1)
    assert lost is not None
    archive.write([lost])
    head, *rest = _lines(archive.path)
    assert head == {
        "format": "pixieioc conditions", "version": 1, "run_id": 7, "start_time": 1000.0, "period": 1.0,
        "pvs": ["A", "B"], "every": 1,
    }  # fmt: skip
    assert rest == [
        {"t": 999.5, "i": 0, "v": 1.5}, {"t": 5.0, "i": 1, "v": "on", "s": "MINOR"},
        {"t": 1000.1, "i": 1, "state": "not connected"},
    ]  # fmt: skip


def test_of_one_condition_no_more_than_a_value_a_period_is_kept_but_each_loss_is(tmp_path: Path) -> None:
    archive = _archive(tmp_path)
    there = Reading(OK, 1.0)
    kept = [archive.line_of(0, there, 1000.0 + i / 4) is not None for i in range(9)]
    assert [i for i, each in enumerate(kept) if each] == [0, 4, 8]
    assert archive.line_of(1, there, 1000.0) is not None
    assert archive.line_of(0, there, 1002.1, always=True) is not None
    assert archive.line_of(0, Reading(NOT_CONNECTED), 1002.2) is not None
    assert archive.line_of(0, there, 1002.3) is not None


def test_a_run_without_end_stays_below_the_limit_and_is_covered_from_beginning_to_end(tmp_path: Path) -> None:
    archive = _archive(tmp_path, limit=20_000)
    for second in range(20_000):
        lines = [archive.line_of(i, Reading(OK, float(second), time=second + i / 2), 1000.0 + second) for i in (0, 1)]
        archive.write([line for line in lines if line is not None])
        if second % 100 == 0 and second:
            assert archive.path.stat().st_size <= 20_000
    head, *rest = _lines(archive.path)
    times = [line["t"] for line in rest if line["i"] == 0]
    assert (times[0], times[-1] > 19_000, times == sorted(times)) == (0, True, True)
    assert max(b - a for a, b in pairwise(times)) <= 2 * head["every"]
    assert len({line["i"] for line in rest}) == 2


def test_a_disk_that_does_not_take_it_is_no_fault_of_ours(tmp_path: Path) -> None:
    archive = _archive(tmp_path / "gone")
    archive.write([b"{}\n"])
    assert ("No such file" in archive.problem, archive.errno) == (True, errno.ENOENT)


def test_a_full_disk_leaves_whole_lines_and_it_goes_on_when_there_is_room(tmp_path: Path) -> None:
    archive = _archive(tmp_path, limit=10**6)
    lines = [line for i in range(300) if (line := archive.line_of(0, Reading(OK, float(i)), 1000.0 + i)) is not None]
    archive.write(lines[:100])
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:  # as on a disk that takes some of it, and then nothing more
        resource.setrlimit(resource.RLIMIT_FSIZE, (archive.path.stat().st_size + 50, before[1]))
        archive.write(lines[100:200])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert "values of conditions are missing" in archive.problem
    assert [line["v"] for line in _lines(archive.path)[1:]] == [*range(100)]
    archive.write(lines[200:])
    assert [line["v"] for line in _lines(archive.path)[1:]] == [*range(100), *range(200, 300)]
    archive.path.unlink()
    archive.write(lines[:1])
    archive.write(lines[1:2])
    assert [line["v"] for line in _lines(archive.path)[1:]] == [1]


def test_what_was_left_out_since_the_disk_is_too_slow_is_counted(tmp_path: Path) -> None:
    archive = _archive(tmp_path)
    archive.leave_out(0)
    assert archive.problem == ""
    archive.leave_out(3)
    archive.leave_out(4)
    assert archive.problem == "7 values of conditions are missing: the disk was too slow"
