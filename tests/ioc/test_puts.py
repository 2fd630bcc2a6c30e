"""What operators' programs put to the process variables of an IOC: text as numbers, a cursor's position, arrays."""

from __future__ import annotations

import numpy as np
import pytest
from epicscorelibs.ca import dbr as types

from pixieioc.config import load
from pixieioc.pipeline.declare import LONGEST_TEXT
from pixieioc.pvinfo.build import all_pvs
from tests.ca_client import PutFailed
from tests.running_ioc import Ioc

CONFIG = """
[pipeline]
chain = ["DummyData", "GatherData", "ConvertToEvents", "FillSpectra"]

[crate]
channels = 2

[tasks.FillSpectra]
bins = 1024
rois = 2
roi_low = [0, 90]
roi_high = [1023, 1023]
roi_name = ["all", "137Cs"]

[ioc]
state_dir = "state"
"""


def _codes(text: str) -> np.ndarray:
    return np.frombuffer(text.encode(), np.uint8).astype(np.int32)


@pytest.fixture
def texts(ioc: Ioc) -> list[str]:
    """All long strings that can be written."""
    return [pv.name for pv in all_pvs(load(ioc.folder / "test.toml")).values() if pv.is_text and pv.access]


def test_every_text_takes_its_characters_as_numbers(ioc: Ioc, texts: list[str]) -> None:
    """Phoebus sends what is typed as DBR_LONG."""
    assert len(texts) >= 8
    for name in texts:
        before = ioc.get(name)
        ioc.put(name, _codes(before + "\0"), datatype=types.DBR_LONG)
        assert (name, ioc.get(name)) == (name, before)


@pytest.mark.parametrize(
    ("value", "datatype", "is_then"),
    [
        (_codes("größe"), types.DBR_LONG, "größe"),
        (np.frombuffer("größe".encode(), np.int8).astype(np.int32), types.DBR_LONG, "größe"),
        (_codes("run").astype(float), types.DBR_DOUBLE, "run"),
        (_codes("run").astype(np.int16), types.DBR_SHORT, "run"),
        (["65", "66", "67"], types.DBR_STRING, "ABC"),
        ("65", types.DBR_STRING, "65"),
    ],
)
def test_a_file_name_is_taken_from_any_type(ioc: Ioc, value: object, datatype: int, is_then: str) -> None:
    ioc.put("FileName", value, datatype=datatype)
    assert ioc.get("FileName") == is_then


@pytest.mark.parametrize(
    ("name", "sent", "datatype", "is_then"),
    [
        ("M00:C01:ROI1:Low", 158.22, types.DBR_DOUBLE, 158),
        ("M00:C01:ROI1:Low", "158.22", types.DBR_STRING, 158),
        ("M00:C01:ROI1:Low", 158.22, types.DBR_FLOAT, 158),
        ("DummyData:Seed", 7.9, types.DBR_DOUBLE, 7),
        ("PresetEvents", 20000.7, types.DBR_DOUBLE, 20000),
        ("PresetEvents", "1e6", types.DBR_STRING, 1_000_000),
        ("PresetMode", 1.2, types.DBR_DOUBLE, "Real time"),
    ],
)
def test_a_whole_number_truncates(ioc: Ioc, name: str, sent: object, datatype: int, is_then: object) -> None:
    ioc.put(name, sent, datatype=datatype)
    assert ioc.get(name) == is_then


@pytest.mark.parametrize(
    ("name", "sent", "datatype", "says"),
    [
        ("M00:C01:ROI1:Low", -1.5, types.DBR_DOUBLE, "must be a whole number from 0"),
        ("M00:C01:ROI1:Low", 5e9, types.DBR_DOUBLE, "does not fit"),
        ("M00:C01:ROI1:Low", float("nan"), types.DBR_DOUBLE, "nan is not a whole number"),
        ("M00:C01:ROI1:Low", "12 bins", types.DBR_STRING, "'12 bins' is not a number"),
        ("PresetReal", 1e9, types.DBR_DOUBLE, "must be a number from"),
        ("PresetMode", 9.0, types.DBR_DOUBLE, "9 is none of"),
        ("FileName", _codes("x" * (LONGEST_TEXT + 1)), types.DBR_LONG, f"the text has {LONGEST_TEXT + 1} bytes"),
        ("FileName", np.array([65, 70000], np.int32), types.DBR_LONG, "70000 is not a number from -128 to 65535"),
        ("FileName", ["65", "B"], types.DBR_STRING, "'B' is not a number"),
    ],
)
def test_what_is_refused_is_not_clipped_and_says_why(
    ioc: Ioc, name: str, sent: object, datatype: int, says: str
) -> None:
    before = ioc.get(name)
    with pytest.raises(PutFailed):
        ioc.put(name, sent, datatype=datatype)
    assert says in ioc.get("CmdMessage_RBV")
    assert ioc.get(name) == before


def test_the_long_form_of_a_region_s_name_has_its_limits_and_effects(ioc: Ioc) -> None:
    ioc.put("M00:C00:ROI1:Name$", _codes("my line\0"), datatype=types.DBR_LONG)
    assert ioc.get("M00:C00:ROI1:Name") == ioc.get("M00:C00:ROI1:Name$") == "my line"
    assert ioc.get("CmdMessage_RBV") == "M00:C00:ROI1:Name = my line"
    with pytest.raises(PutFailed):
        ioc.put("M00:C00:ROI1:Name$", _codes("x" * 40), datatype=types.DBR_CHAR)
    with pytest.raises(PutFailed):
        ioc.put("M00:C00:ROI1:Name_RBV$", _codes("x\0"), datatype=types.DBR_CHAR)
    assert ioc.get("M00:C00:ROI1:Name") == "my line"


def test_nothing_of_all_this_is_a_fault(ioc: Ioc) -> None:
    assert (ioc.get("IOC:NAME_ERROR_CNT"), ioc.severity("IOC:NAME_ERROR_CNT")) == (0, 0)
    assert ioc.get("IOC:ERROR") == "OK"
