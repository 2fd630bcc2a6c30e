"""Garbage on everything that can be written: all of it is answered, nothing of it does any harm."""

from __future__ import annotations

import math
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import aioca
import numpy as np
import pytest

from tests.ca_client import PutFailed
from tests.running_ioc import ROOT, Ioc, ioc_folder, running

ECA_NORMAL, ECA_PUTFAIL, ECA_BADCOUNT, ECA_NOWTACCESS = 1, 160, 176, 376

#: None of these is a state's label or index, so no command may follow from them.
GARBAGE: list[Any] = [
    "",
    "garbage",
    "1.5",
    "-1",
    "0x2",
    "nan",
    "Acquire ",
    "\N{SIGN OF THE HORNS}" * 9,
    '{"a": [',
    "%s%n%9999d$(rm)../../;",
    -1,
    17,
    2**31 - 1,
    1e300,
    0.5,
    math.nan,
    math.inf,
    np.full(39, 0xFF, np.uint8),
    np.arange(2, 7, dtype=np.int32),
    np.array([math.nan, -math.inf]),
]

#: How many of them are numbers that a setting may take: the others are no number, or too large, or NaN.
NUMBERS = 6
#: What takes any text that is short enough, by the last part of its name.
TEXTS = {
    "Name", "Detector", "Group", "Title", "Experiment", "Operator", "Comment",
    "FileName", "FilePath", "SecondFilePath", "SR_file",
}  # fmt: skip


@pytest.fixture(scope="module")
def demo() -> Iterator[Ioc]:
    with ioc_folder() as folder, running(Ioc(folder, "demo")) as ioc:
        yield ioc


def _writable() -> list[str]:
    """All process variables with an access group, by the list that the program prints."""
    demo = ROOT / "examples" / "demo.toml"
    done = subprocess.run(
        [sys.executable, "-m", "pixieioc", "run", demo, "--prefix", "P:", "--list-pvs"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    rows = [re.split(r"\s+", line)[:4] for line in done.stdout.splitlines()]
    return [row[0].removeprefix("P:") for row in rows if {"OP", "EX", "EN"} & set(row[2:])]


def _datatype(value: Any) -> int | None:
    """What a value is sent as, whatever type the PV has."""
    if isinstance(value, str):
        return aioca.DBR_STRING if len(value.encode()) < 40 else None
    return {"uint8": aioca.DBR_CHAR, "int32": aioca.DBR_LONG}.get(str(np.asarray(value).dtype), aioca.DBR_DOUBLE)


def _code_of_put(ioc: Ioc, name: str, value: Any) -> int:
    """libca's status of a put with callback."""
    try:
        ioc.put(name, value, datatype=_datatype(value))
    except PutFailed as failure:
        return failure.code
    return ECA_NORMAL


def _takes_any_text(name: str) -> bool:
    """Whether any text that is short enough is right."""
    return name.rpartition(":")[2] in TEXTS


def test_everything_that_can_be_written(demo: Ioc) -> None:
    names = _writable()
    assert len(names) > 45
    assert {"Acquire", "Kill", "Quit", "Abort", "ConfigJSON", "PresetReal", "DummyData:ChannelRate"} <= set(names)
    configuration, processes, run = demo.get("ConfigJSON_RBV"), demo.processes(), demo.get("RunId_RBV")
    taken = dict.fromkeys(names, 0)
    for name in names:
        for garbage in GARBAGE:
            code = _code_of_put(demo, name, garbage)
            if code == ECA_BADCOUNT and isinstance(garbage, np.ndarray):
                continue  # libca itself refuses an array for a scalar
            assert code in (ECA_NORMAL, ECA_PUTFAIL), (name, garbage)  # and not that it took too long
            if code == ECA_PUTFAIL:
                assert demo.get("CmdStatus_RBV") in ("Refused", "Failed"), (name, garbage)
            taken[name] += code == ECA_NORMAL
    assert {name: count for name, count in taken.items() if count > NUMBERS and not _takes_any_text(name)} == {}
    # No command has followed, no process was lost.
    assert demo.get("RunId_RBV") == run
    assert demo.get("DetectorState_RBV") == "Idle"
    assert demo.processes() == processes
    assert demo.get("ErrorCount_RBV") == 0
    demo.recover(configuration)
    assert demo.get("ConfigJSON_RBV") == configuration
    demo.put("PresetMode", "Events")
    demo.put("PresetEvents", 100)
    demo.put("Acquire", 1)
    assert demo.get("RunEndReason_RBV") == "Preset"


def test_everything_that_cannot_be_written(demo: Ioc) -> None:
    for name in (
        "Acquire_RBV",
        "State_RBV",
        "AcquireBusy",
        "FillSpectra:Status",
        "M00:C00:Spectrum_RBV",
        "IOC:HEARTBEAT",
    ):
        before = demo.raw(name)
        assert _code_of_put(demo, name, 1) == ECA_NOWTACCESS
        assert type(demo.raw(name)) is type(before)
