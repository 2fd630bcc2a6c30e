"""The part of the campaign that is about what the system does not give: files, processes, addresses, shared memory."""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pixieioc.drill.drill import Violation
from pixieioc.drill.table import Seen
from tests.ca_client import NoAnswer
from tests.running_ioc import ROOT, Ioc, ioc_folder
from tests.system.held import Held
from tests.system.processes_group import processes_group
from tests.system.processes_group import why_not as why_no_processes_group
from tests.system.readers import being_read
from tests.system.rounds import (
    Campaign,
    acquire,
    answered,
    conserved,
    expect,
    in_a_run,
    next_run,
    remove_checked,
    running_in,
    running_ioc,
)
from tests.system.run_files import RunFiles

#: What one round may print at most, in characters: who cannot be served is no news each time.
_MOST_PRINTED = 20_000
#: A client that has not been there before.
_NEWCOMER = "import sys; from tests.ca_client import CaClient; print(CaClient(sys.argv[1]).get('Acquire_RBV', 20))"


@contextlib.contextmanager
def _many_connections(ioc: Ioc) -> Iterator[None]:
    """More of them than the IOC has descriptors for, at each of its servers; they say nothing."""
    listening = {each.laddr.port for each in ioc.processes()[0].net_connections("tcp") if each.status == "LISTEN"}
    with contextlib.ExitStack() as clients:
        for port in [*listening] * 60:
            with contextlib.suppress(OSError):
                clients.enter_context(socket.create_connection(("127.0.0.1", port), 1))
        yield


def _is_refused(count: int) -> int:
    """`ulimit -n` is refused with the number that is needed."""
    with ioc_folder() as folder:
        with contextlib.suppress(AssertionError, NoAnswer), running_in(folder, preexec_fn=partial(_limit_files, count)):
            raise Violation(f"it runs with {count} files")
        told = (folder / "log").read_text()
    said = re.search(rf"only {count} files may be open at a time, at least (\d+) are needed", told)
    if said is None:
        raise Violation(f"it said: {told}")
    return int(said[1])


def _with_few_files(pause: float, ioc: Ioc, seen: Seen) -> None:
    """Connections take all that is left; who is connected is served, and who comes, and the next run is good."""
    _is_refused(64)
    held, files, printed, run = Held(ioc), RunFiles(ioc), len(ioc.output()), acquire(ioc)
    time.sleep(pause)  # the random moment
    with _many_connections(ioc):
        command = [sys.executable, "-c", _NEWCOMER, ioc.prefix]
        newcomer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
        expect(newcomer.stdout == "Acquiring\n", f"a newcomer got {newcomer.stdout!r}: {newcomer.stderr[-300:]}")
        began = time.monotonic()
        expect(answered(ioc.put_later("Stop", 1, 60)) is None, "Stop has failed")
        answered(run)
        seen.answered.append(time.monotonic() - began)
        expect(ioc.get("DetectorState_RBV") == "Idle", f"the run failed: {ioc.get('ErrorFirstMessage_RBV')}")
        conserved(ioc)
        files.right()
        next_run(ioc)
    next_run(ioc)
    expect(ioc.get("IOC:ERROR") == "OK", f"IOC:ERROR: {ioc.get('IOC:ErrorMessage_RBV')}")
    expect(len(ioc.output()) - printed < _MOST_PRINTED, f"it printed {len(ioc.output()) - printed} characters")
    held.check()


def _limit_files(count: int) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, count))


def _with_few_addresses(pause: float, ioc: Ioc, seen: Seen) -> None:
    """`ulimit -v` is refused in one line if it is too low; that with which it is not, is enough for a run."""
    _enough_addresses()
    in_a_run(ioc, lambda: None, pause, seen)


def _enough_addresses() -> int:
    """What is asked for where there are too few."""
    why = r"a process may have 0.9 GB of addresses only, at least (\d+\.\d) are"
    return int(float(_refused(partial(_limit_addresses, 900 * 10**6), why)[1]) * 1e9)


