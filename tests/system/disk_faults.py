"""The part of the campaign that is about disks: full, gone or read-only, for each kind of file that an IOC writes."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pixieioc.drill.files import Files
from pixieioc.drill.table import Seen
from tests.block_disks import freezable, freeze, limit, thaw, unlimit, why_not, with_quota
from tests.ca_client import PutFailed
from tests.running_ioc import Ioc, ioc_folder
from tests.system.rounds import BOUND, Campaign, acquire, answered, begun, expect, next_run, right, running_in
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
    "over its quota": Kind(partial(limit, size="64k"), unlimit, with_quota, "mkfs.btrfs"),
    "that hangs": Kind(freeze, thaw, freezable, "mkfs.ext4", hangs=True),
}


def _raw(ioc: Ioc, began: float, seen: Seen) -> None:
    """The run ends with an error that is told at once."""
    ioc.until("WriteStatus_RBV", "Write error", 4)
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


def _other(ioc: Ioc, began: float, seen: Seen) -> None:
    """The run does not need that disk: it goes on."""
    time.sleep(0.5)  # in which it would show
    expect(ioc.get("Acquire_RBV") == "Acquiring", f"the run ended: {ioc.get('RunEndReason_RBV')}")
    ioc.put("Stop", 1, BOUND)
    expect(ioc.get("DetectorState_RBV") == "Idle", f"the run failed: {ioc.get('ErrorFirstMessage_RBV')}")


#: What a fault of the disk of these files comes to.
FILES: dict[str, Callable[[Ioc, float, Seen], None]] = {
    "raw": _raw, "events": _events, "state": _other, "logs": _other,
}  # fmt: skip


def _hung(ioc: Ioc, disk: Path, began: float, seen: Seen) -> None:
    """The run goes on, or waits; what is told to end it is answered in time, and so is everybody else."""
    time.sleep(0.5)  # in which somebody may begin to wait for the disk
    asked = time.monotonic()
    for name in ("Ready_RBV", "ReadyMessage_RBV", "WriteMessage_RBV", "DiskFree_RBV"):
        ioc.get(name)
    expect(time.monotonic() - asked < 1, f"gets took {time.monotonic() - asked:.1f} s")
    answered(ioc.put_later("Stop", 1, 60))
    if disk.name in ("raw", "events"):
        answered(ioc.put_later("Kill", 1, 60))


def _whole(ioc: Ioc, disk: Path, error: BaseException | None) -> None:
    """What is told of a run is true."""
    failed = ioc.get("DetectorState_RBV") in ("Error", "Disconnected")
    expect(isinstance(error, PutFailed) == failed, f"the put was answered with {error!r}")
    said = ioc.get("IOC:ErrorMessage_RBV") if ioc.get("IOC:ERROR") != "OK" else ""
    known = (disk.name == "state" and "could not be noted" in said) or "was killed and does not end" in said
    expect(not said or known, f"IOC:ERROR: {said}")


def _round(ioc: Ioc, disk: Path, kind: Kind, pause: float, seen: Seen) -> None:
    files, run = Files(ioc.folder / "raw"), acquire(ioc)
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
    right(files)
    kind.mend(disk)
    ioc.until("Ready_RBV", "Yes", 10)
    next_run(ioc)


def _ended(what: str, pause: float, seen: Seen) -> None:
    """SIGTERM ends the IOC in time while a task waits for a disk, and the next one works as soon as that answers."""
    with ioc_folder() as folder, freezable(folder / what) as disk, running_in(folder) as ioc:
        run = acquire(ioc)
        time.sleep(pause)  # the random moment
        freeze(disk)
        time.sleep(0.5)  # in which somebody begins to wait for the disk
        began = time.monotonic()
        try:
            ioc.process.send_signal(signal.SIGTERM)
            expect(ioc.process.wait(BOUND) in (0, os.EX_IOERR), f"it ended with {ioc.process.returncode}")
            expect(ioc.process.returncode == 0 or "not written: " in ioc.output(), "it does not say what is not written")
            seen.answered.append(time.monotonic() - began)
        finally:
            thaw(disk)
        run.exception(10)
        ioc.log.close()
        ioc.start()
        begun(ioc)
        next_run(ioc)


def of_disks(campaign: Campaign) -> None:
    """The disk of each kind of file fails in a run."""
    for what in ("raw", "events"):
        name = f"SIGTERM while the disk of {what} hangs"
        if why := why_not("mkfs.ext4"):
            campaign.leave_out(name, why)
            continue
        for _ in campaign.rounds(name):
            campaign.note(name, partial(_ended, what, campaign.choice.random()))
    for what in FILES:
        for kind in DISKS:
            name = f"disk of {what} {kind}"
            if why := why_not(DISKS[kind].program):
                campaign.leave_out(name, why)
                continue
            for _ in campaign.rounds(name):
                campaign.note(name, partial(_own_ioc, what, DISKS[kind], campaign.choice.random()))


def _own_ioc(what: str, kind: Kind, pause: float, seen: Seen) -> None:
    with ioc_folder() as folder, kind.made(folder / what) as disk, running_in(folder) as ioc:
        try:
            _round(ioc, disk, kind, pause, seen)
        finally:
            if kind.hangs:
                kind.mend(disk)
