"""How an alarm handler treats each alarm: what is a cause, what follows from one and is suppressed, what is left out.

One event is to be one alarm that names its cause. So an alarm latches and is announced if it is a cause, or says that
data were lost; what follows from a cause is suppressed for as long as the cause lasts, and begins with a delay that is
long enough for the alarm handler to have heard of the cause.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pixieioc.pipeline.graph import Graph
from pixieioc.pvinfo.description import alarms_of, entry_of, may_alarm, own_name, part_of, task_of
from pixieioc.pvinfo.model import PvInfo
from pixieioc.pvinfo.run_control import END_REASONS, STATES

#: What an alarm tree leaves out although it has a severity, and why: the name behind the task's.
NOT_IN_ALARM_TREE: Mapping[str, str] = {
    "Ready_RBV": "shown to whoever wants to start a run",
    "CmdStatus_RBV": "the answer to whoever gave the command",
    "SumSevr_RBV": "the sum of all others",
    "SimMode_RBV": "known to whoever has chosen a simulated source",
    "State_RBV": "follows from the error of a task, which is in the tree",
    "Status": "follows from the task's error, which is in the tree",
    "DetectorState_RBV": "its causes are in the tree: errors of the tasks and of the IOC",
    "RunEndReason_RBV": "its causes are in the tree: errors of the tasks and of the IOC, and that the IOC is gone",
    "ErrorLatched_RBV": "the sum of all tasks' ERROR",
    "ErrorMessage_RBV": "the text of ERROR",
    "WriteStatus_RBV": "follows from the error of the task that writes, which is in the tree",
}
#: The one that stands above all others of an IOC.
ALIVE = "IOC:ALIVE"
#: How long what flickers must be in alarm before an alarm handler hears of it, in seconds; it flickers if it declares a
#: hysteresis, or is named here.
FLICKER_DELAY = 10
FLICKERING = ("Rate_RBV",)
#: After so many seconds an alarm handler has surely heard what has caused an alarm that follows; an error is told
#: sooner, but not before it is known whether it is the IOC that has gone.
FOLLOWING_DELAY, ERROR_DELAY = 3, 1
#: What comes and goes by itself is shown, and not announced: the error that may become of it is.
SILENT = ("BusyTime_RBV", "HeartBeatAge_RBV", "QueueUse_RBV", "Rate_RBV")
#: What a task shows also when one behind it takes long or hangs, which is shown by these of that task, from so many
#: seconds up.
WAITING = ("QueueUse_RBV", "Rate_RBV")
TAKES_LONG, LONG = ("HeartBeatAge_RBV", "BusyTime_RBV"), 3


@dataclass(frozen=True)
class Condition:
    """The value of the PV `name` (without prefix) is from `low` up to less than `high`; or is not, if `inside` is not.

    A value that is not known is neither.
    """

    name: str
    low: int
    high: int
    inside: bool = True


def _reason(first: str, last: str) -> Condition:
    """No run has ended for one of these reasons since the last start."""
    return Condition("RunEndReason_RBV", END_REASONS.index(first), END_REASONS.index(last) + 1, inside=False)


IOC_IS_THERE = Condition(ALIVE, 1, 2)
#: No task has failed in the run, or since it. What an abort discards is what was asked for.
NOTHING_HAS_FAILED = (
    Condition("State_RBV", 0, STATES.index("PANICKING")),
    _reason("Task error", "Timeout"),
    _reason("Abort", "Abort"),
)


@dataclass(frozen=True)
class Watching:
    """How an alarm handler treats an alarm.

    `delay`: how long it must last to count, s. `only_while`: what must be true for the alarm to count; otherwise it
    follows from something that has an alarm of its own.
    """

    latching: bool
    announced: bool
    delay: int
    only_while: tuple[Condition, ...] = ()


def left_out_because(pv: PvInfo) -> str:
    """Why it is not in the alarm tree; empty: nothing keeps it out."""
    return entry_of(NOT_IN_ALARM_TREE, pv)


def watching_of(pv: PvInfo, graph: Graph | None = None) -> Watching | None:
    """How an alarm handler treats a process variable; None if it does not hear of it.

    Only with the graph is it known whom a task waits for.
    """
    if not may_alarm(pv) or left_out_because(pv):
        return None
    if pv.name == ALIVE:
        return Watching(latching=True, announced=True, delay=0)
    if is_error(pv):
        return Watching(latching=True, announced=True, delay=ERROR_DELAY, only_while=(IOC_IS_THERE,))
    flickers = bool(pv.hysteresis) or own_name(pv) in FLICKERING
    serious = any(phrase.startswith(("MAJOR", "INVALID")) for phrase in alarms_of(pv))
    return Watching(
        latching=serious and not flickers and own_name(pv) not in SILENT,
        announced=serious and own_name(pv) not in SILENT,
        delay=FLICKER_DELAY if flickers else FOLLOWING_DELAY,
        # A disk or the IOC's own computer can be the cause of a task's failure, and never its consequence.
        only_while=(IOC_IS_THERE,)
        if part_of(pv) in ("files", "ioc")
        else (IOC_IS_THERE, *NOTHING_HAS_FAILED, *_nobody_takes_long(pv, graph)),
    )


def _nobody_takes_long(pv: PvInfo, graph: Graph | None) -> Iterator[Condition]:
    """Neither the task nor one for which it waits; nobody waits for a branch that samples."""
    task = task_of(pv)
    if graph is None or not task or own_name(pv) not in WAITING:
        return
    waits_for = [task]
    for each in waits_for:  # which grows
        waits_for += [link.target for link in graph.behind(each) if link.mode == "lossless"]
    for each in waits_for:
        yield from (Condition(f"{each}:{name}", 0, LONG) for name in TAKES_LONG)


def is_error(pv: PvInfo) -> bool:
    """True for the ERROR of a task, and that of the IOC itself."""
    return (own_name(pv) == "ERROR" and bool(task_of(pv))) or pv.name == "IOC:ERROR"
