"""The rival: pypixie16's own pipeline of its own tasks on one raw file, in a process of its own.

    python benchmarks/pypixie16_chain.py FILE EVENTS TIMEOUT

prints {"delivered": events, "seconds": from the start of reading to the last event out}. Its `LoadFiles` reads and
decodes, so the chain that does what ours does is LoadFiles > SortEvents > GatherEvents > a sink that counts.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import json
import multiprocessing
import os
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

#: When nothing has come out of the chain for so many seconds, nothing more will.
_STALL = 30.0
#: Events of a chunk that its GatherEvents hands on: as many as ours.
_CHUNK = 100_000


def main(
    file: Annotated[Path, typer.Argument(help="Raw file of a 500 MHz module.")],
    events: Annotated[int, typer.Argument(help="Events in it.")],
    timeout: Annotated[float, typer.Argument(help="Give up after so many seconds.")] = 300.0,
) -> None:
    """Runs pypixie16's pipeline on a file, and counts what comes out."""
    # Its classes are made for fork: they hold open files.
    multiprocessing.set_start_method("fork")
    with contextlib.redirect_stdout(sys.stderr):  # it speaks when it is imported
        delivered, seconds = _measure(file, events, timeout)
    print(json.dumps({"delivered": delivered, "seconds": seconds}))


def _measure(file: Path, events: int, timeout: float) -> tuple[int, float]:
    pipeline, tasks = _import()
    began, says_began = multiprocessing.Pipe(duplex=False)
    counts, says_count = multiprocessing.Pipe(duplex=False)

    class Load(tasks.LoadFiles):
        """Its LoadFiles, which tells when it begins to read."""

        def do_work(self, value: Any) -> None:
            if not self.work_counter:
                says_began.send(time.monotonic())
            super().do_work(value)

    class Count(pipeline.Task):
        """A sink that tells how many events have come, and when."""

        def do_work(self, value: Any) -> None:
            says_count.send((len(value), time.monotonic()))

    chain = [Load([file]), tasks.SortEvents(time.time()), tasks.GatherEvents(_CHUNK), Count()]
    whole = pipeline.Pipeline(chain)
    delivered, last = 0, 0.0
    try:
        whole.start()
        start = progress = began.recv()
        while delivered < events and time.monotonic() < min(start + timeout, progress + _STALL):
            whole.update_status()  # its tasks cannot end while nobody takes what they say
            if counts.poll(0.2):
                count, last = counts.recv()
                delivered, progress = delivered + count, time.monotonic()
    finally:
        # Its own join() hangs when data are queued.
        for task in chain:
            if task.is_alive():
                task.kill()
    return delivered, last - start


def _import() -> tuple[Any, Any]:
    """pypixie16's pipeline and its tasks, without its windows, which need the libraries of a display."""
    os.environ["MPLBACKEND"] = "Agg"
    spec = importlib.util.find_spec("pixie16")
    if spec is None:
        sys.exit("pypixie16 is not installed: pip install '.[bench]'")
    # The package without what its __init__ imports: plots, windows and programs.
    sys.modules["pixie16"] = importlib.util.module_from_spec(spec)
    return importlib.import_module("pixie16.pipeline"), importlib.import_module("pixie16.tasks")


if __name__ == "__main__":
    typer.run(main)
