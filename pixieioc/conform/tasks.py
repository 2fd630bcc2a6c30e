"""Rules of tasks: their time stamps, their errors, and the IOC's end."""

from __future__ import annotations

import signal
import time

from pixieioc.conform.results import NotTried
from pixieioc.conform.target import MAJOR, MINOR, NO_ALARM, Target


def values_of_one_report_have_one_stamp(t: Target) -> None:
    """All values that one report changes carry the same time stamp, which is not later than the posting."""
    names = [f"{t.sink}:{name}" for name in ("Counter_RBV", "REPORT:BytesIn_RBV")]
    t.needs(*names)
    t.run_for(0)
    pending = t.start()
    with t.watch(*names) as watch:
        watch.clear()
        begin = t.get(names[0])
        watch.until(names[0], lambda count: count > begin, 10 + t.slack)
        watch.clear()
        for _ in range(6):  # cycles
            last = t.get(names[0])
            watch.until(names[0], lambda count, last=last: count > last, 10 + t.slack)
        posts = list(watch.posts)
    t.stop(pending)
    cycles: dict[float, set[str]] = {}
    for post in posts:
        cycles.setdefault(post.stamp, set()).add(post.name)
    complete = sum(len(of_cycle) == len(names) for of_cycle in cycles.values())
    t.note(f"{len(posts)} posts with {len(cycles)} time stamps, of which {complete} have all values")
    t.expect(complete >= len(cycles) - 2, f"only {complete} of {len(cycles)} time stamps have all values of a report")
    t.expect(complete >= 2, "values of one report do not share a time stamp")


def error_latches_until_it_is_acknowledged(t: Target) -> None:
    """ERROR of a task stays MAJOR through a good run until ErrorAck; ErrorFirst names the first of a cascade."""
    t.needs_faults()
    t.signal(t.sink, signal.SIGKILL)
    t.becomes(f"{t.sink}:ERROR", "ERROR", 1.0 + t.slack)
    t.run_for(0.3)
    t.put("Acquire", 1, 60)
    t.reads("DetectorState_RBV", "Idle")
    t.reads(f"{t.sink}:ERROR", "ERROR", MAJOR)
    t.reads("ErrorLatched_RBV", "ERROR", MAJOR)
    t.reads("ErrorFirst_RBV", t.sink)
    t.put("ErrorAck", 1)
    t.reads(f"{t.sink}:ERROR", "OK", NO_ALARM)
    t.reads("ErrorLatched_RBV", "OK", NO_ALARM)


def end_of_the_ioc_is_seen(_: Target) -> None:
    """SIGTERM ends a run as Stop does, clients see the disconnect at once, and no task survives a SIGKILL."""
    raise NotTried("it would end the IOC, which is to be left as it is")


def long_work_is_no_hang(t: Target) -> None:
    """A task that does not answer for some seconds is shown and not ended before its HangTimeout; the run goes on."""
    t.needs_faults()
    t.run_for(0)
    t.put(f"{t.sink}:HangTimeout", 30)
    pending = t.start()
    t.signal(t.sink, signal.SIGSTOP)
    try:
        t.becomes(f"{t.sink}:HeartBeatAge_RBV", lambda age: age > 3, 6 + t.slack)
        severity = t.client.severity(f"{t.sink}:HeartBeatAge_RBV")
        t.expect(severity == MINOR, f"{t.sink}:HeartBeatAge_RBV has severity {severity}, must be MINOR from 3 s")
    finally:
        t.signal(t.sink, signal.SIGCONT)
    t.becomes(f"{t.sink}:HeartBeatAge_RBV", lambda age: age < 3, 5 + t.slack)
    count = t.get(f"{t.sink}:Counter_RBV")
    t.becomes(f"{t.sink}:Counter_RBV", lambda now: now > count, 10 + t.slack)
    t.reads("State_RBV", "RUNNING")
    t.reads(f"{t.sink}:ERROR", "OK", NO_ALARM)
    t.stop(pending)


def busy_time_is_shown_without_alarm(t: Target) -> None:
    """BusyTime shows how long a task works, without alarm in an ordinary run; HangTimeout is 60 s unless it is set."""
    t.run_for(0)
    pending = t.start()
    end = time.monotonic() + 1
    while time.monotonic() < end:
        for task in t.tasks:
            severity = t.client.severity(f"{task}:BusyTime_RBV")
            t.expect(severity == NO_ALARM, f"{task}:BusyTime_RBV is in alarm in an ordinary run")
    t.reads(f"{t.sink}:HangTimeout_RBV", lambda seconds: seconds >= 0)
    t.stop(pending)
