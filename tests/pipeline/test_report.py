"""Reports: which values each can have, and that a wrong one is refused where it is made."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixieioc.pipeline import Parameter, Report
from pixieioc.pipeline.declare import BadReport
from pixieioc.pipeline.undeclared import MOST_BYTES, Undeclared, as_json

SHAPE: dict[str, Any] = {"modules": 2, "channels": 3, "bins": 4, "rois": 2}
COUNT = Report(0, doc="")
SMALL = Report(0, doc="", small=True)
FLOAT = Report(0.0, doc="")
FLAG = Report(False, doc="")
TEXT = Report("", doc="")
STATE = Report("off", choices=("off", "on"), doc="")
ARRAY = Report(np.zeros((0, 0)), per="channel", doc="")
WHOLE = Report(np.zeros((0, 0, 0), np.int32), per="channel", length="bins", doc="")
SEVERAL = Report(np.zeros((0, 0, 0)), per="channel", times="rois", doc="")
MODULE = Report(np.zeros(0), per="module", doc="")
STATES = Report(np.zeros(0, np.int32), per="module", choices=("off", "on"), doc="")
ROW = Report(np.zeros((0, 0)), per="module", length="channels", doc="")
LARGE: Report[Any] = Report(np.zeros((0, 0, 0), np.int32), per="channel", length="bins", large=True, doc="")


@pytest.mark.parametrize(
    ("report", "given_value", "kept"),
    [
        (COUNT, 7, 7),
        (COUNT, np.uint16(7), 7),
        (COUNT, 7.0, 7),
        (COUNT, np.array(7), 7),
        (COUNT, -(2**53), -(2**53)),
        (SMALL, 2**31 - 1, 2**31 - 1),
        (FLOAT, 7, 7.0),
        (FLOAT, np.float32(0.5), 0.5),
        (FLOAT, math.inf, math.inf),
        (FLAG, np.bool_(True), True),
        (FLAG, 1, True),
        (TEXT, np.str_("a"), "a"),
        (TEXT, "x" * 65536, "x" * 65536),
        (TEXT, "run\udcff.bin", "run\\udcff.bin"),
        (STATE, "on", "on"),
    ],
)
def test_what_is_kept(report: Report[Any], given_value: object, kept: object) -> None:
    made = report.check(given_value, {})
    assert (made, type(made)) == (kept, type(kept))


def test_a_number_that_is_none_can_be_reported_as_a_float_only() -> None:
    assert math.isnan(FLOAT.check(np.nan, {}))
    with pytest.raises(ValueError, match="must be a whole number"):
        COUNT.check(np.nan, {})


@pytest.mark.parametrize(
    ("report", "wrong", "says"),
    [
        (COUNT, 0.5, r"a whole number up to 2\^53"),
        (COUNT, 2**53 + 1, "a whole number"),
        (COUNT, True, "a whole number"),
        (COUNT, "7", "a whole number"),
        (COUNT, None, "a whole number"),
        (COUNT, np.arange(2), "a whole number"),
        (SMALL, 2**31, "a whole number from -2147483648 to 2147483647"),
        (FLOAT, "0.5", "a number"),
        (FLOAT, 10**400, "a number"),
        (FLOAT, 1j, "a number"),
        (FLAG, 2, "true or false"),
        (FLAG, "yes", "true or false"),
        (TEXT, 7, "a text of at most 65536 bytes"),
        (TEXT, b"a", "a text"),
        (TEXT, "x" * 65537, "a text of at most 65536 bytes"),
        (TEXT, "a\0b", "without NUL"),
        (STATE, "On", "one of off, on"),
        (STATE, 1, "one of off, on"),
        (ARRAY, 7, r"an array of numbers by modules 2, channels 3, not int64\[\]"),
        (ARRAY, np.zeros((3, 2)), r"by modules 2, channels 3, not float64\[3, 2\]"),
        (ARRAY, np.zeros((2, 3), complex), r"not complex128\[2, 3\]"),
        (ARRAY, [[1, 2, 3], [4]], "an array of numbers"),
        (ARRAY, [["a"] * 3] * 2, "an array of numbers"),
        (WHOLE, np.zeros((2, 3, 5), np.int32), r"by modules 2, channels 3, bins 4, not int32\[2, 3, 5\]"),
        (WHOLE, np.full((2, 3, 4), 0.5), "whole numbers from -2147483648 to 2147483647 only"),
        (WHOLE, np.full((2, 3, 4), np.nan), "whole numbers"),
        (WHOLE, np.full((2, 3, 4), 2**31), "whole numbers"),
        (SEVERAL, np.zeros((2, 3, 1)), "by modules 2, channels 3, rois 2"),
        (MODULE, np.zeros(3), r"by modules 2, not float64\[3\]"),
        (ROW, np.zeros((2, 4)), r"by modules 2, channels 3, not float64\[2, 4\]"),
        (STATES, np.array([0, 2], np.int32), "whole numbers from 0 to 1 only"),
        (LARGE, np.zeros((2, 3, 4), np.int32), r"a mapping of channels, \(module, channel\), to arrays"),
        (LARGE, {(0, 0): np.arange(5, dtype=np.int32)}, r"not int32\[1, 1, 5\]"),
        (LARGE, {(0, 0): np.array([0.5])}, "whole numbers"),
        (LARGE, {(0, 0): np.zeros((1, 4), np.int32)}, r"not int32\[1, 1, 1, 4\]"),
    ],
)
def test_what_is_refused(report: Report[Any], wrong: object, says: str) -> None:
    with pytest.raises(ValueError, match=f"must (be|have) .*{says}|must (be|have) {says}"):
        report.check(wrong, SHAPE)


@pytest.mark.parametrize("key", [(2, 0), (0, 3), (0,), 0, "M02:C00"])
def test_a_large_array_is_one_of_a_channel_that_is_there(key: object) -> None:
    with pytest.raises(ValueError, match=r"is no channel|there are modules 0 to 1, channels 0 to 2"):
        LARGE.check({key: np.zeros(4, np.int32)}, SHAPE)


def test_large_arrays_are_those_of_single_channels() -> None:
    found = LARGE.check({(1, 2): [1, 2], "M00:C01": np.ones(4)}, SHAPE)
    assert {name: (array.tolist(), array.dtype) for name, array in found.items()} == {
        "M01:C02": ([1, 2], np.int32), "M00:C01": ([1, 1, 1, 1], np.int32)
    }  # fmt: skip
    assert LARGE.check({(0, 0): []}, SHAPE)["M00:C00"].shape == (0,)
    assert LARGE.check(LARGE.initial, SHAPE) == {}
    with pytest.raises(ValueError, match="large goes with per='channel' and length"):
        Report(np.zeros((0, 0)), per="channel", large=True, doc="")


def test_large_arrays_wait_for_the_next_report_together() -> None:
    task = SimpleNamespace(name="Site", parameter_values=SHAPE, report_values={}, report_changed=set())
    LARGE.name = "large"
    for module, value in ((0, 1), (1, 2), (1, 3)):
        LARGE.__set__(task, {(module, 0): np.array([value])})
    assert {name: array.tolist() for name, array in task.report_values["large"].items()} == {
        "M00:C00": [1], "M01:C00": [3]
    }  # fmt: skip
    task.report_changed.clear()  # it has left
    LARGE.__set__(task, {(0, 2): np.array([4])})
    assert list(task.report_values["large"]) == ["M00:C02"]


def test_arrays_keep_their_values() -> None:
    assert ARRAY.check([[1, 2, 3], [4, 5, 6]], SHAPE).tolist() == [[1, 2, 3], [4, 5, 6]]
    assert ARRAY.check(np.zeros((0, 0)), SHAPE).size == 0  # nothing is known yet
    assert WHOLE.check(np.ones((2, 3, 2)), SHAPE).dtype == np.int32
    assert MODULE.check([1, 2], SHAPE).tolist() == [1.0, 2.0]
    assert STATES.check([True, False], SHAPE).tolist() == [1, 0]
    assert ROW.check(np.ones((2, 3)), SHAPE).tolist() == [[1] * 3] * 2
    big = Report(np.zeros((0, 0), np.int64), per="channel", doc="").check(np.full((2, 3), 2**60), SHAPE)
    assert big.tolist() == [[2**60] * 3] * 2


@given(value=st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(), st.lists))
def test_whatever_is_assigned_is_kept_as_the_type_of_the_report_or_refused(value: Any) -> None:
    for report in (COUNT, SMALL, FLOAT, FLAG, TEXT, STATE, ARRAY, WHOLE, SEVERAL):
        try:
            made = report.accept("Site", value, SHAPE)
        except BadReport as error:
            assert str(error).startswith(f"Site.{report.name} = ")  # noqa: PT017 - it need not be raised
        else:
            assert type(made) is type(report.initial)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"initial": [1, 2]}, "bool, int, float or str .*, not list"),
        ({"initial": np.zeros(3)}, "bool, int, float or str .*, not ndarray"),
        ({"initial": None}, "not NoneType"),
        ({"initial": "x", "choices": ("a", "b")}, "initial = 'x': must be one of a, b"),
        ({"initial": "a", "choices": ("a",)}, "choices: must be 2 to 16, not 1"),
        ({"initial": "a", "choices": ("a", "b" * 26)}, "longer than 25 bytes"),
        ({"initial": False, "severities": ("MAJOR",)}, "severities: must be 2"),
        ({"initial": False, "severities": ("MAJOR", "BAD")}, "'BAD' is none of NO_ALARM, MINOR"),
        ({"initial": 0.0, "per": "channel"}, "a numpy array of numbers"),
        ({"initial": np.zeros((0, 0), np.int64), "per": "channel", "length": "bins"}, "at most 32 bits"),
        ({"initial": 0, "length": "bins"}, "go with per='channel'"),
        ({"initial": 0, "per": "crate"}, "per = 'crate': must be 'task', 'module' or 'channel'"),
        ({"initial": 0, "per": "module"}, "report per module is a numpy array of numbers, np.zeros\\(0\\)"),
        ({"initial": np.zeros(0), "per": "module", "choices": ("a", "b")}, "choices go with a text, or with per="),
        ({"initial": 0, "pv": "Über"}, "a process variable has letters, digits"),
        ({"initial": 0, "pv": "a b"}, "a process variable has letters, digits"),
    ],
)
def test_a_declaration_that_cannot_be(arguments: dict[str, Any], says: str) -> None:
    with pytest.raises((TypeError, ValueError), match=says):
        Report(**arguments, doc="")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"default": 5, "high": 4}, "default = 5: must be a whole number"),
        ({"default": 5, "low": 6, "high": 4}, "low = 6 is above high = 4"),
        ({"default": 5, "lo": 4}, r"Parameter has no argument lo; did you mean low\?"),
        ({"default": True, "command": True}, "a command has the default False"),
        ({"default": 5, "path": True}, "a path is a text"),
        ({"default": "", "must_exist": True}, "must_exist goes with path=True"),
        ({"default": 5, "times": "rois"}, "times goes with per='channel'"),
        ({"default": 5, "per": "channel"}, r"one value in brackets, as in \[\[0\]\]"),
        ({"default": [[1, 2]], "per": "channel"}, "one value in brackets"),
        ({"default": "a", "choices": ("a", "a")}, "each may be there once"),
    ],
)
def test_a_parameter_that_cannot_be(arguments: dict[str, Any], says: str) -> None:
    with pytest.raises((TypeError, ValueError), match=says):
        Parameter(**arguments, doc="")


class Holder:
    """What a descriptor needs of a task."""

    numbers = Parameter([1.0], items=float, doc="")
    places = Parameter([[0]], per="channel", doc="")

    def __init__(self) -> None:
        self.parameter_values = {"numbers": Holder.numbers.default_for({}), "places": [[1, 2], [3, 4]]}


def test_a_list_that_a_task_changes_is_its_own() -> None:
    one, other = Holder(), Holder()
    one.numbers.append(2.0)
    one.places[0][0] = 7
    assert (one.numbers, other.numbers, Holder().numbers) == ([1.0], [1.0], [1.0])
    assert one.places == [[1, 2], [3, 4]]
    default = [1.0]
    parameter = Parameter(default, items=float, doc="")
    default.append(2.0)
    assert parameter.default == [1.0]


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ({"a": np.int16(3), "b": None, "c": [True, "x"]}, '{"a":3,"b":null,"c":[true,"x"]}'),
        ({"a": math.nan, "b": np.float64("inf")}, '{"a":null,"b":null}'),
        ({"a": {"deep": {"er": 1}}}, '{"a":{"deep":{"er":1}}}'),
        ({"a": np.arange(3), "b": np.zeros((20, 10))}, '{"a":[0,1,2],"b":"float64[20, 10]"}'),
    ],
)
def test_undeclared_values_are_shown_as_json(values: dict[str, Any], shown: str) -> None:
    Undeclared().check("Site", values)
    assert as_json(values) == shown


def _cyclic() -> dict[str, Any]:
    cyclic: dict[str, Any] = {}
    cyclic["again"] = cyclic
    return cyclic


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"a": {1, 2}}, r"Site.a = \{1, 2\}: cannot be reported: .*type set"),
        ({"a": object()}, "Site.a = <object object at .*type object"),
        ({"a": 1 << 70}, "more than 64 bits"),
        ({"a": 1j}, "type complex"),
        ({"a": np.complex128(1)}, "cannot be reported"),
        ({"a": "\udcff"}, "cannot be reported"),
        ({"a": _cyclic()}, "cannot be reported"),
        ({"a": "x" * MOST_BYTES}, f"bring those of this task to .* they have at most {MOST_BYTES}"),
        ({"": 1}, "the name of a report is a text of 1 to 60 characters, not ''"),
        ({"x" * 61: 1}, "the name of a report"),
        ({7: 1}, "the name of a report is a text .*, not 7"),
        ({"a\nb": 1}, "the name of a report"),
    ],
)
def test_what_is_undeclared_must_be_small_and_plain(values: dict[str, Any], says: str) -> None:
    with pytest.raises(BadReport, match=says):
        Undeclared().check("Site", values)


def test_undeclared_values_are_bounded_together() -> None:
    undeclared = Undeclared()
    undeclared.check("Site", {f"name{number}": number for number in range(200)})
    with pytest.raises(BadReport, match="declare a Report for what is large"):
        undeclared.check("Site", {f"name{number}": number for number in range(200, 400)})
    undeclared.check("Site", {"name1": 7})  # one that is known has room
