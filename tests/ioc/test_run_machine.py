"""The rules of run control as conversations with its machine: no process, no clock, no Channel Access."""

from __future__ import annotations

import pytest

from pixieioc.ioc import run_events as ev
from pixieioc.ioc.run_events import Command, Step
from pixieioc.ioc.run_machine import RULES, meanings, table
from pixieioc.ioc.run_state import Phase
from pixieioc.pipeline.error import Cause, Error
from tests.ioc.run_conversation import START, Conversation

STOPS = {Command.STOP: "Operator stop", Command.ABORT: "Abort"}


def test_a_run_from_its_put_to_its_answer_in_the_order_that_scripts_rely_on() -> None:
    c = Conversation().made()
    c.posts()
    put = c.put(Command.START)
    assert c.posts()[:7] == [
        ("CmdStatus_RBV", "Busy"), ("RunId_RBV", 7), ("RunEndReason_RBV", "None"), ("Acquire", 1),
        ("Acquire_RBV", "Acquiring"), ("AcquireBusy", "Acquiring"), ("EraseStart", 0),
    ]  # fmt: skip
    c.done(*START)
    assert c.posts() == [("DetectorState_RBV", "Acquire"), ("CmdStatus_RBV", "OK")]
    c.feed(ev.SourceDone(7, saving=True))
    assert c.posts() == [("DetectorState_RBV", "Saving")]
    c.rest()
    assert (c.posts(), c.m.phase) == ([], Phase.CLOSING)
    c.done(Step.COUNT)
    assert c.posts() == [
        ("RunEndReason_RBV", "Source end"), ("CmdStatus_RBV", "OK"), ("DetectorState_RBV", "Idle"), ("Stop", 0),
        ("Abort", 0), ("EraseStart", 0), ("Acquire_RBV", "Done"), ("AcquireBusy", "Done"), ("Acquire", 0),
        ("answer", (put, "")),
    ]  # fmt: skip
    assert (c.m.phase, c.m.run, c.m.open_puts) == (Phase.IDLE, None, set())


def test_a_start_that_is_not_ready_is_refused_and_uses_no_number() -> None:
    c = Conversation().made()
    put = c.put(Command.START, not_ready="the disk is full; the folder is gone")
    assert (c.answers[put], c.m.run_id, c.m.phase) == ("the disk is full; the folder is gone", 6, Phase.IDLE)


def test_a_start_in_a_run_is_refused_with_whose_it_is_and_since_when() -> None:
    c = Conversation().running()
    c.now += 2
    assert c.answers[c.put(Command.START)] == "run 7, started by jan@desk, has been running for 2 s"
    assert (c.m.phase, c.m.run_id) == (Phase.RUNNING, 7)


@pytest.mark.parametrize("pv", ["Acquire", "EraseStart"])
def test_a_site_can_have_every_put_that_scans_make_succeed(pv: str) -> None:
    c = Conversation(fail_put_on_error=False).made()
    assert c.answers[c.put(Command.START, pv, not_ready="not now")] == ""
    assert ("CmdStatus_RBV", "Refused") in c.posts()
    start = c.put(Command.START, pv)
    assert c.answers[c.put(Command.START, pv)] == ""
    stop = c.put(Command.STOP, "Stop")
    assert c.answers == {1: "", start: "", 3: "", stop: ""}


def test_that_is_about_scans_and_nothing_else() -> None:
    c = Conversation(fail_put_on_error=False).running()
    stop = c.put(Command.STOP)
    c.rest(Error("the disk is full"))
    assert c.answers == {1: "", stop: "run 7: the disk is full"}


@pytest.mark.parametrize("command", STOPS)
def test_a_stop_completes_both_puts_and_says_why(command: Command) -> None:
    c = Conversation().running()
    stop = c.put(command)
    assert ev.EndRun(command is Command.ABORT) in c.ordered
    c.rest()
    c.done(Step.COUNT)
    assert c.answers == {1: "", stop: ""}
    assert ("RunEndReason_RBV", STOPS[command]) in (posts := c.posts())
    assert ("DetectorState_RBV", "Aborted" if command is Command.ABORT else "Idle") in posts


