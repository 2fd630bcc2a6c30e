"""The faults of a drill that can be done to a task's process from outside, and what each must come to."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

import psutil


class Outcome(Enum):
    """What becomes of a run in which nobody gives Stop."""

    ENDS = "the run ends at once, with an error of this task"
    HANGS = "the run goes on, and ends with an error of this task after its HangTimeout"
    PASSES = "the run goes on as if nothing had been"
    EITHER = "the run ends with an error of this task, or goes on"


@dataclass(frozen=True)
class Fault:
    """What is done to a task, given its name, its process, and a random share (0 to 1) of what varies.

    What is undone after a while lasts over a Stop that comes meanwhile; what is lifted lasts until the run has ended;
    what a task does at its next item (`late`) a Stop may forestall.
    """

    name: str
    outcome: Outcome
    do: Callable[[str, int, float], None]
    undo: Callable[[int], None] | None = None
    lift: Callable[[int], None] | None = None
    late: bool = False


def _kill(task: str, pid: int, share: float) -> None:
    os.kill(pid, signal.SIGKILL)


def _suspend(task: str, pid: int, share: float) -> None:
    os.kill(pid, signal.SIGSTOP)


def _go_on(pid: int) -> None:
    os.kill(pid, signal.SIGCONT)


def _limit_memory(task: str, pid: int, share: float) -> None:
    """Lets the process have hardly more memory than it has."""
    has = psutil.Process(pid).memory_info().vms
    _, most = resource.prlimit(pid, resource.RLIMIT_AS)
    resource.prlimit(pid, resource.RLIMIT_AS, (has + int(share * 2**20), most))


def _lift_memory_limit(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):  # it has ended for want of memory
        _, most = resource.prlimit(pid, resource.RLIMIT_AS)
        resource.prlimit(pid, resource.RLIMIT_AS, (most, most))


FAULTS: Mapping[str, Fault] = {
    fault.name: fault
    for fault in (
        Fault("SIGKILL", Outcome.ENDS, _kill),
        Fault("SIGSTOP", Outcome.HANGS, _suspend),
        Fault("SIGSTOP, then SIGCONT", Outcome.PASSES, _suspend, _go_on),
        Fault("memory limit", Outcome.EITHER, _limit_memory, lift=_lift_memory_limit),
    )
}
