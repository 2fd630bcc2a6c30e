"""WriteEvents: the events of a run as a file for analysis."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

import pixieioc
from pixieioc.listmode import events as ev
from pixieioc.listmode.events import CHUNK_COLUMN, Events
from pixieioc.pipeline import Error, Parameter, Report, Task
from pixieioc.tasks import calibration, complete_files, cut_off, file_errors
from pixieioc.tasks.crate import CrateFacts
from pixieioc.tasks.disk import why_not_new, why_not_written
from pixieioc.tasks.event_files import RUN, EventFile, prepare_pyarrow
from pixieioc.tasks.event_formats import format_of, names_of
from pixieioc.tasks.event_series import EventSeries
from pixieioc.tasks.file_errors import OK, FileErrors
from pixieioc.tasks.file_series import Destination
from pixieioc.tasks.items import EVENTS, Beginning, Ending, events_of
from pixieioc.tasks.run_record import counts_in_metadata
from pixieioc.tasks.sidecar import record_in
from pixieioc.tasks.sidecars_of_run import sidecars_of_run
from pixieioc.tasks.unfinished_files import UnfinishedFiles

#: How often it is looked whether the file is still in its place, in seconds.
_CHECK_INTERVAL = 0.5


class WriteEvents(calibration.ChannelCalibration, Task):
    """Writes events to files in the order in which they arrive, and passes them on.

    A file is named `*.part` until it is complete and on disk; nothing is overwritten. It has the columns that its
    events have. Its metadata tell what they mean, the settings of all tasks, and which run the data are of.
    """

    takes = EVENTS
    events_known = True
    modules, channels = CrateFacts.modules, CrateFacts.channels
    file = Parameter(
        "events_run{run}.parquet",
        path=True,
        doc="The file; {run} in its name stands for the number of the run, with six digits.",
    )
    format = Parameter(
        "parquet", choices=("parquet", "npy"), doc="parquet: one file, needs pyarrow; npy: numpy's own, see events.md."
    )
    chunk_timestamp = Parameter(
        True, doc="Whether the column chunk_timestamp is written: two fifths of a file of events without traces."
    )
    rewrite_limit = Parameter(
        4.0,
        unit="MB",
        low=0,
        high=1e7,
        live=True,
        doc="Size up to which a file is written again when later events have more columns than it; a larger one is "
        "complete then, and the next one begins.",
    )
    file_size_limit = file_errors.size_limit()
    file_time_limit = file_errors.time_limit()
    on_write_error = file_errors.on_write_error()
    second_file_path = file_errors.second_file_path()

    full_file_name = Report("", doc="The file that is or was written last.")
    run_files = complete_files.run_files()
    files_complete = complete_files.files_complete()
    bytes_written = Report(0, unit="B", doc="Bytes written in this run.")
    events_written = Report(0, doc="Events taken into the files in this run.")
    events_not_written = Report(
        0,
        doc="Events of this run that came here and are in no complete file.",
        alarm_hihi=1,
        guidance="The file could not be written, see WriteMessage_RBV. Replay makes it again from the raw files.",
    )
    write_status = file_errors.write_status("events", "File")
    write_message = file_errors.write_message()
    unfinished_files = Report(
        "",
        doc="Files of events of this name that were cut off, as by a power cut or a full disk: pixieioc recover "
        "finishes those in npy, replay makes those in Parquet again from the raw files.",
    )

    @classmethod
    def do_ready(cls, settings: Mapping[str, Any], run_id: int) -> Iterator[str]:
        with suppress(Error, OSError):  # a name that is none is told at the start, a folder that is none, too
            path = _path(settings["file"], run_id)
            if not settings["second_file_path"] and (problem := why_not_written(path.parent)):
                yield problem
            for file in names_of(path, format_of(path, settings["format"])):
                if problem := why_not_new(file) or why_not_new(file.with_name(file.name + ".part"), ".wider"):
                    yield problem

    @classmethod
    def do_sidecars(cls, settings: Mapping[str, Any], run_id: int) -> Iterator[Path]:
        yield from sidecars_of_run(_path(settings["file"], run_id), settings["second_file_path"])

    def do_init(self) -> None:
        self._errors = FileErrors(self)
        self._calibration = calibration.InUse(self.parameter_values)
        self._unfinished = UnfinishedFiles(self, cut_off.event_files)
        self._name_unfinished()
        ev.warm_up()
        self._prepare_format()

    def do_configure(self, config: dict[str, Any]) -> None:
        path = Path(self.file)
        if path.suffix:
            format_of(path)  # whether it is that of `format` is judged when a run starts: they are set one by one
        if calibration.PARAMETERS & config.keys():
            self._calibration.change(self.parameter_values, time.time())
        if {"file", "second_file_path"} & config.keys():
            self._name_unfinished()
        if "format" in config:
            self._prepare_format()

    def do_start(self) -> None:
        self.full_file_name, self.bytes_written, self.events_written, self.events_not_written = "", 0, 0, 0
        self.write_status, self.write_message = OK, ""
        self.run_files, self.files_complete = complete_files.NONE, 0
        self._runs: list[tuple[Beginning | None, Ending | None]] = []  # that the source has said something of
        self._errors.begin()
        self._came, self._checked = 0, time.monotonic()
        self._unfinished.run_begins(self.file, self.second_file_path)
        path = _path(self.file, self.run_id)
        destination = Destination(self._errors.rules, self._errors.waits)
        form, too_slow = format_of(path, self.format), self._errors.too_slow
        self._files = EventSeries(
            destination, path, form, self._about, self._calibration, too_slow, lambda: 1e6 * self.rewrite_limit
        )
        self._files.begin()
        self._errors.report(destination)

    def do_work(self, datum: Any) -> None:
        with self._errors.completing(self._files, self._after_error):
            block = events_of(datum, self.name)
            if "begins" in block:
                self._runs.append((block["begins"], None))
            if "ends" in block:
                self._runs[-1:] = [(self._runs[-1][0] if self._runs else None, block["ends"])]
            self._came += ev.size(block["events"])
            self._errors.guarded(lambda: self._files.write(self._wanted(block["events"])))
            self.events_written = self._came
            self._check_in_place()
        self.events += ev.size(block["events"])
        self.send(block)

    def do_wait(self) -> None:
        if self.running:
            with self._errors.completing(self._files, self._after_error):
                self._check_in_place()
        else:
            self._unfinished.follow(self.file, self.second_file_path)

    def _check_in_place(self) -> None:
        """Now and then: whether what is written goes to where somebody will find it."""
        if time.monotonic() - self._checked >= _CHECK_INTERVAL:
            self._checked = time.monotonic()
            self._errors.guarded(self._files.check_in_place)
        self._errors.report(self._files.destination)

    def _after_error(self) -> None:
        self._count()
        self._name_unfinished()

    def _prepare_format(self) -> None:
        if self.format == "parquet" and find_spec("pyarrow"):
            prepare_pyarrow()  # which takes its time; without the package, a start says what is missing

    def _name_unfinished(self) -> None:
        self._unfinished.name(self.file, self.second_file_path)

    def _count(self) -> None:
        self.bytes_written, self.events_written = self._files.bytes, self._files.events
        self.events_not_written = self._came - self._files.events

    def _wanted(self, events: Events) -> Events:
        """The columns that are to be written; of recorded data the number of the run, if it is known."""
        count = ev.size(events)
        left_out = () if self.chunk_timestamp else (CHUNK_COLUMN.name,)
        wanted = {name: column for name, column in events.items() if name not in left_out}
        begins = self._runs[-1][0] if self._runs else None
        if begins is not None and (run_id := begins["run_id"]) is not None:
            wanted[RUN.name] = np.full(count, run_id, RUN.dtype)
        return wanted

    def do_report(self) -> None:
        if self.running and self.full_file_name:
            self.bytes_written = self._files.bytes

    def do_stop(self) -> None:
        self.flush_report()  # counts what was dropped
        self._errors.over = True
        with self._errors.completing(self._files, self._after_error):
            self._errors.guarded(lambda: self._files.finish("IOC lost" if self.pipeline_lost else "run ended"))
        self._errors.report(self._files.destination)
        self._count()

    def _about(self, file: EventFile | None, part: int, reason: str) -> dict[str, Any]:
        """The metadata of a file; also of one that has just begun, for as long as nothing else is known."""
        settings = calibration.settings_without(self.run_settings)
        settings.get(self.name, {}).pop("file", None)  # it has this name now, and may get another
        written = {"run_id": self.run_id, "start_time": self.run_started, "end_time": time.time()}
        runs = [{name: (begins or written).get(name) for name in written} for begins, _ in self._runs] or [written]
        counts = [counts_in_metadata(*run) if self._errors.over else {} for run in self._runs] or [{}]
        return {
            **record_in(dict(self.run_record)),
            "software": f"pixieioc {pixieioc.__version__}",
            **(runs[0] if len(runs) == 1 else dict.fromkeys(written)),
            "runs": runs if len(runs) == 1 else [{**of, **told} for of, told in zip(runs, counts, strict=True)],
            "part": part,
            **(counts[-1] if len(runs) == 1 else {}),
            **({name: getattr(file, name) for name in ("events", "first_time", "last_time")} if file else {}),
            "written": {**written, "end_reason": reason},
            "items_discarded": self.dropped,
            "calibration": self._files.calibrated.about(),
            "configuration": settings,
        }


def _path(name: str, run_id: int) -> Path:
    """The file of a run."""
    return Path(name.replace("{run}", f"{run_id:06d}"))
