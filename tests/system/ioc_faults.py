"""The part of the campaign that is about the IOC's own process, its helpers, its limits and its clock."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import psutil

from pixieioc.drill.files import Files
from pixieioc.drill.table import Seen
from tests.running_ioc import Ioc
from tests.system.limit_faults import of_limits
from tests.system.rounds import (
    BOUND,
    Campaign,
    acquire,
    answered,
    begun,
    being_read,
    conserved,
    expect,
    in_a_run,
    in_its_own_ioc,
    lives,
    next_run,
    right,
    running_ioc,
)


def _idle(ioc: Ioc) -> None:
    ioc.until("DetectorState_RBV", "Idle", 20)


def _starting(ioc: Ioc) -> None:
    ioc.put_and_forget("Acquire", 1)


def _acquiring(ioc: Ioc) -> None:
    ioc.put_and_forget("Acquire", 1)
    ioc.until("BytesWritten_RBV", lambda size: size > 0, 20)


def _ending(ioc: Ioc) -> None:
    _acquiring(ioc)
    ioc.put_and_forget("Stop", 1)


STATES: dict[str, Callable[[Ioc], None]] = {
    "idle": _idle, "starting": _starting, "acquiring": _acquiring, "ending": _ending,
}  # fmt: skip
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL)


def _signal(number: signal.Signals, state: str, pause: float, ioc: Ioc, seen: Seen) -> None:
    """Sends a signal to the IOC in a state; it ends in time with all that belongs to it, or goes on."""
    files, below = Files(ioc.folder / "raw"), ioc.processes()[1:]
    STATES[state](ioc)
    time.sleep(pause)  # the random moment
    began = time.monotonic()
    ioc.process.send_signal(number)
    if number == signal.SIGHUP:
        expect(ioc.get("IOC:ERROR") == "OK", "SIGHUP is an error")
        ioc.put("Stop", 1, BOUND)
    else:
        ioc.process.wait(BOUND)
        while alive := [process for process in below if lives(process)]:
            expect(time.monotonic() - began < BOUND, f"still there: {[p.pid for p in alive]}")
            time.sleep(0.05)
        ioc.log.close()
        seen.answered.append(time.monotonic() - began)
        left = list(Path(os.environ["TMPDIR"]).glob("pixieioc-*"))
        expect(not left, f"left behind: {left}")
        ioc.launch()
        begun(ioc)
    right(files)
    expect(not files.unfinished(), "a raw file was cut off")
    next_run(ioc)


def _of_signals(campaign: Campaign) -> None:
    for number in SIGNALS:
        for state in STATES:
            name = f"{number.name} of the IOC, {state}"
            for _ in campaign.rounds(name):
                campaign.note(name, in_its_own_ioc(partial(_signal, number, state, 0.5 * campaign.choice.random())))


# -- its helpers and files ------------------------------------------------------------------------------------------


def _helpers(ioc: Ioc, word: str) -> list[psutil.Process]:
    there = [each for each in psutil.Process(ioc.process.pid).children() if lives(each)]
    return [each for each in there if word in " ".join(each.cmdline())]


def _kill_helper(ioc: Ioc, word: str) -> None:
    for process in _helpers(ioc, word):
        process.kill()


def _without_helper(word: str, pause: float, ioc: Ioc, seen: Seen) -> None:
    """One is there in any case: a new one comes when a task needs a process."""
    if not _helpers(ioc, word):
        ioc.kill_task(ioc.tasks()[-1])
        ioc.until(f"{ioc.tasks()[-1]}:Status", "LOST", 5)
        next_run(ioc)
    expect(_helpers(ioc, word), f"there is no {word}")
    in_a_run(ioc, lambda: _kill_helper(ioc, word), pause, seen)


def _without_server_and_task(pause: float, ioc: Ioc, seen: Seen) -> None:
    """The fork server is killed and then a task, of whose end nobody can tell but the task itself."""
    tasks, victim = ioc.tasks(), ioc.tasks()[int(pause * len(ioc.tasks()))]
    pids = {task: ioc.pid_of(task) for task in tasks}
    files, run = Files(ioc.folder / "raw"), acquire(ioc)
    time.sleep(pause)  # the random moment
    _kill_helper(ioc, "forkserver")  # which may be gone already
    ioc.kill_task(victim)
    began = time.monotonic()
    ioc.until(f"{victim}:ERROR", "ERROR", 2)
    seen.told.append(time.monotonic() - began)
    answered(run)
    seen.answered.append(time.monotonic() - began)
    expect(ioc.get("ErrorFirst_RBV") == victim, f"ErrorFirst_RBV names {ioc.get('ErrorFirst_RBV')!r}")
    right(files)
    next_run(ioc)
    changed = [task for task in tasks if ioc.pid_of(task) != pids[task]]
    expect(changed == [victim], f"{changed} got new processes, not {victim} alone")


def _without_temporary_files(pause: float, ioc: Ioc, seen: Seen) -> None:
    def remove() -> None:
        for folder in Path(os.environ["TMPDIR"]).iterdir():
            if folder.name.startswith(("pixieioc-", "pymp-")):
                shutil.rmtree(folder)

    in_a_run(ioc, remove, pause, seen)


#: Each gets a random share, the IOC and what is seen. Without their sockets, tasks are replaced: that comes last.
HELPERS: dict[str, Callable[[float, Ioc, Seen], None]] = {
    "fork server killed": partial(_without_helper, "forkserver"),
    "resource tracker killed": partial(_without_helper, "resource_tracker"),
    "cleanup process killed": partial(_without_helper, "/bin/sh"),
    "fork server killed, then a task": _without_server_and_task,
    "temporary files removed": _without_temporary_files,
}


def _of_helpers(campaign: Campaign) -> None:
    if not any(campaign.only in name for name in HELPERS):
        return
    with running_ioc() as ioc, being_read(campaign, ioc):
        for name, fault in HELPERS.items():
            for _ in campaign.rounds(name):
                campaign.note(name, partial(fault, campaign.choice.random(), ioc))


# -- its clock ------------------------------------------------------------------------------------------------------


def _faketime() -> str:
    """The library that changes what a program takes for the time, or an empty text."""
    asked = os.environ.get("LIBFAKETIME", "")
    return next(map(str, [*filter(None, [asked]), *Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")]), "")


def _set_clock(ioc: Ioc, hours: int) -> None:
    new = ioc.folder / "clock.new"
    new.write_text(f"{hours:+d}h")
    new.replace(ioc.folder / "clock")


def _step(hours: int, pause: float, ioc: Ioc, seen: Seen) -> None:
    """The clock is stepped in a run: stamps follow it, times that have passed do not, and the run goes on."""
    _set_clock(ioc, 0)
    files, began = Files(ioc.folder / "raw"), time.monotonic()
    run = acquire(ioc)
    time.sleep(pause)  # the random moment
    _set_clock(ioc, hours)
    written, stepped = ioc.get("BytesWritten_RBV"), time.monotonic()
    ioc.until("BytesWritten_RBV", lambda size: size > written, 3)
    while abs(ioc.stamp("BytesWritten_RBV") - time.time() - 3600 * hours) >= 60:
        expect(time.monotonic() < stepped + 3, "the stamp of BytesWritten_RBV does not follow the clock")
        written = ioc.get("BytesWritten_RBV")
        ioc.until("BytesWritten_RBV", lambda size, before=written: size > before, 3)
    seen.told.append(time.monotonic() - stepped)
    time.sleep(1.5)  # in which a wrong alarm would show
    expect(ioc.get("Acquire_RBV") == "Acquiring", f"the run ended: {ioc.get('RunEndReason_RBV')}")
    for task in ioc.tasks():
        expect(ioc.get(f"{task}:ERROR") == "OK", f"{task}:ERROR: {ioc.get(f'{task}:ErrorMessage_RBV')}")
        age = ioc.get(f"{task}:HeartBeatAge_RBV")
        expect(0 <= age < 5, f"{task}: the last heart beat is {age} s old")
    stop = time.monotonic()
    expect(answered(ioc.put_later("Stop", 1, 60)) is None, "Stop has failed")
    answered(run)
    seen.answered.append(time.monotonic() - stop)
    lasted, real = time.monotonic() - began, ioc.get("ElapsedReal_RBV")
    expect(1 < real < lasted, f"ElapsedReal_RBV is {real} s after {lasted:.1f} s")
    expect(ioc.get("DetectorState_RBV") == "Idle", f"the run failed: {ioc.get('ErrorFirstMessage_RBV')}")
    conserved(ioc)
    right(files)
    next_run(ioc)
    _set_clock(ioc, 0)
    next_run(ioc)


def _of_clock(campaign: Campaign) -> None:
    names = {"clock stepped forward by an hour": 1, "clock stepped back by an hour": -1}
    library = _faketime()
    for name, hours in names.items():
        if not library:
            campaign.leave_out(name, "there is no libfaketime; $LIBFAKETIME may name it")
            continue
        for _ in campaign.rounds(name):
            # The file is read at each call, so a step is a step for all processes at once; intervals stay true.
            step = partial(_step, hours, campaign.choice.random())
            own = in_its_own_ioc(step, environment=_stepped(library), files={"clock": b"+0h"})
            campaign.note(name, own)


def _stepped(library: str) -> dict[str, str]:
    clock = {"FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1"}
    return clock | {"LD_PRELOAD": library, "NO_FAKE_STAT": "1", "FAKETIME_TIMESTAMP_FILE": "{0}/clock"}


def of_ioc(campaign: Campaign) -> None:
    """Each of them."""
    _of_helpers(campaign)
    of_limits(campaign)
    _of_clock(campaign)
    _of_signals(campaign)
