"""Events and bytes a second through the whole list-mode pipeline, against pypixie16's own pipeline on the same file.

Ours is LoadFiles > ConvertToEvents > SortEvents > FillSpectra through `pixieioc.pipeline.Pipeline`, a process each;
then the same with GatherEvents, and with GatherData behind LoadFiles, which writes all raw data to disk. The time is
from the call of `start()` until the pipeline is at rest: all files closed, all final counters told. The rival is in
`pypixie16_chain.py`; its time is from its first reading to its last event out, and it ends with a counter instead of
spectra. Neither the start of processes nor compilation counts: ours has a run to warm up.

The files are the recording of `examples/data`, repeated, as it is and with a trace of 500 samples in each record. The
disk's own speed is that of writing the same bytes and nothing else until they are safe: through the page cache, as most
programs do, and directly. Last, a simulated crate of 13 modules with 16 channels and 12 M events/s in total: how much
of that is sustained from files, and live.

With `--against`, another checkout (a `git worktree` of an earlier commit) is measured in turn, instead of all this.

Half of our runs are before the rival's, half behind it; what is shown is the median. The exit code is 1 if not every
event of the file has come out of our chain, in time order and in a spectrum, and every byte into the raw file.
"""

from __future__ import annotations

import contextlib
import json
import math
import mmap
import os
import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import common
import numpy as np
import typer
from checkouts import Run, Worker

from pixieioc.detector.crate import Crate, Module
from pixieioc.detector.simulation import Simulation, warm_up
from pixieioc.listmode import events as ev
from pixieioc.listmode.encode import encode
from pixieioc.listmode.stream import Decoder
from pixieioc.listmode.variant import variant
from pixieioc.pipeline import Pipeline

RECORDING = common.ROOT / "examples" / "data" / "pixie16_binary_data-full.bin"
LAYOUT = variant(500, 34688)
#: The recording has records without traces and sums only: four words.
BYTES_PER_EVENT = 16
BAR, TRACES_BAR = 250.0, 500.0
#: Ratio to the commit before the order of time was done anew, 412e662.
AGAINST_BAR = 1.2
#: A full crate.
MODULES, CHANNELS, FULL_RATE = 13, 16, 12e6

PLAIN = ["LoadFiles", "ConvertToEvents", "SortEvents", "FillSpectra"]
GATHERING = [*PLAIN[:-1], "GatherEvents", "FillSpectra"]
SAVING = ["LoadFiles", "GatherData", *PLAIN[1:]]
LIVE = ["DummyData", *PLAIN[1:]]


class EventsLost(Exception):
    """Our chain has not delivered what is in the file."""


@dataclass(frozen=True)
class Data:
    """Raw files, the events and bytes in them, and settings of tasks that they need beyond the usual ones."""

    files: tuple[Path, ...]
    events: int
    settings: Mapping[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])

    @property
    def bytes(self) -> int:
        """The size of all files."""
        return sum(path.stat().st_size for path in self.files)


def main(
    megabytes: Annotated[float, typer.Option(min=0.4, help="Least size of each file, MB.")] = 800.0,
    rival_megabytes: Annotated[float, typer.Option(min=0.4, help="The rival reads so much of it, MB.")] = 100.0,
    rival_timeout: Annotated[float, typer.Option(help="The rival is ended after so many seconds.")] = 600.0,
    runs: Annotated[int, typer.Option(min=1, help="Our runs before the rival's, and as many behind it.")] = 3,
    against: Annotated[
        Path | None, typer.Option(help="Another checkout, which is measured in turn, instead of the rival.")
    ] = None,
    crate: Annotated[bool, typer.Option(help="Whether the simulated crate is measured.")] = True,
    as_json: common.Json = False,
) -> None:
    """Measure the list-mode pipeline against pypixie16's."""
    folder = common.private_folder()
    plain = _repeated(folder / "list-mode.bin", RECORDING.read_bytes(), megabytes)
    traced = _repeated(folder / "traces.bin", _with_traces(), megabytes, 1000 + BYTES_PER_EVENT)
    if against is not None:
        chains = {
            "list-mode pipeline": (PLAIN, plain),
            "with GatherEvents before the sink": (GATHERING, plain),
            "500-sample traces": (PLAIN, traced),
        }
        rows = [row for what, (chain, data) in chains.items() for row in _against(what, chain, data, against, 2 * runs)]
        common.show(f"List-mode pipeline, the rival is {against}", rows, as_json=as_json)
        return
    share = plain
    if rival_megabytes < megabytes:
        share = _repeated(folder / "share.bin", RECORDING.read_bytes(), rival_megabytes)
    measured = [(PLAIN, plain), (GATHERING, plain), (SAVING, plain), (PLAIN, traced), (SAVING, traced)]
    try:
        times = [_runs(chain, data, folder, runs) for chain, data in measured]
        delivered, seconds = _rival(share.files[0], share.events, folder, rival_timeout)
        for seconds_so_far, (chain, data) in zip(times, measured, strict=True):
            seconds_so_far += _runs(chain, data, folder, runs)
        disks = {
            direct: statistics.median(_disk(traced, folder, direct) for _ in range(runs)) for direct in (False, True)
        }
        crates = _crate_rows(folder, runs) if crate else []
    except EventsLost as error:
        sys.exit(f"events are lost: {error}")
    rate, rate_gathering, rate_saving, traced_rate, traced_saving = (
        data.events / statistics.median(of) for of, (_, data) in zip(times, measured, strict=True)
    )
    rival = delivered / seconds if delivered else 0.0
    traced_mb = traced.bytes / traced.events / 1e6
    rows = [
        common.rivalled("list-mode pipeline", "events/s", rate, rival, BAR),
        common.rivalled("with GatherEvents before the sink", "events/s", rate_gathering, rival, BAR),
        common.Row("with raw files saved", "events/s", rate_saving, rival),
        common.Row("events delivered", "events", plain.events, None, plain.events, True),  # _check has seen that
        common.Row(f"events delivered by pypixie16, of {share.events}", "events", None, delivered),
        common.Row(
            "500-sample traces",
            "MB/s",
            traced_rate * traced_mb,
            None,
            TRACES_BAR,
            traced_rate * traced_mb >= TRACES_BAR,
        ),
        *(
            common.rivalled(
                f"traces with raw files saved, to the disk {how}", "MB/s", traced_saving * traced_mb, disk, 1.0
            )
            for how, disk in zip(("alone", "alone, written directly"), disks.values(), strict=True)
        ),
        *crates,
    ]
    title = (
        f"List-mode pipeline: {plain.events:,} events, {plain.bytes / 1e6:.0f} MB; {traced.bytes / 1e6:.0f} MB traces"
    )
    common.show(title, rows, as_json=as_json)