def _limit_addresses(size: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (size, size))


def _refused(limit: Callable[[], None], why: str) -> re.Match[str]:
    """An IOC that is not allowed what it needs says so in one line, without a traceback."""
    with ioc_folder() as folder:
        with contextlib.suppress(AssertionError, NoAnswer), running_in(folder, preexec_fn=limit):
            raise Violation("it runs all the same")
        text = (folder / "log").read_text()
    said = re.fullmatch(rf"pixieioc: {why}.*\n", text)
    if said is None:
        raise Violation(f"it said: {text}")
    return said


_NEWNS, _TREE_PRIVATE = 0x20000, 0x44000


def _full_shared_memory() -> None:
    """For a process that begins: it has a /dev/shm of its own, in which there is no room."""
    libc = ctypes.CDLL(None, use_errno=True)
    for done in (
        lambda: libc.unshare(_NEWNS),
        lambda: libc.mount(b"none", b"/", None, _TREE_PRIVATE, None),
        lambda: libc.mount(b"none", b"/dev/shm", b"tmpfs", 0, b"size=4096"),
    ):
        if done():
            raise OSError(ctypes.get_errno(), "no /dev/shm of one's own")
    Path("/dev/shm/filler").write_bytes(bytes(4096))


def _without_shared_memory(pause: float, ioc: Ioc, seen: Seen) -> None:
    in_a_run(ioc, lambda: None, pause, seen)
    found = list(Path(f"/proc/{ioc.process.pid}/root/dev/shm").iterdir())
    expect([each.name for each in found] == ["filler"], f"in /dev/shm: {found}")


@dataclass(frozen=True)
class _Limited:
    """What is done to an IOC that begins with a limit; all rounds are those of one IOC."""

    name: str
    round: Callable[[float, Ioc, Seen], None]
    limit: Callable[[], None]


def _rounds(campaign: Campaign, limited: _Limited) -> None:
    """With clients of every kind, which must be served as well as without a limit."""
    if not campaign.rounds(limited.name):
        return
    with running_ioc(preexec_fn=limited.limit) as ioc, being_read(campaign, ioc):
        for _ in campaign.rounds(limited.name):
            campaign.note(limited.name, partial(limited.round, campaign.choice.random(), ioc))
            remove_checked(ioc)


def of_limits(campaign: Campaign) -> None:
    """Each of them."""
    if campaign.rounds("ulimit -n 64"):
        enough = partial(_limit_files, _is_refused(64))
        _rounds(campaign, _Limited("ulimit -n 64", _with_few_files, enough))
    if campaign.rounds("ulimit -v"):
        enough = partial(_limit_addresses, _enough_addresses())
        _rounds(campaign, _Limited("ulimit -v", _with_few_addresses, enough))
    if why := why_no_processes_group():
        campaign.leave_out("pids.max of its control group", why)
    elif campaign.rounds("pids.max of its control group"):
        _of_few_processes(campaign, "pids.max of its control group")
    if os.geteuid() != 0:
        campaign.leave_out("/dev/shm full", "only root mounts file systems")
        return
    _rounds(campaign, _Limited("/dev/shm full", _without_shared_memory, _full_shared_memory))


def _of_few_processes(campaign: Campaign, name: str) -> None:
    """`TasksMax=` is refused in one line if it is too low; what is asked for then is enough."""

    def round_(pause: float, ioc: Ioc, seen: Seen) -> None:
        in_a_run(ioc, lambda: None, pause, seen)

    with processes_group() as group:
        group.limit(20)
        why = r"only \d+ more processes and threads may be started .*, at least (\d+) are needed"
        said = _refused(group.join, why)
        group.limit(int(said[1]) + 4)  # with what the IOC has when it looks
        _rounds(campaign, _Limited(name, round_, group.join))
