"""Runs of random length, for hours: `python -m tests.system.soak --hours 2 --seed 7 --out FOLDER`.

Clients open and close screens, settings are written, files roll over, tasks are killed in the first third. What each
process uses is recorded in FOLDER/samples.csv, and what was seen is said at the end.
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
from pathlib import Path

import psutil

import tests.conftest  # noqa: F401  # first of all: libca reads its environment once
from pixieioc.drill.drill import Violation
from tests.ca_client import NoAnswer, PutFailed
from tests.running_ioc import ROOT, Ioc
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
_KILLS = 1 / 3
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


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=2.0)
    parser.add_argument("--clients", type=int, default=10)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--out", type=Path, default=Path("soak"), help="folder for samples")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    choice = random.Random(given.seed)
    load = os.getloadavg()[0]
    with running_ioc(CONFIG) as ioc:
        clients = Clients(_screens(ioc), ioc.prefix, given.clients, random.Random(given.seed))
        recording, runs = Recording(given.out), Runs(ioc, choice)
        due, said = 0.0, 0.0
        ioc.until("Ready_RBV", "Yes", 120)
        below: list[psutil.Process] = []
        try:
            while recording.since < 3600 * given.hours:
                try:
                    runs.one(kills=recording.since < _KILLS * 3600 * given.hours)
                except _WRONG as violation:
                    runs.totals.wrong.append(f"after {recording.since:.0f} s, {runs.what}: {violation}")
                    print(runs.totals.wrong[-1], flush=True)
                    if ioc.process.poll() is not None:
                        break
                    with contextlib.suppress(PutFailed):
                        ioc.put("Abort", 1)
                runs.forget()
                clients.look()
                if recording.since >= due:
                    _record(ioc, recording)
                    due += _EVERY
                if recording.since >= said:
                    print(f"{recording.since:.0f} s: {runs.totals}", flush=True)
                    said += 300
            below = ioc.processes()[1:]
        finally:
            clients.end()
            recording.close()
    _, alive = psutil.wait_procs(below, timeout=5)
    left = [*map(str, alive), *map(str, Path(tempfile.gettempdir()).glob("pixieioc-*"))]
    runs.totals.wrong += [f"left behind: {each}" for each in left]
    print(f"\nseed {given.seed}, {recording.since:.0f} s, load {load:.1f} to {os.getloadavg()[0]:.1f}")
    print(runs.totals)
    for who, whose in (("this program", resource.RUSAGE_SELF), ("IOC and clients", resource.RUSAGE_CHILDREN)):
        print(f"{who}: {sum(resource.getrusage(whose)[:2]):.0f} s of a processor")
    print(f"clients: {clients.came} came, {clients.screens} screens, {clients.posts} values, {clients.lost} times lost")
    lines, grown = judged(given.out)
    print(*clients.problems, "", *lines, "", *grown, sep="\n")
    return bool(runs.totals.wrong or clients.problems or grown)


if __name__ == "__main__":
    sys.exit(main())
