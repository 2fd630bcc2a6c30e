"""The part of the campaign that is about disks: full, gone or read-only, for each kind of file that an IOC writes."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pixieioc.drill.table import Seen
from tests.block_disks import btrfs, freezable, freeze, limit, thaw, unlimit, why_not
from tests.ca_client import PutFailed
from tests.running_ioc import Ioc, ioc_folder
from tests.system.held import Held
from tests.system.readers import Readers, begin_again, being_read
from tests.system.rounds import (
    BOUND,
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
from tests.tmpfs import tmpfs, unmount

Disk = Callable[[Path], None]


def _fill(folder: Path) -> None:
    subprocess.run(["dd", "if=/dev/zero", f"of={folder}/filler", "bs=64k"], capture_output=True, check=False)
    subprocess.run(["dd", "if=/dev/zero", f"of={folder}/filler2", "bs=1"], capture_output=True, check=False)


def _empty(folder: Path) -> None:
    for name in ("filler", "filler2"):
        (folder / name).unlink(missing_ok=True)


def _cover(folder: Path, *options: str) -> None:
    subprocess.run(["mount", "-t", "tmpfs", *options, "none", folder], check=True)


def _small(folder: Path) -> AbstractContextManager[Path]:
    return tmpfs(folder, "4m")


@dataclass(frozen=True)
class Kind:
    """A disk, what happens to it, and how it is mended before the next run."""

    fault: Disk
    mend: Disk
    made: Callable[[Path], AbstractContextManager[Path]] = _small
    program: str = "mount"  #: which makes it
    hangs: bool = False


DISKS = {
    "full": Kind(_fill, _empty),
    "gone": Kind(unmount, lambda folder: _cover(folder, "-o", "size=4m")),
    "read-only": Kind(lambda folder: _cover(folder, "-o", "ro"), unmount),
    "over its quota": Kind(partial(limit, size="64k"), unlimit, btrfs, "mkfs.btrfs"),
    "that hangs": Kind(freeze, thaw, freezable, "mkfs.ext4", hangs=True),
}


def _raw(ioc: Ioc, began: float, seen: Seen) -> None:
    """The run ends with an error that is told at once."""
    ioc.until("WriteStatus_RBV", "Write error", 2)
    seen.told.append(time.monotonic() - began)
    ioc.until("Acquire_RBV", "Done", BOUND)


def _events(ioc: Ioc, began: float, seen: Seen) -> None:
    """The file of the run is there at its end, or the run has failed: at once, or when the file was to be written."""
    time.sleep(0.5)  # in which it may show
    if ioc.get("Acquire_RBV") == "Acquiring":
        answered(ioc.put_later("Stop", 1, 60))
    ioc.until("Acquire_RBV", "Done", BOUND)
    file = Path(ioc.get("WriteEvents:REPORT:FullFileName_RBV"))
    if ioc.get("DetectorState_RBV") == "Error":
        first = ioc.get("ErrorFirst_RBV")
        expect(first == "WriteEvents", f"ErrorFirst_RBV names {first!r}")
    else:
        expect(file.exists(), f"the run is told to be good, and {file.name} is not there")


def _state(ioc: Ioc, began: float, seen: Seen) -> None:
    """The run does not need that disk: it goes on, and what cannot be saved is told."""
    ioc.put("GatherData:Rate_RBV.HIHI", 1e9 + began)
    if _is_full(ioc.folder / "state"):
        ioc.until("SR_status", lambda status: status != "Ok", 3)
        expect(ioc.severity("SR_status") > 0, "SR_status is no alarm")
        seen.told.append(time.monotonic() - began)
    _goes_on(ioc)


def _logs(ioc: Ioc, began: float, seen: Seen) -> None:
    """Likewise; a line that cannot be written is told once a second."""
    for number in range(60):  # more than what is left of a block that the files have already
        ioc.put_and_forget("Comment", f"{number:200}")
    if _is_full(ioc.folder / "logs"):
        ioc.until("IOC:LogTo_RBV", lambda text: "(" in text, 3)
        ioc.until("IOC:PutLogState_RBV", lambda state: state != "OK", 3)
        for name in ("IOC:LogLost_RBV", "IOC:PutLogState_RBV"):
            expect(ioc.severity(name) > 0, f"{name} is no alarm")
        seen.told.append(time.monotonic() - began)
    _goes_on(ioc)


def _is_full(folder: Path) -> bool:
    """Whether nothing can be written there."""
    try:
        (folder / "probe").write_bytes(bytes(100_000))
    except OSError:
        return True
    finally:
        with contextlib.suppress(OSError):
            (folder / "probe").unlink(missing_ok=True)
    return False


def _goes_on(ioc: Ioc) -> None:
    time.sleep(0.5)  # in which it would show
    expect(ioc.get("Acquire_RBV") == "Acquiring", f"the run ended: {ioc.get('RunEndReason_RBV')}")
    ioc.put("Stop", 1, BOUND)
    expect(ioc.get("DetectorState_RBV") == "Idle", f"the run failed: {ioc.get('ErrorFirstMessage_RBV')}")
    conserved(ioc)


#: What a fault of the disk of these files comes to.
FILES: dict[str, Callable[[Ioc, float, Seen], None]] = {
    "raw": _raw, "events": _events, "state": _state, "logs": _logs,
}  # fmt: skip


#: What tells of a disk that does not answer, and after how many seconds.
_SILENT = {
    "state": {"SR_statusMessage_RBV": 2.0},
    "logs": {"IOC:LogTo_RBV": 4.0, "IOC:PutLogMessage_RBV": 7.0},
}


def _hung(ioc: Ioc, disk: Path, began: float, seen: Seen) -> None:
    """The run goes on, or waits; what is told to end it is answered in time, and so is everybody else."""
    time.sleep(0.5)  # in which somebody may begin to wait for the disk
    asked = time.monotonic()
    for name in ("Ready_RBV", "ReadyMessage_RBV", "WriteMessage_RBV", "DiskFree_RBV"):
        ioc.get(name)
    expect(time.monotonic() - asked < 1, f"gets took {time.monotonic() - asked:.1f} s")
    for name, patience in _SILENT.get(disk.name, {}).items():
        ioc.put_and_forget("GatherData:Rate_RBV.HIHI", 1e9 + began)  # which is saved, and is a line of the logs
        ioc.until(name, lambda text: "does not answer" in text, patience + 3)
        seen.told.append(time.monotonic() - began)
    answered(ioc.put_later("Stop", 1, 60))
    if disk.name in ("raw", "events"):
        answered(ioc.put_later("Kill", 1, 60))


def _whole(ioc: Ioc, disk: Path, error: BaseException | None) -> None:
    """What is told of a run is true."""
    failed = ioc.get("DetectorState_RBV") in ("Error", "Disconnected")
    expect(isinstance(error, PutFailed) == failed, f"the put was answered with {error!r}")
    said = ioc.get("IOC:ErrorMessage_RBV") if ioc.get("IOC:ERROR") != "OK" else ""
    known = (disk.name == "state" and "could not be noted" in said) or "which must answer first" in said
    expect(not said or known, f"IOC:ERROR: {said}")


#: Whose task is replaced when the disk fails. One that hangs ends with a Kill, which replaces them all.
_TASKS = {"raw": ["GatherData"], "events": ["WriteEvents"]}


def _round(ioc: Ioc, disk: Path, kind: Kind, pause: float, seen: Seen) -> None:
    held, pids, files, run = Held(ioc), pids_of(ioc), RunFiles(ioc), acquire(ioc)
    time.sleep(pause)  # the random moment
    kind.fault(disk)
    began = time.monotonic()
    if kind.hangs:
        _hung(ioc, disk, began, seen)
    else:
        FILES[disk.name](ioc, began, seen)
    error = answered(run)
    seen.answered.append(time.monotonic() - began)
    _whole(ioc, disk, error)
    if kind.hangs:
        kind.mend(disk)
    files.right(recorded=disk.name not in _TASKS, counted=disk.name not in _TASKS)
    kind.mend(disk)
    ioc.until("Ready_RBV", "Yes", 10)
    next_run(ioc)
    expect(ioc.get("IOC:ERROR") == "OK", f"IOC:ERROR: {ioc.get('IOC:ErrorMessage_RBV')}")
    changed = {task for task, pid in pids_of(ioc).items() if pid != pids[task]}
    allowed = pids if kind.hangs and disk.name in _TASKS else _TASKS.get(disk.name, ())
    expect(changed <= {*allowed}, f"{sorted(changed)} got new processes")
    held.check()


def _ended(disk: Path, pause: float, ioc: Ioc, readers: Readers, seen: Seen) -> None:
    """SIGTERM ends the IOC in time while a task waits for a disk, and the next one works as soon as that answers."""
    run = acquire(ioc)
    time.sleep(pause)  # the random moment
    freeze(disk)
    time.sleep(0.5)  # in which somebody begins to wait for the disk
    readers.away()
    began = time.monotonic()
    try:
        ioc.process.send_signal(signal.SIGTERM)
        expect(ioc.process.wait(BOUND) in (0, os.EX_IOERR), f"it ended with {ioc.process.returncode}")
        expect(ioc.process.returncode == 0 or "not written: " in ioc.output(), "it does not say what is not written")
        seen.answered.append(time.monotonic() - began)
    finally:
        thaw(disk)
    run.exception(10)
    begin_again(ioc, readers)
    next_run(ioc)


def of_disks(campaign: Campaign) -> None:
    """The disk of each kind of file fails in a run."""
    hangs = DISKS["that hangs"]
    for what in _TASKS:
        name = f"SIGTERM while the disk of {what} hangs"
        _rounds(campaign, name, what, hangs, lambda ioc, disk, readers: partial(_ended, disk, ioc=ioc, readers=readers))
    for what in FILES:
        for how, kind in DISKS.items():
            name = f"disk of {what} {how}"
            _rounds(campaign, name, what, kind, lambda ioc, disk, _, kind=kind: partial(_round, ioc, disk, kind))


def _rounds(
    campaign: Campaign, name: str, what: str, kind: Kind, make: Callable[[Ioc, Path, Readers], Callable[..., None]]
) -> None:
    """All rounds of a fault in one IOC, or in another one after each that went wrong."""
    left = len(campaign.rounds(name))
    if left and (why := why_not(kind.program)):
        campaign.leave_out(name, why)
        return
    while left:
        with (
            ioc_folder() as folder,
            kind.made(folder / what) as disk,
            running_in(folder) as ioc,
            being_read(campaign, ioc, shared=True) as readers,
        ):
            fault, wrong = make(ioc, disk, readers), len(campaign.table.violations)
            while left and len(campaign.table.violations) == wrong:
                left -= 1
                pause = campaign.choice.random()
                campaign.note(name, lambda seen, pause=pause, fault=fault: fault(pause=pause, seen=seen))
                if kind.hangs:
                    kind.mend(disk)
                remove_checked(ioc)
