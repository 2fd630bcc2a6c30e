"""What a task really uses, as clients see it: rounded, coupled, loaded, limited."""

from __future__ import annotations

import json

import pytest

from tests.ca_client import PutFailed
from tests.running_ioc import Ioc

CONFIG = """
[pipeline]
chain = ["ToyCrate", "ToySink"]
imports = ["tests.pipeline.toys", "tests.pipeline.toy_crate"]

[ioc]
state_dir = "state"
"""


def _shows(ioc: Ioc, name: str) -> tuple[float, float]:
    return ioc.get(name), ioc.get(f"{name}_RBV")


def test_a_readback_is_what_the_task_answered_and_the_setpoint_what_was_written(ioc: Ioc) -> None:
    ioc.put("M01:C00:RISETIME", 0.5)
    assert _shows(ioc, "M01:C00:RISETIME") == (0.5, pytest.approx(0.48))
    assert ioc.get("ConfigDirty_RBV") == "No"
    # What changed with it was not written: its setpoint goes with it.
    assert _shows(ioc, "M01:C00:THRESHOLD") == (48, 48)
    assert _shows(ioc, "M01:C01:THRESHOLD") == (50, 50)
    ioc.put("M01:RANGE", 6)
    assert _shows(ioc, "M01:RANGE") == (6, 4)
    ioc.put("ToyCrate:Steps", 7)
    assert _shows(ioc, "ToyCrate:Steps") == (7, 6)
    used = json.loads(ioc.get("ConfigJSON_RBV"))["ToyCrate"]
    assert (used["steps"], used["range"]) == (6, {"M00": 3, "M01": 4})


def test_a_refused_value_leaves_setpoint_and_readback(ioc: Ioc) -> None:
    ioc.put("ToyCrate:Steps", 7)
    with pytest.raises(PutFailed):
        ioc.put("ToyCrate:Steps", 13)
    assert _shows(ioc, "ToyCrate:Steps") == (7, 6)
    assert "brings bad luck" in ioc.get("CmdMessage_RBV")


def test_what_is_loaded_is_shown_used_and_saved(ioc: Ioc) -> None:
    ioc.put("ToyCrate:Load", 1)
    assert _shows(ioc, "M01:C01:RISETIME") == (pytest.approx(0.24), pytest.approx(0.24))
    assert ioc.get("M00:C00:POLARITY") == ioc.get("M00:C00:POLARITY_RBV") == "negative"
    assert _shows(ioc, "M00:RANGE") == (2, 2)
    assert json.loads(ioc.get("ConfigJSON"))["ToyCrate"]["threshold"] == 77
    ioc.put("M01:C01:THRESHOLD", 80)  # written after that
    ioc.kill_task("ToyCrate")
    ioc.until("ToyCrate:Status", lambda status: status == "LOST")
    ioc.put("Reset", 1)
    assert _shows(ioc, "M01:C01:THRESHOLD") == (80, 80)
    assert _shows(ioc, "M00:C01:THRESHOLD") == (77, 77)


def test_limits_of_a_module_hold_for_puts_and_are_shown(ioc: Ioc) -> None:
    ioc.put("ToyCrate:Boot", 1)
    ioc.until("M01:C00:RISETIME.DRVH", lambda high: high == 10)
    fields = ("DRVL", "DRVH", "LOPR", "HOPR")
    for name in ("M01:C00:RISETIME", "M01:C01:RISETIME"):
        assert [ioc.get(f"{name}.{field}") for field in fields] == [pytest.approx(0.08), 10, pytest.approx(0.08), 10]
    assert [ioc.get(f"M01:RANGE_RBV.{field}") for field in ("LOPR", "HOPR")] == [1, 4]
    assert ioc.get("M00:C01:RISETIME.DRVH") == 20
    assert ioc.get("M00:C00:RISETIME.DRVH") == 100
    before = _shows(ioc, "M01:C00:RISETIME")
    with pytest.raises(PutFailed):
        ioc.put("M01:C00:RISETIME", 12.0)
    allowed = "ToyCrate.rise_time of M01:C00 = 12.0: must be from 0.08 to 10 (us) at present"
    assert allowed in ioc.get("CmdMessage_RBV")
    assert _shows(ioc, "M01:C00:RISETIME") == before
    with pytest.raises(PutFailed):
        ioc.put("ConfigJSON", json.dumps({"ToyCrate": {"range": [5, 5]}}))
    assert "ToyCrate.range of M01 = 5: must be from 1 to 4 at present" in ioc.get("CmdMessage_RBV")
    ioc.put("M00:RANGE", 5)
    assert _shows(ioc, "M00:RANGE") == (5, 5)
