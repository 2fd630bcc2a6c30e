"""An offline job from its start to its end: the chain runs once, and a summary tells what was in the files."""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np

from pixieioc.config import Config
from pixieioc.counted import counted
from pixieioc.offline.calibrated import Calibrated
from pixieioc.offline.job import Job, prepare
from pixieioc.offline.pipes import Handed
from pixieioc.offline.summary import Channel, Spectra, Summary
from pixieioc.pipeline import Error, Pipeline, process
from pixieioc.pipeline.channel_values import channel_name
from pixieioc.tasks.calibration import Calibration
from pixieioc.tasks.disk import sync
from pixieioc.tasks.names import shown
from pixieioc.tasks.raw_sources import find, read_sidecar

#: Files that an error names at most.
_NAMED = 3


@dataclasses.dataclass
class Listener:
    """What a caller wants to hear while a job runs."""

    #: Percent of the files that were read, and events that came to the end of the chain.
    progress: Callable[[float, int], None] = lambda percent, events: None
    #: A task's name and what it printed.
    print: Callable[[str, str], None] = lambda task, text: None
    #: A task's name and what takes it long just now.
    starting: Callable[[str, str], None] = lambda task, what: None
    #: Called at least every 50 ms while data flow, and before files get their names: what it raises ends the job.
    check: Callable[[], None] = lambda: None


def replay(job: Job, listener: Listener | None = None) -> Summary:
    """Does a job, and returns when all of it is done.

    Raises Error if anything fails. Then, and when it is interrupted, no file that was asked for is there, nor a part.
    """
    process.prepare()
    listener = listener or Listener()
    with Handed(job.files) as handed:
        try:
            return _replay(job, *prepare(dataclasses.replace(job, files=tuple(handed.names))), listener)
        except Error as error:
            error.args = (handed.as_typed(str(error)),)
            raise


def _replay(job: Job, config: Config, found: Calibrated, listener: Listener) -> Summary:
    with (
        _new_files(job.out) as folder,
        _new_files(job.plot) as picture_folder,
        _Followed(config, folder, listener) as pipeline,
    ):
        pipeline.follow(pipeline.creating(config.tasks))
        pipeline.connect(list(config.chain))
        began = time.monotonic()
        pipeline.start()
        pipeline.wait()
        seconds = time.monotonic() - began
        pipeline.check_losses()
        _refuse_without_events(pipeline, config)
        summary = _summary(pipeline, job, found, seconds)
        if job.plot is not None and picture_folder is not None:
            from pixieioc.offline.plot import plot

            plot(_spectra(pipeline, found), summary, picture_folder / job.plot.name)
        listener.check()
    return summary


class _Followed(Pipeline):
    """The pipeline of a job, which tells its listener what goes on."""

    def __init__(self, config: Config, folder: Path | None, listener: Listener) -> None:
        settings: dict[str, Any] = {task: dict(values) for task, values in config.settings.items()}
        if folder is not None:
            file = settings["WriteEvents"]["file"]
            settings["WriteEvents"]["file"] = str(folder / Path(file).name)
        super().__init__(settings)
        self._listener = listener

    def poll(self) -> bool:
        """Handles at most one message, unless the job is to end."""
        self._listener.check()
        return super().poll()

    def handle_report(self, name: str, report: dict[str, Any]) -> None:
        if report.keys() & {"progress", "events"}:
            percent = self.processes["LoadFiles"].reports["progress"] if "LoadFiles" in self.processes else 0.0
            events = self.processes["CountEvents"].reports["events"] if "CountEvents" in self.processes else 0
            self._listener.progress(percent, events)

    def handle_print(self, name: str, string: str) -> None:
        if name != "LoadFiles":  # which prints damage only: the summary has that
            self._listener.print(name, string)

    def handle_starting(self, name: str, what: str) -> None:
        self._listener.starting(name, what)

    def check_losses(self) -> None:
        """Raises what went wrong first, or Error if not everything has come to the end of the chain."""
        if self.errors:
            raise self.errors[0]
        for name, task in self.processes.items():
            if lost := task.reports["dropped"] + task.reports["balance"]:
                raise Error(f"{name}: {counted(lost, 'block of data was', 'blocks of data were')} lost on the way")


