"""What is said of a task's class that its author got wrong: when it is defined, or when it is put into a chain."""

from __future__ import annotations

import abc
import asyncio
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from pixieioc.pipeline import Error, Parameter, Pipeline, Report, Task
from pixieioc.pipeline.contract import HOOKS, LONGEST_TASK_NAME, check_returned, problems_in_use, problems_of_names
from tests.pipeline import toys


def _work(self: Any, datum: Any) -> None:
    """A good do_work."""


async def _async(self: Any, datum: Any) -> None:
    await asyncio.sleep(0)


def _generator(self: Any, datum: Any) -> Iterator[int]:
    yield 1


def _no_datum(self: Any) -> None:
    """Lacks the item."""


class _Sender:
    """A class from elsewhere that has a name which callbacks use."""

    def send(self) -> None:
        """Nothing."""


class _Shell:
    """A class from elsewhere with methods that look like callbacks."""

    def do_GET(self) -> None:  # noqa: N802
        """Nothing."""

    def do_help(self, line: str) -> None:
        """Nothing."""


class _Slip:
    """A class for several tasks whose author has slipped."""

    def do_strat(self) -> None:
        """Nothing."""


PER_CHANNEL = Report(np.zeros((0, 0)), per="channel", doc="")


@pytest.mark.parametrize(
    ("bases", "content", "says"),
    [
        ((), {"do_wrok": _work}, r"has do_wrok, which is no callback; did you mean do_work\?"),
        ((), {"do_startup": _work}, r"did you mean do_start\?"),
        ((), {"do_frobnicate": _work}, "has do_frobnicate, which is no callback; "),
        ((_Slip,), {"do_work": _work}, r"has do_strat \(in _Slip\), which is no callback; did you mean do_start\?"),
        ((), {"do_work": _async}, "has an async do_work: callbacks are plain functions"),
        ((), {"do_work": _generator}, r"has a do_work that yields: .* self.send\(\)"),
        ((), {"do_work": _no_datum}, r"has a do_work that cannot be called as do_work\(self, datum\)"),
        ((), {"do_stop": _work}, r"has a do_stop that cannot be called as do_stop\(self\)"),
        ((), {"do_work": None}, "has do_work = None, which cannot be called"),
        ((), {"do_check": _work}, "has a do_check that is no classmethod"),
        ((), {"do_ready": _work}, "has a do_ready that is no classmethod"),
        ((), {"do_sidecars": _work}, "has a do_sidecars that is no classmethod"),
        ((), {"ack": Report(0, doc="")}, "cannot declare ack: the pipeline's messages use this word"),
        ((), {"time": Report(0.0, doc="")}, "cannot declare time"),
        ((), {"refused": Report(0, doc="")}, "cannot declare refused"),
        ((), {"status": Report("", doc="")}, "cannot define status: every task has that already"),
        ((), {"größe": Report(0, doc="")}, "cannot declare größe: its process variable needs"),
        ((), {"send": 5, "rate": 5}, "cannot define send, rate: every task has that already"),
        ((_Sender,), {}, r"cannot define send \(in _Sender\)"),
        ((), {"per": PER_CHANNEL}, "declares per per channel, which needs a fixed parameter modules"),
        (
            (),
            {"per": PER_CHANNEL, "modules": Parameter(1, doc=""), "channels": Parameter(1, fixed=True, doc="")},
            "its parameter modules must be a whole number and fixed",
        ),
        ((), {"top": Parameter(1, at_least="bottom", doc="")}, "has a limit|declares top with a limit bottom"),
    ],
)
def test_a_class_that_cannot_be_defined(bases: tuple[type, ...], content: dict[str, Any], says: str) -> None:
    with pytest.raises(TypeError, match=f"task Site .*{says}"):
        type("Site", (*bases, Task), content)
    assert "Site" not in Task.class_registry


def test_everything_is_said_at_once() -> None:
    with pytest.raises(TypeError, match=r"do_wrok.*; .*do_stpo.*; cannot declare time"):
        type("Site", (Task,), {"do_wrok": _work, "do_stpo": _work, "time": Report(0, doc="")})


def test_a_parameter_that_is_hidden_by_a_value_of_its_name() -> None:
    with pytest.raises(TypeError, match="has length = 7, which hides the parameter of this name: declare it again"):
        type("Site", (toys.ToySource,), {"length": 7})


