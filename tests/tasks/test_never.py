"""Where 0 means never or none, what is a little more than 0 is no value: it would mean always, or at once."""

from __future__ import annotations

import re

import pytest

from pixieioc.config_run import RunParameters
from pixieioc.pipeline import Parameter
from pixieioc.pipeline.declare import parameters_of
from pixieioc.pipeline.registry import TASKS

_NEVER = re.compile(r"\b0: (?!another)")


def _numbers() -> list[tuple[str, Parameter[float]]]:
    """The numbers with a unit that tasks and runs can be given."""
    own = [(name, cls) for name in TASKS if (cls := TASKS[name]).__module__.startswith("pixieioc.")]
    return [
        (f"{owner}.{name}", parameter)
        for owner, cls in [*own, ("run", RunParameters)]
        for name, parameter in parameters_of(cls).items()
        if parameter.kind == "float" and parameter.unit
    ]


def test_each_says_so_in_one_way() -> None:
    told = {name: parameter for name, parameter in _numbers() if _NEVER.search(parameter.doc)}
    assert {"TakeData.hang_timeout", "GatherData.file_time_limit", "DummyData.run_time"} <= set(told)
    for name, parameter in told.items():
        assert (name, parameter.unset) == (name, 0)
        assert parameter.low >= 1e-6, name
        for small in (1e-320, 1e-9, parameter.low * 0.99):
            with pytest.raises(ValueError, match=r" from .* or 0 for none"):
                parameter.check(small)
        assert parameter.check(0) == parameter.span[0] == 0
        assert parameter.check(parameter.low) == parameter.low


def test_those_that_have_such_a_value_say_so() -> None:
    assert [name for name, parameter in _numbers() if parameter.unset == 0 and not _NEVER.search(parameter.doc)] == []
