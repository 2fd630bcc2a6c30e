"""What the rounds of the campaign about an IOC share: the IOC, a run in it, and what must hold afterwards."""

from __future__ import annotations

import contextlib
import itertools
import random
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from pixieioc.drill.drill import Violation
from pixieioc.drill.table import Seen, Table
from tests.ca_client import NoAnswer, PutFailed
from tests.ports import free_port
from tests.running_ioc import Ioc, ioc_folder
from tests.system.held import Held
from tests.system.reader import there
from tests.system.run_files import RunFiles

#: Where the IOCs of this process are found by the clients of PVAccess that it starts.
PVA_ENVIRONMENT = {"EPICS_PVAS_BROADCAST_PORT": str(free_port()), "EPICS_PVAS_INTF_ADDR_LIST": "127.0.0.1"}
#: For an IOC's configuration: it serves PVAccess, too, if that is installed.
PVA = f"""
[ioc.pva]
on = {str(there("p4p")).lower()}
"""
STOP_TIMEOUT = 3.0
#: Within which each put of a command is answered once something ends the run, with what a busy computer takes on top.
BOUND = STOP_TIMEOUT + 2 + 2
CONFIG = f"""
[pipeline]
chain = ["DummyData", "GatherData", "ConvertToEvents", "SortEvents", "WriteEvents"]
[run]
stop_timeout = {STOP_TIMEOUT}
[crate]
channels = 2
[tasks.GatherData]
auto_save = true
max_delay = 0.05
file_path = "{{0}}/raw/"
[tasks.WriteEvents]
file = "{{0}}/events/run{{{{run}}}}.parquet"
[ioc]
state_dir = "state"
disk_lolo = 0.0
disk_low = 0.0
[ioc.log]
file = "{{0}}/logs/ioc.log"
level = "debug"
[ioc.put_log]
file = "{{0}}/logs/puts"
{PVA}"""


@dataclass
class Campaign:
    """What is to be done, and what was seen."""

    seed: int
    times: int = 1
    only: str = ""
    table: Table = field(default_factory=Table)

    def __post_init__(self) -> None:
        self.choice = random.Random(self.seed)

    def rounds(self, name: str) -> range:
        """How often this fault is done."""
        return range(self.times if self.only in name else 0)

    def note(self, name: str, do: Callable[[Seen], None]) -> None:
        """One round, whose violation is noted."""
        seen = self.table.row(name)
        seen.rounds += 1
        try:
            do(seen)
        except (Violation, AssertionError, psutil.Error, subprocess.SubprocessError, PutFailed, NoAnswer) as violation:
            seen.violations.append(str(violation) or type(violation).__name__)
        finally:
            print(self.table.line(name), *seen.violations[-1:], flush=True)

    def check(self, name: str, check: Callable[[], None]) -> None:
        """What must hold after a round, whose violation is noted with it."""
        try:
            check()
        except Violation as violation:
            self.table.row(name).violations.append(str(violation))

    def leave_out(self, name: str, why: str) -> None:
        """A fault that cannot be done here stands in the table, too."""
        if self.only in name:
            self.table.row(f"{name} (not done: {why})")


@contextlib.contextmanager
def running_in(
    folder: Path,
    config: str = CONFIG,
    environment: Mapping[str, str] | None = None,
    files: Mapping[str, bytes] | None = None,
    **options: Any,
) -> Iterator[Ioc]:
    """An IOC in a folder, with some files in it; however its start or a round goes, it is not left running.

    `{0}` in its configuration and its environment stands for the folder; further options are those of Popen.
    """
    file = folder / "campaign.toml"
    file.write_text(config.format(folder))
    for name in ("raw", "events", "logs"):
        (folder / name).mkdir(exist_ok=True)
    for name, content in (files or {}).items():
        (folder / name).write_bytes(content)
    ioc = Ioc(folder, "run", file)
    ioc.environment = PVA_ENVIRONMENT | {name: value.format(folder) for name, value in (environment or {}).items()}
    try:
        ioc.launch(**options)
        begun(ioc)
        yield ioc
    finally:
        _end(ioc)


@contextlib.contextmanager
def running_ioc(config: str = CONFIG, **options: Any) -> Iterator[Ioc]:
    """An IOC in a folder of its own; the options are those of `running_in`."""
    with ioc_folder() as folder, running_in(folder, config, **options) as ioc:
        yield ioc


def begun(ioc: Ioc) -> None:
    """Waits until it serves and its tasks are there, which takes long where they must compile first."""
    ioc.until_serving()
    ioc.until_there()


