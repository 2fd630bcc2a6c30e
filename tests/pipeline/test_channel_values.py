"""Values per channel: how they may be written, what is said of the rest, and their short form."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixieioc.pipeline import Parameter, Refused, channel_values
from pixieioc.pipeline.declare import parameters_of
from pixieioc.pipeline.validate import defaults_for, validate


class Crate:
    modules = Parameter(1, low=1, high=13, fixed=True, doc="")
    channels = Parameter(16, low=1, high=32, fixed=True, doc="")
    rois = Parameter(4, low=1, high=32, fixed=True, doc="")
    bins = Parameter(100, low=16, high=65536, fixed=True, doc="")
    gain = Parameter([[1.0]], per="channel", low=0, high=5, unit="V", doc="")
    low = Parameter([[[0]]], per="channel", times="rois", low=0, high=999, doc="", pv="ROI{}:Low")
    high = Parameter(
        [[[-1]]],
        per="channel",
        times="rois",
        low=-1,
        high=999,
        unset=-1,
        at_least="low",
        below="bins",
        doc="",
        pv="ROI{}:High",
    )


SIZES: dict[str, Any] = {"modules": 2, "channels": 2, "rois": 2}


def _accepted(**values: Any) -> dict[str, Any]:
    return validate({"Crate": SIZES | values}, {"Crate": Crate})["Crate"]


def _refused(**values: Any) -> tuple[str, ...]:
    with pytest.raises(Refused) as caught:
        _accepted(**values)
    return caught.value.problems


@pytest.mark.parametrize(
    ("given", "means"),
    [
        (2, [[2.0, 2.0], [2.0, 2.0]]),
        ({"*": 2, "M01": 3, "M01:C00": 4}, [[2.0, 2.0], [4.0, 3.0]]),
        ({"M00:C01": 5}, [[1.0, 5.0], [1.0, 1.0]]),
        ({}, [[1.0, 1.0], [1.0, 1.0]]),
        ([[1, 2], [3, 4]], [[1.0, 2.0], [3.0, 4.0]]),
    ],
)
def test_one_value_a_channel(given: object, means: object) -> None:
    assert _accepted(gain=given)["gain"] == means


@pytest.mark.parametrize(
    ("given", "means"),
    [
        ([5], [[[5, 0], [5, 0]], [[5, 0], [5, 0]]]),
        ({"*": [5, 6], "M00:C01": [7]}, [[[5, 6], [7, 0]], [[5, 6], [5, 6]]]),
        ({"M01": []}, [[[0, 0], [0, 0]], [[0, 0], [0, 0]]]),
        ([[[1, 2], [3, 4]], [[5, 6], [7, 8]]], [[[1, 2], [3, 4]], [[5, 6], [7, 8]]]),
    ],
)
def test_several_values_a_channel(given: object, means: object) -> None:
    assert _accepted(low=given)["low"] == means


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"gain": {"M02": 1}}, "Crate.gain = {'M02': 1}: M02: modules are 0 to 1 (modules)"),
        ({"gain": {"M00:C02": 1}}, "Crate.gain = {'M00:C02': 1}: M00:C02: channels are 0 to 1 (channels)"),
        (
            {"gain": {"0:3": 1}},
            "Crate.gain = {'0:3': 1}: '0:3' must be a channel (M00:C03), a module (M00), or * for all others",
        ),
        ({"gain": {"M00:C01": 9}}, "Crate.gain of M00:C01 = 9: must be a number from 0 to 5 (V)"),
        ({"gain": [[1, 2]]}, "Crate.gain = [[1, 2]]: must be a list of 2 lists (modules) of 2 values each (channels)"),
        ({"low": 5}, "Crate.low = 5: must be a list of at most 2 values for a channel, not 5"),
        ({"low": [1, 2, 3]}, "Crate.low = [1, 2, 3]: must be a list of at most 2 values for a channel, not [1, 2, 3]"),
        ({"low": {"M01:C00": [0, 1000]}}, "Crate.low of M01:C00:ROI2 = 1000: must be a whole number from 0 to 999"),
        (
            {"low": {"M01:C00": [0, 50]}, "high": {"M01:C00": [1, 49]}},
            "Crate.high of M01:C00:ROI2 = 49: is below low of M01:C00:ROI2 = 50",
        ),
        (
            {"high": {"M01:C01": [100]}},
            "Crate.high of M01:C01:ROI1 = 100: must be below bins, which is 100",
        ),
    ],
)
def test_what_is_wrong_is_named_with_its_place(values: dict[str, Any], says: str) -> None:
    assert [problem for problem in _refused(**values) if problem.startswith(says)], _refused(**values)


def test_a_value_that_is_not_there_is_not_compared() -> None:
    assert _accepted(low=[50])["low"][0][0] == [50, 0]
    assert _accepted(low=[50], high=[-1])["high"][1][1] == [-1, -1]


def test_what_is_known_counts_as_much_as_what_is_given() -> None:
    known = {"Crate": defaults_for(Crate, _accepted(high=[60]))}
    low: Any = validate({"low": [60]}, {"Crate": Crate}, known=known)["Crate"]["low"]
    assert low[1][0] == [60, 0]
    with pytest.raises(Refused, match="Crate.high of M00:C00:ROI1 = 60: is below low of M00:C00:ROI1 = 61"):
        validate({"low": [61]}, {"Crate": Crate}, known=known)


def test_defaults_are_for_all_channels() -> None:
    values = defaults_for(Crate, SIZES)
    assert values["gain"] == [[1.0, 1.0], [1.0, 1.0]]
    assert values["high"] == [[[-1, -1], [-1, -1]], [[-1, -1], [-1, -1]]]


def test_lists_have_no_value_a_channel() -> None:
    with pytest.raises(TypeError, match="one value per channel"):
        Parameter([[["a"]]], per="channel", doc="")


@given(
    st.lists(
        st.lists(st.lists(st.integers(0, 3), min_size=2, max_size=2), min_size=2, max_size=2), min_size=2, max_size=2
    )
)
def test_the_short_form_means_the_same(value: list[list[Any]]) -> None:
    short = channel_values.gathered(value)
    parameter = parameters_of(Crate)["low"]
    assert channel_values.spread(json.loads(json.dumps(short)), (2, 2, 2), parameter.default_of_one, ("", "")) == value


def test_the_short_form_is_short() -> None:
    assert channel_values.gathered([[1, 1], [1, 1]]) == 1
    assert channel_values.gathered([[1, 1], [1, 2]]) == {"*": 1, "M01:C01": 2}
    assert channel_values.gathered([[1, 2]]) == {"M00:C00": 1, "M00:C01": 2}


def test_a_table_can_change_single_places_and_keep_the_others() -> None:
    known = [[[1, 2], [3, 4]]]
    table = channel_values.table_of({(0, 1, 0): 9})
    assert table == {"=": True, "M00:C01:1": 9}
    assert channel_values.spread(table, (1, 2, 2), 0, ("modules", "channels"), known) == [[[1, 2], [9, 4]]]
    assert known == [[[1, 2], [3, 4]]]


@pytest.mark.parametrize("key", ["M00", "M01:C00:1", "M00:C02:1", "M00:C00:3", "M00:C00:0", "M00:C00:1:1", "*", "x"])
def test_a_place_that_there_is_not_is_named(key: str) -> None:
    table = {"=": True, key: 9}
    with pytest.raises(ValueError, match=re.escape(key)):
        channel_values.spread(table, (1, 2, 2), 0, ("modules", "channels"), [[[1, 2], [3, 4]]])
