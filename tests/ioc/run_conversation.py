"""Conversations with the machine of run control: an event is fed, what it orders is expected."""

from __future__ import annotations

from collections.abc import Iterable

from pixieioc.ioc import run_events as ev
from pixieioc.ioc.run_events import Command, Event, Instruction, Step
from pixieioc.ioc.run_machine import handle
from pixieioc.ioc.run_state import MachineState, Phase
from pixieioc.pipeline.error import Cause, Error


class Conversation:
    """A machine, a clock, and what the machine has ordered since it was last asked."""

    def __init__(self, **options: object) -> None:
        self.m = MachineState(run_id=6)
        self.now = 100.0
        self.ordered: list[Instruction] = []
        self.answers: dict[int, str] = {}
        self._puts = 0
        self.feed(ev.Options(**options))  # pyright: ignore[reportArgumentType]

    def feed(self, event: Event) -> list[Instruction]:
        """One event, now; returns what is to be done."""
        instructions = list(handle(self.m, event, self.now))
        self.ordered += instructions
        for instruction in instructions:
            if isinstance(instruction, ev.Answer):
                assert instruction.put not in self.answers, f"put {instruction.put} is answered twice"
                self.answers[instruction.put] = instruction.failure
        return instructions

    def put(self, command: Command, pv: str = "", not_ready: str = "", client: str = "jan@desk") -> int:
        """A client's command; its number."""
        self._puts += 1
        self.feed(ev.Put(self._puts, command, client, pv or command.value, not_ready))
        return self._puts

    def job(self, step: Step) -> int:
        """The job that carries out this step now."""
        [number] = [number for number, job in self.m.jobs.items() if job.step is step]
        return number

    def done(self, *steps: Step) -> None:
        """These steps are carried out, one after the other."""
        for step in steps:
            self.feed(ev.Done(self.job(step)))

    def failed(self, step: Step, text: str, cause: Cause = Cause.ERROR) -> None:
        """A step could not be carried out."""
        self.feed(ev.Failed(self.job(step), Error(text, cause=cause)))

    def wait(self, seconds: float) -> None:
        """Time passes; deadlines are kept on the way."""
        end = self.now + seconds
        while self.m.due <= end:
            self.now = max(self.now, self.m.due)
            self.feed(ev.Tick())
        self.now = end

    def made(self) -> Conversation:
        """The tasks are there."""
        self.feed(ev.Begin())
        self.done(Step.MAKE)
        return self

    def running(self) -> Conversation:
        """A run goes on, which put 1 has started."""
        self.made()
        assert self.put(Command.START) == 1
        self.done(*START)
        assert self.m.phase is Phase.RUNNING
        return self

    def rest(self, error: Error | None = None) -> None:
        """All tasks are through with the run."""
        assert self.m.run is not None
        self.feed(ev.AtRest(self.m.run.id, error))

    def posts(self) -> list[tuple[str, object]]:
        """What has been posted since this was last asked, with the state and the outcome of commands."""
        posted = list(_posts(self.ordered))
        self.ordered.clear()
        return posted


START = (Step.SAVE_RUN, Step.MAKE, Step.SETTLE, Step.REPLACE, Step.START)


def _posts(instructions: Iterable[Instruction]) -> Iterable[tuple[str, object]]:
    for instruction in instructions:
        match instruction:
            case ev.Post(pv, value):
                yield pv, value
            case ev.ShowState(state, _):
                yield "DetectorState_RBV", state
            case ev.ShowCommand(status) | ev.ShowRunCommand(_, status):
                yield "CmdStatus_RBV", status
            case ev.Answer(put, failure):
                yield "answer", (put, failure)
            case _:
                pass
