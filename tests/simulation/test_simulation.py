"""The simulated IOC: fresh and remembered stories, and old faults that it must find when they are put back."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from typing import Any
from unittest import mock

from pixieioc.ioc import run_ending
from pixieioc.ioc.run_control import RunControl
from pixieioc.ioc.run_driver import Driver
from pixieioc.ioc.run_events import Command, Put
from pixieioc.ioc.run_machine import RULES, handle
from pixieioc.ioc.run_state import MachineState, Phase
from tests.simulation.world import Violation, run

#: Seeds whose stories have failed once.
REMEMBERED: tuple[int, ...] = (7032,)


def test_twenty_thousand_steps_and_what_failed_once_violate_nothing() -> None:
    steps, seeds = 0, itertools.chain(REMEMBERED, itertools.count(1))
    while steps < 20_000:
        steps += run(next(seeds))


def test_the_same_seed_tells_the_same_story() -> None:
    assert run(42, 60) == run(42, 60)


def _finds(harm: Any = None, stories: int = 40) -> str:
    """What one of some stories finds."""
    for seed in range(stories):
        try:
            run(seed, harm=harm)
        except Violation as violation:
            return str(violation)
    return ""


def test_it_finds_an_end_of_a_run_that_waits_for_the_state_folder() -> None:
    """A full disk at the end of a run: what was still to be posted and answered was lost."""

    def careless(self: Driver, event: Any) -> None:
        with contextlib.suppress(OSError):  # nobody heard of it
            for instruction in handle(self.machine, event, asyncio.get_running_loop().time()):
                self._carry_out(instruction)

    def harm(control: RunControl) -> None:
        control.recorder.run_is_over = lambda run: control._state.end_run(run.id)

    with mock.patch.object(Driver, "_handle", careless):
        found = _finds(harm)
    assert "Acquire_RBV is" in found or "is not answered" in found, found  # whichever the story comes to first


def test_it_finds_a_job_that_is_lost_by_an_exception() -> None:
    """A KeyError in a procedure: nobody heard of it, and the run was on for ever."""
    perform = Driver._perform

    async def careless(self: Driver, order: Any) -> None:
        with mock.patch.object(self, "fault", side_effect=KeyError), contextlib.suppress(KeyError):
            await perform(self, order)
        self._jobs.pop(order.job, None)

    def harm(control: RunControl) -> None:
        do = control._work.do
        control._work.do = lambda order: do(order) if order.run % 7 else _raise()

    with mock.patch.object(Driver, "_perform", careless):
        assert "is lost" in _finds(harm)


async def _raise() -> None:
    raise KeyError("FillSpectra")


def test_it_finds_a_source_that_is_started_into_a_dead_chain() -> None:
    """A Stop while a task behind the source was still starting."""

    with mock.patch("pixieioc.pipeline.life.Life._may_go_on", return_value=True):
        assert "is started although" in _finds()


def test_it_finds_a_stop_that_waits_until_tasks_are_made_and_configured() -> None:
    with mock.patch.dict(RULES[Phase.ACCEPTED], {"STOP": run_ending.join, "ABORT": run_ending.join}):
        assert "is not answered" in _finds()


def test_it_finds_a_put_that_is_never_answered() -> None:
    def forgetful(m: MachineState, put: Put) -> None:
        if put.command is not Command.ABORT:
            run_ending.end(m, put)

    with mock.patch.dict(RULES[Phase.RUNNING], {"ABORT": forgetful}):
        assert "is not answered" in _finds()