def _end(ioc: Ioc) -> None:
    try:
        ioc.end()
    except subprocess.TimeoutExpired:
        ioc.process.kill()
        ioc.process.wait(10)
        raise


def expect(holds: object, text: str) -> None:
    """Something must hold."""
    if not holds:
        raise Violation(text)


def next_run(ioc: Ioc, seconds: float = 0.2) -> None:
    """A good run of so many seconds, without anybody having to do anything first."""
    run = ioc.get("RunId_RBV")
    ioc.put("PresetMode", "Real time")
    ioc.put("PresetReal", seconds)
    with contextlib.suppress(PutFailed):
        ioc.put("Acquire", 1, 60)
    seen = ioc.get("DetectorState_RBV"), ioc.get("RunId_RBV") > run, ioc.get("WriteEvents:Events_RBV") > 0
    why = f"{ioc.get('CmdMessage_RBV')}, {ioc.get('RunEndReason_RBV')}, {ioc.get('ErrorFirstMessage_RBV')}"
    expect(seen == ("Idle", True, True), f"the next run: {seen}, {why}")
    ioc.put("PresetMode", "No preset")
    ioc.put("ErrorAck", 1)


def answered(put: Future[None], seconds: float = BOUND) -> BaseException | None:
    """With what a put was answered, in time."""
    try:
        return put.exception(seconds)
    except TimeoutError:
        raise Violation(f"a put was not answered within {seconds} s") from None


def conserved(ioc: Ioc) -> None:
    """Along the chain, what was sent was handled or dropped."""
    tasks = ioc.tasks()
    for before, behind in itertools.pairwise(tasks):
        sent, dropped = ioc.get(f"{before}:REPORT:MessagesOut_RBV"), ioc.get(f"{behind}:Dropped_RBV")
        handled, missing = ioc.get(f"{behind}:Counter_RBV"), ioc.get(f"{behind}:Balance_RBV")
        text = f"{before} sent {sent} items, {behind} handled {handled}, dropped {dropped}, misses {missing}"
        expect(handled + missing <= sent <= handled + missing + dropped, text)


def acquire(ioc: Ioc) -> Future[None]:
    """A run has begun to write data."""
    ioc.put("PresetMode", "No preset")
    before = ioc.get("RunId_RBV")
    run = ioc.put_later("Acquire", 1, 120)
    ioc.until("RunId_RBV", lambda number: number > before, 20)
    ioc.until("DetectorState_RBV", "Acquire", 20)
    ioc.until("BytesWritten_RBV", lambda size: size > 0, 20)
    return run


def in_a_run(
    ioc: Ioc, fault: Callable[[], None], pause: float, seen: Seen, *, goes_on: bool = True, replaced: bool = False
) -> None:
    """Does something in a run, which goes on (if it must) until Stop ends it in time; nothing is left over.

    `replaced`: tasks may have other processes afterwards, although nothing was done to them.
    """
    held, pids, files, run = Held(ioc), pids_of(ioc), RunFiles(ioc), acquire(ioc)
    time.sleep(pause)  # the random moment
    fault()
    if goes_on:
        written, done = ioc.get("BytesWritten_RBV"), time.monotonic()
        ioc.until("BytesWritten_RBV", lambda size: size > written, 3)
        seen.told.append(time.monotonic() - done)
        expect(ioc.get("Acquire_RBV") == "Acquiring", f"the run ended: {ioc.get('RunEndReason_RBV')}")
    began = time.monotonic()
    for put in (ioc.put_later("Stop", 1, 60), run):
        answered(put)
    seen.answered.append(time.monotonic() - began)
    expect(ioc.get("IOC:ERROR") == "OK", f"IOC:ERROR: {ioc.get('IOC:ErrorMessage_RBV')}")
    if goes_on:
        expect(ioc.get("DetectorState_RBV") == "Idle", f"the run failed: {ioc.get('ErrorFirstMessage_RBV')}")
        conserved(ioc)
    files.right()
    next_run(ioc)
    expect(replaced or pids_of(ioc) == pids, "tasks that were well got new processes")
    held.check()


def pids_of(ioc: Ioc) -> dict[str, int]:
    """The process of each task."""
    return {task: ioc.pid_of(task) for task in ioc.tasks()}


def remove_checked(ioc: Ioc) -> None:
    """Removes the files of runs that have been checked."""
    for file in (*ioc.folder.glob("raw/*"), *ioc.folder.glob("events/*")):
        if file.is_file():
            file.unlink()
