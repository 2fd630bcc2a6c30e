"""Which message is legal in which status: every pair."""

from __future__ import annotations

import itertools
from typing import get_args

import pytest

from pixieioc.pipeline import Message, Status
from pixieioc.pipeline.message import KINDS
from pixieioc.pipeline.status import PIPELINE_RULES, TASK_RULES, IllegalMessage, StatusName, after
from pixieioc.pvinfo.states import PIPELINE_STATES

W, R, F, D, P = Status.WAITING, Status.RUNNING, Status.FINISHED, Status.DYING, Status.PANICKING
#: A row a message: the status afterwards, from WAITING, RUNNING, FINISHED, PANICKING, DYING; a dot is illegal.
TASK = """
CONFIGURE W R F . .
CONNECT   W R F P .
START     R . . . .
STOP      W R W P .
ABORT     W R F P .
QUIT      D D D D D
DATA      . R . P .
FINISHED  . F F P .
REPORT    W R F P D
PRINT     W R F P D
ANSWER    W R F P D
BUSY      W R F P D
IN_USE    W R F P D
ERROR     P P P P D
"""
PIPELINE = """
CONFIGURE W R P .
CONNECT   W . W .
START     R . R .
STOP      W D P D
ABORT     W D P D
QUIT      D D D D
DATA      . . . .
FINISHED  . W P W
REPORT    W R P D
PRINT     W R P D
ANSWER    W R P D
BUSY      W R P D
IN_USE    W R P D
ERROR     P P P P
"""
LETTERS = {"W": W, "R": R, "F": F, "D": D, "P": P}
NAMES = {name: emoji for emoji, name in KINDS.items()}


def _pairs(text: str, statuses: list[Status]) -> list[tuple[Status, str, Status | None]]:
    rows = [line.split() for line in text.strip().splitlines()]
    return [
        (status, name, LETTERS.get(letter))
        for name, *letters in rows
        for status, letter in zip(statuses, letters, strict=True)
    ]


@pytest.mark.parametrize(("status", "name", "then"), _pairs(TASK, [W, R, F, P, D]))
def test_every_pair_of_a_task(status: Status, name: str, then: Status | None) -> None:
    if then is not None:
        assert after(status, NAMES[name]) is then
    else:
        with pytest.raises(IllegalMessage, match=f"{name} is illegal while {status} {status.name}"):
            after(status, NAMES[name])


@pytest.mark.parametrize(("status", "name", "then"), _pairs(PIPELINE, [W, R, P, D]))
def test_every_pair_of_a_pipeline(status: Status, name: str, then: Status | None) -> None:
    if then is not None:
        assert after(status, NAMES[name], PIPELINE_RULES) is then
    else:
        with pytest.raises(IllegalMessage, match=f"{name} is illegal"):
            after(status, NAMES[name], PIPELINE_RULES)


def test_the_tables_of_this_test_hold_every_pair() -> None:
    assert {(s, NAMES[n]) for s, n, _ in _pairs(TASK, [W, R, F, P, D])} == set(itertools.product(Status, KINDS))
    assert set(TASK_RULES) <= set(itertools.product(Status, KINDS))


def test_a_message_class_and_an_instance_are_looked_up_like_their_emoji() -> None:
    assert after(W, Message.CONFIGURE) is after(W, Message.CONFIGURE({})) is W


def test_what_is_no_message_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(TypeError, match="'hello' is not one of the pipeline's messages"):
        after(W, "hello")


def test_a_status_prints_as_its_emoji() -> None:
    assert {status.name: str(status) for status in Status} == {
        "DYING": "⏏️",
        "FINISHED": "🏁",
        "PANICKING": "🆘",
        "RUNNING": "▶️",
        "WAITING": "⏸️",
    }


def test_the_names_of_the_statuses_are_all_that_a_task_reports_and_the_pipeline_shows() -> None:
    names = {status.name for status in Status}
    assert names == set(get_args(StatusName))
    assert set(PIPELINE_STATES) == {status.name for status, _ in PIPELINE_RULES} | {"UNKNOWN"}
