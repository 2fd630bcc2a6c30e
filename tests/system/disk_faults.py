"""The part of the campaign that is about disks: full, gone or read-only, for each kind of file that an IOC writes."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from pixieioc.drill.files import Files
from pixieioc.drill.table import Seen
from tests.ca_client import PutFailed
from tests.running_ioc import Ioc, ioc_folder
from tests.system.rounds import BOUND, Campaign, acquire, answered, expect, next_run, right, running_in
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


#: What happens to the disk, and how it is mended before the next run.
DISKS: dict[str, tuple[Disk, Disk]] = {
    "full": (_fill, _empty),
    "gone": (unmount, lambda folder: _cover(folder, "-o", "size=4m")),
    "read-only": (lambda folder: _cover(folder, "-o", "ro"), unmount),
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


def _round(ioc: Ioc, disk: Path, kind: str, pause: float, seen: Seen) -> None:
    fault, mend = DISKS[kind]
    files, run = Files(ioc.folder / "raw"), acquire(ioc)
    time.sleep(pause)  # the random moment
    fault(disk)
    began = time.monotonic()
    FILES[disk.name](ioc, began, seen)
    error = answered(run)
    seen.answered.append(time.monotonic() - began)
    failed = ioc.get("DetectorState_RBV") == "Error"
    expect(isinstance(error, PutFailed) == failed, f"the put was answered with {error!r}")
    said = ioc.get("IOC:ErrorMessage_RBV") if ioc.get("IOC:ERROR") != "OK" else ""
    expect(not said or (disk.name == "state" and "could not be noted: [Errno" in said), f"IOC:ERROR: {said}")
    right(files)
    mend(disk)
    ioc.until("Ready_RBV", "Yes", 10)
    next_run(ioc)


def of_disks(campaign: Campaign) -> None:
    """The disk of each kind of file fails in a run."""
    for what in FILES:
        for kind in DISKS:
            name = f"disk of {what} {kind}"
            if os.geteuid() != 0:
                campaign.leave_out(name, "only root mounts file systems")
                continue
            for _ in campaign.rounds(name):
                campaign.note(name, partial(_own_ioc, what, kind, campaign.choice.random()))


def _own_ioc(what: str, kind: str, pause: float, seen: Seen) -> None:
    with ioc_folder() as folder, tmpfs(folder / what, "4m") as disk, running_in(folder) as ioc:
        _round(ioc, disk, kind, pause, seen)
