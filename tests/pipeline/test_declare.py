"""Parameters and reports: what is accepted, and what is said of the rest."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixieioc.pipeline import Parameter, Refused, Report
from pixieioc.pipeline.declare import LONGEST_TEXT, parameters_of, pv_name, reports_of
from pixieioc.pipeline.validate import validate

INT = Parameter(5, low=1, high=16, unit="bins", doc="")
NEVER = Parameter(60.0, doc="A limit.", unit="s", low=1, high=1e7, unset=0)
FLOAT = Parameter(1.0, low=0.5, high=3, unit="s", doc="")
BOOL = Parameter(False, doc="")
STATES = Parameter(False, choices=("Negative", "Positive"), doc="")
ENUM = Parameter("now", choices=("now", "later"), doc="")
TEXT = Parameter("", doc="")
TEXTS = Parameter(["a"], doc="")
NUMBERS = Parameter([1.0], items=float, low=0, doc="")


@pytest.mark.parametrize(
    ("parameter", "given", "accepted"),
    [
        (INT, 16, 16),
        (INT, 16.0, 16),
        (INT, np.int16(3), 3),
        (FLOAT, 2, 2.0),
        (FLOAT, np.float32(0.5), 0.5),
        (NEVER, 0, 0.0),
        (NEVER, -0.0, 0.0),
        (NEVER, 1, 1.0),
        (BOOL, True, True),
        (BOOL, 1, True),
        (BOOL, 0.0, False),
        (STATES, "Positive", True),
        (STATES, "Negative", False),
        (STATES, 1, True),
        (ENUM, "later", "later"),
        (TEXT, "äöü\n", "äöü\n"),
        (TEXTS, [], []),
        (TEXTS, ("x", "y"), ["x", "y"]),
        (TEXTS, '["x", "y"]', ["x", "y"]),
        (NUMBERS, [1, 2.5], [1.0, 2.5]),
        (NUMBERS, "[1, 2]", [1.0, 2.0]),
    ],
)
def test_accepted(parameter: Parameter[Any], given: object, accepted: object) -> None:
    checked = parameter.check(given)
    assert checked == accepted
    assert type(checked) is type(accepted)


@pytest.mark.parametrize(
    ("parameter", "given", "says"),
    [
        (INT, 0, r"must be a whole number from 1 to 16 \(bins\)"),
        (INT, 17, "from 1 to 16"),
        (INT, 2.5, "whole number"),
        (INT, "3", "whole number"),
        (INT, True, "whole number"),
        (INT, math.nan, "whole number"),
        (INT, math.inf, "whole number"),
        (INT, None, "whole number"),
        (INT, [3], "whole number"),
        (FLOAT, 3.0001, r"must be a number from 0.5 to 3 \(s\)"),
        (FLOAT, math.nan, "must be a number"),
        (FLOAT, -math.inf, "must be a number"),
        (NEVER, 1e-320, r"must be a number from 1 to 10000000 \(s\), or 0 for none"),
        (NEVER, 1e-9, "from 1 to"),
        (NEVER, 0.999, "from 1 to"),
        (NEVER, -1, "from 1 to"),
        (BOOL, 2, "true or false"),
        (BOOL, "yes", "true or false"),
        (STATES, "Yes", "must be Negative or Positive"),
        (ENUM, "never", "one of now, later"),
        (ENUM, 0, "one of now, later"),
        (TEXT, 5, "a text of at most 4096 bytes"),
        (TEXT, "a\0b", "a text"),
        (TEXT, "ä" * (LONGEST_TEXT // 2 + 1), "at most 4096 bytes"),
        (TEXTS, "x", "a list of texts"),
        (TEXTS, [1], "a list of texts"),
        (TEXTS, ["x" * LONGEST_TEXT], "together at most 4096 bytes"),
        (NUMBERS, [-1], "a list of numbers of at least 0"),
        (NUMBERS, ["1"], "a list of numbers"),
        (NUMBERS, "{}", "a list of numbers"),
    ],
)
def test_refused_with_the_allowed_range(parameter: Parameter[Any], given: object, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parameter.check(given)


@given(st.floats() | st.integers() | st.text() | st.none() | st.lists(st.floats()) | st.binary())
def test_nothing_is_rounded_wrapped_or_clipped(value: object) -> None:
    for parameter in (INT, FLOAT, BOOL, ENUM, TEXT, TEXTS, NUMBERS):
        try:
            accepted = parameter.check(value)
        except ValueError:
            continue
        assert accepted == value or (parameter.kind in ("strings", "numbers") and isinstance(value, str))


def test_integers_have_the_limits_of_channel_access_by_default() -> None:
    unlimited = Parameter(0, doc="")
    assert unlimited.check(2**31 - 1) == 2**31 - 1
    with pytest.raises(ValueError, match="from -2147483648 to 2147483647"):
        unlimited.check(2**31)


def test_a_default_must_be_acceptable_itself() -> None:
    with pytest.raises(ValueError, match="from 1 to 2"):
        Parameter(3, low=1, high=2, doc="")
    with pytest.raises(TypeError, match="not dict"):
        Parameter({}, doc="")


class Base:
    first = Parameter(1, low=0, high=9, doc="")
    second = Parameter("x", doc="")
    seen = Report(0, doc="")


class Derived(Base):
    second = Parameter("y", doc="")
    third = Parameter(1.0, doc="", command=False)
    do_it = Parameter(False, command=True, doc="")


def test_declarations_are_inherited_and_replaced() -> None:
    assert list(parameters_of(Derived)) == ["first", "second", "third", "do_it"]
    assert parameters_of(Derived)["second"].default == "y"
    assert list(reports_of(Derived)) == ["seen"]
    assert parameters_of(Derived)["third"].pv == "Third"
    assert pv_name("block_size") == "BlockSize"


def test_a_parameter_name_is_for_every_task_that_has_it() -> None:
    tasks = {"Base": Base, "Derived": Derived}
    assert validate({"first": 5}, tasks) == {"Base": {"first": 5}, "Derived": {"first": 5}}
    assert validate({"Derived": {"first": 5}}, tasks) == {"Derived": {"first": 5}}
    assert validate({}, tasks) == {}


def test_every_problem_is_named_with_task_key_value_and_range() -> None:
    with pytest.raises(Refused) as caught:
        validate(
            {"frist": 1, "Base": {"first": 10, "secnd": ""}, "third": "x", "Derived": 7},
            {"Base": Base, "Derived": Derived},
        )
    assert caught.value.problems == (
        "frist: no task has this name and no task has such a parameter; did you mean first?",
        "Base.first = 10: must be a whole number from 0 to 9",
        "Base.secnd: Base has no such parameter; did you mean second?",
        "Derived.third = 'x': must be a number",
        "Derived = 7: must be a table of this task's parameters",
    )


def test_a_command_is_not_a_setting() -> None:
    assert validate({"do_it": True}, {"Derived": Derived}) == {"Derived": {"do_it": True}}
    with pytest.raises(Refused, match="Derived.do_it: is a command"):
        validate({"do_it": True}, {"Derived": Derived}, commands=False)


@pytest.mark.parametrize(
    ("argument", "meant"),
    [(name, f"alarm_{name}") for name in ("lolo", "low", "high", "hihi")] + [("hysteresys", "hysteresis")],
)
def test_an_unknown_argument_of_a_report_is_refused_with_the_one_that_is_meant(argument: str, meant: str) -> None:
    arguments: dict[str, Any] = {argument: 3.0}
    with pytest.raises(TypeError, match=rf"Report has no argument {argument}; did you mean {meant}\?"):
        Report(0.0, doc="", **arguments)
