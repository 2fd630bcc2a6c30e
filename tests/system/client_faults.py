"""The part of the campaign that is about clients: that vanish, fight, or are killed while they hold a put."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable

from pixieioc.drill.table import Seen
from tests.ca_client import PutFailed
from tests.running_ioc import ROOT, Ioc
from tests.system.held import Held
from tests.system.readers import being_read
from tests.system.rounds import (
    BOUND,
    Campaign,
    acquire,
    answered,
    conserved,
    expect,
    in_a_run,
    next_run,
    running_ioc,
)
from tests.system.run_files import RunFiles

_HOLD = "import sys; from tests.ca_client import CaClient; CaClient(sys.argv[1]).put('Acquire', 1, 100)"


def _port(ioc: Ioc) -> int:
    found = ioc.processes()[0].net_connections("tcp")
    return next(each.laddr.port for each in found if each.status == "LISTEN")


def _vanishing_clients(ioc: Ioc) -> None:
    """100 connections, of which some say something, that are reset at once."""
    port = _port(ioc)
    for number in range(100):
        with socket.create_connection(("127.0.0.1", port), 5) as client:
            client.sendall(bytes.fromhex("00000000000000000000000d00000000")[: number % 17])
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def _staying_clients(ioc: Ioc) -> None:
    """100 clients that are connected at the same time, and vanish together."""
    with contextlib.ExitStack() as clients:
        for _ in range(100):
            clients.enter_context(socket.create_connection(("127.0.0.1", _port(ioc)), 5))
        expect(ioc.get("Acquire_RBV") == "Acquiring", "the run ended")


def _fighting_scripts(ioc: Ioc) -> None:
    """Three that start and stop without asking each other."""

    def script(value: int) -> None:
        for _ in range(20):
            with contextlib.suppress(PutFailed, TimeoutError):
                ioc.put_later("Acquire", value, 30).result(0.1)

    threads = [threading.Thread(target=script, args=(value,)) for value in (1, 0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _two_scans(ioc: Ioc, seen: Seen) -> None:
    """Two scripts that each take points in a loop: each put that is told to be good has had a run of its own.

    Who of them is refused how often is a matter of chance.
    """
    ioc.put("PresetMode", "Real time")
    ioc.put("PresetReal", 0.1)
    first, good, slow = ioc.get("RunId_RBV"), [0, 0], [0.0, 0.0]

    def scan(number: int) -> None:
        for _ in range(10):
            began = time.monotonic()
            with contextlib.suppress(PutFailed):
                ioc.put("Acquire", 1, 30)
                good[number] += 1
            slow[number] = max(slow[number], time.monotonic() - began)

    threads = [threading.Thread(target=scan, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seen.answered.append(max(slow))
    runs = ioc.get("RunId_RBV") - first
    expect(runs == sum(good) > 0, f"{sum(good)} puts were good, and there were {runs} runs")
    next_run(ioc)


def _killed_holder(ioc: Ioc, pause: float, seen: Seen) -> None:
    """The client that has begun the run is killed: the run goes on."""
    held, files = Held(ioc), RunFiles(ioc)
    ioc.put("PresetMode", "No preset")
    with subprocess.Popen([sys.executable, "-c", _HOLD, ioc.prefix], cwd=ROOT) as holder:
        try:
            ioc.until("Acquire_RBV", "Acquiring", 30)
            ioc.until("BytesWritten_RBV", lambda size: size > 0, 20)
            time.sleep(pause)  # the random moment
        finally:
            holder.kill()
    time.sleep(0.3)  # in which it would show
    written = ioc.get("BytesWritten_RBV")
    ioc.until("BytesWritten_RBV", lambda size: size > written, 3)
    expect(ioc.get("Acquire_RBV") == "Acquiring", f"the run ended: {ioc.get('RunEndReason_RBV')}")
    began = time.monotonic()
    expect(answered(ioc.put_later("Stop", 1, 60)) is None, "Stop has failed")
    seen.answered.append(time.monotonic() - began)
    conserved(ioc)
    files.right()
    next_run(ioc)
    held.check()


def _fought_over(ioc: Ioc, pause: float, seen: Seen) -> None:
    """A run is on or not when they are through; whatever there is, Stop ends it."""
    held, files, run = Held(ioc), RunFiles(ioc), acquire(ioc)
    time.sleep(pause)  # the random moment
    _fighting_scripts(ioc)
    began = time.monotonic()
    for put in (ioc.put_later("Stop", 1, 60), run):
        answered(put, BOUND)
    seen.answered.append(time.monotonic() - began)
    expect(ioc.get("IOC:ERROR") == "OK", f"IOC:ERROR: {ioc.get('IOC:ErrorMessage_RBV')}")
    files.right()
    next_run(ioc)
    held.check()


def of_clients(campaign: Campaign) -> None:
    """Each of them, while yet another client reads all there is."""
    faults: dict[str, Callable[[Ioc, float, Seen], None]] = {
        "100 clients vanish": lambda ioc, pause, seen: in_a_run(ioc, lambda: _vanishing_clients(ioc), pause, seen),
        "100 clients vanish together": lambda ioc, pause, seen: in_a_run(
            ioc, lambda: _staying_clients(ioc), pause, seen
        ),
        "scripts start and stop at once": _fought_over,
        "two scans fight over Acquire": lambda ioc, _, seen: _two_scans(ioc, seen),
        "client killed that holds the put": _killed_holder,
    }
    if not any(campaign.only in name for name in faults):
        return
    with running_ioc() as ioc, being_read(campaign, ioc):
        for name, fault in faults.items():
            for _ in campaign.rounds(name):
                pause = campaign.choice.random()
                campaign.note(name, lambda seen, fault=fault, pause=pause: fault(ioc, pause, seen))