def test_a_stop_may_become_an_abort_but_not_the_other_way() -> None:
    c = Conversation().running()
    c.put(Command.STOP)
    c.put(Command.ABORT)
    c.put(Command.STOP)
    assert [i for i in c.ordered if isinstance(i, ev.EndRun)] == [ev.EndRun(False), ev.EndRun(True)]


@pytest.mark.parametrize("command", STOPS)
@pytest.mark.parametrize("steps", [0, 1, 2, 3])
def test_a_stop_while_a_run_is_prepared_ends_it_at_once(command: Command, steps: int) -> None:
    c = Conversation().made()
    start = c.put(Command.START)
    c.done(*START[:steps])
    stop = c.put(command)
    assert (c.answers, c.m.phase) == ({start: "", stop: ""}, Phase.IDLE)
    c.done(START[steps])  # what has begun goes on, and nothing comes of it
    assert (c.m.jobs, c.m.work, c.m.queue) == ({}, None, [])
    assert not any(isinstance(i, ev.Perform) and i.step is Step.START for i in c.ordered)


def test_a_stop_while_tasks_start_waits_for_them_within_the_limit() -> None:
    c = Conversation(stop_timeout=8.0).made()
    start = c.put(Command.START)
    c.done(*START[:-1])
    stop = c.put(Command.STOP)
    c.wait(5)
    c.rest()  # nobody can be at rest who has not begun
    assert c.answers == {}
    c.done(Step.START)
    assert c.ordered[-1] == ev.EndRun(False)  # the tasks hear of it once more
    c.rest()
    c.done(Step.COUNT)
    assert c.answers == {start: "", stop: ""}


@pytest.mark.parametrize("command", STOPS)
@pytest.mark.parametrize("answers", [0, 4, 5])
def test_tasks_that_never_answer_are_killed_and_both_puts_fail(command: Command, answers: int) -> None:
    c = Conversation(stop_timeout=8.0).made()
    start = c.put(Command.START)
    c.done(*START[:answers])
    began = c.now
    stop = c.put(command)
    c.wait(20)
    assert set(c.answers) == {start, stop}
    assert c.m.phase is Phase.IDLE
    if answers >= 4:
        ended = next(i for i in c.ordered if isinstance(i, ev.RunEnded)).run
        assert ended.failure == "the run did not end within 8 s"
        assert c.answers[stop] == "run 7: the run did not end within 8 s"
        assert ("RunEndReason_RBV", "Timeout") in c.posts()
        assert c.m.now - began < 22


def test_the_puts_are_answered_2_s_after_stop_timeout_at_the_latest() -> None:
    c = Conversation(stop_timeout=8.0).running()
    c.put(Command.STOP)
    c.wait(9.5)  # the pipeline needs some time after StopTimeout to end one task after the other
    assert c.answers == {}
    c.wait(0.4)
    assert len(c.answers) == 2


def test_the_time_in_which_the_ioc_stood_still_is_held_against_nobody() -> None:
    c = Conversation(stop_timeout=8.0).running()
    c.put(Command.STOP)
    c.m.postpone(100.0)
    c.now += 100.0
    c.feed(ev.Tick())
    c.wait(9.0)
    assert c.answers == {}
    c.wait(1.0)
    assert len(c.answers) == 2


def test_kill_works_at_once_and_fails_whatever_goes_on() -> None:
    for steps in range(len(START) + 1):
        c = Conversation().made()
        waiting = c.put(Command.ERASE)
        start = c.put(Command.START)
        if steps:
            c.done(Step.ERASE, *START[: steps - 1])
        kill, again = c.put(Command.KILL), c.put(Command.KILL)
        late = list(range(1, c.m.last_job))
        c.done(Step.KILL)
        assert c.answers[start] == "run 7: all tasks were killed"
        assert (c.answers[kill], c.answers[again]) == ("", "")
        assert waiting in c.answers
        assert (c.m.phase, c.m.gone, c.m.jobs) == (Phase.IDLE, True, {})
        c.posts()
        for job in late:  # what comes late, or again, counts no more
            c.feed(ev.Done(job))
            c.feed(ev.Failed(job, Error("late")))
        assert (c.posts(), c.m.phase) == ([], Phase.IDLE)


