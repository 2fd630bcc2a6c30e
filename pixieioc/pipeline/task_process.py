"""One task as its pipeline sees it: the process, what it last said, and what it still owes an answer to."""

from __future__ import annotations

import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from pixieioc.pipeline.activity import Activity, Doing
from pixieioc.pipeline.control_groups import killed_for_memory
from pixieioc.pipeline.error import Error
from pixieioc.pipeline.forked import NOT_KNOWN
from pixieioc.pipeline.in_use import InUse, Limits, checked, checked_limits, keep_in_use
from pixieioc.pipeline.payloads import LinkCount
from pixieioc.pipeline.status import Status
from pixieioc.pipeline.task import Task
from pixieioc.pipeline.undeclared import Undeclared

#: What else is said of a process that was killed while the kernel has killed some for this reason.
_MEMORY = ", probably by the kernel: it has killed a process meanwhile because memory ran out (see dmesg, MemoryMax=)"
_NONE: Mapping[str, Any] = {}


@dataclass(frozen=True)
class Answer:
    """What a task has answered: why it refuses, or an empty text, and what it uses then if it says so."""

    refused: str
    in_use: InUse = field(default_factory=InUse)


@dataclass
class TaskProcess:
    """A task's process and the latest word from it."""

    name: str
    task: Task
    identity: str
    activity: Activity
    #: The task's own word, until it dies.
    status: Status = Status.WAITING
    known: bool = False  #: it has said that it is there
    starting: str = ""  #: what takes it long just now, as to compile; it is not expected to say anything else meanwhile
    finished: bool = False  #: it is through with the run (after an error: it has swallowed the rest)
    beginning: bool = False  #: it was sent START and has not answered yet
    run: int = 0  #: the number of the run of which it was sent START last
    unwanted: bool = False  #: it has been put away: it must not be started any more
    lost: bool = False  #: its process has ended without being asked to
    error: Error | None = None
    heard: float = field(default_factory=time.monotonic)
    vitals_time: float = 0.0  #: when its vital signs were last reported, monotonic
    report_time: float = 0.0  #: Unix time of the latest report
    outputs: int = 1  #: how many links begin at it
    links: list[LinkCount] = field(default_factory=list[LinkCount])  #: what became of the items at each of them
    #: The latest value of every report.
    reports: dict[str, Any] = field(init=False)
    #: Numbers of messages whose answers are waited for, and the answers that have come.
    answers: dict[int, Answer | None] = field(default_factory=dict[int, Answer | None])
    killed_before: int = field(default_factory=killed_for_memory)  #: processes that were, for want of memory
    owed: int = -1  #: the number of a message that nobody waits for, but which shows that it answers again

    def __post_init__(self) -> None:
        self._declared = type(self.task).reports()
        self._undeclared = Undeclared()
        self.reports = {name: report.initial for name, report in self._declared.items()}

    def accept(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The values of a report; BadReport if one of them cannot be, however it came to be sent.

        How many channels an array has is not looked at: the task may just have been configured.
        """
        known = {name: value for name, value in values.items() if name in self._declared}
        accepted = {name: self._declared[name].accept(self.name, value, None) for name, value in known.items()}
        others = {name: value for name, value in values.items() if name not in known}
        self._undeclared.check(self.name, others)
        return {**accepted, **others}

    def take_in_use(self, values: Mapping[str, Any], limits: Mapping[str, Any] = _NONE) -> tuple[InUse, Limits]:
        """Has a process that replaces this one begin with what is in use here; BadSetting if that cannot be."""
        parameters, settings = type(self.task).parameters(), self.task.parameter_values
        in_use = checked(self.name, parameters, settings, values)
        found = checked_limits(self.name, parameters, settings, limits)
        keep_in_use(settings, in_use)
        return in_use, found

    @property
    def alive(self) -> bool:
        """True while its process runs."""
        return self.task.is_alive()

    @property
    def how_ended(self) -> str:
        """How its process has ended, as part of a sentence."""
        code = self.task.exitcode
        if code == NOT_KNOWN:
            return "has ended, nobody knows how: the fork server, which would tell, is gone or stands still"
        if code is None or code >= 0:
            return f"ended with exit code {code}"
        memory = code == -signal.SIGKILL and killed_for_memory() > self.killed_before
        return f"was killed by signal {-code}" + _MEMORY * memory

    @property
    def failed(self) -> bool:
        """True if the process must be replaced before it can run again."""
        return self.lost or self.status in (Status.PANICKING, Status.DYING)

    @property
    def at_rest(self) -> bool:
        """True if it does nothing in a run any more."""
        return self.lost or self.finished or (self.status in (Status.WAITING, Status.DYING) and not self.beginning)

    @property
    def owes_answer(self) -> bool:
        """True if it has been given up by those who waited for it, and has not answered since."""
        if self.owed not in self.answers or self.answers[self.owed] is not None:
            self.answers.pop(self.owed, None)
            self.owed = -1
        return self.owed >= 0

    @property
    def silent(self) -> float:
        """Seconds since its last word."""
        return time.monotonic() - self.heard

    def doing(self, now: float) -> Doing:
        """What it does, as its page says; `now` is the monotonic time."""
        return self.activity.read(now)

    @property
    def hang_timeout(self) -> float:
        """How long it may be busy with one item, in seconds; 0: for ever."""
        return float(cast("float", self.task.parameter_values["hang_timeout"]))

    @property
    def start_timeout(self) -> float:
        """How long it may be starting, in seconds, without a word of what takes it long."""
        return float(self.task.start_timeout)

    @property
    def items_waiting(self) -> int:
        """Items that wait for it, as it said last."""
        return int(self.reports["queue_size"])

    @property
    def progress(self) -> tuple[object, ...]:
        """Changes as long as something moves."""
        return (self.status, *(self.reports.get(name) for name in ("counter", "bytes_in", "bytes_out", "dropped")))
