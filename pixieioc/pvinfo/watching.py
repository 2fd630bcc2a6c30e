"""How an alarm handler treats each alarm: what is a cause, what follows from one and is suppressed, what is left out.

One event is to be one alarm that names its cause. So an alarm latches and is announced if it is a cause, or says that
data were lost; what follows from a cause is suppressed for as long as the cause lasts, and begins with a delay that is
long enough for the alarm handler to have heard of the cause.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pixieioc.pipeline.graph import Graph
from pixieioc.pipeline.standard import StandardReports
from pixieioc.pvinfo.about import may_alarm, severities_of
from pixieioc.pvinfo.ioc_stats import ALIVE
from pixieioc.pvinfo.model import PvInfo
from pixieioc.pvinfo.states import END_REASONS, PIPELINE_STATES, EndReason

#: How long what flickers must be in alarm before an alarm handler hears of it, in seconds.
FLICKER_DELAY = 10
#: After this many seconds an alarm handler has surely heard what has caused an alarm that follows; an error is told
#: sooner, but not before it is known whether it is the IOC that has gone.
FOLLOWING_DELAY, ERROR_DELAY = 3, 1
#: What shows that a task takes long, or hangs, while it is in alarm itself.
TAKES_LONG = (StandardReports.heart_beat_age, StandardReports.busy_time)


@dataclass(frozen=True)
class Condition:
    """The value of the PV `name` (without prefix) is from `low` up to less than `high`; or is not, if `inside` is not.

    A value that is not known is neither.
    """

    name: str
    low: int
    high: int
    inside: bool = True


def _reason(first: EndReason, last: EndReason) -> Condition:
    """No run has ended for one of these reasons since the last start."""
    return Condition("RunEndReason_RBV", END_REASONS.index(first), END_REASONS.index(last) + 1, inside=False)


IOC_IS_THERE = Condition(ALIVE, 1, 2)
#: No error that is not acknowledged was caused by a full disk, which has an alarm of its own then.
DISK_WAS_NOT_FULL = Condition("DiskFull_RBV", 0, 1)
#: No task has failed in the run, or since it. What an abort discards is what was asked for.
NOTHING_HAS_FAILED = (
    Condition("State_RBV", 0, PIPELINE_STATES.index("PANICKING")),
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


def is_error(pv: PvInfo) -> bool:
    """True for the ERROR of a task, and that of the IOC itself."""
    return pv.alarm.rank == "error"


def watching_of(pv: PvInfo, graph: Graph | None = None) -> Watching | None:
    """How an alarm handler treats a process variable; None if it does not hear of it.

    Only with the graph is it known whom a task waits for.
    """
    alarm = pv.alarm
    if not may_alarm(pv) or alarm.omitted:
        return None
    if alarm.rank == "alive":
        return Watching(latching=True, announced=True, delay=0)
    if alarm.rank == "disk":
        return Watching(latching=True, announced=True, delay=ERROR_DELAY, only_while=(IOC_IS_THERE,))
    if alarm.rank == "error":
        return Watching(latching=True, announced=True, delay=ERROR_DELAY, only_while=(IOC_IS_THERE, DISK_WAS_NOT_FULL))
    flickers = alarm.flickers or bool(pv.hysteresis)
    serious = bool(severities_of(pv) & {"MAJOR", "INVALID"})
    return Watching(
        latching=serious and not (flickers or alarm.silent or alarm.passes),
        announced=serious and not alarm.silent,
        delay=FLICKER_DELAY if flickers else FOLLOWING_DELAY,
        # A disk or the IOC's own computer can be the cause of a task's failure, and never its consequence. That a
        # disk has little room follows from nothing, but is told already when it was full.
        only_while=(IOC_IS_THERE, *([DISK_WAS_NOT_FULL] if pv.section == "files" else []))
        if pv.section in ("files", "ioc")
        else (IOC_IS_THERE, *NOTHING_HAS_FAILED, *_nobody_takes_long(pv, graph)),
    )


def _nobody_takes_long(pv: PvInfo, graph: Graph | None) -> Iterator[Condition]:
    """Neither the task nor one for which it waits; nobody waits for a branch that samples."""
    if graph is None or not pv.owner or not pv.alarm.waits:
        return
    waits_for = [pv.owner]
    for each in waits_for:  # which grows
        waits_for += [link.target for link in graph.behind(each) if link.mode == "lossless"]
    for each in waits_for:
        yield from (Condition(f"{each}:{report.pv}", 0, int(report.limits[2])) for report in TAKES_LONG)
