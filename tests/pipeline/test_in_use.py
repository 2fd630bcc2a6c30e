"""What a task answers that it uses, and what it announces: checked where it is made, carried, taken over."""

from __future__ import annotations

import re
from time import time as unix_time
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixieioc.pipeline import Cause, Refused
from pixieioc.pipeline.declare import Value
from pixieioc.pipeline.frames import Packet, pack, unpack
from pixieioc.pipeline.in_use import (
    BadSetting,
    changes_between,
    checked,
    checked_limits,
    completed,
    keep_in_use,
    packed,
    packed_limits,
    spots,
    value_at,
)
from pixieioc.pipeline.validate import defaults_for
from tests.pipeline.toy_crate import ToyCrate
from tests.recorder import Recorder

PARAMETERS = ToyCrate.parameters()


def _values() -> dict[str, Value]:
    return defaults_for(ToyCrate, {})


def _checked(values: Any) -> dict[str, Any]:
    return checked("Crate", PARAMETERS, _values(), values)


def _wire(payload: Any) -> Any:
    return unpack([bytes(frame) for frame in pack(Packet("x", payload=payload))]).payload


# -- rules ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"rise_time": {(0, 1): 1}}, {"rise_time": {(0, 1): 1.0}}),
        ({"rise_time": {"M00:C01": 1}}, {"rise_time": {(0, 1): 1.0}}),
        ({"rise_time": [[1, 2], [3, 4]]}, {"rise_time": [[1.0, 2.0], [3.0, 4.0]]}),
        ({"rise_time": np.ones((2, 2))}, {"rise_time": [[1.0, 1.0], [1.0, 1.0]]}),
        ({"polarity": [["negative"] * 2] * 2}, {"polarity": [["negative"] * 2] * 2}),
        ({"range": {"M01": 4}}, {"range": {(1,): 4}}),
        ({"range": [1, 2]}, {"range": [1, 2]}),
        ({"range": np.array([1.0, 2.0])}, {"range": [1, 2]}),
        ({"steps": np.int16(4)}, {"steps": 4}),
        ({}, {}),
    ],
)
def test_values_in_use_are_kept_and_travel(given: dict[str, Any], kept: dict[str, Any]) -> None:
    values = _checked(given)
    assert values == kept
    assert [list(map(type, row)) for row in values.get("rise_time", []) if isinstance(row, list)] in (
        [],
        [[float] * 2] * 2,
    )
    assert _checked(_wire(packed(PARAMETERS, values))) == kept


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (5, "Crate: values in use map parameters to values, this is 5"),
        ({"rise": 1}, "Crate uses 'rise': it has no such parameter; did you mean rise_time?"),
        ({3: 1}, "Crate uses 3: it has no such parameter"),
        ({"modules": 3}, "Crate.modules: can only be set in the configuration file"),
        ({"load": True}, "Crate.load: is a command"),
        ({"steps": 101}, "Crate.steps = 101: must be a whole number from 0 to 100"),
        ({"steps": {(0,): 1}}, "Crate.steps = {(0,): 1}: must be a whole number"),
        ({"rise_time": 1.0}, "Crate.rise_time = 1.0: must be a mapping of places to values, or lists of 2 x 2 values"),
        ({"rise_time": [[1.0], [2.0, 3.0]]}, "or lists of 2 x 2 values (modules, channels)"),
        ({"rise_time": [[1.0, 2.0], [3.0, "x"]]}, "Crate.rise_time of M01:C01 = 'x': must be a number from 0 to 100"),
        ({"rise_time": np.full((2, 2), np.nan)}, "Crate.rise_time of M00:C00 = nan: must be a number"),
        ({"rise_time": {(0, 1): 200}}, "Crate.rise_time of M00:C01 = 200: must be a number from 0 to 100 (us)"),
        ({"rise_time": {(0, 2): 1}}, "there is no such place (modules, channels)"),
        ({"rise_time": {(0,): 1}}, "(0,): is no place of it"),
        ({"rise_time": {"M0": 1}}, "'M0' must be a module (M00), a channel (M00:C03) or a part of it"),
        ({"range": {(0, 1): 1}}, "(0, 1): is no place of it"),
        ({"range": [1, 2, 3]}, "or lists of 2 values (modules)"),
        ({"polarity": [["up", "negative"]] * 2}, "Crate.polarity of M00:C00 = 'up': must be one of negative, positive"),
    ],
)
def test_what_its_parameters_cannot_be_is_the_fault_of_the_task(given: Any, says: str) -> None:
    with pytest.raises(BadSetting, match=re.escape(says)):
        _checked(given)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"steps": (0, 10)}, {"steps": {(): (0, 10)}}),
        ({"rise_time": (1, 2)}, {"rise_time": {(): (1.0, 2.0)}}),
        ({"rise_time": {(1,): [1, 2], "M00:C01": (2, 3)}}, {"rise_time": {(1,): (1, 2), (0, 1): (2, 3)}}),
        ({"range": {"M01": (1, 4)}}, {"range": {(1,): (1, 4)}}),
    ],
)
def test_limits_are_kept_and_travel(given: Any, kept: Any) -> None:
    limits = checked_limits("Crate", PARAMETERS, _values(), given)
    assert limits == kept
    assert checked_limits("Crate", PARAMETERS, _values(), _wire(packed_limits(limits))) == kept


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (5, "Crate: limits map parameters to pairs, this is 5"),
        ({"steps": 5}, "Crate.steps: limits 5: must be the lowest and the highest value"),
        ({"steps": (5, 4)}, "the lowest value is above the highest"),
        ({"steps": (0, 101)}, "must be a whole number from 0 to 100"),
        ({"polarity": (0, 1)}, "Crate.polarity: limits (0, 1): its values are no numbers"),
        ({"rise_time": {(2,): (0, 1)}}, "there is no such place"),
        ({"rise": (0, 1)}, "it has no such parameter"),
    ],
)
def test_limits_that_cannot_be_are_the_fault_of_the_task(given: Any, says: str) -> None:
    with pytest.raises(BadSetting, match=re.escape(says)):
        checked_limits("Crate", PARAMETERS, _values(), given)


