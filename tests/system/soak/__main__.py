"""Runs of random length, for hours: `python -m tests.system.soak --hours 2 --seed 7 --out FOLDER`.

Clients open and close screens, settings are written, files roll over, tasks are killed in the first third; then, for a
twelfth of the time, short runs, twice as many clients and blocks as large as they may be fill whatever fills up once.
What each process uses is recorded in FOLDER/samples.csv, and what was seen is said at the end.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import psutil

import tests.conftest  # noqa: F401  # first of all: libca reads its environment once
from pixieioc.drill.drill import Violation
from tests.ca_client import NoAnswer, PutFailed
from tests.running_ioc import ROOT, Ioc, end_in_order
from tests.system.rounds import running_ioc
from tests.system.soak.clients import Clients
from tests.system.soak.runs import Runs
from tests.system.soak.samples import Figure, Recording, in_folder, role_of, sample
from tests.system.soak.verdict import judged

CONFIG = """
[pipeline]
chain = ["DummyData", "GatherData", "ConvertToEvents", "SortEvents", "GatherEvents", "WriteEvents", "FillSpectra",
         "SnapTraces"]
[crate]
modules = 1
channels = 4
adc_mhz = [500]
firmware_revision = [34688]
[tasks.DummyData]
channel_rate = 300
detectors = ["LaBr3"]
sources = ["60Co", "137Cs"]
dead_time = 20
traces = true
trace_length = 0.5
[tasks.GatherData]
auto_save = true
file_path = "{0}/raw/"
[tasks.WriteEvents]
file = "{0}/events/run{{run}}.parquet"
[tasks.FillSpectra]
bins = 2048
[tasks.SnapTraces]
max_samples = 250
[ioc]
state_dir = "state"
disk_low = 0.0
disk_lolo = 0.0
[ioc.log]
file = "{0}/logs/ioc.log"
level = "info"
size = 1.0
[ioc.put_log]
file = "{0}/logs/puts"
size = 1.0
"""
_WRONG = (Violation, AssertionError, NoAnswer, PutFailed, TimeoutError, psutil.Error)
#: Tasks are killed in the first part of the time only: then it is seen for long whether those that there are grow.
#: After it, until this part, runs are short, twice as many clients are there, and for a while they stand
#: still; in one run a task does, so that blocks are as large as they may be.
_KILLS, _SETTLING = 1 / 3, 5 / 12
_STILL = 10.0  #: For so long clients stand still, in seconds.
_EVERY = 15.0  #: Seconds from one sample to the next.


def _screens(ioc: Ioc) -> Path:
    command = [sys.executable, "-m", "pixieioc", "generate", str(ioc.arguments[-1]), "--out", str(ioc.folder / "made")]
    subprocess.run([*command, "--prefix", ioc.prefix], cwd=ROOT, check=True, capture_output=True)
    return ioc.folder / "made" / "opi"


_FIGURES = ("IOC:CA_CLNT_CNT", "IOC:CA_CONN_CNT", "IOC:RECORD_CNT", "IOC:FD_CNT", "IOC:MEM_USED")


def _record(ioc: Ioc, recording: Recording) -> None:
    tasks = {ioc.pid_of(task): task for task in ioc.tasks()}
    since = round(recording.since, 1)
    for process in ioc.processes():
        with contextlib.suppress(psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
            recording.add(sample(process, role_of(process, tasks, ioc.process.pid), since))
    figures = [Figure(since, name, float(ioc.get(name))) for name in _FIGURES]
    figures += in_folder(Path(tempfile.gettempdir()), "temporary files", since, without=ioc.folder)
    figures += in_folder(ioc.folder / "state", "state", since) + in_folder(ioc.folder / "logs", "logs", since)
    for figure in figures:
        recording.add(figure)


class Soak:
    """Runs and clients of one IOC, and what was recorded of it."""

    def __init__(self, ioc: Ioc, count: int, seed: int, out: Path) -> None:
        self._ioc, self._count, self._seed, self._screens = ioc, count, seed, _screens(ioc)
        self.clients = self.come(seed)
        self.recording, self.runs = Recording(out), Runs(ioc, random.Random(seed))
        self._due = self._said = 0.0

    def come(self, seed: int) -> Clients:
        """As many clients as are always there."""
        return Clients(self._screens, self._ioc.prefix, self._count, random.Random(seed))

    def go_on(self, until: float, *, kills: bool = False, quick: bool = False) -> None:
        """One run after the other, until so many seconds after the beginning or the end of the IOC."""
        while self.recording.since < until and self._ioc.process.poll() is None:
            self._run(lambda: self.runs.one(kills=kills, quick=quick))
            self.clients.look()
            if self.recording.since >= self._due:
                self._guarded(lambda: _record(self._ioc, self.recording), "a sample")
                self._due += _EVERY
            if self.recording.since >= self._said:
                print(f"{self.recording.since:.0f} s: {self.runs.totals}", flush=True)
                self._said += 300

    def settle(self, until: float) -> None:
        """What fills up with each run, and what the worst moment needs, is there after it."""
        crowd = self.come(self._seed + 1)
        try:
            self._run(self.runs.largest_blocks)
            self.go_on((self.recording.since + until) / 2, quick=True)
            with self.clients.standing_still(), crowd.standing_still():
                self.go_on(self.recording.since + _STILL, quick=True)
            self.go_on(until, quick=True)
        finally:
            crowd.end()
        self.clients.add(crowd)

    def _run(self, one: Callable[[], None]) -> None:
        if not self._guarded(one, "") and self._ioc.process.poll() is None:
            with contextlib.suppress(PutFailed):
                self._ioc.put("Abort", 1)
                self._ioc.put("ErrorAck", 1)  # what was wrong is counted once
        if self._ioc.process.poll() is None:
            self.runs.forget()

    def _guarded(self, action: Callable[[], None], what: str) -> bool:
        """Whether all was as it must be; if not, it is noted."""
        try:
            action()
        except _WRONG as violation:
            wrong = self.runs.totals.wrong
            wrong.append(f"after {self.recording.since:.0f} s, {what or self.runs.what}: {violation}")
            print(wrong[-1], flush=True)
            return False
        return True


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=2.0)
    parser.add_argument("--clients", type=int, default=10)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--out", type=Path, default=Path("soak"), help="folder for samples")
    given = parser.parse_args()
    end_in_order()
    given.out.mkdir(parents=True, exist_ok=True)
    load, seconds = os.getloadavg()[0], 3600 * given.hours
    with running_ioc(CONFIG) as ioc:
        ioc.until("Ready_RBV", "Yes", 120)
        soak = Soak(ioc, given.clients, given.seed, given.out)
        clients, recording, totals = soak.clients, soak.recording, soak.runs.totals
        try:
            soak.go_on(_KILLS * seconds, kills=True)
            soak.settle(_SETTLING * seconds)
            soak.go_on(seconds)
            below = ioc.processes()[1:] if ioc.process.poll() is None else []
        finally:
            clients.end()
            recording.close()
    _, alive = psutil.wait_procs(below, timeout=5)
    left = [*map(str, alive), *map(str, Path(tempfile.gettempdir()).glob("pixieioc-*"))]
    totals.wrong += [f"left behind: {each}" for each in left]
    print(f"\nseed {given.seed}, {recording.since:.0f} s, load {load:.1f} to {os.getloadavg()[0]:.1f}")
    print(totals)
    for who, whose in (("this program", resource.RUSAGE_SELF), ("IOC and clients", resource.RUSAGE_CHILDREN)):
        print(f"{who}: {sum(resource.getrusage(whose)[:2]):.0f} s of a processor")
    print(f"clients: {clients.came} came, {clients.screens} screens, {clients.posts} values, {clients.lost} times lost")
    lines, grown = judged(given.out)
    print(*clients.problems, "", *lines, "", *grown, sep="\n")
    return bool(totals.wrong or clients.problems or grown)


if __name__ == "__main__":
    sys.exit(main())
