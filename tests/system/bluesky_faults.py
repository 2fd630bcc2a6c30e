"""What bluesky makes of an IOC in which something goes wrong in the middle of a plan.

python -m tests.system.bluesky_faults [--points 20] [--kinds "ophyd-async ca"]

For each device and protocol: a count and a scan that go well, with what a point costs beside its preset, then each
fault in the middle of a count. A row says how the plan ended, after how many seconds, and with whose words. The exit
code is 1 if a point was taken for good that was none, if a plan did not fail within 2 s, or left a run on.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import tests.conftest  # noqa: F401  # first of all: libca reads its environment once
from tests.ca_client import PutFailed
from tests.running_ioc import Ioc, ioc_folder
from tests.stopwatch import Stopwatch
from tests.system.scanned_ioc import scanned_ioc
from tests.system.scanner import KINDS, Outcome, Scanner

#: A plan fails within so many seconds of the fault.
LIMIT = 2.0
#: The preset of a point in which a fault is made, s: long enough that it is in the middle.
LONG = 30.0
#: How often somebody else comes between two points: each time at another moment.
FOREIGN = 5


class Scans:
    """An IOC, what it says of its runs, and the truth about them."""

    def __init__(self, ioc: Ioc) -> None:
        self.ioc = ioc
        self.since = Stopwatch()  # from the last fault on

    def in_run(self, action: Callable[[], None]) -> tuple[Callable[[], None], list[float]]:
        """A fault that does `action` in a thread as soon as data are taken; when it was done is told in the list."""
        done: list[float] = []

        def work() -> None:
            self.ioc.until("DetectorState_RBV", lambda state: state == "Acquire", 20)
            self.ioc.until("ElapsedReal_RBV", lambda seconds: float(seconds) > 0.2, 20)
            self.since = Stopwatch()
            done.append(time.time())
            action()

        return lambda: threading.Thread(target=work, daemon=True).start(), done

    def wrong(self, outcome: Outcome) -> list[str]:
        """Points that are none: their run is not complete, as its sidecar says."""
        folder, wrong = self.ioc.folder / "data", []
        for run in outcome.runs:
            [sidecar] = folder.glob(f"*run{run:06d}_mod00.bin.json")
            if '"end_reason": "run ended"' not in sidecar.read_text():
                wrong.append(f"run {run}")
        return wrong


@dataclass
class Row:
    """What was seen."""

    kind: str
    fault: str
    seconds: float
    points: int
    said: str
    problems: list[str]

    def __str__(self) -> str:
        verdict = "; ".join(self.problems) or "ok"
        return f"{self.kind:15} {self.fault:14} {self.seconds:6.2f} s  {self.points:3} points  {verdict}  | {self.said}"


def judged(scans: Scans, kind: str, fault: str, outcome: Outcome, since: float, words: str, points: int) -> Row:
    """A row; `words` must be in what the plan said, of which `points` are good."""
    seconds = outcome.at - since
    problems = [f"taken for good: {run}" for run in scans.wrong(outcome)]
    problems += [f"failed after {seconds:.2f} s"] * (seconds > LIMIT + scans.since.busy)
    problems += [f"does not say {words!r}"] * (words not in outcome.failed)
    problems += [f"{len(outcome.runs)} points, not {points}"] * (len(outcome.runs) != points)
    return Row(kind, fault, seconds, len(outcome.runs), outcome.failed[:150], problems)


def faults_of(scans: Scans) -> dict[str, tuple[Callable[[], None], str]]:
    """What is done in the middle of a run, and what the plan says then."""
    ioc = scans.ioc
    return {
        "killed task": (lambda: ioc.kill_task("SortEvents"), "SortEvents"),
        "Stop": (lambda: ioc.put("Stop", 1), "Operator stop"),
        "Abort": (lambda: ioc.put("Abort", 1), "Abort"),
        "SIGTERM": (lambda: ioc.process.send_signal(signal.SIGTERM), ""),
        "SIGKILL": (lambda: ioc.process.send_signal(signal.SIGKILL), "was lost"),
    }


def one_fault(scans: Scans, scan: Scanner, kind: str, fault: str) -> Row:
    """A plan with a fault in its only run."""
    action, words = faults_of(scans)[fault]
    start, done = scans.in_run(action)
    outcome = scan.run("count", start, num=20, seconds=LONG)
    return judged(scans, kind, fault, outcome, done[0], words, 0)


def foreign(scans: Scans, scan: Scanner, kind: str) -> Row:
    """Somebody else tries to start a run again and again, and is there first between two points."""
    ioc, accepted, runs = scans.ioc, [], []

    def work() -> None:
        while not accepted:
            began = time.time()
            with suppress(PutFailed):
                ioc.put("Acquire", 1)
                accepted.append(began)
                runs.append(ioc.get("RunId_RBV"))

    other = threading.Thread(target=work, daemon=True)
    outcome = scan.run("count", other.start, after=1, num=1000, seconds=0.2)
    other.join(20)
    row = judged(scans, kind, "foreign run", outcome, accepted[0], "", len(outcome.runs))
    row.problems += [f"taken for good: run {run} of somebody else" for run in runs if run in outcome.runs]
    row.problems += ["the plan does not fail"] * (not outcome.failed)
    return row


def refused(scans: Scans, scan: Scanner, kind: str) -> Row:
    """The IOC is not ready: the folder of the raw files cannot be made."""
    ioc = scans.ioc
    ioc.put("CreateDirectory", "No")
    ioc.put("FilePath", str(ioc.folder / "nowhere"))
    ioc.until("Ready_RBV", lambda ready: ready == "No", 20)
    since = time.time()
    outcome = scan.run("count", num=20, seconds=0.1)
    ioc.put("FilePath", str(ioc.folder / "data"))
    ioc.put("CreateDirectory", "Yes")
    ioc.until("Ready_RBV", lambda ready: ready == "Yes", 20)
    return judged(scans, kind, "refused start", outcome, since, "refused", 0)


def aborted(scans: Scans, scan: Scanner, kind: str) -> Row:
    """`RE.abort` in the middle of a run leaves none on."""
    start, done = scans.in_run(lambda: scan.order(abort=True))
    outcome = scan.run("count", start, num=20, seconds=LONG)
    row = judged(scans, kind, "RE.abort", outcome, done[0], "aborted", 0)
    if scans.ioc.get("AcquireBusy") != "Done":
        row.problems.append("a run is left on")
    if outcome.failed != "aborted":  # the failure of the trigger that was given up has come in its place
        row.problems.append("RE.abort has failed")
    return row


def overhead(outcome: Outcome, seconds: float) -> float:
    """What a point costs beside its preset, s: the median."""
    times = [event["time"] for event in outcome.named("event")]
    return statistics.median(b - a for a, b in pairwise(times)) - seconds


def well(scans: Scans, scan: Scanner, kind: str, plan: str, points: int) -> Row:
    """A plan that goes well."""
    outcome = scan.run(plan, num=points, seconds=0.2)
    row = judged(scans, kind, plan, outcome, outcome.at, "", points)
    row.problems += [outcome.failed] if outcome.failed else []
    if len(outcome.runs) > 1:
        cost = overhead(outcome, 0.2)
        row.said = f"{1e3 * cost:.0f} ms per point beside its preset, load {os.getloadavg()[0]:.1f}"
    return row


def _of_kind(folder: Path, kind: str, points: int) -> Iterator[Row]:
    """The rows of one device with one protocol, and an IOC of its own."""
    with scanned_ioc(folder, [kind]) as (ioc, scanners):
        scan = scanners[kind]
        scans = Scans(ioc)
        scan.ready()
        for plan in ("count", "scan"):
            yield well(scans, scan, kind, plan, points)
        for _ in range(FOREIGN):
            yield foreign(scans, scan, kind)
        for made in (refused, aborted):
            yield made(scans, scan, kind)
        for fault in faults_of(scans):
            yield one_fault(scans, scan, kind, fault)
            if fault.startswith("SIG"):
                ioc.end()
                ioc.start()


def campaign(kinds: list[str], points: int) -> list[Row]:
    """All rows."""
    rows: list[Row] = []
    for kind in kinds:
        with ioc_folder() as folder:
            for row in _of_kind(folder, kind, points):
                print(row, flush=True)
                rows.append(row)
    return rows


def main() -> None:
    """Prints what was seen."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=20)
    parser.add_argument("--kinds", nargs="*", choices=list(KINDS), default=list(KINDS))
    options = parser.parse_args()
    rows = campaign(options.kinds, options.points)
    sys.exit(any(row.problems for row in rows))


if __name__ == "__main__":
    main()
