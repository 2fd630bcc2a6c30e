"""The sidecar's format: its schema, and that what tasks write keeps to it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from pixieioc.tasks.gather_data import GatherData
from pixieioc.tasks.sidecar import VERSION, Record, Sidecar, schema
from pixieioc.tasks.sidecars_of_run import sidecars_of_run
from pixieioc.testing import run_task

#: Keys that belong to raw files alone, beside those of every sidecar.
OF_RAW_FILES = {"adc_mhz", "firmware_revision", "clock_zero", "items"}


def test_the_schema_says_the_version_and_names_every_key() -> None:
    made = schema()
    keys = made["$defs"]["Sidecar"]["properties"]
    assert made["title"] == f"pixieioc sidecar, version {VERSION}"
    assert {"record", "run_id", "sha256", "configuration"} <= keys.keys()
    assert all(key in made["$defs"]["Record"]["properties"] for key in Record.__struct_fields__)


def test_a_raw_file_has_a_sidecar_of_this_version_with_what_the_task_was_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: dict[str, Any] = msgspec.to_builtins(Record(title="beam on", start_time=1.0))
    monkeypatch.setattr(GatherData, "run_record", told)
    settings = {"auto_save": True, "file_path": str(tmp_path)}
    run_task(GatherData, [{0: np.arange(8, dtype=np.uint32)}], settings, run_id=7)
    (path,) = tmp_path.glob("*.json")
    content = json.loads(path.read_bytes())
    known = msgspec.json.decode(path.read_bytes(), type=Sidecar, strict=True)
    assert (known.sidecar, known.run_id, known.bytes) == (VERSION, 7, 32)
    assert known.record == Record(title="beam on", start_time=1.0)
    assert content.keys() - set(Sidecar.__struct_fields__) <= OF_RAW_FILES
    assert list(GatherData.do_sidecars({**GatherData.__dict__, **_defaults(), **settings}, 7)) == [path]


def _defaults() -> dict[str, Any]:
    return {name: parameter.default for name, parameter in GatherData.parameters().items()}


def test_the_sidecars_of_a_run_are_those_of_all_parts_in_both_folders(tmp_path: Path) -> None:
    second = tmp_path / "second"
    second.mkdir()
    first = tmp_path / "a.bin"
    names = ["a.bin.json", "a_002.bin.json", "second/a_003.bin.json", "second/a_004.bin.json"]
    for name in [*names, "a_006.bin.json", "b.bin.json"]:
        (tmp_path / name).touch()
    assert [str(path.relative_to(tmp_path)) for path in sidecars_of_run(first, str(second))] == names
    assert list(sidecars_of_run(tmp_path / "c.bin", "")) == []
