"""The list-mode decoder against pypixie16's own reader (with cbitstruct) and against memcpy, in one run.

Every stream is made from the recording of `examples/data`, repeated. Ours gets all of it in blocks of one FIFO
(512 KiB), which records do not respect, and those with traces, of which a FIFO holds 516 only, also in blocks of 6 MiB,
what LoadFiles reads at a time; the rival is `read_list_mode_data_as_events`, which gets the first part of the
same stream as a file, in the system's cache. For information: the reader behind it on words that are in its memory
already (`StreamReader`), in one piece, because it loses records that are cut by a block. memcpy copies the same blocks
into a buffer that stays in the processor's cache.

All take turns, what is shown is the median of the turns in processor time of the one thread that each of them has, so
that what else the machine does counts less. The exit code is 1 if ours loses an event, or differs from the rival.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import common
import numpy as np
import typer
from numpy.typing import NDArray

from pixieioc.listmode import events as ev
from pixieioc.listmode.encode import encode
from pixieioc.listmode.events import Events
from pixieioc.listmode.stream import Decoder, warm_up
from pixieioc.listmode.variant import PART_ESUM, PART_ETS, PART_QDC, variant

Words = NDArray[np.uint32]

RECORDING = common.ROOT / "examples" / "data" / "pixie16_binary_data-full.bin"
LAYOUT = variant(500, 34688)
#: Words of a FIFO, and what LoadFiles reads at a time.
BLOCK, LARGE_BLOCK = 131_072, 1_572_864
MEMCPY_BAR, FIRST_BLOCK_BAR = 0.2, 0.6
#: New processes whose first block is timed.
_STARTS = 7
_CHILD = """
import sys
import numpy as np
from pixieioc.listmode.stream import Decoder
from pixieioc.listmode.variant import variant
events = Decoder(variant(500, 34688)).feed(np.fromfile(sys.argv[1], "<u4"))
print(sum(len(chunk["time"]) for chunk in events), flush=True)
"""


@dataclass(frozen=True)
class Stream:
    """List-mode words, `events` in them, the ratios that are to be reached, and what the rival gets of them."""

    name: str
    words: Words
    events: int
    rival_words: int
    bar: float
    copied_bar: float | None = None
    block: int = BLOCK

    def blocks(self, words: Words) -> list[Words]:
        """`words` as ours gets them."""
        return [words[begin : begin + self.block] for begin in range(0, len(words), self.block)]


@dataclass(frozen=True)
class Turns:
    """Medians: events a second of ours, of ours with traces copied, of the rivals; bytes a second of memcpy."""

    ours: float
    copied: float
    rival: float
    rival_in_memory: float
    memcpy: float


def main(
    megabytes: Annotated[float, typer.Option(min=1, help="Least size of each stream, MB.")] = 200.0,
    rival_events: Annotated[int, typer.Option(min=100, help="The rival gets so many events of it.")] = 30_000,
    turns: Annotated[int, typer.Option(min=1, help="Turns of each.")] = 15,
    as_json: common.Json = False,
) -> None:
    """Measure the list-mode decoder against pypixie16's reader and memcpy."""
    folder = common.private_folder()
    rival = _import(folder)
    first = _first_block(folder)
    warm_up()
    rows: list[common.Row] = []
    for stream in _streams(megabytes, rival_events):
        common.note(f"{stream.name}: {stream.events:,} events, {stream.words.nbytes / 1e6:.0f} MB, {turns} turns")
        rows += _rows(stream, _measure(stream, rival, turns, folder / "share.bin"))
    title = f"List-mode decoder: {megabytes:g} MB a stream, in blocks of 512 KiB, with traces also of 6 MiB"
    common.show(title, rows + first, as_json=as_json)


def _rows(stream: Stream, result: Turns) -> list[common.Row]:
    rows = [common.rivalled(stream.name, "events/s", result.ours, result.rival, stream.bar)]
    if stream.copied_bar is not None:
        rows.append(
            common.rivalled(f"{stream.name}, copied", "events/s", result.copied, result.rival, stream.copied_bar)
        )
    rows.append(common.Row(f"{stream.name}: StreamReader", "events/s", result.ours, result.rival_in_memory))
    rate = result.ours * stream.words.nbytes / stream.events / 1e6
    memcpy = f"{stream.name}: memcpy", "MB/s", rate, result.memcpy / 1e6
    rows.append(common.rivalled(*memcpy, MEMCPY_BAR) if stream.name == "header-only" else common.Row(*memcpy))
    return rows


