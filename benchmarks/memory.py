"""Memory of each task while a large file goes through the whole chain, raw files saved at the same time.

The file is the recording of `examples/data`, repeated to `--gigabytes`. Every tenth of a second the memory of each
process is looked at (resident set, as the system counts it, so what two tasks share counts for both): the peak is
shown, and how much more the peak of the last quarter of the run is than that of the second. The exit code is 1 if not
every event has come to the end.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import common
import psutil
import typer

from pixieioc.pipeline import Pipeline
from pixieioc.pipeline.procedure import Procedure, Wait

RECORDING = common.ROOT / "examples" / "data" / "pixie16_binary_data-full.bin"
CHAIN = ["LoadFiles", "GatherData", "ConvertToEvents", "SortEvents", "GatherEvents", "FillSpectra"]
PEAK_BAR, GROWTH_BAR = 300.0, 5.0
_INTERVAL = 0.1


def main(
    gigabytes: Annotated[float, typer.Option(min=0.1, help="Size of the file, GB.")] = 2.0,
    as_json: common.Json = False,
) -> None:
    """Measure the memory that the pipeline's tasks take for a large file."""
    folder = common.private_folder()
    file, events = _repeated(folder, 1e9 * gigabytes)
    settings = {
        "LoadFiles": {"files": [str(file)]},
        "GatherData": {"auto_save": True, "file_path": str(folder / "raw"), "create_directory": True},
        "SortEvents": {"reset_time": 5.0},
    }
    with Pipeline(settings) as pipeline:
        pipeline.follow(pipeline.creating(CHAIN))
        pipeline.connect(CHAIN)
        samples = _run(pipeline)
        counted = pipeline.processes["FillSpectra"].reports["events"]
        if pipeline.errors or counted != events:
            sys.exit(f"{counted} of {events} events came to the end; {'; '.join(map(str, pipeline.errors))}")
        pipeline.quit()
    shutil.rmtree(folder / "raw")
    rows = [common.limited(f"{name}: peak", "MB", max(sizes) / 1e6, PEAK_BAR) for name, sizes in samples.items()]
    for name, sizes in samples.items():
        quarter = len(sizes) // 4
        growth = 100 * (max(sizes[3 * quarter :]) / max(sizes[quarter : 2 * quarter]) - 1)
        rows.append(common.limited(f"{name}: last quarter against second", "%", growth, GROWTH_BAR))
    common.show(f"Memory of the tasks over {file.stat().st_size / 1e9:.1f} GB", rows, as_json=as_json)


def _repeated(folder: Path, size: float) -> tuple[Path, int]:
    recording, file = RECORDING.read_bytes(), folder / "list-mode.bin"
    with file.open("wb") as out:
        while out.tell() < size:
            out.write(recording)
    return file, file.stat().st_size // 16


def _run(pipeline: Pipeline) -> dict[str, list[int]]:
    """One run; the memory of each task, in bytes, from its start to its end."""
    processes = {name: psutil.Process(member.task.pid) for name, member in pipeline.processes.items()}
    samples: dict[str, list[int]] = {name: [] for name in processes}
    pipeline.start()
    while not pipeline.at_rest and not pipeline.errors:
        pipeline.follow(_until(lambda: pipeline.at_rest, _INTERVAL))
        for name, process in processes.items():
            samples[name].append(process.memory_info().rss)
    return samples


def _until(done: Callable[[], bool], seconds: float) -> Procedure[None]:
    began = time.monotonic()
    yield Wait(lambda: done() or time.monotonic() - began > seconds, seconds)


if __name__ == "__main__":
    typer.run(main)
