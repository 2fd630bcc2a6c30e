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

NAME = "SIGKILL of a task, starting"
#: From when the start is accepted until data come, or a little more, in seconds.
_START = 0.1


def killed_at_start(task: str, pause: float, ioc: Ioc, seen: Seen) -> None:
    """The start, or the run that has just begun, ends at once and says that this task was lost."""
    held, pids, files = Held(ioc), pids_of(ioc), RunFiles(ioc)
    ioc.put("PresetMode", "No preset")
    before = ioc.get("RunId_RBV")
    with ioc.watch("RunId_RBV", f"{task}:ERROR") as watch:
        run = ioc.put_later("Acquire", 1, 60)
        watch.until("RunId_RBV", lambda number: number > before, 20)
        time.sleep(_START * pause)  # the random moment
        psutil.Process(pids[task]).kill()
        began = time.monotonic()
        watch.until(f"{task}:ERROR", "ERROR", 2)
        seen.told.append(time.monotonic() - began)
    error = answered(run)
    seen.answered.append(time.monotonic() - began)
    expect(isinstance(error, PutFailed), f"the put was answered with {error!r}")
    names = ("RunEndReason_RBV", "DetectorState_RBV", "ErrorFirst_RBV", f"{task}:Status", "IOC:ERROR")
    found = tuple(ioc.get(name) for name in names)
    expect(found == ("Task lost", "Error", task, "LOST", "OK"), f"{found}: {ioc.get('ErrorFirstMessage_RBV')}")
    files.right()
    next_run(ioc)
    changed = [each for each, pid in pids_of(ioc).items() if pid != pids[each]]
    expect(changed == [task], f"{changed} got new processes, not {task} alone")
    held.check()


def of_starts(campaign: Campaign) -> None:
    """Each task in turn."""
    if campaign.only not in NAME:
        return
    with running_ioc() as ioc, being_read(campaign, ioc):
        for task in ioc.tasks() * campaign.times:
            before = len(campaign.table.violations)
            campaign.note(NAME, partial(killed_at_start, task, campaign.choice.random(), ioc))
            remove_checked(ioc)
            if len(campaign.table.violations) > before:
                ioc.put("Reset", 1, BOUND)
