"""Rules of runs: how they begin, end, are refused and counted."""

from __future__ import annotations

import re
import signal
import statistics
import subprocess
import sys
import time

from pixieioc.conform.results import NotTried
from pixieioc.conform.target import INVALID, MAJOR, MINOR, NO_ALARM, Target

#: A folder that can neither be nor be made.
_NOWHERE = "/dev/null/pixieioc-conform/"
#: Points of a scan, their time in seconds, and by how much their counts may scatter beyond counting statistics.
_POINTS, _POINT, _SCATTER = 10, 0.3, 4.0
#: How much later than its preset a run may end: 5 ms, and the poll of a source that asks ten times a second, s.
_LATE = 0.105
#: A client that starts a run and holds the put, in a process of its own.
_CLIENT = "import asyncio, aioca, sys\nasyncio.run(aioca.caput(sys.argv[1], 1, wait=True, timeout=60))\n"


def put_ends_with_the_run(t: Target) -> None:
    """caput -c Acquire 1 is answered when the run has ended, with every link empty and everything posted."""
    t.run_for(1.0)
    took = t.put("Acquire", 1, 1.0 + t.bound)
    t.expect(took >= 0.99, f"the put was answered after {took:.2f} s, the run lasts 1 s")
    for name, wanted in (("Acquire", "Done"), ("Acquire_RBV", "Done"), ("AcquireBusy", "Done")):
        t.reads(name, wanted)
    t.reads("DetectorState_RBV", "Idle", NO_ALARM)
    t.reads("RunEndReason_RBV", "Preset", NO_ALARM)
    t.reads("ElapsedReal_RBV", lambda seconds: 0.99 <= seconds <= 1.0 + t.slack, must="1 s, or a little more")
    for task in t.tasks:
        t.reads(f"{task}:Status", "WAITING")
        for name in ("QueueSize_RBV", "Dropped_RBV", "Balance_RBV"):
            t.reads(f"{task}:{name}", 0)


def start_is_posted_at_once_and_the_end_in_order(t: Target) -> None:
    """Acquire, Acquire_RBV, AcquireBusy tell a start at once; the end comes as state Idle, busy Done, Acquire Done."""
    t.run_for(0.5)
    names = ("Acquire", "Acquire_RBV", "AcquireBusy", "DetectorState_RBV", f"{t.source}:Counter_RBV")
    with t.watch(*names, "ElapsedReal_RBV") as watch:
        watch.clear()
        pending = t.begin("Acquire", 1)
        for name, value in (("Acquire", "Acquire"), ("Acquire_RBV", "Acquiring"), ("AcquireBusy", "Acquiring")):
            watch.until(name, value, t.slack)
        t.answered(pending, 0.5 + t.bound)
        t.expect(watch.values("Acquire")[-1] == "Done", "the put was answered before Acquire = Done was posted")
        sequence = watch.sequence()
    end = [name for name, value in sequence if value in ("Idle", "Done")]
    t.note(f"the end: {', '.join(end)}")
    t.expect(end[:1] == ["DetectorState_RBV"], f"the end begins with {end[:1]}, must be DetectorState_RBV = Idle")
    t.expect(end[-1:] == ["Acquire"], f"the end is {end[-1:]}, must be Acquire = Done")
    idle = sequence.index(("DetectorState_RBV", "Idle"))
    late = [name for name, _ in sequence[idle:] if name in (names[-1], "ElapsedReal_RBV")]
    t.expect(not late, f"{late} were posted behind DetectorState_RBV = Idle, final counters come before it")


def files_are_complete_when_the_put_is_answered(t: Target) -> None:
    """With AutoSave, the raw file is closed and has its name when the put is answered; a run number stands in it."""
    t.needs("AutoSave", "FullFileName_RBV")
    if not t.allowed.files:
        raise NotTried("no folder for raw files was given (--files)")
    with t.set_to(FilePath=t.allowed.files, AutoSave="Yes"):
        t.run_for(0.5)
        t.put("Acquire", 1, 0.5 + t.bound)
        run = int(t.get("RunId_RBV"))
        name = t.reads(
            "FullFileName_RBV", lambda name: name.startswith(t.allowed.files.rstrip("/")), must=f"in {t.allowed.files}"
        )
        t.reads("WriteStatus_RBV", lambda _: True, NO_ALARM)
        t.reads("BytesWritten_RBV", lambda size: size > 0, must="more than 0")
        t.expect(not name.endswith(".part"), f"{name} is not finished")
        t.expect(re.search(rf"0*{run}\b|{run:06d}", name), f"{name} does not have the run's number, {run}")