# -- streams ----------------------------------------------------------------------------------------------------------


def _streams(megabytes: float, rival_events: int) -> Iterator[Stream]:
    """The streams, made as they are needed: all at once are a gigabyte."""
    decoder = Decoder(LAYOUT)
    recorded = ev.concatenate(decoder.feed(np.fromfile(RECORDING, "<u4")) + decoder.finish())
    count = ev.size(recorded)
    random = np.random.default_rng(1)
    nothing = np.zeros(count, np.int64)
    energy_sums = np.where(recorded["channel"] == 10, PART_ESUM, 0)
    every_50th = np.arange(count) % 50 == 0
    kinds: list[tuple[str, NDArray[Any], NDArray[Any], float, float | None]] = [
        ("header-only", nothing, nothing, 600.0, None),
        ("real mix", energy_sums | PART_QDC * every_50th, 100 * every_50th, 450.0, None),
        ("8 header lengths", random.integers(0, 8, count), nothing, 300.0, None),
        ("500-sample traces", nothing, nothing + 500, 300.0, 100.0),
    ]
    for name, parts, trace_lengths, bar, copied_bar in kinds:
        words = encode(_extended(recorded, parts, trace_lengths, random), LAYOUT)
        copies = int(np.ceil(megabytes * 1e6 / words.nbytes))
        share = min(rival_events, count) * len(words) // count
        stream = Stream(name, np.tile(words, copies), copies * count, share, bar, copied_bar)
        yield stream
        if copied_bar is not None:
            yield replace(stream, name=f"{name}, 6 MiB", block=LARGE_BLOCK)


def _extended(
    recorded: Events, parts: NDArray[Any], trace_lengths: NDArray[Any], random: np.random.Generator
) -> Events:
    """The recorded events with optional blocks and traces, whose content is random."""
    count = ev.size(recorded)
    has = [(parts & part != 0)[:, None] for part in (PART_ETS, PART_ESUM, PART_QDC)]
    return {
        **{column.name: recorded[column.name] for column in ev.BASE_COLUMNS},
        "parts": parts.astype(np.uint8),
        "ets": random.integers(0, 2**48, count).astype(np.uint64) * has[0][:, 0],
        "esum": random.integers(0, 2**24, (count, 3)).astype(np.uint32) * has[1],
        "baseline": random.normal(1750, 4, count).astype(np.float32) * has[1][:, 0],
        "qdc": random.integers(0, 2**24, (count, 8)).astype(np.uint32) * has[2],
        "trace_length": trace_lengths.astype(np.uint16),
        "trace_start": np.cumsum(trace_lengths) - trace_lengths,
        ev.TRACES: random.normal(1750, 4, int(trace_lengths.sum())).astype(np.uint16),
    }


# -- measuring --------------------------------------------------------------------------------------------------------


def _measure(stream: Stream, rival: Any, turns: int, file: Path) -> Turns:
    share = stream.words[: stream.rival_words]
    share.tofile(file)
    _compare(stream, rival.read_list_mode_data_as_events(file))
    times: list[list[float]] = [[], [], [], [], []]
    events = 0
    for _ in range(turns):
        times[0].append(_ours(stream, copied=False))
        times[1].append(_ours(stream, copied=True) if stream.copied_bar is not None else 1.0)
        began = time.thread_time()
        events = len(rival.read_list_mode_data_as_events(file))
        times[2].append(time.thread_time() - began)
        times[3].append(_in_memory(share, rival))
        times[4].append(_memcpy(stream))
    ours, copied, other, in_memory, memcpy = map(statistics.median, times)
    return Turns(
        stream.events / ours, stream.events / copied, events / other, events / in_memory, stream.words.nbytes / memcpy
    )