def _repeated(file: Path, recording: bytes, megabytes: float, bytes_per_event: int = BYTES_PER_EVENT) -> Data:
    """Writes a recording again and again until the file is at least as large."""
    with file.open("wb") as out:
        for _ in range(math.ceil(megabytes * 1e6 / len(recording))):
            out.write(recording)
    # The recording spans 10 s: at each repetition its counter begins anew.
    settings = {"SortEvents": {"reset_time": 5.0}}
    return Data((file,), file.stat().st_size // bytes_per_event, settings)


def _with_traces() -> bytes:
    """The recording with a trace of 500 random samples in each record."""
    decoder = Decoder(LAYOUT)
    recorded = ev.concatenate(decoder.feed(np.fromfile(RECORDING, "<u4")) + decoder.finish())
    count = ev.size(recorded)
    traced = {
        **{column.name: recorded[column.name] for column in ev.BASE_COLUMNS},
        "parts": np.zeros(count, np.uint8),
        "trace_length": np.full(count, 500, np.uint16),
        "trace_start": 500 * np.arange(count),
        ev.TRACES: np.random.default_rng(1).normal(1750, 4, 500 * count).astype(np.uint16),
    }
    return encode(traced, LAYOUT).tobytes()


# -- ours -------------------------------------------------------------------------------------------------------------


def _runs(chain: list[str], data: Data, folder: Path, runs: int) -> list[float]:
    """Seconds of each run of a chain, without the first, for which everything is cold."""
    common.note(f"{' > '.join(chain)}, {data.bytes / 1e6:.0f} MB: 1 + {runs} runs")
    raw = folder / "raw"
    settings = _settings(data, raw)
    times: list[float] = []
    with Pipeline({name: settings[name] for name in chain if name in settings}) as pipeline:
        pipeline.follow(pipeline.creating(chain))
        pipeline.connect(chain)
        for _ in range(1 + runs):
            began = time.monotonic()
            pipeline.start()
            pipeline.wait(common.PATIENCE)
            times.append(time.monotonic() - began)
            _check(pipeline, data, raw)
            shutil.rmtree(raw, ignore_errors=True)
        pipeline.quit()
    return times[1:]


def _settings(data: Data, raw: Path | None = None) -> dict[str, dict[str, Any]]:
    """Settings of the tasks for a chain that reads these data, and saves raw files to `raw`."""
    settings: dict[str, dict[str, Any]] = {
        "LoadFiles": {"files": [str(path) for path in data.files]},
        "FillSpectra": {"modules": 1, "channels": CHANNELS},
    }
    if raw is not None:
        settings["GatherData"] = {"auto_save": True, "file_path": str(raw), "create_directory": True}
    for task, more in data.settings.items():
        settings[task] = {**settings.get(task, {}), **more}
    return settings


def _check(pipeline: Pipeline, data: Data, raw: Path) -> None:
    """Raises EventsLost unless everything in the files has come to its place."""
    if pipeline.errors or not pipeline.at_rest:
        raise EventsLost("; ".join(map(str, pipeline.errors)) or f"no end within {common.PATIENCE:g} s")
    told = {name: member.reports for name, member in pipeline.processes.items()}
    events = told["DummyData"]["events_made"] if "DummyData" in told else data.events
    for name in PLAIN[1:]:
        if told[name]["events"] != events:
            raise EventsLost(f"{told[name]['events']} of {events} events came to {name}")
    if (filled := int(np.sum(told["FillSpectra"]["counts"]))) != events:
        raise EventsLost(f"{filled} of {events} events are in the spectra")
    if late := told["SortEvents"]["late_events"]:
        raise EventsLost(f"{late} of {events} events are out of order")
    if "GatherData" in told and (saved := [path.stat().st_size for path in raw.glob("*.bin")]) != [data.bytes]:
        raise EventsLost(f"the raw files have {saved} bytes instead of {data.bytes}")


def _disk(data: Data, folder: Path, direct: bool) -> float:
    """MB/s of the disk alone: the same bytes, from memory, until they are safe; past the page cache if `direct`."""
    file, page = folder / "disk.bin", mmap.PAGESIZE
    content = mmap.mmap(-1, data.bytes + -data.bytes % page)  # whole pages, as direct I/O needs them
    content.write(data.files[0].read_bytes())
    began = time.monotonic()
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | (os.O_DIRECT if direct else 0))
    with memoryview(content) as view:
        for begin in range(0, len(content), 1 << 20):
            wanted = view[begin : begin + (1 << 20)]
            if os.write(descriptor, wanted) < len(wanted):
                sys.exit("the disk is full")
    os.fsync(descriptor)
    seconds = time.monotonic() - began
    os.close(descriptor)
    file.unlink()
    return len(content) / seconds / 1e6


