"""The part of the campaign that is about the IOC's own process: its helpers, its limits and its clock."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import psutil

from pixieioc.drill.table import Seen
from tests.running_ioc import Ioc
from tests.system.held import Held, lives
from tests.system.limit_faults import of_limits
from tests.system.readers import being_read
from tests.system.rounds import (
    Campaign,
    acquire,
    answered,
    conserved,
    expect,
    in_a_run,
    next_run,
    pids_of,
    running_ioc,
)
from tests.system.run_files import RunFiles
from tests.system.signal_faults import of_signals

# -- its helpers and files ------------------------------------------------------------------------------------------


def _helpers(ioc: Ioc, word: str) -> list[psutil.Process]:
    there = [each for each in psutil.Process(ioc.process.pid).children() if lives(each)]
    return [each for each in there if word in " ".join(each.cmdline())]


def _kill_helper(ioc: Ioc, word: str) -> None:
    for process in _helpers(ioc, word):
        process.kill()


def _have_helper(ioc: Ioc, word: str) -> None:
    """A new one comes when a task needs a process."""
    if not _helpers(ioc, word):
        ioc.kill_task(ioc.tasks()[-1])
        ioc.until(f"{ioc.tasks()[-1]}:Status", "LOST", 5)
        next_run(ioc)
    expect(_helpers(ioc, word), f"there is no {word}")


def _without_helper(word: str, pause: float, ioc: Ioc, seen: Seen) -> None:
    _have_helper(ioc, word)
    in_a_run(ioc, lambda: _kill_helper(ioc, word), pause, seen)


def _without_server_and_task(pause: float, ioc: Ioc, seen: Seen) -> None:
    """The fork server is killed and then a task, of whose end nobody can tell but the task itself."""
    _have_helper(ioc, "forkserver")
    victim, pids, held = ioc.tasks()[int(pause * len(ioc.tasks()))], pids_of(ioc), Held(ioc)
    files, run = RunFiles(ioc), acquire(ioc)
    time.sleep(pause)  # the random moment
    _kill_helper(ioc, "forkserver")  # which may be gone already
    ioc.kill_task(victim)
    began = time.monotonic()
    ioc.until(f"{victim}:ERROR", "ERROR", 2)
    seen.told.append(time.monotonic() - began)
    answered(run)
    seen.answered.append(time.monotonic() - began)
    expect(ioc.get("ErrorFirst_RBV") == victim, f"ErrorFirst_RBV names {ioc.get('ErrorFirst_RBV')!r}")
    files.right()
    next_run(ioc)
    changed = [task for task, pid in pids_of(ioc).items() if pid != pids[task]]
    expect(changed == [victim], f"{changed} got new processes, not {victim} alone")
    held.check()


def _without_temporary_files(pause: float, ioc: Ioc, seen: Seen) -> None:
    def remove() -> None:
        for folder in Path(os.environ["TMPDIR"]).iterdir():
            if folder.name.startswith(("pixieioc-", "pymp-")):
                shutil.rmtree(folder)

    in_a_run(ioc, remove, pause, seen, replaced=True)


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
    held, pids, files, began = Held(ioc), pids_of(ioc), RunFiles(ioc), time.monotonic()
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
    files.right()
    next_run(ioc)
    _set_clock(ioc, 0)
    next_run(ioc)
    expect(pids_of(ioc) == pids, "tasks that were well got new processes")
    held.check()


def _of_clock(campaign: Campaign) -> None:
    names = {"clock stepped forward by an hour": 1, "clock stepped back by an hour": -1}
    if not any(campaign.only in name for name in names):
        return
    library = _faketime()
    if not library:
        for name in names:
            campaign.leave_out(name, "there is no libfaketime; $LIBFAKETIME may name it")
        return
    own = {"environment": _stepped(library), "files": {"clock": b"+0h"}}
    with running_ioc(**own) as ioc, being_read(campaign, ioc):
        for name, hours in names.items():
            for _ in campaign.rounds(name):
                # The file is read at each call, so a step is one for all processes at once; intervals stay true.
                campaign.note(name, partial(_step, hours, campaign.choice.random(), ioc))


def _stepped(library: str) -> dict[str, str]:
    clock = {"FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1"}
    return clock | {"LD_PRELOAD": library, "NO_FAKE_STAT": "1", "FAKETIME_TIMESTAMP_FILE": "{0}/clock"}


def of_ioc(campaign: Campaign) -> None:
    """Each of them."""
    _of_helpers(campaign)
    of_limits(campaign)
    _of_clock(campaign)
    of_signals(campaign)