def bad_end_fails_the_put(t: Target) -> None:
    """A run that is killed completes its put with a failure, in time, and RunEndReason says why."""
    t.run_for(0)
    pending = t.start()
    t.put("Kill", 1)
    t.answered(pending, t.slack, failing=True)
    good = ("None", "Preset", "Operator stop", "Source end")
    t.reads("RunEndReason_RBV", lambda reason: reason not in good, must="Abort, or what has failed")
    t.reads("Acquire", "Done")


def lost_task_fails_the_put_and_the_next_run_works(t: Target) -> None:
    """A task that is killed is told within 1 s and fails the run; the next start works."""
    t.needs_faults()
    t.run_for(0)
    pending = t.start()
    with t.watch(f"{t.sink}:Status", f"{t.sink}:ERROR", "State_RBV") as watch:
        t.signal(t.sink, signal.SIGKILL)
        killed = time.monotonic()
        for name, value in ((f"{t.sink}:Status", "LOST"), (f"{t.sink}:ERROR", "ERROR"), ("State_RBV", "PANICKING")):
            watch.until(name, value, 1.0 + t.slack)
        t.note(f"told after {time.monotonic() - killed:.2f} s")
    t.answered(pending, t.bound, failing=True)
    t.reads("DetectorState_RBV", "Error", MAJOR)
    t.reads("RunEndReason_RBV", "Task lost", MAJOR)
    t.reads(f"{t.sink}:ERROR", "ERROR", MAJOR)
    t.reads(f"{t.sink}:Status", "LOST", INVALID)
    t.run_for(0.3)
    t.put("Acquire", 1, 30)
    t.reads("DetectorState_RBV", "Idle")
    t.put("ErrorAck", 1)


def a_site_may_want_good_answers(t: Target) -> None:
    """With FailPutOnError = No a start that is refused is answered as good, and the message tells the truth."""
    t.put("FailPutOnError", "No")
    t.run_for(0)
    pending = t.start()
    run = t.get("RunId_RBV")
    for name in ("Acquire", "EraseStart"):
        t.put(name, 1)
        t.reads("CmdStatus_RBV", "Refused")
        t.reads("RunId_RBV", run)
    t.stop(pending)


def stop_drains_and_answers_both(t: Target) -> None:
    """Stop, or 0 to Acquire, keeps the data and completes its own put and that of the start."""
    t.run_for(0)
    for name, value in (("Stop", 1), ("Acquire", 0)):
        pending = t.start()
        t.put(name, value)
        t.answered(pending, t.slack)
        t.reads("DetectorState_RBV", "Idle", NO_ALARM)
        t.reads("RunEndReason_RBV", "Operator stop", NO_ALARM)
        t.reads(f"{t.sink}:QueueSize_RBV", 0)
        t.reads(f"{t.sink}:Balance_RBV", 0)


def abort_answers_both(t: Target) -> None:
    """Abort ends the run at once, completes both puts, and the state is Aborted."""
    t.run_for(0)
    pending = t.start()
    t.put("Abort", 1)
    t.answered(pending, t.slack)
    t.reads("DetectorState_RBV", "Aborted", MINOR)
    t.reads("RunEndReason_RBV", "Abort")


def second_start_is_refused_and_disturbs_nothing(t: Target) -> None:
    """A start during a run is refused at once, names its owner, and changes nothing."""
    t.run_for(0)
    pending = t.start()
    run = t.get("RunId_RBV")
    why = t.refused("Acquire", 1)
    t.expect(re.search(rf"\b{run}\b.*\S+@\S+.* \d+ s", why), f"the reason does not name run, owner and time: {why!r}")
    t.reads("Acquire", "Acquire", NO_ALARM)
    t.refused("EraseStart", 1)
    t.client.put_and_forget("Acquire", 1)
    t.note("caput Acquire 1")
    t.becomes("CmdStatus_RBV", "Refused", t.slack)
    t.reads("RunId_RBV", run)
    t.reads("State_RBV", "RUNNING")
    t.expect(not pending.future.done(), "the put of the run was answered although the run is in progress")
    t.stop(pending)


def stop_without_a_run_does_nothing(t: Target) -> None:
    """Stop and Abort without a run succeed and change nothing."""
    before = {name: t.get(name) for name in ("RunId_RBV", "DetectorState_RBV", "RunEndReason_RBV")}
    for name, value in (("Stop", 1), ("Abort", 1), ("Acquire", 0)):
        t.put(name, value)
        t.reads("CmdStatus_RBV", "OK")
        for other, was in before.items():
            t.reads(other, was)