def test_processes_that_cannot_be_killed_do_not_keep_anybody_waiting() -> None:
    c = Conversation().running()
    kill = c.put(Command.KILL)
    c.wait(1.9)
    assert c.answers[kill] == "Kill: killing the tasks did not end within 1.8 s"
    assert c.answers[1] == "run 7: all tasks were killed"
    assert c.m.phase is Phase.IDLE


def test_commands_are_carried_out_one_after_the_other_and_the_run_comes_in_its_turn() -> None:
    c = Conversation().made()
    puts = [c.put(command) for command in (Command.CONFIGURE, Command.RESET, Command.ERASE, Command.START)]
    c.done(Step.APPLY, Step.MAKE, Step.REPLACE, Step.ERASE, *START)
    assert [put for put in puts if put in c.answers] == puts[:3]
    assert c.m.phase is Phase.RUNNING


def test_a_boot_replaces_what_has_failed_first_and_fails_alone() -> None:
    c = Conversation().made()
    first, second = c.put(Command.BOOT), c.put(Command.BOOT)
    c.done(Step.MAKE, Step.REPLACE)
    c.failed(Step.BOOT, "TakeData: module 3 is not there", Cause.ERROR)
    assert c.answers == {first: "Boot: TakeData: module 3 is not there"}
    c.done(Step.MAKE, Step.REPLACE)
    assert c.put(Command.STOP) in c.answers  # there is no run: the boot goes on
    kill = c.put(Command.KILL)
    c.done(Step.KILL)
    assert c.answers[second] == "Boot: all tasks were killed"
    assert c.answers[kill] == ""


def test_spectra_can_be_erased_in_a_run_and_other_commands_are_refused() -> None:
    c = Conversation().running()
    erase = c.put(Command.ERASE)
    c.done(Step.ERASE)
    assert c.answers == {erase: ""}
    for command in (Command.CONFIGURE, Command.RESET, Command.BOOT, Command.QUIT):
        assert "has been running for" in c.answers[c.put(command)]


def test_a_step_that_fails_fails_its_command_alone() -> None:
    c = Conversation().made()
    first, second = c.put(Command.CONFIGURE), c.put(Command.ERASE)
    c.failed(Step.APPLY, "SortEvents.window: too long", Cause.REFUSED)
    c.done(Step.ERASE)
    assert c.answers == {first: "Configure: SortEvents.window: too long", second: ""}


def test_a_state_folder_that_is_full_fails_the_run_and_not_the_ioc() -> None:
    c = Conversation().made()
    start = c.put(Command.START)
    c.failed(Step.SAVE_RUN, "No space left on device")
    assert (c.answers[start], c.m.phase) == ("run 7: No space left on device", Phase.IDLE)
    c.put(Command.START)
    assert c.m.run_id == 8


def test_a_state_folder_that_does_not_answer_costs_two_seconds_and_no_task() -> None:
    c = Conversation().made()
    start = c.put(Command.START)
    c.wait(2.1)
    assert c.answers[start] == "run 7: saving the number of the run did not end within 2 s"
    assert (c.m.phase, c.m.gone) == (Phase.IDLE, False)


def test_a_file_number_that_cannot_be_counted_up_does_not_keep_the_run() -> None:
    c = Conversation().running()
    c.feed(ev.SourceDone(7))
    c.rest()
    c.wait(1.1)
    assert c.answers == {1: ""}


def test_a_failed_task_ends_the_run_within_the_limit_and_the_first_cause_stays() -> None:
    c = Conversation().running()
    c.feed(ev.TaskFailed("Brake", Error("the brake has failed")))
    c.feed(ev.TaskFailed("Sort", Error("and then this", cause=Cause.LOST)))
    c.rest(Error("the brake has failed"))
    assert c.answers == {1: "run 7: the brake has failed"}
    assert ("RunEndReason_RBV", "Task error") in c.posts()
    c = Conversation(stop_timeout=3).running()
    c.feed(ev.TaskFailed("Brake", Error("it hangs", cause=Cause.HANG)))
    c.wait(5)
    assert c.answers == {1: "run 7: it hangs"}


