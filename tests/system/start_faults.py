"""The part of the campaign that is about tasks which are killed while a run is being started."""

from __future__ import annotations

import time
from functools import partial

import psutil

from pixieioc.drill.table import Seen
from tests.ca_client import PutFailed
from tests.running_ioc import Ioc
from tests.system.held import Held
from tests.system.readers import being_read
from tests.system.rounds import BOUND, Campaign, answered, expect, next_run, pids_of, remove_checked, running_ioc
from tests.system.run_files import RunFiles

STARTING, REPLACING = "SIGKILL of a task, starting", "SIGKILL of a task while another is replaced"
#: From when the start is accepted until data come, or a little more, in seconds.
_START = 0.1
#: Likewise, where a process is made for a task first; how long that may take on a busy computer.
_REPLACE, _MADE = 1.5, 30.0


def _killed_while_another_is_replaced(task: str, pause: float, ioc: Ioc, seen: Seen) -> None:
    """The start replaces a task that was lost before, and ends as it does if no other was."""
    other = ioc.tasks()[ioc.tasks().index(task) - 1]
    ioc.kill_task(other)
    ioc.until(f"{other}:Status", "LOST", 5)
    ioc.put("ErrorAck", 1)
    _killed(task, {task, other}, _REPLACE * pause, ioc, seen)


def _killed_at_start(task: str, pause: float, ioc: Ioc, seen: Seen) -> None:
    """The start, or the run that has just begun, ends."""
    _killed(task, {task}, _START * pause, ioc, seen)


def _killed(task: str, replaced: set[str], seconds: float, ioc: Ioc, seen: Seen) -> None:
    """A task is killed so many seconds after a start was accepted; that ends at once, and it is said to be lost."""
    pids, files = pids_of(ioc), RunFiles(ioc)
    ioc.put("PresetMode", "No preset")
    before = ioc.get("RunId_RBV")
    with ioc.watch("RunId_RBV", f"{task}:ERROR") as watch:
        run = ioc.put_later("Acquire", 1, 60)
        watch.until("RunId_RBV", lambda number: number > before, 20)
        time.sleep(seconds)  # the random moment
        psutil.Process(pids[task]).kill()
        began = time.monotonic()
        watch.until(f"{task}:ERROR", "ERROR", 2)
        seen.told.append(time.monotonic() - began)
    error = answered(run, BOUND + (_MADE if len(replaced) > 1 else 0))
    seen.answered.append(time.monotonic() - began)
    expect(isinstance(error, PutFailed), f"the put was answered with {error!r}")
    names = ("RunEndReason_RBV", "DetectorState_RBV", "ErrorFirst_RBV", f"{task}:Status", "IOC:ERROR")
    found = tuple(ioc.get(name) for name in names)
    expect(found == ("Task lost", "Error", task, "LOST", "OK"), f"{found}: {ioc.get('ErrorFirstMessage_RBV')}")
    files.right()
    next_run(ioc)
    changed = {each for each, pid in pids_of(ioc).items() if pid != pids[each]}
    expect(changed == replaced, f"{sorted(changed)} got new processes, not {sorted(replaced)}")


_FAULTS = {STARTING: _killed_at_start, REPLACING: _killed_while_another_is_replaced}


def of_starts(campaign: Campaign) -> None:
    """Each task in turn."""
    if not any(campaign.only in name for name in _FAULTS):
        return
    with running_ioc() as ioc, being_read(campaign, ioc):
        for name, fault in _FAULTS.items():
            for task in ioc.tasks() * len(campaign.rounds(name)):
                before, held = len(campaign.table.violations), Held(ioc)
                campaign.note(name, partial(fault, task, campaign.choice.random(), ioc))
                remove_checked(ioc)
                if len(campaign.table.violations) > before:
                    ioc.put("Reset", 1, BOUND)
                campaign.check(name, held.check)
