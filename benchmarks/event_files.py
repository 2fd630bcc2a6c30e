"""Files of events: how fast they are written, and how large they become, against pyarrow's plain writer in one run.

The events are those of the recording of `examples/data`, sorted: header-only, and with a trace of 500 samples each, a
pulse on a baseline with noise. Ours gets them in blocks as SortEvents sends them, whose traces lie between the headers
of the records; the rival gets the same blocks and calls `pyarrow.parquet.ParquetWriter` with its defaults, one row
group per block. Both write to memory-backed files in `--folder`, so that no disk is measured. All take turns; what is
shown is the median in processor time of all threads. `chain` is the same through the tasks, by the clock: LoadFiles,
ConvertToEvents, SortEvents and WriteEvents, with the file on the disk of the temporary folder.
The exit code is 1 if what was written is not what was given.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import common
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import typer
from numpy.typing import NDArray

from pixieioc.listmode import events as ev
from pixieioc.listmode.encode import encode
from pixieioc.listmode.events import Events
from pixieioc.listmode.stream import Decoder
from pixieioc.listmode.variant import variant
from pixieioc.pipeline import Pipeline
from pixieioc.tasks.calibration import Calibration
from pixieioc.tasks.event_files import KEV
from pixieioc.tasks.event_formats import new_file
from pixieioc.tasks.event_sidecar import sidecar_of

#: Writes events to a file.
Writer = Callable[[list[Events], Path], None]
RECORDING = common.ROOT / "examples" / "data" / "pixie16_binary_data-full.bin"
LAYOUT = variant(500, 34688)
SAMPLES = 500
#: Traces per second of 16 channels with 10 kcps each, and ratios to the rival.
TRACES_BAR, TRACES_RATIO, PLAIN_RATIO = 160_000.0, 1.5, 1.0
#: Words that are decoded at a time: what LoadFiles reads.
_BLOCK = 1_572_864


def main(
    traces: Annotated[int, typer.Option(min=1000, help="Events with traces.")] = 98_304,
    plain: Annotated[int, typer.Option(min=1000, help="Events without.")] = 3_000_000,
    turns: Annotated[int, typer.Option(min=1, help="Turns of each.")] = 5,
    folder: Annotated[Path, typer.Option(help="Where files are written that do not measure a disk.")] = Path(
        "/dev/shm"
    ),
    as_json: common.Json = False,
) -> None:
    """Measure how fast files of events are written."""
    private = common.private_folder()
    rows: list[common.Row] = []
    for name, count, samples in ((f"{SAMPLES}-sample traces", traces, SAMPLES), ("plain", plain, 0)):
        words = _words(count, samples)
        blocks = _blocks(words)
        common.note(f"{name}: {count:,} events in {len(blocks)} blocks, {turns} turns")
        file = folder / f"px-{private.name}.parquet"
        rows += _rows(name, blocks, count, turns, file)
        if not samples:
            rows += _kev_rows(blocks, count, turns, file)
        if samples:
            rows.append(common.Row(f"{name}, chain", "traces/s", count / _chain(words, private, count)))
    common.show("Files of events: Parquet, against pyarrow's plain writer", rows, as_json=as_json)


def _remove(path: Path) -> None:
    for file in (path, sidecar_of(path)):
        file.unlink(missing_ok=True)


def _timed(
    writers: Sequence[Writer], blocks: list[Events], turns: int, path: Path, check: Callable[[Writer], None]
) -> Iterator[tuple[float, int]]:
    """Of each: the median of its seconds, and the bytes of its file. They take turns, and each file is checked."""
    times: dict[Writer, list[float]] = {write: [] for write in writers}
    sizes: dict[Writer, int] = {}
    for turn in range(turns + 1):
        for write, seconds in times.items():
            _remove(path)
            began = time.process_time()
            write(blocks, path)
            if turn:  # the first one imports and compiles
                seconds.append(time.process_time() - began)
            sizes[write] = path.stat().st_size
            check(write)
    _remove(path)
    for write, seconds in times.items():
        yield statistics.median(seconds), sizes[write]


def _rows(name: str, blocks: list[Events], count: int, turns: int, path: Path) -> list[common.Row]:
    measured = _timed([_ours, _rival], blocks, turns, path, lambda _: _check(path, blocks, count))
    (ours, our_size), (rival, rival_size) = ((count / seconds, size / count) for seconds, size in measured)
    unit, ratio = ("traces/s", TRACES_RATIO) if ev.TRACES in blocks[0] else ("events/s", PLAIN_RATIO)
    rows = [common.rivalled(name, unit, ours, rival, ratio)]
    if ev.TRACES in blocks[0]:
        rows.append(common.Row(f"{name}, at least", unit, ours, None, TRACES_BAR, ours >= TRACES_BAR))
    return [*rows, common.rivalled_at_most(f"{name}: size", "B/event", our_size, rival_size, 1.0)]


def _kev_rows(blocks: list[Events], count: int, turns: int, path: Path) -> list[common.Row]:
    """The same events with their energies in keV, in turn with those without; the rival is the file without."""
    channels = 16
    numbers = {"cal_offset": -1.2, "cal_gain": 0.0997, "cal_quadratic": 1.1e-8}
    known = Calibration.of({name: [[value] * channels] for name, value in numbers.items()})

    def calibrated(blocks: list[Events], path: Path) -> None:
        """As `EventSeries` does it."""
        _ours([_with_kev(known, block) for block in blocks], path)

    def check(write: Writer) -> None:
        if write is calibrated:
            _check_kev(path, known)

    measured = _timed([calibrated, _ours], blocks, turns, path, check)
    (kev, kev_size), (plain, plain_size) = ((1e9 * seconds / count, size / count) for seconds, size in measured)
    return [
        common.Row("plain, with energy_kev; rival: without", "ns/event", kev, plain),
        common.Row("plain, with energy_kev: size; rival: without", "B/event", kev_size, plain_size),
    ]


def _with_kev(calibration: Calibration, block: Events) -> Events:
    return block | {KEV.name: calibration.of_events(block["module"], block["channel"], block["energy"])}


def _check_kev(path: Path, calibration: Calibration) -> None:
    """The program ends here if keV in a file are others than those of its energies."""
    table = pq.read_table(path, columns=["energy", "channel", KEV.name])
    energy, channel, kev = (table[name].to_numpy() for name in ("energy", "channel", KEV.name))
    if not np.allclose(kev, calibration.kev(0, 0, energy.astype(float)), rtol=1e-6, atol=1e-3) or channel.max() > 15:
        sys.exit(f"{path}: keV are not those of the energies")


def _ours(blocks: list[Events], path: Path) -> None:
    file = new_file(path, "parquet")
    for block in blocks:
        file.write(block)
    file.finish({})


def _rival(blocks: list[Events], path: Path) -> None:
    writer: Any = None
    for block in map(ev.compact, blocks):
        columns = {name: pa.array(column) for name, column in block.items() if name not in (ev.TRACES, "trace_start")}
        if ev.TRACES in block:
            ends = np.concatenate([[0], np.cumsum(block["trace_length"], dtype=np.int32)])
            columns["trace"] = pa.ListArray.from_arrays(pa.array(ends.astype(np.int32)), pa.array(block[ev.TRACES]))
        table = pa.table(columns)
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    writer.close()


def _check(path: Path, blocks: list[Events], count: int) -> None:
    """The program ends here if a file has lost anything."""
    table = pq.read_table(path, columns=["energy", *(["trace"] if ev.TRACES in blocks[0] else [])])
    energy = sum(int(block["energy"].sum(dtype=np.int64)) for block in blocks)
    right = table.num_rows == count and int(table["energy"].to_numpy().sum(dtype=np.int64)) == energy
    if ev.TRACES in blocks[0]:
        written = sum(int(chunk.values.to_numpy().sum(dtype=np.int64)) for chunk in table["trace"].chunks)
        right &= written == sum(int(ev.compact(block)[ev.TRACES].sum(dtype=np.int64)) for block in blocks)
    if not right:
        sys.exit(f"{path}: not what was given")


def _chain(words: NDArray[np.uint32], folder: Path, count: int) -> float:
    """Seconds from the start of the chain until its file is complete."""
    words.tofile(folder / "raw.bin")
    settings = {
        "LoadFiles": {"files": [str(folder / "raw.bin")]},
        "SortEvents": {"reset_time": 1e6},
        "WriteEvents": {"file": str(folder / "events{run}.parquet")},
    }
    with Pipeline(settings) as pipeline:
        names = ["LoadFiles", "ConvertToEvents", "SortEvents", "WriteEvents"]
        for name in names:
            pipeline.create_task(name)
        pipeline.connect(names)
        best = float("inf")
        for _ in range(2):
            began = time.monotonic()
            pipeline.start()
            pipeline.wait()
            best = min(best, time.monotonic() - began)
        if pipeline.errors or pipeline.processes["WriteEvents"].reports["events_written"] != count:
            sys.exit(f"the chain has lost events: {pipeline.errors}")
    return best


def _words(count: int, samples: int) -> NDArray[np.uint32]:
    """The recording, repeated as if it had gone on, with traces."""
    decoder = Decoder(LAYOUT)
    once = ev.concatenate(decoder.feed(np.fromfile(RECORDING, "<u4")) + decoder.finish())
    number = np.arange(count)
    events = ev.take(once, number % ev.size(once))
    lasted = int(once["time"].max() - once["time"].min()) // 10 * 10 + 10
    events["time"] += lasted * (number // ev.size(once))
    events |= ev.allocate(ev.EXTRA_COLUMNS, count, zero=True)
    if samples:
        events["trace_length"][:] = samples
        events["trace_start"][:] = samples * number
        events[ev.TRACES] = _pulses(events["energy"], samples)
    return encode(events, LAYOUT)


def _pulses(energies: NDArray[Any], samples: int) -> NDArray[np.uint16]:
    random, tick = np.random.default_rng(1), np.arange(samples) - 0.3 * samples
    form = np.where(tick > 0, (1 - np.exp(-tick / 2)) * np.exp(-tick / 100), 0)
    traces = np.empty((len(energies), samples), "<u2")
    for begin in range(0, len(energies), 4096):
        heights = energies[begin : begin + 4096, None] / 8
        noise = random.normal(1750, 4, (len(heights), samples))
        traces[begin : begin + 4096] = np.clip(noise + heights * form, 0, 16383)
    return traces.ravel()


def _blocks(words: NDArray[np.uint32]) -> list[Events]:
    """The events as SortEvents sends them, with its columns."""
    decoder = Decoder(LAYOUT)
    chunks: list[Events] = []
    for begin in range(0, len(words), _BLOCK):
        chunks += decoder.feed(words[begin : begin + _BLOCK])
    for chunk in (chunks := chunks + decoder.finish()):
        chunk["period"] = np.zeros(ev.size(chunk), np.uint32)
        chunk["chunk_timestamp"] = 1.7e9 + chunk["time"] * 1e-9
    return chunks


if __name__ == "__main__":
    typer.run(main)
