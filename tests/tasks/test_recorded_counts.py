"""What the modules had counted in runs that are read from files again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pixieioc.tasks.items import Ending, ModuleCounts
from pixieioc.tasks.raw_sources import runs_of
from pixieioc.tasks.recorded_counts import recorded_ending
from pixieioc.testing import Recorder
from tests.tasks.test_write_events import FULL, read_about

COUNTS = ModuleCounts(
    real_time=2.0, live_times=[1.5, 1.75], input_counts=[9, 8], output_counts=[7, 6], lost=2, overflows=1
)


def _file(folder: Path, name: str, **about: Any) -> Path:
    path = folder / name
    shutil.copyfile(FULL, path)
    path.with_name(f"{name}.json").write_text(json.dumps({"run_id": 7, "start_time": 5.0, "module": 0, **about}))
    return path


def _ending(*paths: Path) -> Ending | None:
    [run] = runs_of(paths, r"mod(\d+)", "")
    return recorded_ending(run)


def test_the_counts_of_all_modules(tmp_path: Path) -> None:
    first = _file(tmp_path, "mod0.bin", counts=COUNTS)
    second = _file(tmp_path, "mod3.bin", counts={**COUNTS, "lost": 0})
    assert _ending(first, second) == {"counts": {0: COUNTS, 3: {**COUNTS, "lost": 0}}, "unknown": ""}


def test_data_of_which_nothing_is_said(tmp_path: Path) -> None:
    assert _ending(_file(tmp_path, "mod0.bin")) is None


@pytest.mark.parametrize(
    ("about", "why"),
    [
        ({"counts": None, "counts_unknown": "it was killed"}, "module 0: it was killed"),
        ({"counts": None}, "module 0: it was not noted why"),
        ({}, "module 0: nothing is said of it"),
        ({"counts": {**COUNTS, "lost": "many"}}, "mod0.bin is wrong: Expected `int`, got `str` - at `$.lost`"),
        ({"counts": [1]}, "mod0.bin is wrong: Expected `object`, got `array`"),
        ({"counts": COUNTS, "part": 3}, "module 0: part 1 of its data is not among the files"),
    ],
)
def test_counts_that_are_not_those_of_all_data_are_left_out(tmp_path: Path, about: Mapping[str, Any], why: str) -> None:
    ending = _ending(_file(tmp_path, "mod0.bin", **about), _file(tmp_path, "mod1.bin", counts=COUNTS))
    assert ending is not None
    assert (ending["counts"], why in ending["unknown"]) == ({}, True), ending


def test_the_last_part_says_it(tmp_path: Path) -> None:
    parts = [_file(tmp_path, f"mod0_{n}.bin", part=n, **({"counts": COUNTS} if n == 2 else {})) for n in (1, 2)]
    assert _ending(*parts) == {"counts": {0: COUNTS}, "unknown": ""}
    assert (_ending(parts[1]) or {}).get("unknown") == "module 0: part 1 of its data is not among the files"


def _replayed(pipeline: Recorder, path: Path, *files: Path) -> dict[str, Any]:
    pipeline.chain_of("LoadFiles", "ConvertToEvents", "SortEvents", "GatherEvents", "WriteEvents")
    pipeline.configure({"WriteEvents": {"file": str(path)}, "files": [str(file) for file in files]})
    pipeline.run_through()
    return read_about(path)


def test_they_come_into_files_of_events(pipeline: Recorder, tmp_path: Path) -> None:
    about = _replayed(pipeline, tmp_path / "e.parquet", _file(tmp_path, "mod0.bin", counts=COUNTS))
    assert about["counts"] == {"0": COUNTS}
    assert about["runs"] == [{"run_id": 7, "start_time": 5.0, "end_time": None}]


def test_of_several_runs_each_has_its_own(pipeline: Recorder, tmp_path: Path) -> None:
    one = _file(tmp_path, "a.bin", counts=COUNTS)
    two = _file(tmp_path, "b.bin", run_id=8, start_time=9.0)
    three = _file(tmp_path, "c.bin", run_id=9, start_time=12.0, counts=None, counts_unknown="it was killed")
    about = _replayed(pipeline, tmp_path / "e.parquet", one, two, three)
    assert "counts" not in about
    assert [run["run_id"] for run in about["runs"]] == [7, 8, 9]
    first, second, third = about["runs"]
    assert (first["counts"], "counts" in second) == ({"0": COUNTS}, False)
    assert (third["counts"], third["counts_unknown"]) == (None, "module 0: it was killed")