def _ours(stream: Stream, *, copied: bool) -> float:
    """Seconds for the whole stream; every event must come out."""
    blocks = stream.blocks(stream.words)
    decoder = Decoder(LAYOUT)
    began = time.thread_time()
    for block in blocks:
        for events in decoder.feed(block):
            if copied:
                ev.compact(events)
    decoder.finish()
    seconds = time.thread_time() - began
    if decoder.counts.events != stream.events or decoder.counts.words_lost:
        sys.exit(f"{stream.name}: {decoder.counts} instead of {stream.events} events")
    return seconds


def _in_memory(words: Words, rival: Any) -> float:
    """Seconds of its reader for words that it has in memory."""
    reader = rival.StreamReader(len(words) + 1)
    reader.put(words)
    decoder = rival.ListModeDataReader(reader)
    began = time.thread_time()
    decoder.pop_all()
    return time.thread_time() - began


def _memcpy(stream: Stream) -> float:
    blocks = stream.blocks(stream.words)
    buffer = np.empty(stream.block, np.uint32)
    began = time.thread_time()
    for block in blocks:
        np.copyto(buffer[: len(block)], block)
    return time.thread_time() - began


def _compare(stream: Stream, theirs: list[Any]) -> None:
    """Ends the program unless both say the same of the rival's share."""
    words = stream.words[: stream.rival_words]
    decoder = Decoder(LAYOUT)
    chunks = [chunk for block in stream.blocks(words) for chunk in decoder.feed(block)] + decoder.finish()
    ours = ev.compact(ev.concatenate(chunks))
    names = {"energy": "energy", "timestamp": "time", "CFD_fraction": "cfd", "channel": "channel", "slot": "slot"}
    names |= {"crate": "crate"}
    pairs = [([getattr(event, theirs_is) for event in theirs], ours[ours_is]) for theirs_is, ours_is in names.items()]
    if "esum" in ours:
        pairs.append(([max(event.Esum_leading, 0) for event in theirs], ours["esum"][:, 1]))
    if "qdc" in ours:
        pairs.append(([max(event.QDCSum7, 0) for event in theirs], ours["qdc"][:, 7]))
    if ev.TRACES in ours:
        pairs.append(([sample for event in theirs for sample in event.trace], ours[ev.TRACES]))
    for both in pairs:
        if not np.array_equal(*both):
            sys.exit(f"{stream.name}: what ours and pypixie16's reader say differs")


def _first_block(folder: Path) -> list[common.Row]:
    """Seconds from the start of a process to its first events."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(folder / "numba")}
    seconds: list[float] = []
    common.note(f"first block of a process: 1 + {_STARTS} processes")
    for _ in range(1 + _STARTS):
        began = time.perf_counter()
        with subprocess.Popen(
            [sys.executable, "-c", _CHILD, RECORDING], cwd=common.ROOT, env=environment, stdout=subprocess.PIPE
        ) as child:
            assert child.stdout is not None
            told = child.stdout.readline()
            seconds.append(time.perf_counter() - began)
        if child.returncode or not int(told):
            sys.exit("a new process has decoded nothing")
    return [
        common.limited(
            "first block after process start, warm cache", "s", statistics.median(seconds[1:]), FIRST_BLOCK_BAR
        ),
        common.Row("first block after process start, cold cache", "s", seconds[0]),
    ]


def _import(folder: Path) -> Any:
    """pypixie16's list-mode reader, without its windows, which need the libraries of a display."""
    os.environ["MPLBACKEND"] = "Agg"
    os.environ["XDG_CONFIG_HOME"] = str(folder)  # no settings of the site
    spec = importlib.util.find_spec("pixie16")
    if spec is None or importlib.util.find_spec("cbitstruct") is None:
        sys.exit("pypixie16 and cbitstruct are not installed: pip install '.[bench]'")
    # The package without what its __init__ imports: plots, windows and programs.
    sys.modules["pixie16"] = importlib.util.module_from_spec(spec)
    with contextlib.redirect_stdout(sys.stderr):  # it speaks when it is imported
        return importlib.import_module("pixie16.read.list_mode")


if __name__ == "__main__":
    typer.run(main)
