"""Which tasks fit behind which: every order that is wrong is told with what would be right."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest

from pixieioc.pipeline import Task
from pixieioc.pipeline.chain import ANYTHING, NOTHING, SAME, described, problems


@dataclass
class T:
    """A task, as far as the chain is concerned."""

    takes: str | tuple[str, ...] = ANYTHING
    gives: str = SAME


TASKS = {
    "Load": T(NOTHING, "words"),
    "Gather": T("words"),
    "Convert": T("words", "events"),
    "Sort": T("events"),
    "Fill": T("events"),
    "Write": T(("words", "events"), NOTHING),
    "Any": T(),
    "Site": T(ANYTHING, ANYTHING),
    "Sum": T("events", "sums"),
}


@pytest.mark.parametrize(
    ("chain", "says"),
    [
        ("Load Gather Convert Sort Fill", []),
        ("Load Any Convert Any Fill Write", []),
        ("Load Site Fill", []),  # it may make events of words
        ("Any Fill", []),  # it may be a source of events
        ("Load Convert Sum Any", []),
        ("Fill Sort Convert Gather Load", ["the chain is backwards: .* write Load, Gather, Convert, Sort, Fill"]),
        ("Load Sort Convert Fill", ["Sort takes events, but gets words from Load; put Convert before it"]),
        ("Load Any Fill", ["Fill takes events, but gets words from Load; put Convert before it"]),
        ("Load Convert Gather", ["Gather takes words, but gets events from Convert$"]),
        ("Load Convert Sum Fill", ["Fill takes events, but gets sums from Sum$"]),
        ("Convert Fill", ["Convert takes words, so it cannot be the first"]),
        ("Load Convert Load Fill", ["Load2 is a source, so it must be the first, not behind Convert", "Fill takes"]),
        ("Load Write Fill", ["Fill would get nothing: Write passes nothing on"]),
        ("Load Fill Gather", ["Fill takes events, but gets words from Load; put Convert before it"]),
    ],
)
def test_chains(chain: str, says: list[str]) -> None:
    made: dict[str, T] = {}
    for name in chain.split():
        made[name if name not in made else name + "2"] = TASKS[name]
    found = problems(made, lambda: TASKS)
    assert len(found) == len(says), found
    for text, pattern in zip(found, says, strict=True):
        assert re.search(pattern, text), text


@pytest.mark.parametrize(
    ("task", "text"),
    [
        ("Load", "makes words"),
        ("Gather", "takes words, passes on the same"),
        ("Convert", "takes words, gives events"),
        ("Write", "takes words or events, passes nothing on"),
        ("Any", "takes anything, passes on the same"),
    ],
)
def test_a_task_in_words(task: str, text: str) -> None:
    assert described(TASKS[task]) == text


def test_every_task_of_this_package_says_what_it_takes() -> None:
    own = {name: cls for name, cls in Task.class_registry.items() if cls.__module__.startswith("pixieioc.")}
    undeclared = {name for name, cls in own.items() if "takes" not in vars(cls)}
    assert undeclared == {"PrintData"}
