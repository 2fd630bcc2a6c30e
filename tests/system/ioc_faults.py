"""The part of the campaign that is about the IOC's own process, its helpers, its disks and its clients."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

from pixieioc.drill.drill import Violation
from pixieioc.drill.files import Files
from pixieioc.drill.table import Seen, Table
from tests.ca_client import PutFailed
from tests.running_ioc import Ioc, ioc_folder
from tests.tmpfs import tmpfs, unmount

STOP_TIMEOUT = 3.0
_BOUND = STOP_TIMEOUT + 2 + 2
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
file = "{{0}}/events{{{{run}}}}.npy"
format = "npy"
[ioc]
state_dir = "state"
disk_lolo = 0.0
disk_low = 0.0
"""


def _idle(ioc: Ioc) -> None:
    ioc.until("DetectorState_RBV", "Idle", 20)


def _starting(ioc: Ioc) -> None:
    ioc.put_and_forget("Acquire", 1)


def _acquiring(ioc: Ioc) -> None:
    ioc.put_and_forget("Acquire", 1)
    ioc.until("BytesWritten_RBV", lambda size: size > 0, 20)


def _ending(ioc: Ioc) -> None:
    _acquiring(ioc)
    ioc.put_and_forget("Stop", 1)


STATES: dict[str, Callable[[Ioc], None]] = {
    "idle": _idle, "starting": _starting, "acquiring": _acquiring, "ending": _ending,
}  # fmt: skip
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL)


def _ioc_in(folder: Path) -> Ioc:
    config = folder / "campaign.toml"
    config.write_text(CONFIG.format(folder))
    ioc = Ioc(folder, "run", config)
    ioc.start()
    return ioc


@contextlib.contextmanager
def _running() -> Iterator[Ioc]:
    with ioc_folder() as folder:
        (folder / "raw").mkdir()
        ioc = _ioc_in(folder)
        try:
            yield ioc
        finally:
            ioc.end()


def _expect(holds: object, text: str) -> None:
    if not holds:
        raise Violation(text)


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _next_run(ioc: Ioc) -> None:
    """A good run of 0.2 s."""
    run = ioc.get("RunId_RBV")
    ioc.put("PresetMode", "Real time")
    ioc.put("PresetReal", 0.2)
    with contextlib.suppress(PutFailed):
        ioc.put("Acquire", 1, 60)
    seen = ioc.get("DetectorState_RBV"), ioc.get("RunId_RBV") > run, ioc.get("WriteEvents:Events_RBV") > 0
    _expect(seen == ("Idle", True, True), f"the next run: {seen}, {ioc.get('CmdMessage_RBV')}")
    ioc.put("PresetMode", "No preset")
    ioc.put("ErrorAck", 1)


def _signal(ioc: Ioc, number: signal.Signals, state: str, pause: float, seen: Seen) -> None:
    """Sends a signal to the IOC in a state; it ends in time with all that belongs to it, or goes on."""
    files, below = Files(ioc.folder / "raw"), ioc.processes()[1:]
    STATES[state](ioc)
    time.sleep(pause)  # the random moment
    began = time.monotonic()
    ioc.process.send_signal(number)
    if number == signal.SIGHUP:
        _expect(ioc.get("IOC:ERROR") == "OK", "SIGHUP is an error")
        ioc.put("Stop", 1, _BOUND)
    else:
        ioc.process.wait(_BOUND)
        while alive := [process for process in below if _lives(process)]:
            _expect(time.monotonic() - began < _BOUND, f"still there: {[p.pid for p in alive]}")
            time.sleep(0.05)
        ioc.log.close()
        seen.answered.append(time.monotonic() - began)
        left = list(Path(os.environ["TMPDIR"]).glob("pixieioc-*"))
        _expect(not left, f"left behind: {left}")
        ioc.start()
    for text in files.wrong():
        raise Violation(text)
    _expect(not files.unfinished(), "a raw file was cut off")
    _next_run(ioc)


def _kill_helper(ioc: Ioc, word: str) -> Callable[[], None]:
    def kill() -> None:
        for process in filter(_lives, psutil.Process(ioc.process.pid).children()):
            if word in " ".join(process.cmdline()):
                process.kill()

    return kill


def _remove_sockets(ioc: Ioc) -> None:
    for folder in Path(os.environ["TMPDIR"]).glob("pixieioc-*"):
        subprocess.run(["rm", "-rf", folder], check=True)


