"""The machine of run control against a model, with random events: late, doubled and missing ones among them."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from pixieioc.ioc import run_events as ev
from pixieioc.ioc.run_events import Command
from pixieioc.ioc.run_machine import handle
from pixieioc.ioc.run_state import MachineState, Phase
from pixieioc.pipeline.error import Cause, Error

STOP_TIMEOUT = 4.0
#: What ends a run, and with it all puts, within StopTimeout and 2 s.
ENDS = (Command.STOP, Command.ABORT, Command.KILL)


class RunControl(RuleBasedStateMachine):
    """The machine, and what a client may rely on."""

    def __init__(self) -> None:
        super().__init__()
        self.m = MachineState(run_id=3)
        self.now = 0.0
        self.puts = 0
        self.open: dict[int, tuple[Command, float]] = {}  #: puts without an answer, with their bound
        self.acquiring = False
        self.last_run = 3
        self.left = self.left_at_once = False
        self.feed(ev.Options(STOP_TIMEOUT))
        self.feed(ev.Begin())

    def feed(self, event: ev.Event) -> None:
        for instruction in handle(self.m, event, self.now):
            match instruction:
                case ev.Answer(put):
                    del self.open[put]  # KeyError: answered twice, or never given
                case ev.Post("Acquire_RBV", value):
                    assert self.acquiring != (value == "Acquiring")
                    self.acquiring = value == "Acquiring"
                case ev.Post("RunId_RBV", value):
                    assert value == self.last_run + 1
                    self.last_run = value
                case ev.Leave(at_once):
                    self.left, self.left_at_once = True, at_once
                case _:
                    pass

    @rule(command=st.sampled_from(Command), erase=st.booleans(), ready=st.booleans())
    def put(self, command: Command, erase: bool, ready: bool) -> None:
        self.puts += 1
        bound = self.now + STOP_TIMEOUT + 2 if command in ENDS else float("inf")
        if command is Command.KILL:
            bound = self.now + 2
        if command in ENDS and (self.m.run is not None or command is Command.KILL):
            self.open = {n: (c, min(b, bound)) for n, (c, b) in self.open.items() if self._is_ended_by(c, command)} | {
                n: (c, b) for n, (c, b) in self.open.items() if not self._is_ended_by(c, command)
            }
        self.open[self.puts] = (command, bound)
        pv = "EraseStart" if erase and command is Command.START else command.value
        self.feed(ev.Put(self.puts, command, "jan@desk", pv, "" if ready else "not ready"))

    @staticmethod
    def _is_ended_by(command: Command, end: Command) -> bool:
        return end is Command.KILL or command in (Command.START, Command.STOP, Command.ABORT)

    @rule(data=st.data(), good=st.booleans())
    def job_ends(self, data: st.DataObject, good: bool) -> None:
        """One that goes on, or one that has ended or was given up before."""
        job = data.draw(st.integers(0, self.m.last_job))
        self.feed(ev.Done(job) if good else ev.Failed(job, Error("it could not be", cause=Cause.ERROR)))

    @precondition(lambda self: self.m.jobs)
    @rule()
    def newest_job_ends_well(self) -> None:
        self.feed(ev.Done(max(self.m.jobs)))

    @rule(older=st.integers(0, 2), failed=st.booleans())
    def at_rest(self, older: int, failed: bool) -> None:
        self.feed(ev.AtRest(self.m.run_id - older, Error("a task") if failed else None))

    @rule(older=st.integers(0, 2))
    def source_done(self, older: int) -> None:
        self.feed(ev.SourceDone(self.m.run_id - older))

    @rule(older=st.integers(0, 2))
    def preset(self, older: int) -> None:
        self.feed(ev.PresetReached(self.m.run_id - older))

    @rule(own=st.booleans())
    def fault(self, own: bool) -> None:
        self.feed(ev.OwnFault("KeyError") if own else ev.TaskFailed("Sort", Error("lost", cause=Cause.LOST)))

    @rule(seconds=st.sampled_from([0.01, 0.5, 1.0, 3.0, 10.0, 1000.0]))
    def wait(self, seconds: float) -> None:
        end = self.now + seconds
        while self.m.due <= end:
            self.now = max(self.now, self.m.due)
            due = self.m.due
            self.feed(ev.Tick())
            assert self.m.due > due, "a deadline that has passed stays"
            self.in_time()
        self.now = end
        self.in_time()

    @precondition(lambda self: self.puts > 5)
    @rule()
    def signal(self) -> None:
        bound = self.now + STOP_TIMEOUT + 2
        self.open = {n: (c, min(b, bound)) for n, (c, b) in self.open.items()}
        self.feed(ev.Signal())

    def in_time(self) -> None:
        late = {n: c for n, (c, bound) in self.open.items() if self.now > bound}
        assert not late, f"no answer in time: {late}, {self.m}"

    @invariant()
    def the_machine_knows_who_waits(self) -> None:
        assert self.m.open_puts == set(self.open)

    @invariant()
    def exactly_one_of_idle_and_running(self) -> None:
        in_run = self.m.run is not None
        assert self.acquiring == in_run
        if self.left_at_once:  # nothing was closed properly: the next IOC says of the run that it was interrupted
            assert self.m.phase is Phase.LEFT
        elif in_run:
            assert self.m.phase not in (Phase.IDLE, Phase.LEAVING, Phase.LEFT)
        else:
            assert self.m.phase in (Phase.IDLE, Phase.KILLING, Phase.LEAVING, Phase.LEFT)

    @invariant()
    def what_goes_on_has_a_deadline(self) -> None:
        assert all(job.deadline < float("inf") for job in self.m.jobs.values())
        if self.m.phase in (Phase.STARTING, Phase.CLOSING, Phase.KILLING, Phase.LEAVING):
            assert self.m.due < float("inf")
        assert not self.m.work or any(job.work is self.m.work for job in self.m.jobs.values())

    @invariant()
    def who_has_left_does_nothing(self) -> None:
        if self.left:
            assert (self.m.phase, self.m.jobs, self.open) == (Phase.LEFT, {}, {})

    def teardown(self) -> None:
        """Whatever has happened: Kill answers everybody, and a signal ends the IOC."""
        if not self.left:
            self.put(Command.KILL, False, True)
            self.wait(2.0)
            assert not self.open
            self.feed(ev.Signal())
            self.wait(STOP_TIMEOUT + 2)
            assert self.left


RunControl.TestCase.settings = settings(
    max_examples=150, stateful_step_count=60, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
# An example that fails is made shorter first, which takes long; cut off there, hypothesis calls it flaky instead.
TestRunControl = pytest.mark.timeout(400)(RunControl.TestCase)
