"""A full simulated crate: the highest rate that is sustained without a loss, and where the processor's time goes.

13 modules of 16 channels, on the simulated SDK by ctypes (as XIA's library is reached), and on the crate that is
simulated in the task: TakeData > GatherData > ConvertToEvents > SortEvents > FillSpectra, a process each. The rate is
searched with short runs, then one of `--seconds` must hold it: no hit may be lost, every event must come to the
spectra, and hardly anything may wait when it ends. What TakeData's process spends in the calls of the crate is mostly
the simulation, which a real crate does not need: it stands apart. By the rest alone the two cores would do what
`without the simulation` says.

Then TakeData when little comes, with 1 and with 13 modules on the simulated SDK: its processor time, and how old events
are when the next task has them. `--short` has short runs everywhere.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import common
import typer
from crate_tasks import EventAges, MeasuredTakeData

sys.path.insert(0, str(common.ROOT))

from pixieioc.testing import Recorder
from tests.hardware.simulation import Simulation

MODULES, CHANNELS = 13, 16
SOURCE = "TakeData"
CHAIN = (SOURCE, "GatherData", "ConvertToEvents", "SortEvents", "FillSpectra")
#: Bars: processor time of an idle read-out, %, and age of its events, ms.
IDLE_BAR, AGE_BAR = 2.0, 200.0
#: Counts per second of an idle crate.
FEW = 5.0
#: Seconds of the runs of the search; its steps; the share of what was found that the long run begins with, and that is
#: tried next if it fails.
_PROBE, _STEPS, _BEGIN, _SLOWER = 3.0, 3, 0.85, 0.7
#: What may wait when a run ends, % of TakeData's buffer; and how long its end may take, s.
_WAITING, _ENDING = 10.0, 1.0


@dataclass(frozen=True)
class Run:
    """What came of a run; processor times in seconds."""

    seconds: float
    events: int
    megabytes: float
    good: bool
    cpu: dict[str, float] = field(default_factory=dict[str, float])
    in_crate: float = 0.0
    verbs: str = ""

    @property
    def rate(self) -> float:
        """Events per second."""
        return self.events / self.seconds


class Rig:
    """A chain of processes, and its crate."""

    def __init__(self, pipeline: Recorder, simulation: Simulation, implementation: str, traces: bool) -> None:
        self._pipeline, self._simulation, self._implementation = pipeline, simulation, implementation
        simulation.control("rate 0")
        pipeline.task_kwargs = {
            SOURCE: {
                "implementation": implementation, "crate_file": str(simulation.crate_file()), "modules": MODULES,
                "traces": traces,
            },
            "SortEvents": {"max_events": 20_000_000}, "FillSpectra": {"modules": MODULES, "channels": CHANNELS},
        }  # fmt: skip
        pipeline.follow(pipeline.creating({name: MeasuredTakeData if name == SOURCE else name for name in CHAIN}))
        pipeline.connect(list(CHAIN))

    def _boot(self) -> None:
        """Has failed processes replaced, in a run in which nothing happens."""
        self._simulation.control("rate 0")
        self._pipeline.configure({SOURCE: {"simulated_rate": 0.0}})
        self._pipeline.start()
        self._pipeline.stop()
        self._pipeline.wait(common.PATIENCE)

    def run(self, channel_rate: float, seconds: float) -> Run:
        """A run at so many hits per second and channel."""
        pipeline = self._pipeline
        self._simulation.control(f"rate {channel_rate}")
        pipeline.configure({SOURCE: {"simulated_rate": channel_rate}})
        before = {name: common.cpu_of(self._told(name, "process_id")) for name in CHAIN}
        pipeline.start()
        pipeline.wait(seconds)
        waiting, began = self._told(SOURCE, "buffer_use"), time.monotonic()
        pipeline.stop()
        pipeline.wait(common.PATIENCE)
        ending = time.monotonic() - began
        if pipeline.errors:  # what was held did not get through in time
            common.note(f"{channel_rate:8.0f} hits/s and channel: {pipeline.errors[0]}")
            self._boot()
            return Run(seconds, 0, 0.0, False)
        cpu = {name: common.cpu_of(self._told(name, "process_id")) - before[name] for name in CHAIN}
        made, lost = int(self._told(SOURCE, "output_counts").sum()), self._told(SOURCE, "hits_lost")
        events = int(self._told(CHAIN[-1], "counts").sum())
        if events + lost != made:
            raise RuntimeError(f"{made} hits were counted, {events} came to the spectra, {lost} are counted as lost")
        real = self._told(SOURCE, "elapsed_real")
        good = not lost and waiting < _WAITING and ending < _ENDING
        common.note(f"{channel_rate:8.0f} hits/s and channel: {events / real / 1e6:.2f} M events/s, {lost} lost, "
                    f"{waiting:.0f} % wait, end in {ending:.1f} s")  # fmt: skip
        megabytes = 4e-6 * self._told(SOURCE, "words_read")
        return Run(
            real, events, megabytes, good, cpu, self._told(SOURCE, "crate_seconds"), self._told(SOURCE, "crate_verbs")
        )

    def _told(self, task: str, report: str) -> Any:
        return self._pipeline.reported(task, report)


def main(
    seconds: Annotated[float, typer.Option(min=1, help="Length of the run that must hold the rate.")] = 60.0,
    idle_seconds: Annotated[float, typer.Option(min=1, help="Length of the idle runs.")] = 30.0,
    short: Annotated[bool, typer.Option(help="Runs of 5 s, and of 10 s when idle.")] = False,
    implementation: Annotated[list[str] | None, typer.Option(help="Only this crate: sdk or simulated.")] = None,
    rates: Annotated[bool, typer.Option(help="Whether the highest rate is searched.")] = True,
    idle: Annotated[bool, typer.Option(help="Whether the idle read-out is measured.")] = True,
    as_json: common.Json = False,
) -> None:
    """Measure the read-out of a simulated crate."""
    seconds, idle_seconds = (5.0, 10.0) if short else (seconds, idle_seconds)
    folder = common.private_folder()
    os.chdir(folder)  # where the library writes its log
    rows: list[common.Row] = []
    if rates:
        for each in implementation or ("sdk", "simulated"):
            for traces in (False, True):
                rows += _highest(folder, each, traces, seconds)
    if idle:
        for modules in (1, MODULES):
            rows += _idle(folder, modules, idle_seconds)
    load = os.getloadavg()[0]
    common.show(f"A simulated crate on {os.cpu_count()} cores, load {load:.1f}", rows, as_json=as_json)


def _highest(folder: Path, implementation: str, traces: bool, seconds: float) -> list[common.Row]:
    where = "simulated SDK" if implementation == "sdk" else "simulated in the task"
    what = f"{where}, {'traces' if traces else 'headers'}"
    common.note(what)
    with Recorder() as pipeline:
        rig = Rig(pipeline, Simulation(folder), implementation, traces)
        rig.run(10.0, 1.0)  # everything is cold
        low, high = 0.0, 0.0
        rate = 100.0 if traces or implementation == "simulated" else 3000.0
        while not high:
            low, high, rate = (rate, 0.0, 2 * rate) if rig.run(rate, _PROBE).good else (low, rate, rate)
        if not low:  # it is less than the first guess
            low = high / 16
        for _ in range(_STEPS):
            middle = (low * high) ** 0.5
            low, high = (middle, high) if rig.run(middle, _PROBE).good else (low, middle)
        rate = _BEGIN * low
        while not (run := rig.run(rate, seconds)).good:
            rate *= _SLOWER
        pipeline.quit()
    return _rows(what, run)


def _rows(what: str, run: Run) -> list[common.Row]:
    ours = sum(run.cpu.values()) - run.in_crate
    per_event = 1e9 / run.events
    shares = {"calls of the crate": run.in_crate, "TakeData without them": run.cpu[SOURCE] - run.in_crate}
    shares |= {name: run.cpu[name] for name in CHAIN[1:]}
    common.note(f"calls of the crate: {run.verbs}")
    return [
        common.Row(f"{what}: sustained for {run.seconds:.0f} s", "events/s", run.rate),
        common.Row(f"{what}: the same", "MB/s", run.megabytes / run.seconds),
        *(common.Row(f"{what}: CPU of {name}", "ns/event", seconds * per_event) for name, seconds in shares.items()),
        common.Row(
            f"{what}: CPU of all, of {os.cpu_count()} cores",
            "%",
            100 * (ours + run.in_crate) / run.seconds / (os.cpu_count() or 1),
        ),
        common.Row(f"{what}: without the simulation, by CPU", "events/s", (os.cpu_count() or 1) * run.events / ours),
    ]


def _idle(folder: Path, modules: int, seconds: float) -> list[common.Row]:
    what = f"{modules} module{'s' * (modules > 1)}, {FEW:g} counts/s"
    common.note(f"idle: {what}")
    simulation = Simulation(folder)
    simulation.control(f"rate {FEW / modules / CHANNELS}")
    source = {"implementation": "sdk", "crate_file": str(simulation.crate_file()), "modules": modules}
    with Recorder({"MeasuredTakeData": source}) as pipeline:
        pipeline.chain_of(MeasuredTakeData.__name__, "ConvertToEvents", EventAges.__name__)
        pipeline.start()
        pipeline.wait(1.0)
        before, began = common.cpu_of(pipeline.reported("MeasuredTakeData", "process_id")), time.monotonic()
        in_crate = pipeline.reported("MeasuredTakeData", "crate_seconds")
        pipeline.wait(seconds)
        spent = common.cpu_of(pipeline.reported("MeasuredTakeData", "process_id")) - before
        in_crate, took = pipeline.reported("MeasuredTakeData", "crate_seconds") - in_crate, time.monotonic() - began
        pipeline.stop()
        pipeline.wait(common.PATIENCE)
        if pipeline.errors or pipeline.reported("MeasuredTakeData", "hits_lost"):
            raise RuntimeError("; ".join(map(str, pipeline.errors)) or "hits are lost")
        ages = [pipeline.reported("EventAges", name) for name in ("p50", "p99")]
        pipeline.quit()
    return [
        common.limited(f"{what}: CPU of TakeData", "% of a core", 100 * spent / took, IDLE_BAR),
        common.Row(f"{what}: of that in the calls of the crate", "% of a core", 100 * in_crate / took),
        common.Row(f"{what}: age of events, decoded, p50", "ms", ages[0]),
        common.limited(f"{what}: age of events, decoded, p99", "ms", ages[1], AGE_BAR),
    ]


if __name__ == "__main__":
    typer.run(main)
