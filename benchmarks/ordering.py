"""What it costs to bring events into the order of time: CPU per event of SortEvents' process, in the whole chain.

LoadFiles > ConvertToEvents > SortEvents > FillSpectra reads the same files in this checkout and, with `--against`, in
another one (a `git worktree` of an earlier commit), in turn, a worker process for each. The streams: the recording of
`examples/data`, repeated with times that go on; 13 modules that are as much out of order as it is; and the worst that
was thought of, half of all events late by up to 32 places, and one in a hundred with a wrong bit in its time.

The exit code is 1 if events are lost, whatever the figures are.
"""

from __future__ import annotations

import contextlib
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import common
import numpy as np
import typer
from checkouts import Run, Worker
from numpy.typing import NDArray

RECORDING = common.ROOT / "examples" / "data" / "pixie16_binary_data-full.bin"
SORTING = "SortEvents"
CHAIN = ("LoadFiles", "ConvertToEvents", SORTING, "FillSpectra")
MODULES = 13
#: CPU of the sorting stage, compared with the commit before this way of ordering.
BARS = {"one module": 0.6, "13 modules": 0.65}


@dataclass(frozen=True)
class Stream:
    """Files, how many events are in them, and the settings with which they are read."""

    what: str
    files: tuple[Path, ...]
    events: int
    settings: Mapping[str, dict[str, Any]]


def main(
    against: Annotated[Path | None, typer.Option(help="Another checkout, which is measured in turn.")] = None,
    runs: Annotated[int, typer.Option(min=1, help="Runs of each stream and checkout, after one to warm up.")] = 5,
    megabytes: Annotated[float, typer.Option(min=1, help="Size of each stream, MB.")] = 64.0,
    only: Annotated[list[str] | None, typer.Option(help="Only this stream; may be given several times.")] = None,
    as_json: common.Json = False,
) -> None:
    """Measure what the order of time costs."""
    folder = common.private_folder()
    rows: list[common.Row] = []
    with contextlib.ExitStack() as stack:
        workers = [stack.enter_context(Worker(path)) for path in (common.ROOT, *([against] if against else []))]
        for stream in _streams(folder, int(megabytes * 1e6 / 16)):
            if only and stream.what not in only:
                continue
            common.note(f"{stream.what}: {stream.events:,} events, 1 + {runs} runs")
            rows += _measure(stream, workers, runs)
    common.show("CPU per event", rows, as_json=as_json)


def _measure(stream: Stream, workers: Sequence[Worker], runs: int) -> list[common.Row]:
    """Rows about one stream: the sorting stage, and the whole chain."""
    files = {"LoadFiles": {"files": [str(path) for path in stream.files]}, "FillSpectra": {"modules": MODULES}}
    found: list[list[Run]] = [[] for _ in workers]
    with contextlib.ExitStack() as stack:
        for worker in workers:
            stack.enter_context(worker.chain(CHAIN, {**files, **stream.settings}))
        for _ in range(1 + runs):
            for worker, so_far in zip(workers, found, strict=True):
                so_far.append(worker.run())
                if (filled := so_far[-1].events[CHAIN[-1]]) != stream.events:
                    sys.exit(f"{filled} of {stream.events} events are in the spectra")
    rows: list[common.Row] = []
    for name in (SORTING, "all tasks"):
        costs = [
            statistics.median(run.cpu.get(name, run.cpu_of_all) for run in of[1:]) * 1e9 / stream.events for of in found
        ]
        bar = BARS.get(stream.what, 1.0) if name == SORTING and len(costs) > 1 else None
        met = costs[0] / costs[1] <= bar if bar else None
        rows.append(common.Row(f"{stream.what}: {name}", "ns/event", *costs[:2], bar=bar, met=met))
    return rows


# -- streams ----------------------------------------------------------------------------------------------------------


def _streams(folder: Path, events: int) -> list[Stream]:
    wide = {"SortEvents": {"window": 5000.0}}
    one, many = _recorded(events), _crate(events)
    return [
        _written(folder, "one module", [one]),
        _written(folder, "13 modules", many),
        _written(folder, "one module, half late", [_half_late(one)], wide | {"SortEvents": {"window": 1e6}}),
        _written(folder, "13 modules, half late", [_half_late(times) for times in many], wide),
        _written(folder, "13 modules, wrong bits", [_wrong_bits(times) for times in many]),
    ]


def _recorded(events: int) -> NDArray[np.int64]:
    """The recording's times in ticks, repeated with times that go on."""
    words = np.fromfile(RECORDING, "<u4").reshape(-1, 4)
    ticks = words[:, 1].astype(np.int64) | (words[:, 2].astype(np.int64) & 0xFFFF) << 32
    ticks -= ticks.min()
    times = -(-events // len(ticks))
    return (ticks[np.newaxis] + (ticks.max() + 1000) * np.arange(times)[:, np.newaxis]).ravel()


def _crate(events: int) -> list[NDArray[np.int64]]:
    """Times of modules with 1 M events/s in all, of which as many come one place too late as in the recording."""
    random = np.random.default_rng(1)
    modules: list[NDArray[np.int64]] = []
    for _ in range(MODULES):
        ticks = np.cumsum(random.exponential(1e8 * MODULES / 1e6, events // MODULES)).astype(np.int64)
        early = 2 * random.choice(len(ticks) // 2, int(0.089 * len(ticks)), replace=False)
        ticks[early], ticks[early + 1] = ticks[early + 1].copy(), ticks[early].copy()
        modules.append(ticks)
    return modules


def _half_late(ticks: NDArray[np.int64]) -> NDArray[np.int64]:
    """Half of all events come up to 32 places late."""
    random = np.random.default_rng(2)
    late = np.where(random.random(len(ticks)) < 0.5, random.integers(0, 33, len(ticks)), 0)
    return ticks[np.argsort(np.arange(len(ticks)) + late, kind="stable")]


def _wrong_bits(ticks: NDArray[np.int64]) -> NDArray[np.int64]:
    """One event in a hundred has a wrong bit in the upper half of its time."""
    random = np.random.default_rng(3)
    bits = np.where(random.random(len(ticks)) < 0.01, 1 << random.integers(32, 48, len(ticks)), 0)
    return ticks ^ bits


def _written(
    folder: Path, what: str, modules: list[NDArray[np.int64]], settings: Mapping[str, dict[str, Any]] | None = None
) -> Stream:
    """Raw files of modules with 500 MHz that have nothing but times and energies."""
    paths: list[Path] = []
    for module, ticks in enumerate(modules):
        words = np.zeros((len(ticks), 4), np.uint32)
        words[:, 0] = 4 << 17 | 4 << 12 | (2 + module) << 4 | np.arange(len(ticks)) % 16
        words[:, 1], words[:, 2] = ticks & 0xFFFFFFFF, ticks >> 32 | (1 << 29 | 4096 << 16)
        words[:, 3] = np.arange(len(ticks)) % 60_000
        paths.append(folder / f"{what.replace(' ', '_').replace(',', '')}_mod{module:02d}.bin")
        words.tofile(paths[-1])
    return Stream(what, tuple(paths), sum(map(len, modules)), settings or {})


if __name__ == "__main__":
    typer.run(main)
