"""What a task is to report next: values checked as they are made, merged, the newest wins."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from pixieioc.pipeline.declare import BadReport, FrameReport, reports_of
from pixieioc.pipeline.payloads import PROTOCOL_WORDS
from pixieioc.pipeline.report import refusal
from pixieioc.pipeline.undeclared import Undeclared

#: A report leaves at most once in this many seconds; values wait, the newest wins.
REPORT_INTERVAL = 0.5


class Reporting:
    """Values on their way to the pipeline, at most two messages a second unless forced.

    `task` is the task: what is assigned to its declared reports waits in its `report_changed` and `report_values`, to
    which any thread may add.
    """

    def __init__(self, task: Any) -> None:
        self._task = task
        self._declared = reports_of(type(task))
        self._undeclared = Undeclared()
        self._values: dict[str, Any] = {}
        self._last = 0.0

    def add(self, values: Mapping[str, Any]) -> None:
        """Puts values into the next report, all or none; BadReport names the one that cannot be."""
        name: str = self._task.name
        others: dict[str, Any] = {}
        accepted: dict[str, Any] = {}
        for key, value in values.items():
            report = self._declared.get(key)
            if isinstance(report, FrameReport):
                raise BadReport(refusal(name, key), task=name)
            if key in PROTOCOL_WORDS:
                raise BadReport(f"{name}.{key}: the pipeline's messages use this word; give the report another name")
            if report is None:
                others[key] = value
            else:
                accepted[key] = report.accept(name, value, self._task.parameter_values)
        self._undeclared.check(name, others)
        self._values.update(others)
        for key, value in accepted.items():
            self._declared[key].keep(self._task, value)

    @property
    def name(self) -> str:
        """The task's."""
        return self._task.name

    @property
    def empty(self) -> bool:
        """True if no value waits."""
        return not self._values and not self._task.report_changed

    @property
    def due_in(self) -> float:
        """Seconds until the next report may leave."""
        return self._last + REPORT_INTERVAL - time.monotonic()

    def take(self) -> dict[str, Any]:
        """The values that wait; they count as reported now."""
        values, self._values = self._values, {}
        changed: set[str] = self._task.report_changed
        while changed:  # one by one: another thread may add some meanwhile
            name = changed.pop()
            values[name] = self._task.report_values[name]
        self._last = time.monotonic()
        return values