def _vanishing_clients(ioc: Ioc) -> None:
    """100 connections, of which some say something, that are reset at once."""
    port = next(c.laddr.port for c in ioc.processes()[0].net_connections("tcp") if c.status == "LISTEN")
    for number in range(100):
        with socket.create_connection(("127.0.0.1", port), 5) as client:
            client.sendall(bytes.fromhex("00000000000000000000000d00000000")[: number % 17])
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def _fighting_scripts(ioc: Ioc) -> None:
    """Two that start and stop without asking each other."""

    def script(value: int) -> None:
        for _ in range(20):
            with contextlib.suppress(PutFailed):
                ioc.put_later("Acquire", value, 30).result(0.1)

    def quietly(value: int) -> None:
        with contextlib.suppress(TimeoutError):
            script(value)

    threads = [threading.Thread(target=quietly, args=(value,)) for value in (1, 0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _in_a_run(ioc: Ioc, fault: Callable[[], None], pause: float, seen: Seen) -> None:
    """Does something in a run, which Stop then ends in time, whatever has become of it."""
    fds, below = ioc.processes()[0].num_fds(), ioc.processes()[1:]
    files = Files(ioc.folder / "raw")
    run = ioc.put_later("Acquire", 1, 120)
    ioc.until("BytesWritten_RBV", lambda size: size > 0, 20)
    time.sleep(pause)  # the random moment
    fault()
    began = time.monotonic()
    for put in (ioc.put_later("Stop", 1, 60), run):
        try:
            put.exception(_BOUND)
        except TimeoutError:
            raise Violation(f"a put was not answered within {_BOUND} s") from None
    seen.answered.append(time.monotonic() - began)
    _expect(ioc.get("IOC:ERROR") == "OK", f"IOC:ERROR: {ioc.get('IOC:ErrorMessage_RBV')}")
    for text in files.wrong():
        raise Violation(text)
    _next_run(ioc)
    there = ioc.processes()
    orphans = [process.pid for process in below if _lives(process) and process not in there]
    _expect(not orphans, f"processes {orphans} belong to nobody")
    _expect(len(there) <= len(below) + 1, f"{len(there)} processes, {len(below) + 1} before")
    _expect(ioc.processes()[0].num_fds() < fds + 12, "file descriptors are left open")


def _fill(folder: Path) -> None:
    subprocess.run(["dd", "if=/dev/zero", f"of={folder}/filler", "bs=64k"], capture_output=True, check=False)


def _cover(folder: Path, *options: str) -> None:
    subprocess.run(["mount", "-t", "tmpfs", *options, "none", folder], check=True)


#: What happens to the disk, and how it is mended before the next run.
DISKS: dict[str, tuple[Callable[[Path], None], Callable[[Path], None]]] = {
    "full": (_fill, lambda folder: (folder / "filler").unlink()),
    "gone": (unmount, lambda folder: _cover(folder, "-o", "size=4m")),
    "read-only": (lambda folder: _cover(folder, "-o", "ro"), unmount),
}


def _on_disks(choice: random.Random, times: int, only: str, table: Table) -> None:
    """The disk of the raw files, and that of the state, fails in a run."""
    for what in ("raw", "state"):
        for name, (fault, mend) in DISKS.items():
            for _ in range(times if only in f"disk of {what} {name}" else 0):
                with ioc_folder() as folder, tmpfs(folder / what, "4m") as disk:
                    (folder / "raw").mkdir(exist_ok=True)
                    ioc = _ioc_in(folder)
                    try:

                        def round_(seen: Seen, ioc: Ioc = ioc, fault=fault, mend=mend, disk: Path = disk) -> None:
                            _disk_round(ioc, lambda: fault(disk), lambda: mend(disk), choice.random(), seen)

                        _noted(table, f"disk of {what} {name}", round_)
                    finally:
                        ioc.end()


def _disk_round(ioc: Ioc, fault: Callable[[], None], mend: Callable[[], None], pause: float, seen: Seen) -> None:
    files, of_raw = Files(ioc.folder / "raw"), os.path.ismount(ioc.folder / "raw")
    run = ioc.put_later("Acquire", 1, 120)
    ioc.until("BytesWritten_RBV", lambda size: size > 0, 20)
    time.sleep(pause)  # the random moment
    fault()
    began = time.monotonic()
    if of_raw:
        ioc.until("WriteStatus_RBV", "Write error", 4)
        seen.told.append(time.monotonic() - began)
        _expect(isinstance(run.exception(_BOUND), PutFailed), "the put was answered as good")
    else:
        time.sleep(0.5)  # in which it would show
        _expect(ioc.get("Acquire_RBV") == "Acquiring", f"the run ended: {ioc.get('RunEndReason_RBV')}")
        ioc.put("Stop", 1, _BOUND)
    seen.answered.append(time.monotonic() - began)
    for text in files.wrong():
        raise Violation(text)
    mend()
    ioc.until("Ready_RBV", "Yes", 10)
    _next_run(ioc)


def _in_runs(choice: random.Random, times: int, only: str, table: Table) -> None:
    with _running() as ioc:
        faults: dict[str, Callable[[], None]] = {
            "fork server killed": _kill_helper(ioc, "forkserver"),
            "resource tracker killed": _kill_helper(ioc, "resource_tracker"),
            "cleanup process killed": _kill_helper(ioc, "/bin/sh"),
            "temporary files removed": lambda: _remove_sockets(ioc),
            "100 clients vanish": lambda: _vanishing_clients(ioc),
            "two scripts fight over Acquire": lambda: _fighting_scripts(ioc),
        }
        for name, fault in faults.items():
            for _ in range(times if only in name else 0):
                _noted(table, name, lambda seen, fault=fault: _in_a_run(ioc, fault, choice.random(), seen))


def _noted(table: Table, name: str, do: Callable[[Seen], None]) -> bool:
    """One round, whose violation is noted; whether there was none."""
    seen = table.row(name)
    seen.rounds += 1
    try:
        do(seen)
    except (Violation, AssertionError, psutil.Error, subprocess.SubprocessError, PutFailed) as violation:
        seen.violations.append(str(violation))
        return False
    finally:
        print(table.line(name), flush=True)
    return True


def of_ioc(seed: int, times: int, only: str) -> Table:
    """Each fault so many times."""
    choice, table = random.Random(seed), Table()
    _in_runs(choice, times, only, table)
    if os.geteuid() == 0:  # who mounts file systems
        _on_disks(choice, times, only, table)
    for number in SIGNALS:
        for state in STATES:
            name = f"{number.name} of the IOC, {state}"
            for _ in range(times if only in name else 0):
                with _running() as ioc:
                    pause = 0.5 * choice.random()
                    _noted(
                        table,
                        name,
                        lambda seen, ioc=ioc, number=number, state=state, pause=pause: _signal(
                            ioc, number, state, pause, seen
                        ),
                    )
    return table
