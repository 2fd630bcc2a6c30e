"""The part of the campaign that is about disks that are slow: all the time, or again and again for a while."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import pyarrow.parquet as pq

from pixieioc.drill.table import Seen
from tests.block_disks import freezable, slow_down, stalling, why_not_slow
from tests.ca_client import PutFailed
from tests.running_ioc import Ioc, ioc_folder
from tests.system.held import Held
from tests.system.readers import being_read
from tests.system.rounds import (
    BOUND,
    CONFIG,
    STOP_TIMEOUT,
    Campaign,
    acquire,
    answered,
    conserved,
    expect,
    next_run,
    pids_of,
    remove_checked,
    running_in,
)
from tests.system.run_files import RunFiles

#: As long as it is unless a site sets it: a disk that stalls for 2 s at a time may do so twice at the end of a run.
_STOP_TIMEOUT = 8.0
_BOUND = BOUND - STOP_TIMEOUT + _STOP_TIMEOUT
#: Five times what the slow disk takes.
_CONFIG = CONFIG.replace(f"stop_timeout = {STOP_TIMEOUT}", f"stop_timeout = {_STOP_TIMEOUT}")
_CONFIG += "[tasks.DummyData]\nchannel_rate = 150000\n"
_SLOW = 1 << 20
FILES = ("raw", "events", "state", "logs")


@contextlib.contextmanager
def _slow(disk: Path) -> Iterator[None]:
    slow_down(disk, _SLOW)
    try:
        yield
    finally:
        slow_down(disk, 0)


#: What a disk is like meanwhile.
DISKS: dict[str, Callable[[Path], AbstractContextManager[None]]] = {
    "with 1 MB/s": _slow,
    "that stalls for 2 s": partial(stalling, seconds=2.0, every=2.6),
}


def _queued(ioc: Ioc) -> float:
    """Seconds for which the IOC's loop and this program have waited for a processor so far, as the kernel counts it."""
    threads = [Path(f"/proc/{ioc.process.pid}"), *Path("/proc/self/task").iterdir()]
    return sum(int((thread / "schedstat").read_text().split()[1]) for thread in threads) / 1e9


def _goes_on(ioc: Ioc, disk: Path, seconds: float) -> None:
    """Whatever the disk does, the run goes on, and nobody else waits for it; memory is bounded."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        asked, queued = time.monotonic(), _queued(ioc)
        for name in ("Ready_RBV", "WriteMessage_RBV", "DiskFree_RBV", "QueueUse_RBV"):
            ioc.get(f"GatherData:{name}" if name.startswith("Queue") else name)
        took = time.monotonic() - asked - (_queued(ioc) - queued)
        expect(took < 1, f"gets took {took:.1f} s beside what they waited for a processor")
        expect(ioc.get("Acquire_RBV") == "Acquiring", f"the run ended: {ioc.get('ErrorFirstMessage_RBV')}")
        time.sleep(0.3)
    for task in ioc.tasks():
        expect((used := ioc.get(f"{task}:MemUsed_RBV")) < 500, f"{task} has {used:.0f} MB")


def _shown(ioc: Ioc, seen: Seen) -> None:
    """A raw disk that is too slow is back pressure, and an alarm of the queue before it."""
    began = time.monotonic()
    ioc.until("GatherData:QueueUse_RBV", lambda use: use >= 75, 15)
    expect(ioc.severity("GatherData:QueueUse_RBV") > 0, "a full queue is no alarm")
    seen.told.append(time.monotonic() - began)


def _true(ioc: Ioc, disk: Path, slow: str, error: BaseException | None) -> None:
    """A run that is told to be good has its files; one that is not says whose disk it was."""
    failed = ioc.get("DetectorState_RBV") == "Error"
    expect(isinstance(error, PutFailed) == failed, f"the put was answered with {error!r}")
    first, why = ioc.get("ErrorFirst_RBV"), ioc.get("ErrorFirstMessage_RBV")
    whose = {"raw": "GatherData", "events": "WriteEvents"}.get(disk.name, "")
    expect(not failed or (slow == "with 1 MB/s" and first == whose), f"{first or 'nobody'} has failed: {why}")
    expect(not failed or disk.name != "raw" or "the disk is too slow" in why, f"the reason is {why!r}")
    expect(ioc.get("IOC:ERROR") == "OK", f"IOC:ERROR: {ioc.get('IOC:ErrorMessage_RBV')}")


def _events_are_whole(ioc: Ioc) -> None:
    """The files of events are complete, and have what is told to be in them."""
    missing, written = (ioc.get(f"WriteEvents:REPORT:Events{each}Written_RBV") for each in ("Not", ""))
    cut_off = [path.name for path in (ioc.folder / "events").glob("*.part")]
    expect(not cut_off, f"{cut_off} were cut off, {missing:.0f} events are in no file")
    rows = sum(pq.read_metadata(path).num_rows for path in (ioc.folder / "events").glob("*.parquet"))
    expect(rows == written, f"{written:.0f} events are told to be written, {rows} are")


def _round(ioc: Ioc, disk: Path, slow: str, pause: float, seen: Seen) -> None:
    held, pids, files, run = Held(ioc), pids_of(ioc), RunFiles(ioc), acquire(ioc)
    time.sleep(pause)  # the random moment
    with DISKS[slow](disk):
        if disk.name == "raw" and slow == "with 1 MB/s":
            _shown(ioc, seen)
        _goes_on(ioc, disk, 4 + pause)
        began = time.monotonic()
        answered(ioc.put_later("Stop", 1, 60), _BOUND)
        error = answered(run, max(0.1, _BOUND - (time.monotonic() - began)))
        seen.answered.append(time.monotonic() - began)
        _true(ioc, disk, slow, error)
    expect(not files.unfinished(), f"{files.unfinished()} raw files were cut off")
    _events_are_whole(ioc)
    files.right(counted=ioc.get("DetectorState_RBV") == "Idle")  # of a file that was given up the end is missing
    conserved(ioc)
    failed = {ioc.get("ErrorFirst_RBV")}
    ioc.until("Ready_RBV", "Yes", 20)
    next_run(ioc)
    changed = {task for task, pid in pids_of(ioc).items() if pid != pids[task]}
    expect(changed <= failed, f"{sorted(changed)} got new processes")
    held.check()


def of_slow_disks(campaign: Campaign) -> None:
    """The disk of each kind of file is slow in runs that give more than it takes."""
    for what in FILES:
        names = {f"disk of {what} {slow}": slow for slow in DISKS}
        if why := why_not_slow():
            for name in names:
                campaign.leave_out(name, why)
        elif any(campaign.only in name for name in names):
            _of_disk(campaign, what, names)


def _of_disk(campaign: Campaign, what: str, names: Mapping[str, str]) -> None:
    """One IOC for all rounds: it must go on as well as before."""
    with (
        ioc_folder() as folder,
        freezable(folder / what) as disk,
        running_in(folder, _CONFIG) as ioc,
        being_read(campaign, ioc),
    ):
        for name, slow in names.items():
            for _ in campaign.rounds(name):
                campaign.note(name, partial(_round, ioc, disk, slow, campaign.choice.random()))
                remove_checked(ioc)
