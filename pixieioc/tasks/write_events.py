"""WriteEvents: the events of a run as a file for analysis."""

from __future__ import annotations

import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

import pixieioc
from pixieioc.listmode import events as ev
from pixieioc.pipeline import Parameter, Report, Task
from pixieioc.tasks.event_files import ALWAYS, OPTIONAL, TRACE, import_pyarrow, new_file
from pixieioc.tasks.items import EVENTS, events_of


class WriteEvents(Task):
    """Writes events to a file in the order in which they come, and hands them on.

    The file is named `*.part` until it is complete and on disk; nothing is overwritten. Its metadata tell what the
    columns mean, the settings of all tasks and the number of the run.
    """

    takes = EVENTS
    events_known = True
    heart_beat_timeout = 120.0  # bringing a large file safely to a slow disk takes its time

    file = Parameter(
        "events_run{run}.parquet",
        path=True,
        doc="The file; {run} in its name stands for the number of the run, with six digits.",
    )
    format = Parameter(
        "parquet", choices=("parquet", "npy"), doc="parquet: one file, needs pyarrow; npy: numpy's own, see events.md."
    )

    full_file_name = Report("", doc="The file of this run, or of the last one.")
    bytes_written = Report(0, unit="B", doc="Bytes written in this run.")
    events_written = Report(0, doc="Events taken into the file in this run.")

    def do_init(self) -> None:
        if self.format == "parquet" and find_spec("pyarrow"):
            import_pyarrow()  # which takes its time; without it, a start says what is missing

    def do_start(self) -> None:
        self.full_file_name, self.bytes_written, self.events_written = "", 0, 0
        path = Path(self.file.replace("{run}", f"{self.run_id:06d}"))
        self._file = new_file(path, self.format)
        self.full_file_name = str(path)

    def do_work(self, datum: Any) -> None:
        try:
            block = events_of(datum, self.name)
            self._file.append(block["events"])
        except Exception:  # a file that lacks something in the middle is of no use
            self._file.discard()
            raise
        self.events += ev.size(block["events"])
        self.events_written = self._file.events
        self.send(block)

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
        return {
            "software": f"pixieioc {pixieioc.__version__}",
            "run_id": self.run_id,
            "start_time": self.run_started,
            "end_time": time.time(),
            "events": self._file.events,
            "items_discarded": self.dropped,
            "configuration": settings,
            "columns": {
                column.name: {"type": np.dtype(column.dtype).name, "unit": column.unit, "meaning": column.doc}
                for column in (*ALWAYS, *OPTIONAL, TRACE)
            },
        }