def _two_of(values: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(values, min_size=2, max_size=2)


_places = st.tuples(st.integers(0, 1), st.integers(0, 1))
_rise_times = st.floats(0, 100)
_ranges = st.integers(1, 6)
_in_use = st.fixed_dictionaries(
    {},
    optional={
        "rise_time": st.dictionaries(_places, _rise_times) | _two_of(_two_of(_rise_times)),
        "range": st.dictionaries(st.tuples(st.integers(0, 1)), _ranges) | _two_of(_ranges),
        "steps": st.integers(0, 100),
    },
)


@given(_in_use, _in_use)
def test_what_was_asked_for_is_used_unless_the_task_says_otherwise(
    asked: dict[str, Any], answered: dict[str, Any]
) -> None:
    before, after = _values(), _values()
    keep_in_use(after, asked)
    changes = changes_between(PARAMETERS, before, after)
    assert dict(spots(PARAMETERS, changes)) == {
        spot: value for spot, value in spots(PARAMETERS, asked) if value != value_at(before, spot, None)
    }
    used = dict(spots(PARAMETERS, completed(changes, answered)))
    assert used == {**dict(spots(PARAMETERS, changes)), **dict(spots(PARAMETERS, answered))}
    keep_in_use(after, answered)
    assert all(value_at(after, spot, None) == value for spot, value in used.items())


def test_what_is_kept_is_nobody_elses_list() -> None:
    values, mine = _values(), [[1.0, 2.0], [3.0, 4.0]]
    keep_in_use(values, {"rise_time": mine})
    keep_in_use(values, {"rise_time": {(0, 0): 9.0}})
    assert (values["rise_time"], mine[0][0]) == ([[9.0, 2.0], [3.0, 4.0]], 1.0)


# -- a task and its pipeline ------------------------------------------------------------------------------------------


class Listening(Recorder):
    """A pipeline that remembers what came into use, too."""

    def __init__(self) -> None:
        super().__init__()
        self.came: list[tuple[dict[str, Any], dict[str, Any]]] = []

    def handle_in_use(self, name: str, values: dict[str, Any], limits: dict[str, Any], time: float) -> None:
        assert name == "ToyCrate"
        assert abs(time - unix_time()) < 60
        self.came.append((values, limits))


@pytest.fixture
def crate() -> Any:
    with Listening() as pipeline:
        pipeline.chain_of("ToyCrate", "ToySink")
        yield pipeline


def _used(pipeline: Recorder, name: str) -> Any:
    return pipeline.settings["ToyCrate"][name]


def test_an_answer_has_what_is_in_use_and_what_has_changed_with_it(crate: Listening) -> None:
    crate.configure({"rise_time": {"=": True, "M01:C00": 0.5}, "steps": 5})
    assert crate.came == [
        ({"rise_time": {(1, 0): pytest.approx(0.48)}, "threshold": {(1, 0): 48.0}, "range": {}, "steps": 4}, {})
    ]
    assert _used(crate, "rise_time") == [[0.4, 0.4], [pytest.approx(0.48), 0.4]]
    assert _used(crate, "threshold") == [[50.0, 50.0], [48.0, 50.0]]
    assert _used(crate, "steps") == 4


def test_a_parameter_of_modules_is_written_whole_or_by_module(crate: Listening) -> None:
    crate.configure({"range": {"M01": 6, "*": 5}})
    assert _used(crate, "range") == [5, 4]
    crate.configure({"range": {"=": True, "M00": 1}})
    assert _used(crate, "range") == [1, 4]
    for value, says in (
        ([1], "must be a list of 2 values"),
        ({"M00:C00": 1}, "must be a module"),
        ({"M02": 1}, "0 to 1"),
    ):
        with pytest.raises(Refused, match=says):
            crate.configure({"range": value})
    with pytest.raises(Refused, match=r"ToyCrate.range of M01 = 7: must be a whole number from 1 to 6"):
        crate.configure({"range": [1, 7]})


def test_what_a_refusing_task_was_asked_for_is_not_used(crate: Listening) -> None:
    with pytest.raises(Refused, match=r"ToyCrate\.steps = 13: brings bad luck"):
        crate.configure({"steps": 13})
    assert (crate.came, _used(crate, "steps")) == ([], 0)


def test_a_new_process_begins_with_what_was_in_use(crate: Listening) -> None:
    crate.configure({"load": True})
    assert _used(crate, "threshold") == [[77.0, 77.0], [77.0, 77.0]]
    assert _used(crate, "range") == [2, 2]
    crate.send_kill("ToyCrate")
    crate.until(lambda: crate.processes["ToyCrate"].lost)
    crate.follow(crate.replacing())
    assert _used(crate, "threshold") == [[77.0, 77.0], [77.0, 77.0]]
    assert crate.processes["ToyCrate"].task.parameter_values["polarity"] == [["negative"] * 2] * 2


@pytest.mark.parametrize(
    ("slip", "says"),
    [
        ("name", "ToyCrate uses 'rise': it has no such parameter; did you mean rise_time?"),
        ("type", "ToyCrate.rise_time of M00:C01 = 'slow': must be a number from 0 to 100 (us)"),
        ("range", "ToyCrate.range of M01 = 7: must be a whole number from 1 to 6"),
        ("shape", "must be a mapping of places to values, or lists of 2 x 2 values (modules, channels)"),
        ("no mapping", "ToyCrate: values in use map parameters to values, this is 5"),
    ],
)
def test_a_wrong_answer_is_the_error_of_the_task(crate: Listening, slip: str, says: str) -> None:
    with pytest.raises(Refused):
        crate.configure({"slip": slip})
    [(name, error)] = crate.heard_errors
    assert (name, error.cause) == ("ToyCrate", Cause.ERROR)
    assert says in str(error)
    assert crate.came == []
