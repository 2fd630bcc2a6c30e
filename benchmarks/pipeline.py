"""Events a second through the whole list-mode pipeline, against pypixie16's own pipeline on the same file.

The file is the recording of `examples/data`, repeated. Ours is LoadFiles > ConvertToEvents > SortEvents > GatherEvents
> FillSpectra through `pixieioc.pipeline.Pipeline`, a process each; then the same with GatherData behind LoadFiles,
which writes all raw data to disk. The time is from the call of `start()` until the pipeline is at rest: all files
closed, all final counters told. The rival is in `pypixie16_chain.py`; its time is from its first reading to its last
event out, and it ends with a counter instead of spectra. Neither the start of processes nor compilation counts: ours
has a run to warm up.

Half of our runs are before the rival's, half behind it; what is shown is the median. The exit code is 1 if not every
event of the file has come out of our chain, in time order and in a spectrum, and every byte into the raw file.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import common
import numpy as np
import typer

from pixieioc.pipeline import Pipeline

RECORDING = common.ROOT / "examples" / "data" / "pixie16_binary_data-full.bin"
#: The recording has records without traces and sums only: four words.
BYTES_PER_EVENT = 16
BAR = 50.0

PLAIN = ["LoadFiles", "ConvertToEvents", "SortEvents", "GatherEvents", "FillSpectra"]
SAVING = ["LoadFiles", "GatherData", *PLAIN[1:]]


class EventsLost(Exception):
    """Our chain has not delivered what is in the file."""


def main(
    megabytes: Annotated[float, typer.Option(min=0.4, help="Least size of the file, MB.")] = 100.0,
    rival_megabytes: Annotated[float, typer.Option(min=0.4, help="The rival reads so much of it, MB.")] = math.inf,
    rival_timeout: Annotated[float, typer.Option(help="The rival is ended after so many seconds.")] = 300.0,
    runs: Annotated[int, typer.Option(min=1, help="Our runs before the rival's, and as many behind it.")] = 3,
    as_json: common.Json = False,
) -> None:
    """Measure the list-mode pipeline against pypixie16's."""
    folder = common.private_folder()
    file = _repeat(folder / "list-mode.bin", megabytes)
    events = file.stat().st_size // BYTES_PER_EVENT
    share = file if rival_megabytes >= megabytes else _repeat(folder / "share.bin", rival_megabytes)
    try:
        plain, saving = _runs(PLAIN, file, folder, runs), _runs(SAVING, file, folder, runs)
        given = share.stat().st_size // BYTES_PER_EVENT
        delivered, seconds = _rival(share, given, folder, rival_timeout)
        plain += _runs(PLAIN, file, folder, runs)
        saving += _runs(SAVING, file, folder, runs)
    except EventsLost as error:
        sys.exit(f"events are lost: {error}")
    rate, rate_saving = events / statistics.median(plain), events / statistics.median(saving)
    rival = delivered / seconds if delivered else 0.0
    title = f"List-mode pipeline: {events:,} events, {events * BYTES_PER_EVENT / 1e6:.0f} MB"
    rows = [
        common.rivalled("list-mode pipeline", "events/s", rate, rival, BAR),
        common.Row("pipeline and raw files saved", "events/s", rate_saving, rival),
        common.Row("list-mode pipeline, bytes", "MB/s", rate * BYTES_PER_EVENT / 1e6, rival * BYTES_PER_EVENT / 1e6),
        common.Row("events delivered", "events", events, None, events, True),  # _check has seen that
        common.Row(f"events delivered by pypixie16, of {given}", "events", None, delivered),
    ]
    common.show(title, rows, as_json=as_json)


def _repeat(file: Path, megabytes: float) -> Path:
    """Writes the recording again and again until the file is at least as large."""
    recording = RECORDING.read_bytes()
    with file.open("wb") as out:
        for _ in range(math.ceil(megabytes * 1e6 / len(recording))):
            out.write(recording)
    return file


# -- ours -------------------------------------------------------------------------------------------------------------


def _runs(chain: list[str], file: Path, folder: Path, runs: int) -> list[float]:
    """Seconds of each run of a chain, without the first, for which everything is cold."""
    common.note(f"{' > '.join(chain)}: 1 + {runs} runs")
    raw = folder / "raw"
    settings: dict[str, Any] = {
        "LoadFiles": {"files": [str(file)]},
        "ConvertToEvents": {"adc_mhz": [500.0], "firmware_revision": [34688.0]},
        # The recording spans 10 s: at each repetition its counter begins anew.
        "SortEvents": {"reset_time": 5.0},
        "FillSpectra": {"modules": 1, "channels": 16},
        "GatherData": {"auto_save": True, "file_path": str(raw), "create_directory": True},
    }
    times: list[float] = []
    with Pipeline({name: settings[name] for name in chain if name in settings}) as pipeline:
        pipeline.follow(pipeline.creating(chain))
        pipeline.connect(chain)
        for _ in range(1 + runs):
            began = time.monotonic()
            pipeline.start()
            pipeline.wait(common.PATIENCE)
            times.append(time.monotonic() - began)
            _check(pipeline, file, raw)
            shutil.rmtree(raw, ignore_errors=True)
        pipeline.quit()
    return times[1:]


def _check(pipeline: Pipeline, file: Path, raw: Path) -> None:
    """Raises EventsLost unless everything in the file has come to its place."""
    if pipeline.errors or not pipeline.at_rest:
        raise EventsLost("; ".join(map(str, pipeline.errors)) or f"no end within {common.PATIENCE:g} s")
    events = file.stat().st_size // BYTES_PER_EVENT
    told = {name: member.reports for name, member in pipeline.members.items()}
    for name in PLAIN[1:]:
        if told[name]["events"] != events:
            raise EventsLost(f"{told[name]['events']} of {events} events came to {name}")
    if (filled := int(np.sum(told["FillSpectra"]["counts"]))) != events:
        raise EventsLost(f"{filled} of {events} events are in the spectra")
    if late := told["SortEvents"]["late_events"]:
        raise EventsLost(f"{late} of {events} events are out of order")
    if "GatherData" in told and (saved := [path.stat().st_size for path in raw.glob("*.bin")]) != [file.stat().st_size]:
        raise EventsLost(f"the raw files have {saved} bytes instead of {file.stat().st_size}")


# -- the rival --------------------------------------------------------------------------------------------------------


def _rival(file: Path, events: int, folder: Path, timeout: float) -> tuple[int, float]:
    """Events that came out of pypixie16's chain, and the seconds that it took; no process of it stays."""
    common.note(f"pypixie16's pipeline with {events:,} events: about {events / 1e5:.0f} s")
    program = Path(__file__).with_name("pypixie16_chain.py")
    log = folder / "rival.log"
    with log.open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, program, str(file), str(events), str(timeout)],
            env={**os.environ, "XDG_CONFIG_HOME": str(folder)},  # no settings of the site
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=said,
            start_new_session=True,
        )
        try:
            answer, _ = process.communicate(timeout=timeout + common.PATIENCE)
        finally:
            with contextlib.suppress(ProcessLookupError):  # it has ended itself, and its tasks
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if process.returncode:
        sys.exit(f"pypixie16's pipeline failed: {log.read_text()}")
    result = json.loads(answer)
    return result["delivered"], result["seconds"]


if __name__ == "__main__":
    typer.run(main)
