"""The reports that every task has: what an operator asks of any process of the chain."""

from __future__ import annotations

from typing import Any, get_args

from pixieioc.pipeline.capacity import CAPACITY
from pixieioc.pipeline.declare import FrameReport, Report
from pixieioc.pipeline.status import StatusName
from pixieioc.presentation import AlarmHandling

#: What a task reports itself, and what only the pipeline can say of it.
TASK_STATUSES = (*get_args(StatusName), "LOST")
#: How long a task may take over one thing, or its process not run, before that is MINOR, and MAJOR, in seconds.
SLOW, VERY_SLOW = 3, 10
#: How long a task may handle nothing while items wait for it, in seconds: at the beginning of a run it has only begun.
LONGEST_IDLE = 2.0


class StandardReports:
    """Declarations only; the loop in `task_loop.py` keeps them current, the pipeline those of `VITALS`."""

    status = FrameReport(
        "WAITING",
        doc="What the task is doing.",
        choices=TASK_STATUSES,
        severities=("NO_ALARM", "NO_ALARM", "NO_ALARM", "NO_ALARM", "MAJOR", "INVALID"),
        pv="Status",
        alarm=AlarmHandling(omitted="follows from the task's error, which is in the tree", explains=True),
        guidance="PANICKING: the task had an error. LOST: its process has died. The next start replaces it.",
    )
    heart_beat = FrameReport(
        0, doc="Counts up once a second while the process runs.", small=True, pv="HeartBeat", archive=""
    )
    heart_beat_age = FrameReport(
        0.0,
        doc="Time since the process last ran, by the pipeline's clock.",
        unit="s",
        precision=1,
        alarm_high=SLOW,
        alarm_hihi=VERY_SLOW,
        pv="HeartBeatAge_RBV",
        alarm=AlarmHandling(silent=True),
        guidance="The process is not running: the computer is overloaded, or the process has been stopped. "
        "It is killed after HangTimeout.",
    )
    busy_time = FrameReport(
        0.0,
        doc="How long the task has been busy with the current item; 0 while it starts, compiles or boots.",
        unit="s",
        precision=1,
        alarm_high=SLOW,
        alarm_hihi=VERY_SLOW,
        hysteresis=1,
        pv="BusyTime_RBV",
        alarm=AlarmHandling(silent=True),
        guidance="The task is taking long over one item, or hangs. It is killed after HangTimeout; raise that (0: "
        "never) if the work is known to take long.",
    )
    queue_size = FrameReport(0, doc="Items waiting for this task.", small=True, pv="QueueSize_RBV")
    queue_free = FrameReport(CAPACITY, doc="Items that the queue can still take.", small=True, pv="QueueFree_RBV")
    queue_use = FrameReport(
        0.0,
        doc="How full the task's queue is.",
        unit="%",
        precision=0,
        alarm_high=75,
        alarm_hihi=100,
        hysteresis=1,
        pv="QueueUse_RBV",
        alarm=AlarmHandling(silent=True, waits=True),
        guidance="The task is slower than the one before it, which has to wait. No data are lost.",
    )
    dropped = FrameReport(
        0,
        doc="Items that could not be passed on, or were discarded, in this run.",
        alarm_hihi=1,
        pv="Dropped_RBV",
        guidance="Data of this run are incomplete behind this task.",
    )
    balance = FrameReport(
        0,
        doc="Items that were sent to this task in this run and never arrived.",
        alarm_lolo=-1,
        alarm_hihi=1,
        pv="Balance_RBV",
        guidance="Data of this run are incomplete from this task on.",
    )
    missed = FrameReport(
        0, doc="Items that this task could not take at once in this run: its branch is sampling.", pv="Missed_RBV"
    )
    missed_bytes = FrameReport(
        0,
        doc="Bytes of the items that this task could not take at once in this run.",
        unit="B",
        pv="REPORT:BytesMissed_RBV",
    )
    counter = FrameReport(0, doc="Messages handled in this run.", pv="Counter_RBV")
    events: Report[int] = Report(0, doc="Events handled in this run.", pv="Events_RBV")
    rate = FrameReport(
        0.0,
        doc="Events per second, or messages if the task does not count events.",
        unit="1/s",
        pv="Rate_RBV",
        alarm=AlarmHandling(
            besides=(
                "MINOR",
                f"while the task runs, items wait for it, and it has handled none for {LONGEST_IDLE:g} s",
            ),
            flickers=True,
            silent=True,
            waits=True,
        ),
        guidance="Items are waiting and the task handles none: it is taking long over one item, or hangs.",
    )
    byte_rate = FrameReport(0.0, doc="Data handled per second.", unit="MB/s", pv="ByteRate_RBV")
    execution_time = FrameReport(
        0.0, doc="Time of the last do_work, without waiting for a full link.", unit="ms", pv="ExecutionTime_RBV"
    )
    execution_time_max = FrameReport(0.0, doc="Longest do_work of this run.", unit="ms", pv="ExecutionTimeMax_RBV")
    process_id = FrameReport(0, doc="The task's process.", small=True, pv="ProcessId_RBV")
    cpu_load = FrameReport(0.0, doc="The task's share of one core.", unit="%", precision=1, pv="CpuLoad_RBV")
    mem_used = FrameReport(
        0.0,
        doc="The task's resident memory.",
        unit="MB",
        precision=1,
        pv="MemUsed_RBV",
        guidance="The task uses a lot of memory: reduce its sizes and delays, or raise memory_high in the "
        "configuration.",
    )
    messages_out = FrameReport(0, doc="Items passed to the next task in this run.", pv="REPORT:MessagesOut_RBV")
    bytes_in = FrameReport(
        0, doc="Bytes received from the previous task in this run.", unit="B", pv="REPORT:BytesIn_RBV"
    )
    bytes_out = FrameReport(0, doc="Bytes passed to the next task in this run.", unit="B", pv="REPORT:BytesOut_RBV")


#: What the pipeline itself reports of each task, by its own clock.
VITALS = ("heart_beat", "heart_beat_age", "busy_time")


def keep(task: StandardReports, **values: Any) -> None:
    """Brings reports of every task up to date; only the frame does that."""
    for name, value in values.items():
        vars(StandardReports)[name].keep(task, value)


def begin_counting(task: StandardReports) -> None:
    """Sets what belongs to one run back to its beginning."""
    keep(task, **at_the_beginning())


def at_the_beginning() -> dict[str, Any]:
    """The values of what belongs to one run, at its beginning."""
    return {name: vars(StandardReports)[name].initial for name in _PER_RUN}


_PER_RUN = (
    "counter",
    "events",
    "dropped",
    "missed",
    "missed_bytes",
    "balance",
    "rate",
    "byte_rate",
    "execution_time",
    "execution_time_max",
    "queue_size",
    "queue_free",
    "queue_use",
    "messages_out",
    "bytes_in",
    "bytes_out",
)