def test_classes_from_elsewhere_may_have_methods_of_their_own() -> None:
    cls = type("_Site", (_Shell, Task), {"do_work": _work})
    assert problems_in_use(cls, "_Site") == []
    behind = type("_Site", (Task, _Sender), {"do_work": _work})  # the send of Task comes first
    assert problems_in_use(behind, "_Site") == []


@pytest.mark.parametrize("method", [staticmethod, classmethod])
def test_a_callback_may_be_without_an_object(method: Any) -> None:
    def work(*arguments: Any) -> None:
        """Takes everything."""

    assert problems_in_use(type("_Site", (Task,), {"do_work": method(work)}), "_Site") == []


def _init(self: Any) -> None:
    """Lacks the parameters."""


@pytest.mark.parametrize(
    ("content", "name", "says"),
    [
        ({}, "_Site", "_Site has no do_work"),
        ({"do_work": _work, "__init__": _init}, "_Site", r"_Site has an __init__ without \*\*kwargs"),
        ({"do_work": _work, "start_timeout": "10"}, "_Site", "start_timeout = '10': must be a number"),
        ({"do_work": _work, "heart_beat_timeout": 9.0}, "_Site", "heart_beat_timeout, .* the parameter hang_timeout"),
        (
            {"do_work": _work, "hang_timeout": Parameter(60.0, unit="s", low=0, doc="The limit.")},
            "_Site",
            "hang_timeout has low = 0: must be at least 1; with unset=0, 0 is accepted too",
        ),
        ({"do_work": _work, "takes": 7}, "_Site", "takes = 7: must be the name of a kind of items"),
        ({"do_work": _work, "gives": ("a", "b")}, "_Site", "gives = .*: must be the name of a kind of items"),
        ({"do_work": abc.abstractmethod(_work)}, "_Site", "is abstract: do_work is missing"),
        ({"do_work": _work, "__qualname__": "f.<locals>._Site"}, "_Site", "defined inside a function"),
    ],
)
def test_a_class_that_cannot_be_in_a_chain(content: dict[str, Any], name: str, says: str) -> None:
    made = abc.ABCMeta("_Site", (Task,), content)
    assert any(re.search(says, problem) for problem in problems_in_use(made, name))


@pytest.mark.parametrize("name", ["IOC", "run", "M00", "C15", "Größe"])
def test_a_name_that_something_else_has(name: str) -> None:
    try:
        made = type(name, (Task,), {"do_work": _work})
        [(about, problem)] = problems_of_names({name: made})
        assert about == name
        assert problem.startswith(f"a task cannot be named {name}: ")
        with Pipeline() as pipeline, pytest.raises(ValueError, match=f"a task cannot be named {name}"):
            pipeline.create_task(name)
    finally:
        Task.class_registry.pop(name, None)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("Singles", ""),
        ("S" * LONGEST_TASK_NAME, ""),
        ("S" * (LONGEST_TASK_NAME + 1), "has 33 characters, at most 32 are possible"),
        ("Two words", "letters, digits and _, and does not begin with a digit"),
        ("2nd", "letters, digits and _"),
        ("a:b", "letters, digits and _"),
        ("", "letters, digits and _"),
        ("ToySink", "a task of class ToySource cannot be named ToySink: another class has this name"),
        ("ToySource", ""),
        ("length", "cannot be named length: a parameter of length has this name"),
    ],
)
def test_the_name_of_a_task_of_some_class(name: str, says: str) -> None:
    found = list(problems_of_names({name: toys.ToySource}, {name: "ToySource"}, ["ToySource", "ToySink"]))
    assert [about for about, _ in found] == [name] * bool(says)
    assert all(says in problem for _, problem in found)


def test_what_is_no_task() -> None:
    assert problems_in_use(int, "int") == [
        "int is builtins.int, which is no task: derive it from pixieioc.pipeline.Task"
    ]


def test_what_do_work_returns_is_told() -> None:
    check_returned("Site", None)
    with pytest.raises(Error, match=r"Site.do_work returned \{'events': 3\}, which nobody gets: .*self.send"):
        check_returned("Site", {"events": 3})
    with pytest.raises(Error, match="Site.do_work returned <coroutine"):
        check_returned("Site", _async(None, None))


def test_the_callbacks_are_those_of_the_reference_and_five_more() -> None:
    reference = {"do_configure", "do_connect", "do_init", "do_quit", "do_start", "do_stop", "do_wait", "do_work"}
    assert set(HOOKS) == {*reference, "do_report", "do_check", "do_ready", "do_sidecars", "do_apply"}
