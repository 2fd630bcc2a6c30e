"""The settings of a run on their way to the tasks."""

from __future__ import annotations

import json

import numpy as np
import pytest

from pixieioc.pipeline.frames import UnsupportedType
from pixieioc.pipeline.run_settings import RunSettings, packed_settings

PLAIN = {
    "TakeData": {"slots": [2, 3], "threshold": 16384, "synchronous": True, "run_time": 0.5, "settings_file": "ä.json"},
    "SortEvents": {},
}


def test_settings_arrive_as_they_were() -> None:
    arrived = RunSettings(packed_settings(PLAIN))
    assert dict(arrived) == PLAIN
    assert (len(arrived), list(arrived), arrived["TakeData"]["slots"]) == (2, list(PLAIN), [2, 3])
    assert json.loads(json.dumps(dict(arrived))) == PLAIN


def test_what_is_not_plain_arrives_too() -> None:
    # The name of a file may have any bytes.
    rare = {"GatherData": {"file_path": "caf\udce9", "max_delay": np.float64(0.5), "text": "x" * 5000}}
    assert dict(RunSettings(packed_settings(rare))) == rare


def test_what_cannot_be_sent_is_named() -> None:
    with pytest.raises(UnsupportedType, match="object"):
        packed_settings({"GatherData": {"file_path": object()}})  # pyright: ignore[reportArgumentType]