def run_outlives_its_client(t: Target) -> None:
    """If the client that holds the put disappears, the run goes on to its end."""
    t.run_for(3.0)
    with subprocess.Popen([sys.executable, "-c", _CLIENT, f"{t.prefix}Acquire"]) as client:
        try:
            t.becomes("DetectorState_RBV", "Acquire", 20)
        finally:
            client.kill()
    t.note("the client that holds the put was killed")
    t.reads("State_RBV", "RUNNING")
    t.becomes("Acquire", "Done", 3 + t.bound)
    t.reads("RunEndReason_RBV", "Preset")


def every_run_has_a_number(t: Target) -> None:
    """RunId goes up by one at each accepted start, and a refused one uses none."""
    t.run_for(0.3)
    for _ in range(2):
        run = t.get("RunId_RBV")
        t.put("Acquire", 1, 0.3 + t.bound)
        t.reads("RunId_RBV", run + 1)


def start_that_is_not_ready_says_why(t: Target) -> None:
    """Ready is kept current; a start that is not ready is refused with the list and uses no number."""
    t.needs("AutoSave", "FilePath")
    run = t.get("RunId_RBV")
    with t.set_to(FilePath=_NOWHERE, AutoSave="Yes"):
        t.becomes("Ready_RBV", "No", 5 + t.slack)
        t.reads("ReadyMessage_RBV", lambda text: _NOWHERE.rstrip("/") in text, must=f"that {_NOWHERE} cannot be used")
        t.refused("Acquire", 1)
        t.reads("RunId_RBV", run)
    t.becomes("Ready_RBV", "Yes", 5 + t.slack)


def start_that_is_ready_takes_data_within_a_second(t: Target) -> None:
    """A start given while Ready takes data within a second; that a run is in progress is no alarm of Ready."""
    t.run_for(0)
    t.becomes("Ready_RBV", "Yes", 10 + t.slack)
    began = time.monotonic()
    pending = t.begin("Acquire", 1)
    t.becomes(f"{t.source}:Counter_RBV", lambda count: count > 0, 1.0 + t.slack, must="more than 0")
    t.note(f"data after {time.monotonic() - began:.2f} s")
    t.reads("Ready_RBV", "No", NO_ALARM)
    t.stop(pending)


def kill_works_at_any_moment(t: Target) -> None:
    """A Kill right behind a start is answered in time, and so is the start; the IOC has no error of its own."""
    t.run_for(0)
    pending = t.begin("Acquire", 1)
    t.put("Kill", 1)
    t.answered(pending, t.slack, failing=None)
    again = t.begin("Acquire", 1)  # which makes the tasks
    t.put("Stop", 1)
    t.answered(again, t.slack, failing=None)
    t.reads("Acquire", "Done")
    t.reads("IOC:ERROR", "OK", NO_ALARM)


def times_are_those_of_the_source(t: Target) -> None:
    """ElapsedReal is the time in which data were taken: counts divided by it scatter as counting statistics do."""
    t.needs(f"{t.sink}:Events_RBV")
    t.run_for(_POINT)
    counts, times = [], []
    for _ in range(_POINTS):
        t.put("Acquire", 1, _POINT + t.bound)
        right = f"{_POINT} s, or a little more"
        times.append(float(t.reads("ElapsedReal_RBV", lambda s: _POINT <= s + 1e-6 <= _POINT + t.slack, must=right)))
        counts.append(float(t.reads(f"{t.sink}:Events_RBV", lambda events: events >= 0)))
    late = statistics.median(times) - _POINT  # of a computer that has much to do, one may be
    t.note(f"runs end {1000 * late:.1f} ms behind the preset (median)")
    t.expect(
        late <= _LATE, f"runs end {1000 * late:.0f} ms behind the preset (median), must be {1000 * _LATE:.0f} at most"
    )
    rates = [count / seconds for count, seconds in zip(counts, times, strict=True)]
    mean, of_counts = sum(rates) / _POINTS, sum(counts) / _POINTS
    if of_counts < 100:
        raise NotTried(f"{of_counts:.0f} events per point are too few")
    scatter = sum((rate / mean - 1) ** 2 for rate in rates) / (_POINTS - 1) * of_counts
    t.note(f"the rates scatter {scatter:.2f} times as much as counting statistics (variance)")
    t.expect(scatter < _SCATTER, f"rates scatter {scatter:.1f} times as much as counting statistics, not 1")
