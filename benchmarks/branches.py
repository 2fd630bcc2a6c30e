"""Raw saving with online spectra on a sampling branch whose last task is stopped, against raw saving alone.

Both read the same files, the recording of `examples/data` repeated, and save them: LoadFiles > GatherData. With the
branch, ConvertToEvents, SortEvents and FillSpectra are behind LoadFiles, and FillSpectra's process is stopped (SIGSTOP)
as soon as the run has begun. The tasks before it then work until their links are full, which takes processors but is
over soon; so the speed is that of the run's last two thirds, until GatherData has closed its files, and so is the CPU
time of all tasks. The two run in turn, first the one, then the other, and what is shown is the median of each.

The exit code is 1 if the raw files do not have every byte, if what went out of LoadFiles is not what its branch handled
and missed, or if the bar is missed.
"""

from __future__ import annotations

import math
import os
import shutil
import signal
import statistics
import sys
import time
from pathlib import Path
from typing import Annotated

import common
import typer

from pixieioc.pipeline import Branch, Pipeline

RECORDING = common.ROOT / "examples" / "data" / "pixie16_binary_data-full.bin"
SAVING = ["LoadFiles", "GatherData"]
ONLINE = Branch("LoadFiles", ("ConvertToEvents", "SortEvents", "FillSpectra"), "sampling")
#: The speed is measured when so much of the file has come to GatherData.
FROM = 1 / 3
#: Raw saving keeps so much of its speed.
BAR = 0.97


class NotExact(Exception):
    """Bytes or items are not where they should be."""


def main(
    megabytes: Annotated[float, typer.Option(min=0.4, help="Least size of the file, MB.")] = 3000.0,
    runs: Annotated[int, typer.Option(min=1, help="Runs of each.")] = 9,
    as_json: common.Json = False,
) -> None:
    """Measure raw saving beside a sampling branch that does not run."""
    folder = common.private_folder()
    file = folder / "list-mode.bin"
    recording = RECORDING.read_bytes()
    with file.open("wb") as out:
        for _ in range(math.ceil(megabytes * 1e6 / len(recording))):
            out.write(recording)
    size = file.stat().st_size
    missed = 0
    speeds: dict[bool, list[float]] = {False: [], True: []}
    costs: dict[bool, list[float]] = {False: [], True: []}
    with _pipeline(file, folder / "alone") as alone, _pipeline(file, folder / "beside", ONLINE) as beside:
        try:
            for number in range(1 + runs):
                common.note(f"{size / 1e6:.0f} MB: run {number} of {runs} of each")
                for with_branch in (False, True) if number % 2 else (True, False):
                    pipeline, raw = (beside, folder / "beside") if with_branch else (alone, folder / "alone")
                    speed, cost = _run(pipeline, raw, size)
                    speeds[with_branch].append(speed)
                    costs[with_branch].append(cost)
                missed = max(missed, beside.processes[ONLINE.chain[0]].reports["missed"])
        except NotExact as error:
            sys.exit(str(error))
    # The first run of each is that in which everything is cold.
    with_branch, without = (statistics.median(speeds[which][1:]) for which in (True, False))
    cpu_with, cpu_without = (statistics.median(costs[which][1:]) for which in (True, False))
    rows = [
        common.rivalled("raw saving, FillSpectra on a sampling branch is stopped", "MB/s", with_branch, without, BAR),
        common.Row("the same, the fastest run of each", "MB/s", max(speeds[True][1:]), max(speeds[False][1:])),
        common.rivalled_at_most("CPU of all tasks", "s/GB", cpu_with, cpu_without, 1 / BAR),
        common.Row("items that the branch missed, in = out + missed exactly", "items", missed),
    ]
    common.show(f"Raw saving of {size / 1e6:.0f} MB; the rival is the same without the branch", rows, as_json=as_json)
    sys.exit(0 if all(row.met is not False for row in rows) else 1)


def _pipeline(file: Path, raw: Path, *branches: Branch) -> Pipeline:
    settings = {
        "LoadFiles": {"files": [str(file)]},
        "GatherData": {"auto_save": True, "file_path": str(raw), "create_directory": True},
        "SortEvents": {"reset_time": 5.0},
        "FillSpectra": {"modules": 1, "channels": 16, "hang_timeout": 0},
    }
    names = [*SAVING, *(name for branch in branches for name in branch.chain)]
    pipeline = Pipeline({name: settings[name] for name in names if name in settings})
    pipeline.watchdog.stop_timeout = common.PATIENCE
    pipeline.follow(pipeline.creating(names))
    pipeline.connect(SAVING, branches)
    return pipeline


def _run(pipeline: Pipeline, raw: Path, size: int) -> tuple[float, float]:
    """MB/s of raw saving until the files are closed, and CPU seconds a GB; the branch, if there is one, is stopped."""
    stopped = pipeline.processes[ONLINE.chain[-1]].task.pid if ONLINE.chain[-1] in pipeline.processes else None
    saving = pipeline.processes["GatherData"]
    began, already, cpu = 0.0, 0, 0.0
    pipeline.start()
    if stopped is not None:
        os.kill(stopped, signal.SIGSTOP)
    try:
        while not saving.finished and not pipeline.errors:
            if not pipeline.poll():
                pipeline.processes.wait(0.05)
            if not began and FROM * size <= saving.reports["bytes_in"] < size:
                began, already, cpu = saving.report_time, saving.reports["bytes_in"], _cpu(pipeline)
        cost = (_cpu(pipeline) - cpu) / (size - already) * 1e9
        speed = (size - already) / (time.time() - began) / 1e6 if began else 0.0
    finally:
        if stopped is not None:
            os.kill(stopped, signal.SIGCONT)
    pipeline.wait(common.PATIENCE)
    _check(pipeline, raw, size)
    shutil.rmtree(raw)
    return speed, cost


def _cpu(pipeline: Pipeline) -> float:
    """CPU seconds of all tasks so far."""
    return sum(common.cpu_of(process.reports["process_id"]) for process in pipeline.processes.values())


def _check(pipeline: Pipeline, raw: Path, size: int) -> None:
    """Raises NotExact unless everything was saved, and counted at every link."""
    if pipeline.errors or not pipeline.at_rest:
        raise NotExact("; ".join(map(str, pipeline.errors)) or f"no end within {common.PATIENCE:g} s")
    if (saved := [path.stat().st_size for path in raw.glob("*.bin")]) != [size]:
        raise NotExact(f"the raw files have {saved} bytes instead of {size}")
    for link in pipeline.graph.links:
        source, target = (pipeline.processes[name].reports for name in (link.source, link.target))
        out, came = source["messages_out"], target["counter"] + target["missed"]
        if out != came or target["balance"] or target["dropped"]:
            raise NotExact(f"{link.source} handed on {out} items, {link.target} handled or missed {came}")


if __name__ == "__main__":
    typer.run(main)