@pytest.mark.parametrize("steps", range(len(START) + 1))
def test_a_fault_of_our_own_ends_the_run_with_a_failure(steps: int) -> None:
    c = Conversation().made()
    start = c.put(Command.START)
    c.done(*START[:steps])
    c.feed(ev.OwnFault("a callback: KeyError: 'x'"))
    c.wait(30)
    assert c.answers == {start: "run 7: a callback: KeyError: 'x'"}
    assert (c.m.phase, c.m.run) == (Phase.IDLE, None)


def test_a_preset_ends_the_run_once() -> None:
    c = Conversation().running()
    for _ in range(3):
        c.feed(ev.PresetReached(7))
    c.feed(ev.PresetReached(6))
    assert c.ordered.count(ev.EndRun(False)) == 1
    c.rest()
    c.done(Step.COUNT)
    assert ("RunEndReason_RBV", "Preset") in c.posts()


def test_without_waiting_for_the_pipeline_the_put_ends_with_the_source() -> None:
    c = Conversation(wait_for_pipeline=False).running()
    stop = c.put(Command.STOP)
    c.feed(ev.SourceDone(7))
    assert c.answers == {1: ""}
    c.rest()
    c.done(Step.COUNT)
    assert c.answers == {1: "", stop: ""}


@pytest.mark.parametrize("steps", range(len(START) + 1))
@pytest.mark.parametrize("answering", [True, False])
def test_a_signal_ends_the_ioc_in_time_whatever_goes_on(steps: int, answering: bool) -> None:
    c = Conversation(stop_timeout=8.0).made()
    start = c.put(Command.START)
    c.done(*START[:steps])
    c.feed(ev.Signal())
    if answering and steps == len(START):
        c.rest()
        c.done(Step.COUNT, Step.QUIT)
        assert c.answers == {start: ""}
    c.wait(9.9)
    assert ev.Leave() in c.ordered
    assert (c.m.phase, c.m.open_puts) == (Phase.LEFT, set())
    assert c.answers[c.put(Command.START)] == "the IOC is ending"


@pytest.mark.parametrize("steps", range(len(START) + 1))
def test_a_second_signal_ends_it_at_once(steps: int) -> None:
    c = Conversation().made()
    start = c.put(Command.START)
    c.done(*START[:steps])
    c.feed(ev.Signal())
    c.feed(ev.Signal())
    assert c.ordered[-1] == ev.Leave(at_once=True)
    assert start in c.answers


def test_a_run_that_was_wanted_with_the_ioc_begins_when_the_tasks_are_there() -> None:
    c = Conversation()
    c.feed(ev.Begin(start=True))
    assert ev.StartNow() not in c.ordered
    c.done(Step.MAKE)
    assert c.ordered.count(ev.StartNow()) == 1
    c.feed(ev.Put(0, Command.START, "pixieioc@localhost", "Acquire"))
    assert c.m.phase is Phase.ACCEPTED


def test_tasks_that_cannot_be_made_are_shown_and_the_ioc_goes_on() -> None:
    c = Conversation()
    c.feed(ev.Begin(start=True))
    c.failed(Step.MAKE, "Brake: no such class")
    assert c.ordered.count(ev.ShowState("Error", "the tasks could not be made: Brake: no such class")) == 1
    assert c.put(Command.START) == 1
    assert c.m.phase is Phase.ACCEPTED


def test_the_table_knows_every_event_in_every_phase_and_the_page_explains_each_rule() -> None:
    events = {command.name for command in Command} | {kind.__name__ for kind in ev.Event.__args__ if kind is not ev.Put}
    assert set(RULES) == set(Phase)
    assert all(set(of_phase) == events for of_phase in RULES.values())
    assert len(table().splitlines()) == 2 + len(events)
    assert "None" not in meanings()
