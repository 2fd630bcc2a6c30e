"""Every fault at random moments of runs of a real IOC, and what must hold after each.

`python -m tests.system.campaign --seed 7 --times 20` does each fault so often and prints a table of what was seen;
`--only TEXT` those whose name contains it.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import random
import sys
import time
from collections.abc import Callable, Iterator

import psutil

import tests.conftest  # noqa: F401  # first of all: libca reads its environment once
from pixieioc.drill.drill import Drill, Violation, row_of
from pixieioc.drill.faults import FAULTS, Fault, Outcome
from pixieioc.drill.files import Files
from pixieioc.drill.table import Seen
from tests.running_ioc import Ioc, end_in_order
from tests.system.client_faults import of_clients
from tests.system.disk_faults import of_disks
from tests.system.held import Held
from tests.system.input_faults import of_input
from tests.system.ioc_faults import of_ioc
from tests.system.memory_group import memory_group
from tests.system.readers import being_read
from tests.system.rounds import PVA, STOP_TIMEOUT, Campaign, remove_checked, running_ioc
from tests.system.slow_disk_faults import of_slow_disks
from tests.system.start_faults import of_starts

CONFIG = f"""
[pipeline]
chain = ["Source", "Raw", "Decode", "Sort", "Write", "Spectra"]
imports = ["tests.system.saboteur"]

[run]
stop_timeout = {STOP_TIMEOUT}

[crate]
channels = 2

[tasks.Source]
class = "BadDummyData"
channel_rate = 2000

[tasks.Raw]
class = "BadGatherData"
auto_save = true
max_delay = 0.05
file_path = "{{0}}/raw/"

[tasks.Decode]
class = "BadConvertToEvents"

[tasks.Sort]
class = "BadSortEvents"

[tasks.Write]
class = "BadWriteEvents"
file = "{{0}}/events/run{{{{run}}}}.npy"
format = "npy"

[tasks.Spectra]
class = "BadFillSpectra"
bins = 64

[ioc]
state_dir = "state"
disk_lolo = 0.0
disk_low = 0.0
{PVA}"""
#: What a task does to itself when it is told, and what that must come to.
SABOTAGE = {
    "exception": ("BeWrong", Outcome.ENDS), "memory error": ("BeGreedy", Outcome.ENDS),
    "exit 0": ("BeGone", Outcome.ENDS), "endless loop": ("BeBusy", Outcome.HANGS), "hang": ("BeAsleep", Outcome.HANGS),
    "hang with Python's lock": ("BeLocked", Outcome.HANGS),
}  # fmt: skip


def sabotage(ioc: Ioc) -> list[Fault]:
    """The faults that tasks do to themselves."""

    def doing(what: str) -> Callable[[str, int, float], None]:
        return lambda task, pid, share: ioc.put_and_forget(f"{task}:{what}", 1)

    return [Fault(name, outcome, doing(what), late=True) for name, (what, outcome) in SABOTAGE.items()]


@contextlib.contextmanager
def campaign_ioc() -> Iterator[Ioc]:
    """An IOC whose tasks can be told to fail."""
    with running_ioc(CONFIG) as ioc:
        yield ioc


def of_tasks(campaign: Campaign, tasks: int = 0) -> None:
    """Each fault in each task (or so many of them, in turn), with and without a Stop."""
    with campaign_ioc() as ioc, memory_group() as group, being_read(campaign, ioc):
        outside = [*FAULTS.values(), *([group] if group else [])]
        if group is None:
            campaign.leave_out("memory of its control group", "no control group can be made here")
        drill = Drill(ioc, campaign.seed)
        drill.table = campaign.table
        with drill.prepared():
            for fault in (*outside, *sabotage(ioc)):
                for stop in (each for each in (False, True) if campaign.only in row_of(fault, each)):
                    for task in _victims(campaign, drill.tasks, tasks):
                        held, files = Held(ioc), Files(ioc.folder / "events")
                        wrong, at = len(drill.table.row(row_of(fault, stop)).violations), time.strftime("%T")
                        drill.round(fault, task, stop=stop)
                        _checked(drill.table.row(row_of(fault, stop)), task, held, files)
                        for text in drill.table.row(row_of(fault, stop)).violations[wrong:]:
                            print(f"{at} to {time.strftime('%T')}, load {os.getloadavg()[0]:.0f}: {text}", flush=True)
                        remove_checked(ioc)
                    print(drill.table.line(row_of(fault, stop)), flush=True)


def _victims(campaign: Campaign, tasks: list[str], count: int) -> list[str]:
    """Each task for each time, or so many of them, in turn from one at random."""
    first = campaign.choice.randrange(len(tasks))
    in_turn = itertools.cycle((*tasks[first:], *tasks[:first]))
    return list(itertools.islice(in_turn, (count or len(tasks)) * campaign.times))


def _checked(seen: Seen, task: str, held: Held, files: Files) -> None:
    """What a drill at a site does not look at."""
    try:
        held.check()
        for text in files.wrong():
            raise Violation(text)
    except Violation as violation:
        seen.violations.append(f"{task}: {violation}")


PARTS: dict[str, Callable[[Campaign], None]] = {
    "starts": of_starts, "clients": of_clients, "input": of_input, "disks": of_disks, "slow disks": of_slow_disks,
    "ioc": of_ioc,
}  # fmt: skip


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--times", type=int, default=1, help="how often each fault is done, in each task")
    parser.add_argument("--tasks", type=int, default=0, help="in how many tasks each time, in turn (0: all)")
    parser.add_argument("--only", default="", help="faults whose name contains this")
    parser.add_argument("--part", choices=("tasks", *PARTS), nargs="*", default=("tasks", *PARTS))
    given = parser.parse_args()
    end_in_order()
    began, load = time.monotonic(), os.getloadavg()[0]
    campaign = Campaign(given.seed, given.times, given.only)
    for part in given.part:
        if part == "tasks":
            of_tasks(campaign, given.tasks)
        else:
            PARTS[part](campaign)
    print(f"\nseed {given.seed}, {time.monotonic() - began:.0f} s, load {load:.1f} to {os.getloadavg()[0]:.1f} "
          f"on {psutil.cpu_count()} processors\n")  # fmt: skip
    print("\n".join(campaign.table.lines()))
    return bool(campaign.table.violations)


if __name__ == "__main__":
    sys.exit(main())