@contextlib.contextmanager
def _new_files(out: Path | None) -> Iterator[Path | None]:
    """A folder beside `out`, whose files get their places when all has gone well; otherwise nothing of it stays."""
    if out is None:
        yield None
        return
    folder = Path(tempfile.mkdtemp(prefix=f"{out.name}.part-", dir=out.parent))
    try:
        yield folder
        # The file that was asked for comes last: when it is there, everything is.
        new = sorted(folder.iterdir(), key=lambda path: path.name == out.name)
        for path in new:
            if (out.parent / path.name).exists():
                raise Error(f"{out.parent / path.name} exists already; nothing is overwritten")
        for path in new:
            path.rename(out.parent / path.name)
        sync(out.parent)
    finally:
        shutil.rmtree(folder)


def _refuse_without_events(pipeline: Pipeline, config: Config) -> None:
    """Error if no event was found in the files, unless they are of runs that have recorded none."""
    load, convert = (pipeline.processes[name].reports for name in ("LoadFiles", "ConvertToEvents"))
    if convert["events"] or load["damage"]:  # what is damaged is shown with all that is known
        return
    files = find(cast("list[str]", config.settings["LoadFiles"]["files"]))
    if all(read_sidecar(path).get("bytes") == 0 for path in files):
        return
    names = ", ".join(shown(path) for path in files[:_NAMED]) + (
        f" and {len(files) - _NAMED} more" if len(files) > _NAMED else ""
    )
    if not load["bytes_read"]:
        raise Error(f"no event in {names}: nothing is in {'it' if len(files) == 1 else 'them'}")
    left = convert["bytes_left_over"] + load["bytes_left_over"]
    raise Error(
        f"no event in {names}: of {load['bytes_read']} bytes, {convert['bytes_lost']} are no records and {left} are of "
        "records that are not complete; raw list-mode data of other ADC rates or firmware revisions look so, too"
    )


def _summary(pipeline: Pipeline, job: Job, found: Calibrated, seconds: float) -> Summary:
    load, convert, sort, count = (
        pipeline.processes[name].reports for name in ("LoadFiles", "ConvertToEvents", "SortEvents", "CountEvents")
    )
    events: int = count["events"]
    return Summary(
        files=job.files,
        bytes=load["bytes_read"],
        events=events,
        channels=tuple(_channels(count, found.calibration)),
        energy_sum=count["energy_sum"],
        trace_samples=count["trace_samples"],
        pileup=count["pileup"],
        corrupt_regions=convert["corrupt_regions"],
        bytes_lost=convert["bytes_lost"],
        bytes_left_over=convert["bytes_left_over"] + load["bytes_left_over"],
        damage=load["damage"],
        late_events=sort["late_events"],
        runs=load["runs_read"],
        counter_resets=sort["resets"],
        first_time=count["first_time"] if events else None,
        last_time=count["last_time"] if events else None,
        seconds=round(seconds, 3),
        out=str(job.out) if job.out else None,
        plot=str(job.plot) if job.plot else None,
        calibration=found.calibration.version or None,
        calibration_from=found.problem or found.source,
        modules_apart=sort["modules_apart"],
        bytes_written=pipeline.processes["WriteEvents"].reports["bytes_written"] if job.out else 0,
    )


def _channels(count: dict[str, Any], calibration: Calibration) -> Iterator[Channel]:
    for module, channel in np.argwhere(count["channel_events"]).tolist():
        events, total, squares, pileup = (
            int(count[f"channel_{name}"][module, channel])
            for name in ("events", "energy_sum", "energy_square_sum", "pileup")
        )
        about = calibration.channels.get(channel_name(module, channel), {})
        texts = {key: about.get(key, "") for key in ("name", "detector", "group")}
        mean = None
        if "gain" in about:
            mean = about["offset"] + (about["gain"] * total + about["quadratic"] * squares) / events
        yield Channel(module, channel, events, total, pileup, mean, **texts)


def _spectra(pipeline: Pipeline, found: Calibrated) -> Spectra:
    told = pipeline.processes["FillSpectra"].reports
    counts = told["spectrum"].copy()
    return Spectra(counts, 65536 / counts.shape[2], told["events_elsewhere"], found.calibration)
