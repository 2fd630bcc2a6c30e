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
from pixieioc.tasks.disk import why_not_new
from pixieioc.tasks.event_files import RUN, import_pyarrow
from pixieioc.tasks.event_formats import format_of, names_of, new_file
from pixieioc.tasks.items import EVENTS, Beginning, Ending, events_of
from pixieioc.tasks.run_record import counts_in_metadata


class WriteEvents(Task):
    """Writes events to a file in the order in which they arrive, and passes them on.

    The file is named `*.part` until it is complete and on disk; nothing is overwritten. It has the columns that its
    events have. Its metadata tell what they mean, the settings of all tasks, and which run the data are of.
    """

    takes = EVENTS
    events_known = True
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

    full_file_name = Report("", doc="The file of this run, or of the last one.")
    bytes_written = Report(0, unit="B", doc="Bytes written in this run.")
    events_written = Report(0, doc="Events taken into the file in this run.")

    @classmethod
    def do_ready(cls, settings: Mapping[str, Any], run_id: int) -> Iterator[str]:
        with suppress(Error, OSError):  # a name that is none is told at the start, a folder that is none, too
            path = _path(settings["file"], run_id)
            for file in names_of(path, format_of(path, settings["format"])):
                if problem := why_not_new(file) or why_not_new(file.with_name(file.name + ".part"), ".wider"):
                    yield problem

    def do_init(self) -> None:
        if self.format == "parquet" and find_spec("pyarrow"):
            import_pyarrow()  # which takes its time; without it, a start says what is missing

    def do_configure(self, config: dict[str, Any]) -> None:
        path = Path(self.file)
        if path.suffix:
            format_of(path)  # whether it is that of `format` is judged when a run starts: they are set one by one

    def do_start(self) -> None:
        self.full_file_name, self.bytes_written, self.events_written = "", 0, 0
        path = _path(self.file, self.run_id)
        self._file = new_file(path, format_of(path, self.format))
        self._runs: list[dict[str, Any]] = []  # of recorded data
        self._begins: Beginning | None = None
        self._ends: Ending | None = None
        self._first: int | None = None
        self._last: int | None = None
        self.full_file_name = str(path)

    def do_work(self, datum: Any) -> None:
        try:
            block = events_of(datum, self.name)
            if "begins" in block:
                self._runs.append({name: block["begins"].get(name) for name in ("run_id", "start_time", "end_time")})
                self._begins = block["begins"]
            self._ends = block.get("ends", self._ends)
            self._file.append(self._wanted(block["events"]))
        except Exception:  # a file that lacks something in the middle is of no use
            self._file.discard()
            raise
        self.events += ev.size(block["events"])
        self.events_written = self._file.events
        self.send(block)

    def _wanted(self, events: Events) -> Events:
        """The columns that are to be written; of recorded data the number of the run, if it is known."""
        count = ev.size(events)
        if count:
            self._last = int(events["time"][-1])
            self._first = int(events["time"][0]) if self._first is None else self._first
        left_out = () if self.chunk_timestamp else (CHUNK_COLUMN.name,)
        wanted = {name: column for name, column in events.items() if name not in left_out}
        if self._runs and (run_id := self._runs[-1]["run_id"]) is not None:
            wanted[RUN.name] = np.full(count, run_id, RUN.dtype)
        return wanted

    def do_report(self) -> None:
        if self.running and self.full_file_name:
            self.bytes_written = self._file.bytes

    def do_stop(self) -> None:
        self.flush_report()  # counts what was dropped
        self._file.finish(self._about())
        self.bytes_written = self._file.bytes

    def _about(self) -> dict[str, Any]:
        settings = {task: dict(values) for task, values in self.run_settings.items()}
        settings.get(self.name, {}).pop("file", None)  # it has this name now, and may get another
        written = {"run_id": self.run_id, "start_time": self.run_started, "end_time": time.time()}
        runs = self._runs or [written]  # live data are of this run
        return {
            "software": f"pixieioc {pixieioc.__version__}",
            **(runs[0] if len(runs) == 1 else dict.fromkeys(written)),
            "runs": runs,
            **counts_in_metadata(self._begins, self._ends),
            "events": self._file.events,
            "first_time": self._first,
            "last_time": self._last,
            "written": {**written, "end_reason": "IOC lost" if self.pipeline_lost else "run ended"},
            "items_discarded": self.dropped,
            "configuration": settings,
        }


def _path(name: str, run_id: int) -> Path:
    """The file of a run."""
    return Path(name.replace("{run}", f"{run_id:06d}"))
