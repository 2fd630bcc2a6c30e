"""Conservation: whatever stands still behind TakeData, each hit of the modules arrives or is counted as lost.

    python -m tests.hardware.conservation                  # all, 4 minutes
    python -m tests.hardware.conservation --seconds 60 --busy 4   # longer, with four busy processes beside

Each run is one chain of real processes that reads the simulated SDK by ctypes. Its hits come at equal intervals, so
that none of them pile up: each input count is an event. What stalls does so twice, each time until the modules' FIFOs
have run over; the buffers are small then, so that this takes seconds. Where nothing stalls, or not for longer than the
buffers hold, nothing may be lost.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pixieioc.hardware import Firmware
from pixieioc.hardware.sdk import SdkCrate
from tests.hardware.simulation import Simulation
from tests.hardware.slow_disk import SLOW, SlowDisk
from tests.recorder import Recorder

_TRACE = 1 << 8


@dataclass(frozen=True)
class Data:
    """Hits per second and channel, whether they have traces of 1 us, and host buffers for a fifth of a second."""

    name: str
    rate: int
    traces: bool
    buffers: int


HEADERS, TRACES = Data("16 x 12 kcps, headers", 12_000, False, 15), Data("16 x 1 kcps, traces", 1_000, True, 100)
#: What stalls: a task, or the disk; "" is nothing.
GATHER_DATA, SINK, DISK, NOTHING = "GatherData", "the sink", "the disk", ""
_SINK = "CountEvents"
CHAIN = ("TakeData", GATHER_DATA, "ConvertToEvents", _SINK)
#: keV of the simulated hits.
PULSE = 1000


@dataclass(frozen=True)
class Outcome:
    """What the modules counted in a run, what arrived, what is counted as lost; and what is wrong with that."""

    input_counts: int
    output_counts: int
    events: int
    lost: int
    bytes_missing: int
    corrupt: int
    wrong: tuple[str, ...]


def settings_with_traces(simulation: Simulation) -> str:
    """A settings file by which all channels have traces of 1 us."""
    crate = SdkCrate(simulation.library)
    crate.open((2,))
    system, fippi, code, variables = simulation.firmware()
    crate.boot([Firmware(system, fippi, code, variables)])
    for channel in range(16):
        bits = int(crate.read_channel(0, channel, "CHANNEL_CSRA"))
        crate.write_channel(0, channel, "CHANNEL_CSRA", bits | _TRACE)
        crate.write_channel(0, channel, "TRACE_LENGTH", 1.0)
    path = simulation.folder / "traces.json"
    crate.save_settings(path)
    return str(path)


class Trial:
    """A chain of processes on a simulated module, and what can be done to it."""

    def __init__(self, pipeline: Recorder, simulation: Simulation, data: Data, *, small: bool) -> None:
        """With `small` buffers, what stalls for a second makes the FIFOs run over."""
        self._pipeline, self._folder, self._simulation = pipeline, simulation.folder, simulation
        simulation.control(f"rate {data.rate}", f"pulser {PULSE}", f"buffers {data.buffers if small else 100}")
        source: dict[str, Any] = {"implementation": "sdk", "crate_file": str(simulation.crate_file())}
        source |= {"buffer_size": 256 * 1024} if small else {}
        source |= {"settings_file": settings_with_traces(simulation)} if data.traces else {}
        pipeline.task_kwargs = {
            "TakeData": source,
            GATHER_DATA: {"auto_save": True, "file_path": str(self._folder), "max_delay": 0.05},
        }
        pipeline.follow(pipeline.creating({name: SlowDisk if name == GATHER_DATA else name for name in CHAIN}))
        pipeline.connect(list(CHAIN))

    def begin(self) -> None:
        """Starts a run, and waits for its first events."""
        self._pipeline.heard_reports.clear()
        self._pipeline.start()
        self._pipeline.until(lambda: bool(self._pipeline.reported(_SINK, "events")))

    def stall(self, what: str, until: Callable[[], bool]) -> None:
        """Something stands still, for steps of a second, until something holds."""
        end = time.monotonic() + 120
        while not until():
            assert time.monotonic() < end, f"{what or 'nothing'} stalls, and nothing follows from it"
            with self._stalled(what):
                self._pipeline.wait(1.0)

    def overflow(self, what: str) -> None:
        """Something stands still until a FIFO has run over once more."""
        before = self._overflows
        self.stall(what, lambda: self._overflows > before)
        self._pipeline.wait(0.3)

    def hold(self, what: str, seconds: float) -> None:
        """Something stands still for so long; the pipeline goes on to listen."""
        with self._stalled(what):
            self._pipeline.wait(seconds)

    def end(self) -> Outcome:
        """Stops the run, and says what came of it."""
        pipeline = self._pipeline
        pipeline.stop()
        pipeline.wait(60)
        told = {name: pipeline.processes[name].reports for name in CHAIN if name in pipeline.processes}
        wrong = [str(error) for error in pipeline.errors]
        if wrong:
            return Outcome(0, 0, 0, 0, 0, 0, tuple(wrong))
        lost = told["TakeData"]["hits_lost"]
        alarms = [value["hits_lost"] > 0 for _, _, value in pipeline.heard_reports if "hits_lost" in value]
        if True in alarms and not all(alarms[alarms.index(True) :]):
            wrong.append("the alarm about lost hits has gone in the run")
        if self._overflows and not lost:
            wrong.append("a FIFO ran over, and there is no alarm")
        inputs, outputs = (int(told["TakeData"][name].sum()) for name in ("input_counts", "output_counts"))
        events = told[_SINK]["events"]
        missing = 4 * told["TakeData"]["words_read"] - told[GATHER_DATA]["bytes_written"]
        corrupt = told["ConvertToEvents"]["corrupt_regions"]
        if inputs != events + lost:
            wrong.append(f"{inputs - events - lost} hits are neither here nor counted as lost")
        if missing or corrupt:
            wrong.append(f"{missing} bytes are not in the raw files, {corrupt} regions are corrupt")
        return Outcome(inputs, outputs, events, lost, missing, corrupt, tuple(wrong))

    @property
    def _overflows(self) -> float:
        return float(self._pipeline.reported("TakeData", "module_overflows").sum())

    @contextlib.contextmanager
    def _stalled(self, what: str) -> Iterator[None]:
        match what:
            case "the disk":
                (self._folder / SLOW).touch()
                try:
                    yield
                finally:
                    (self._folder / SLOW).unlink()
            case "GatherData" | "the sink":
                pid = self._pipeline.reported(_SINK if what == SINK else what, "process_id")
                os.kill(pid, signal.SIGSTOP)
                try:
                    yield
                finally:
                    os.kill(pid, signal.SIGCONT)
            case "":
                yield
            case _:
                raise ValueError(what)


@contextlib.contextmanager
def _busy(processes: int) -> Iterator[None]:
    """So many processes that compute for nothing."""
    started = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(processes)]
    try:
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()


def _one(data: Data, what: str, seconds: float, held: float) -> Outcome:
    """A run in a folder of its own: two overflows, or `held` seconds of a stall that the buffers hold, or nothing."""
    with tempfile.TemporaryDirectory(prefix="px") as name, Recorder() as pipeline:
        os.chdir(name)  # where the library writes its log
        trial = Trial(pipeline, Simulation(Path(name)), data, small=bool(what) and not held)
        trial.begin()
        pipeline.wait(seconds / 2)
        for _ in range(2):
            if held:
                trial.hold(what, held)
                pipeline.wait(1)
            elif what:
                trial.overflow(what)
        pipeline.wait(seconds / 2)
        outcome = trial.end()
        os.chdir("/")
    return outcome


def main() -> None:
    """Runs everything, and prints a table; the exit code is 1 if anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=4.0, help="length of each run beside its stalls")
    parser.add_argument("--busy", type=int, default=0, help="busy processes beside")
    parser.add_argument("--repeat", type=int, default=2, help="runs of each kind")
    options = parser.parse_args()
    causes = [(what, 0.0) for what in (GATHER_DATA, SINK, DISK)] + [(GATHER_DATA, 2.0), (NOTHING, 0.0)]
    good = True
    print(f"{'data':24}{'what stalls':28}{'input counts':>13}{'events':>10}{'lost':>9}   verdict")
    with _busy(options.busy):
        for data in (HEADERS, TRACES):
            for what, held in causes:
                for _ in range(options.repeat):
                    outcome = _one(data, what, options.seconds, held)
                    lost_in_vain = outcome.lost and (held or not what)
                    wrong = [*outcome.wrong, *(["hits are lost though nothing ran over"] if lost_in_vain else [])]
                    good &= not wrong
                    shown = (
                        f"{what} for {held:g} s, twice" if held else f"{what}, until loss, twice" if what else "nothing"
                    )
                    print(
                        f"{data.name:24}{shown:28}{outcome.input_counts:13,}{outcome.events:10,}{outcome.lost:9,}   "
                        + ("; ".join(wrong) or "good"),
                        flush=True,
                    )
    sys.exit(not good)


if __name__ == "__main__":
    main()
