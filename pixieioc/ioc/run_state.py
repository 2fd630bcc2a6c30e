"""The state of run control: plain data, and the small steps that its rules are made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from math import inf

from pixieioc.ioc import run_events as ev
from pixieioc.ioc.run import Run
from pixieioc.ioc.run_events import Instruction, Options, Step

#: How much longer than StopTimeout the end of a run may take until all tasks are killed, in seconds: the pipeline ends
#: those that do not answer one after the other meanwhile. If the IOC is to end, there is less time for that.
GRACE, LEAVE_GRACE = 1.6, 1.2
#: How long killing them may take then: each put is answered within 2 s.
LAST_LIMIT = 0.3
#: How long each step may take, in seconds; after that all tasks are killed (but for SAVE_RUN and COUNT, which are
#: about files). Starting, compiling and configuring tasks have shorter limits of their own in the pipeline.
LIMITS: dict[Step, float] = {
    Step.SAVE_RUN: 2.0,
    Step.MAKE: 900.0,
    Step.APPLY: 150.0,
    Step.SETTLE: 150.0,
    Step.ERASE: 150.0,
    Step.START: 900.0,
    Step.REPLACE: 900.0,
    Step.BOOT: 3600.0,
    Step.COUNT: 1.0,
    Step.KILL: 1.8,
}
#: Puts that succeed whatever happens if a site has it so, because EPICS' sscan record never hears of one that failed.
FORGIVABLE = ("Acquire", "EraseStart")
#: What the IOC does when it has started, and who has it done.
BEGIN, NOBODY = "Begin", "pixieioc@localhost"
#: Why a command was not carried out when all tasks were killed.
KILLED = "all tasks were killed"


class Phase(Enum):
    """Where the run is; there is always exactly one."""

    IDLE = "no run"
    ACCEPTED = "a run is being prepared: its number saved, tasks made and configured"
    STARTING = "the tasks are being started"
    RUNNING = "the source takes data"
    ENDING = "the tasks drain, or discard what they hold"
    CLOSING = "the tasks are at rest, FileNumber is being counted up"
    KILLING = "all tasks are being killed"
    LEAVING = "the IOC ends: the tasks are being shut down"
    LEFT = "the IOC has ended"


@dataclass(eq=False)
class Work:
    """What is carried out in steps, in its turn: a command, or the start of a run.

    `name` is the command's process variable; `BEGIN` for the first tasks, empty for what nobody waits for.
    """

    name: str
    steps: list[Step]
    client: object = None
    put: int = 0
    run: Run | None = None


@dataclass
class Job:
    """A step that the driver is carrying out."""

    step: Step
    limit: float
    deadline: float
    work: Work | None = None


@dataclass
class MachineState:
    """All that run control remembers."""

    phase: Phase = Phase.IDLE
    run_id: int = 0  #: of the current or last run
    run: Run | None = None
    options: Options = field(default_factory=Options)
    gone: bool = True  #: the tasks are not there on purpose
    leaving: bool = False  #: the IOC is to end
    start_wanted: bool = False  #: a run is to start as soon as the tasks are there
    work: Work | None = None
    queue: list[Work] = field(default_factory=list[Work])
    jobs: dict[int, Job] = field(default_factory=dict[int, Job])
    kills: list[tuple[int, object]] = field(default_factory=list[tuple[int, object]])  #: puts of Kill, and whose
    open_puts: set[int] = field(default_factory=set[int])  #: not answered yet
    deadline: float = inf  #: of the phase
    leave_by: float = inf
    last_job: int = 0
    now: float = 0.0  #: the time of the latest event
    out: list[Instruction] = field(default_factory=list[Instruction])

    # -- what others may ask ------------------------------------------------------------------------------------------

    @property
    def due(self) -> float:
        """When the next `Tick` is needed."""
        return min(self.deadline, *(job.deadline for job in self.jobs.values())) if self.jobs else self.deadline

    @property
    def awaits_rest(self) -> bool:
        """Whether the end of what the tasks do in the run is what comes next."""
        return self.phase in (Phase.RUNNING, Phase.ENDING) and not self.performing(Step.START)

    def performing(self, *steps: Step) -> bool:
        """Whether one of these steps is being carried out."""
        return any(job.step in steps for job in self.jobs.values())

    # -- small steps --------------------------------------------------------------------------------------------------

    def order(self, *instructions: Instruction) -> None:
        """Adds instructions, in their order."""
        self.out.extend(instructions)

    def perform(self, step: Step, work: Work | None = None, limit: float | None = None) -> None:
        """Has a step carried out, within its limit."""
        self.last_job += 1
        limit = LIMITS[step] if limit is None else limit
        self.jobs[self.last_job] = Job(step, limit, self.now + limit, work)
        if step in (Step.QUIT, Step.KILL):
            self.gone = True
        elif step is Step.MAKE:
            self.gone = False
        self.order(ev.Perform(self.last_job, step, self.run_id, limit))

    def postpone(self, seconds: float) -> None:
        """For so long this program has stood still: that is held against nobody."""
        self.deadline += seconds
        self.leave_by += seconds
        for job in self.jobs.values():
            job.deadline += seconds

    def cancel_jobs(self) -> None:
        """Gives up whatever is being carried out; its outcome will not count any more."""
        self.order(*map(ev.Cancel, self.jobs))
        self.jobs.clear()

    def answer(self, put: int, failure: str = "", pv: str = "") -> None:
        """Completes a put, once; some succeed in any case."""
        if put:
            self.open_puts.remove(put)
            forgiven = pv in FORGIVABLE and not self.options.fail_put_on_error
            self.order(ev.Answer(put, "" if forgiven else failure))

    def refuse(self, put: ev.Put, why: str) -> None:
        """Refuses a command at once; nothing has changed."""
        if not (self.run is not None and put.command is ev.Command.START):
            self.order(ev.Post(put.pv, 0, force=True))
        self.order(ev.ShowCommand("Refused", why, put.client, put.pv))
        if self.run is None:
            self.order(ev.ShowReadiness())
        self.answer(put.number, why, put.pv)

    def fail_work(self, work: Work, why: str) -> None:
        """Completes a command that could not be carried out; a run is not ended by this."""
        if work.name == BEGIN:
            text = f"the tasks could not be made: {why}"
            self.order(ev.ShowState("Error", text), ev.ShowCommand("Failed", text, NOBODY, ""), ev.ShowReadiness())
        if work.name in ("", BEGIN):
            return
        self.order(ev.Post(work.name, 0), ev.ShowReadiness())
        self.order(ev.ShowCommand("Failed", f"{work.name}: {why}", work.client, work.name))
        self.answer(work.put, f"{work.name}: {why}")

    def drop_works(self, why: str) -> None:
        """Gives up all commands, those that wait and the one that is being carried out."""
        dropped = ([self.work] if self.work is not None else []) + self.queue
        self.work, self.queue = None, []
        self.cancel_jobs()
        for work in dropped:
            self.fail_work(work, why)
