"""The part of the campaign that is about recorded data: damaged, cut short, growing or removed while they are read."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from pathlib import Path

from pixieioc.drill.drill import Violation
from pixieioc.drill.files import Files
from pixieioc.drill.table import Seen
from tests.ca_client import PutFailed
from tests.conftest import DATA
from tests.running_ioc import Ioc
from tests.system.held import Held
from tests.system.readers import being_read
from tests.system.rounds import PVA, STOP_TIMEOUT, Campaign, answered, conserved, expect, pids_of, running_ioc

CONFIG = f"""
[pipeline]
chain = ["LoadFiles", "ConvertToEvents", "SortEvents", "WriteEvents"]
[run]
stop_timeout = {STOP_TIMEOUT}
[tasks.LoadFiles]
files = ["{{0}}/input.bin"]
block_size = 8192
[tasks.WriteEvents]
file = "{{0}}/events/run{{{{run}}}}.parquet"
[ioc]
state_dir = "state"
disk_lolo = 0.0
disk_low = 0.0
{PVA}"""
#: So many times as much is in the file as in the recording of the project: a run of it takes a second.
_TIMES = 20
_PATIENCE = 60.0

Fault = Callable[[Path, random.Random], None]


def _damage(file: Path, choice: random.Random) -> None:
    content = bytearray(file.read_bytes())
    for _ in range(200):
        content[choice.randrange(len(content))] = choice.randrange(256)
    file.write_bytes(content)


def _noise(file: Path, choice: random.Random) -> None:
    file.write_bytes(choice.randbytes(1_000_000 + choice.randrange(7)))


def _cut(file: Path, choice: random.Random) -> None:
    os.truncate(file, choice.randrange(1, file.stat().st_size))


def _grow(file: Path, choice: random.Random) -> None:
    content = file.read_bytes()
    with file.open("ab") as growing:
        for _ in range(5):
            growing.write(content[: choice.randrange(len(content) // 20)])
            growing.flush()
            time.sleep(0.05)


#: What is done to the file, and whether in a run.
FAULTS: dict[str, tuple[Fault, bool]] = {
    "input damaged": (_damage, False),
    "input is noise": (_noise, False),
    "input truncated": (_cut, False),
    "input truncated while it is read": (_cut, True),
    "input grows while it is read": (_grow, True),
    "input removed while it is read": (lambda file, choice: file.unlink(), True),
}


def _run(ioc: Ioc, in_it: Callable[[], None]) -> float:
    """A run to the end of the file; how long its end took behind what was done in it."""
    run = ioc.put_later("Acquire", 1, 2 * _PATIENCE)
    in_it()
    began = time.monotonic()
    error = answered(run, _PATIENCE)
    failed = ioc.get("DetectorState_RBV") == "Error"
    expect(isinstance(error, PutFailed) == failed, f"the put was answered with {error!r}")
    return time.monotonic() - began


def _round(ioc: Ioc, fault: Fault, during: bool, choice: random.Random, seen: Seen) -> None:
    file, good = ioc.folder / "input.bin", _recording()
    held, pids, files = Held(ioc), pids_of(ioc), Files(ioc.folder / "events")
    pause = 0.3 * choice.random()

    def in_it() -> None:
        if during:
            ioc.until("LoadFiles:Counter_RBV", lambda count: count > 0, 20)
            time.sleep(pause)  # the random moment
            expect(ioc.get("Acquire_RBV") == "Acquiring", "the run was over before the fault")
            fault(file, choice)

    if not during:
        fault(file, choice)
    seen.answered.append(_run(ioc, in_it))
    if ioc.get("DetectorState_RBV") == "Error":
        expect(ioc.get("ErrorFirst_RBV") == "LoadFiles", f"{ioc.get('ErrorFirstMessage_RBV')}")
    else:
        conserved(ioc)
    expect(ioc.get("IOC:ERROR") == "OK", f"IOC:ERROR: {ioc.get('IOC:ErrorMessage_RBV')}")
    for task in ioc.tasks():
        expect(ioc.get(f"{task}:Status") != "LOST", f"{task} was lost: {ioc.get('ErrorFirstMessage_RBV')}")
    for text in files.wrong():
        raise Violation(text)
    file.unlink(missing_ok=True)
    file.write_bytes(good)
    ioc.put("ErrorAck", 1)
    _run(ioc, lambda: None)
    found = ioc.get("DetectorState_RBV"), ioc.get("WriteEvents:Events_RBV") > 1000
    expect(found == ("Idle", True), f"the next run: {found}, {ioc.get('RunEndReason_RBV')}")
    changed = {task for task, pid in pids_of(ioc).items() if pid != pids[task]}
    expect(changed <= {"LoadFiles"}, f"{sorted(changed)} got new processes")
    held.check()


def _recording() -> bytes:
    return (DATA / "pixie16_binary_data-full.bin").read_bytes() * _TIMES


def of_input(campaign: Campaign) -> None:
    """Each of them."""
    if not any(campaign.only in name for name in FAULTS):
        return
    with running_ioc(CONFIG, files={"input.bin": _recording()}) as ioc, being_read(campaign, ioc):
        for name, (fault, during) in FAULTS.items():
            for _ in campaign.rounds(name):
                campaign.note(
                    name,
                    lambda seen, fault=fault, during=during: _round(ioc, fault, during, campaign.choice, seen),
                )