# -- ours of another commit --------------------------------------------------------------------------------------------


def _against(what: str, chain: list[str], data: Data, against: Path, runs: int) -> list[common.Row]:
    """Events a second, and CPU per event, in this checkout and in another one: medians of runs in turn."""
    common.note(f"{' > '.join(chain)}, {data.bytes / 1e6:.0f} MB: 1 + {runs} runs of each")
    found: list[list[Run]] = [[], []]
    with contextlib.ExitStack() as stack:
        workers = [stack.enter_context(Worker(checkout)) for checkout in (common.ROOT, against)]
        for worker in workers:
            stack.enter_context(worker.chain(chain, _settings(data)))
        for _ in range(1 + runs):
            for worker, so_far in zip(workers, found, strict=True):
                so_far.append(worker.run())
                if (filled := so_far[-1].events[chain[-1]]) != data.events or so_far[-1].late:
                    sys.exit(f"{filled} of {data.events} events are in the spectra, {so_far[-1].late} are late")
    ours, theirs = (data.events / statistics.median(run.seconds for run in of[1:]) for of in found)
    rows = [common.rivalled(what, "events/s", ours, theirs, AGAINST_BAR)]
    for task in ("all tasks", *chain):
        costs = [statistics.median(run.cpu.get(task, run.cpu_of_all) for run in of[1:]) for of in found]
        ours, theirs = (1e9 * cost / data.events for cost in costs)
        rows.append(common.Row(f"{what}: CPU of {task}", "ns/event", ours, theirs))
    return rows


# -- a full crate -----------------------------------------------------------------------------------------------------


def _crate_rows(folder: Path, runs: int) -> list[common.Row]:
    """What is sustained of a full crate's rate, from files and live; the source of the latter takes its part."""
    recorded = _crate_files(folder, 2.0)
    from_files = recorded.events / statistics.median(_runs(PLAIN, recorded, folder, runs))
    seconds = 2.0
    live = Data(
        (), 0, {**recorded.settings, "DummyData": _crate_settings(seconds), "SortEvents": {"max_events": 20_000_000}}
    )
    share = seconds / statistics.median(_runs(LIVE, live, folder, runs))
    what = f"{MODULES} modules x {CHANNELS} channels"
    return [
        common.Row(f"{what} from files", "events/s", from_files),
        common.Row(f"{what} from files, of 12 M events/s", "%", 100 * from_files / FULL_RATE),
        common.Row(f"{what} simulated live, of 12 M events/s", "%", 100 * share),
    ]


def _crate_settings(seconds: float) -> dict[str, Any]:
    rate = FULL_RATE / MODULES / CHANNELS
    return {"modules": MODULES, "channels": CHANNELS, "channel_rate": rate, "run_time": seconds, "seed": 1}


def _crate_files(folder: Path, seconds: float) -> Data:
    """Raw files of all modules of a simulated crate."""
    warm_up()
    crate = Crate((Module(),) * MODULES, channels=CHANNELS, channel_rate=FULL_RATE / MODULES / CHANNELS)
    simulation = Simulation(crate, np.random.default_rng(1))
    paths = tuple(folder / f"crate_mod{module:02d}.bin" for module in range(MODULES))
    with contextlib.ExitStack() as stack:
        files = [stack.enter_context(path.open("wb")) for path in paths]
        for until in range(50_000_000, int(1e9 * seconds) + 1, 50_000_000):
            for module, words in simulation.advance(until).items():
                files[module].write(words.tobytes())
        for module, words in simulation.finish(int(1e9 * seconds)).items():
            files[module].write(words.tobytes())
    return Data(paths, simulation.counts.events, {"FillSpectra": {"modules": MODULES}})


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
