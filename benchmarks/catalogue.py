"""The catalogue over very many sidecars: the first index, a query, one more run, the size of the index.

    python benchmarks/catalogue.py [--sidecars 100000] [--folders 20]

Each sidecar is one of a run with three modules of 16 channels, as GatherData writes it, with a record and five
conditions. CPU time is that of this process and of those that it has waited for; wall time depends on what else the
computer does, and the disk.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from pixieioc.catalogue import Filter, find, open_catalogue
from pixieioc.site_pvs import OK, Reading
from pixieioc.tasks.sidecar import Condition, Record, record_in

MODULES = 3
START = 1.7e9


def content(run: int, module: int, settings: dict[str, Any]) -> bytes:
    """A sidecar."""
    conditions = [
        Condition(pv=f"SITE:PV{i}", start=Reading(OK, 1.5, "nA", "NO_ALARM", "NO_ALARM", START), updates=60, mean=1.5)
        for i in range(5)
    ]
    record = Record(
        title=f"run {run} on target {run % 7}", experiment=f"E{run % 100}", operator=("Ann", "Ben")[run % 2],
        start_time=START + 100 * run, end_time=START + 100 * run + 60, end_reason="Preset", good=run % 50 != 0,
        elapsed_real=60.0, events=1e6, conditions=conditions,
    )  # fmt: skip
    about = {
        "file": f"a_run{run:06}_mod{module:02}.bin", **record_in(msgspec.to_builtins(record)), "format": "XIA",
        "run_id": run, "module": module, "start_time": START + 100 * run, "part": 1, "end_time": START + 100 * run + 60,
        "configuration": settings, "end_reason": "run ended", "bytes": 1_000_000, "sha256": 64 * "0",
    }  # fmt: skip
    return json.dumps(about, indent=2).encode()


def make(root: Path, sidecars: int, folders: int) -> int:
    """The files; returns the size of one."""
    settings = {f"Task{i}": {f"setting_{j}": [0.5] * 16 for j in range(4)} for i in range(6)}
    template = content(987_654, 0, settings)
    size = len(template)
    for number in range(sidecars):
        run, module = divmod(number, MODULES)
        folder = root / f"part{run * folders * MODULES // sidecars:03}"
        if not module:
            folder.mkdir(parents=True, exist_ok=True)
        text = template.replace(b"987654", b"%d" % run).replace(b"mod00", b"mod%02d" % module)
        start = b"%d" % int(START + 100 * run)
        text = text.replace(b"%d" % int(START + 98_765_400), start).replace(b'"E54"', b'"E%d"' % (run % 100))
        (folder / f"a_run{run:06}_mod{module:02}.bin.json").write_bytes(text)
    return size


def timed(what: str, work: Callable[[], Any]) -> Any:
    """Does it, and says how long it took."""
    wall, cpu = time.perf_counter(), sum(os.times()[:4])
    result = work()
    print(
        f"{what:44s} {time.perf_counter() - wall:8.3f} s wall {sum(os.times()[:4]) - cpu:8.3f} s CPU  {result}",
        flush=True,
    )
    return result


def command(root: Path, index: Path, *options: str) -> str:
    """The command in a process of its own, with the start of Python; what it says."""
    program = [sys.executable, "-m", "pixieioc", "runs", str(root), "--index", str(index), *options]
    done = subprocess.run(program, capture_output=True, text=True, check=True)
    return f"{len(done.stdout.splitlines())} lines {done.stderr.strip()}"


def main() -> None:
    """Measures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--sidecars", type=int, default=100_000)
    parser.add_argument("--folders", type=int, default=20)
    given = parser.parse_args()
    top = Path(tempfile.mkdtemp(prefix="catalogue-"))
    try:
        measure(top / "data", top / "index.sqlite", given.sidecars, given.folders)
    finally:
        shutil.rmtree(top)


def measure(root: Path, index: Path, sidecars: int, folders: int) -> None:
    """All figures."""
    size = make(root, sidecars, folders)
    print(f"{sidecars} sidecars of {size / 1e3:.1f} kB in {folders} folders, load {os.getloadavg()[0]:.1f}", flush=True)

    def query(wanted: Filter, **how: Any) -> str:
        with open_catalogue(root, index=index, **how) as catalogue:
            rows = find(catalogue.db, wanted)
            return f"{len(rows)} runs, {catalogue.changes}"

    timed("first index, and a query", lambda: query(Filter(limit=20)))
    print(f"index {index.stat().st_size / 1e6:.1f} MB")
    for path in root.iterdir():
        os.utime(path, (START, START))  # as if nothing had changed for long
    timed("folders have another time: all are compared", lambda: query(Filter(limit=20)))
    timed("query: the last 20", lambda: query(Filter(limit=20)))
    timed("query: an experiment", lambda: query(Filter(experiment="E42")))
    timed("query: any text", lambda: query(Filter(text="target 3", limit=20)))
    timed("query: a run", lambda: query(Filter(runs=str(sidecars // 2 // MODULES))))
    timed("query: bad ones", lambda: query(Filter(good=False)))
    timed("query: all", lambda: query(Filter()))
    for name, options in (("", []), (", all", ["--last", "0"]), (", all as CSV", ["--csv", "--last", "0"])):
        timed(f"pixieioc runs{name}", lambda options=options: command(root, index, *options))
    (root / "part000" / "new_mod00.bin.json").write_bytes(content(10**6, 0, {}))
    timed("query after a run was added", lambda: query(Filter(limit=20)))
    timed("each file looked at", lambda: query(Filter(limit=20), thorough=True))


if __name__ == "__main__":
    main()
