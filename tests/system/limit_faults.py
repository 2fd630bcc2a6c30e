"""The part of the campaign that is about what the system does not give: files, processes, addresses, shared memory."""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import resource
import socket
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from pixieioc.drill.drill import Violation
from pixieioc.drill.table import Seen
from tests.ca_client import NoAnswer
from tests.running_ioc import Ioc, ioc_folder
from tests.system.held import Held
from tests.system.processes_group import processes_group
from tests.system.processes_group import why_not as why_no_processes_group
from tests.system.rounds import (
    Campaign,
    acquire,
    answered,
    conserved,
    expect,
    in_a_run,
    in_its_own_ioc,
    next_run,
    running_in,
)
from tests.system.run_files import RunFiles


@contextlib.contextmanager
def _many_connections(ioc: Ioc) -> Iterator[None]:
    """More of them than the IOC has descriptors for."""
    listening = [each for each in ioc.processes()[0].net_connections("tcp") if each.status == "LISTEN"]
    with contextlib.ExitStack() as clients:
        for _ in range(60):
            with contextlib.suppress(OSError):
                clients.enter_context(socket.create_connection(("127.0.0.1", listening[0].laddr.port), 1))
        yield


def _few_files(pause: float, seen: Seen) -> None:
    """`ulimit -n 64` is refused with the number that is needed, and that is enough, whatever clients do."""
    with ioc_folder() as folder:
        with contextlib.suppress(AssertionError, NoAnswer), running_in(folder, preexec_fn=partial(_limit_files, 64)):
            raise Violation("it runs with 64 files")
        said = re.search(
            r"only 64 files may be open at a time, at least (\d+) are needed", (folder / "log").read_text()
        )
        expect(said is not None, f"it said: {(folder / 'log').read_text()}")
        assert said is not None
        with running_in(folder, preexec_fn=partial(_limit_files, int(said[1]))) as ioc:
            _with_few_files(ioc, pause, seen)


def _with_few_files(ioc: Ioc, pause: float, seen: Seen) -> None:
    """Clients take all that is left; who is connected is served, and the next run is good."""
    held, files, run = Held(ioc), RunFiles(ioc), acquire(ioc)
    time.sleep(pause)  # the random moment
    with _many_connections(ioc):
        began = time.monotonic()
        expect(answered(ioc.put_later("Stop", 1, 60)) is None, "Stop has failed")
        answered(run)
        seen.answered.append(time.monotonic() - began)
        expect(ioc.get("DetectorState_RBV") == "Idle", f"the run failed: {ioc.get('ErrorFirstMessage_RBV')}")
        conserved(ioc)
        files.right()
        next_run(ioc)
    next_run(ioc)
    held.check()


def _limit_files(count: int) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, count))


def _few_addresses(pause: float, seen: Seen) -> None:
    """`ulimit -v` is refused in one line if it is too low; that with which it is not, is enough for a run."""
    _refused(partial(_limit_addresses, 900 * 10**6), r"a process may have 0.9 GB of addresses only, at least 1.0")
    enough = partial(_limit_addresses, 1200 * 10**6)
    in_its_own_ioc(lambda ioc, seen: in_a_run(ioc, lambda: None, pause, seen), preexec_fn=enough)(seen)


def _few_processes(pause: float, seen: Seen) -> None:
    """`TasksMax=` likewise."""
    with processes_group() as group:
        group.limit(20)
        said = _refused(group.join, r"only \d+ more processes and threads may be started .*, at least (\d+) are needed")
        group.limit(int(said[1]) + 4)  # with what the IOC has when it looks
        in_its_own_ioc(lambda ioc, seen: in_a_run(ioc, lambda: None, pause, seen), preexec_fn=group.join)(seen)


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


def of_limits(campaign: Campaign) -> None:
    for _ in campaign.rounds("ulimit -n 64"):
        campaign.note("ulimit -n 64", partial(_few_files, campaign.choice.random()))
    for _ in campaign.rounds("ulimit -v"):
        campaign.note("ulimit -v", partial(_few_addresses, campaign.choice.random()))
    if why := why_no_processes_group():
        campaign.leave_out("pids.max of its control group", why)
    else:
        for _ in campaign.rounds("pids.max of its control group"):
            campaign.note("pids.max of its control group", partial(_few_processes, campaign.choice.random()))
    if os.geteuid() != 0:
        campaign.leave_out("/dev/shm full", "only root mounts file systems")
        return
    for _ in campaign.rounds("/dev/shm full"):
        full = partial(_without_shared_memory, campaign.choice.random())
        campaign.note("/dev/shm full", in_its_own_ioc(full, preexec_fn=_full_shared_memory))
