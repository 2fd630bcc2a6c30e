"""What a task does next, as a table, without a process."""

from __future__ import annotations

import itertools

import pytest

from pixieioc.pipeline.message import KINDS, Message
from pixieioc.pipeline.status import Status
from pixieioc.pipeline.task_rules import Ending, Input, Situation, Step, ending_of, next_step, takes_input

W, R, F, D, P = Status.WAITING, Status.RUNNING, Status.FINISHED, Status.DYING, Status.PANICKING
NONE, ITEM, END = Input


@pytest.mark.parametrize(
    ("situation", "step"),
    [
        (Situation(W), Step.WAIT),
        (Situation(W, is_start=True), Step.WAIT),
        (Situation(R, is_start=True), Step.WORK),
        (Situation(R, is_start=True, idle=True), Step.SLEEP),
        (Situation(R, is_start=True, idle=True, ending=True), Step.END),
        (Situation(R, is_start=True, ending=True, discarding=True), Step.END),
        (Situation(R), Step.WAIT),
        (Situation(R, input=ITEM), Step.WORK),
        (Situation(R, input=ITEM, ending=True), Step.WORK),  # a stop: what was read flows to the end
        (Situation(R, input=ITEM, discarding=True), Step.DISCARD),
        (Situation(R, input=END), Step.END),
        (Situation(R, input=END, discarding=True), Step.END),
        (Situation(P), Step.SLEEP),
        (Situation(P, input=ITEM), Step.DISCARD),
        (Situation(P, input=END), Step.FINISH),
        (Situation(P, is_start=True, input=END), Step.FINISH),
        (Situation(F), Step.SLEEP),
        (Situation(D), Step.SLEEP),
    ],
)
def test_the_next_step(situation: Situation, step: Step) -> None:
    assert next_step(situation) is step


def test_every_situation_has_a_step_that_fits_its_status() -> None:
    allowed = {
        W: {Step.WAIT},
        R: {Step.WORK, Step.WAIT, Step.END, Step.DISCARD, Step.SLEEP},
        P: {Step.FINISH, Step.DISCARD, Step.SLEEP},
        F: {Step.SLEEP},
        D: {Step.SLEEP},
    }
    flags = [False, True]
    for status, start, ending, discarding, idle, came in itertools.product(Status, flags, flags, flags, flags, Input):
        if came is NONE or takes_input(status, start):
            assert next_step(Situation(status, start, ending, discarding, idle, came)) in allowed[status]


def test_who_takes_input() -> None:
    taking = [(status, start) for status in Status for start in (False, True) if takes_input(status, start)]
    assert set(taking) == {(R, False), (P, False), (P, True)}


def test_what_a_message_ends() -> None:
    ends = {kind: ending_of(kind) for kind in KINDS if ending_of(kind) != Ending()}
    assert ends == {
        Message.STOP: Ending(ending=True),
        Message.ABORT: Ending(ending=True, discarding=True),
        Message.QUIT: Ending(discarding=True, quitting=True),
    }
