"""Step scans over a real pipeline: by EPICS' sscan record where there is one, and by what does the same with puts."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
from concurrent.futures import Future
from concurrent.futures import TimeoutError as Late
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tests.ca_client import CaClient, PutFailed
from tests.conftest import CA_PORTS
from tests.running_ioc import ROOT, Ioc

DATABASE = ROOT / "examples" / "scan" / "scan.db"
#: An IOC program with the sscan record and its .dbd, which registers by its own name: `/…/sscan:/…/sscan.dbd`.
PROGRAM = os.environ.get("PIXIEIOC_SSCAN", "")


@dataclass(frozen=True)
class Points:
    """What a scan has recorded: the run and the reason of its end at each point."""

    runs: list[int]
    reasons: list[int]


class Scanner(Protocol):
    """Who takes the points."""

    def begin(self, points: int) -> None:
        """Begins a scan."""
        ...

    def wait(self, seconds: float) -> Points | None:
        """What was recorded when the scan has ended; None if it has not within so many seconds."""
        ...

    def abort(self) -> None:
        """Gives the scan up."""
        ...


class StandIn:
    """Does with puts what the sscan record does: one that fails is never answered, and the scan stays where it is."""

    def __init__(self, ioc: Ioc) -> None:
        self._ioc = ioc
        self._seen: list[tuple[int, int]] = []
        self._put: Future[None] | None = None
        self._left = 0

    def begin(self, points: int) -> None:
        """Begins a scan."""
        self._seen, self._left = [], points
        self._put = self._ioc.put_later("EraseStart", 1, 60)

    def wait(self, seconds: float) -> Points | None:
        """Takes the points."""
        try:
            while self._left:
                self._put = self._put or self._ioc.put_later("EraseStart", 1, 60)
                self._put.result(seconds)
                self._take()
        except (PutFailed, Late):
            return None
        runs, reasons = zip(*self._seen, strict=True)
        return Points(list(runs), list(reasons))

    def _take(self) -> None:
        reason = int(self._ioc.raw("RunEndReason_RBV"))
        self._seen.append((int(self._ioc.get("RunId_RBV")), reason))
        self._put, self._left = None, self._left - 1

    def abort(self) -> None:
        """Forgets the put."""
        self._put, self._left = None, 0


def _free_port() -> int:
    """One of those at which the clients of the tests look, and where there is no server now."""
    for port in CA_PORTS:
        with socket.socket() as tried, contextlib.suppress(OSError):
            tried.bind(("127.0.0.1", port))
            return port
    raise AssertionError(f"ports {CA_PORTS} are all in use")


class ScanRecord:
    """EPICS' own record in a soft IOC."""

    def __init__(self, ioc: Ioc) -> None:
        program, dbd = map(Path, PROGRAM.split(":"))
        self._client = CaClient(f"S{ioc.prefix}")
        self._listening = ExitStack()
        startup = ioc.folder / "scan.cmd"
        startup.write_text(
            f'dbLoadDatabase("{dbd}")\n{dbd.stem}_registerRecordDeviceDriver(pdbbase)\n'
            f'dbLoadRecords("{DATABASE}", "P={ioc.prefix},S={self._client.prefix}")\niocInit()\n'
        )
        log = (ioc.folder / "scan.log").open("wb")
        self._process = subprocess.Popen(
            [program, startup],
            env={**os.environ, "EPICS_CAS_SERVER_PORT": str(_free_port())},
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
        )
        log.close()
        self._client.until("Scan.T1PV", f"{ioc.prefix}EraseStart", 60)
        for field in ("T1NV", "P1NV", "D03NV", "D04NV"):
            self._client.until(f"Scan.{field}", lambda state: state not in ("PV BAD", "No PV"), 60)

    def begin(self, points: int) -> None:
        """Starts the record."""
        self._client.put("Scan.NPTS", points)
        self._busy = self._listening.enter_context(self._client.watch("Scan.BUSY"))
        self._busy.clear()
        self._client.put_and_forget("Scan.EXSC", 1)
        self._busy.until("Scan.BUSY", 1)

    def wait(self, seconds: float) -> Points | None:
        """What its detectors have."""
        try:
            self._busy.until("Scan.BUSY", 0, seconds)
        except AssertionError:
            return None
        points = int(self._client.get("Scan.CPT"))
        runs, reasons = (self._client.get(f"Scan.D{number:02}DA")[:points] for number in (3, 4))
        return Points([int(run) for run in runs], [int(reason) for reason in reasons])

    def abort(self) -> None:
        """Twice, as the record needs it when it waits for a put."""
        for _ in range(2):
            self._client.put_and_forget("Scan.EXSC", 0)
        self._client.until("Scan.BUSY", 0)

    def end(self) -> None:
        """Ends the soft IOC."""
        self._listening.close()
        self._process.kill()
        self._process.wait()
        assert self._process.stdin is not None
        self._process.stdin.close()
