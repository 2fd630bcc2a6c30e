"""What the first `pixieioc replay` of an installation costs: processor time of all its processes, on one core.

Everything is compiled that is compiled once: each turn has an empty cache of machine code (NUMBA_CACHE_DIR), and is
followed by one that finds it filled. This process adopts what others leave behind (PR_SET_CHILD_SUBREAPER), so that
none is missed; what is shown is the median of the turns.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import common
import typer

COLD_BAR = 8.0
_SUBREAPER = 36
_RECORDING = common.ROOT / "examples" / "data" / "pixie16_binary_data-full.bin"


def main(
    turns: Annotated[int, typer.Option(min=1, help="Turns, each with an empty cache.")] = 3,
    as_json: common.Json = False,
) -> None:
    """Measure the processor time of a first and of a later replay."""
    ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    cache = common.private_folder() / "numba"
    cold: list[float] = []
    warm: list[float] = []
    for turn in range(turns):
        shutil.rmtree(cache, ignore_errors=True)
        cold.append(_cost(cache))
        warm.append(_cost(cache))
        common.note(f"turn {turn}: cold {cold[-1]:.2f} s, warm {warm[-1]:.2f} s")
    rows = [
        common.limited("first replay, all processes", "s", statistics.median(cold), COLD_BAR),
        common.Row("later replay, all processes", "s", statistics.median(warm)),
    ]
    common.show(f"pixieioc replay of the recording, processor time on one core: {turns} turns", rows, as_json=as_json)


def _cost(cache: Path) -> float:
    """Processor time (s) of a replay and of all processes that it leaves."""
    subprocess.Popen(
        [sys.executable, "-P", "-m", "pixieioc", "replay", "--json", str(_RECORDING)],
        env={**os.environ, "NUMBA_CACHE_DIR": str(cache)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    spent = 0.0
    while True:
        try:
            _, status, usage = os.wait4(-1, 0)
        except ChildProcessError:
            return spent
        if status:
            raise RuntimeError(f"a process of the replay ended with status {status}")
        spent += usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    typer.run(main)
