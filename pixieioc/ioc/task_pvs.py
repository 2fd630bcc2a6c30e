"""What the tasks report, as process variables."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any, cast

import numpy as np

from pixieioc.ioc.records import INVALID, MINOR, NO_ALARM, AlarmStatus, Pvs, Stamp, stamp
from pixieioc.pipeline import channel_values
from pixieioc.pipeline.declare import Value
from pixieioc.pipeline.standard import LONGEST_IDLE
from pixieioc.pipeline.task import Task
from pixieioc.pipeline.undeclared import as_json
from pixieioc.pvinfo.declared import PRINTED_LINES
from pixieioc.pvinfo.model import Source


class TaskPvs:
    """The process variables of one task. All that one report changes has the time stamp of the report."""

    def __init__(self, pvs: Pvs, name: str, cls: type[Task], settings: Mapping[str, Value]) -> None:
        self._pvs = pvs
        self.name = name
        self._reports = cls.reports()
        self._settings = settings
        self._targets: dict[str, list[tuple[str, Source]]] = {}
        for name, record in pvs.items():
            source = record.info.source
            if source.kind == "report" and source.task == self.name:
                self._targets.setdefault(source.name, []).append((name, source))
        self._posted: dict[str, Any] = {}
        self._latest: dict[str, Any] = {name: report.initial for name, report in self._reports.items()}
        self._undeclared: dict[str, Any] = {}
        self._lines: deque[str] = deque(maxlen=PRINTED_LINES)
        self._lost = False
        self._idle_since: float | None = None

    def report(self, report: dict[str, Any], time_made: float) -> None:
        """Posts what a report has changed; `time_made` is its Unix time. BadReport for channels that are not there."""
        for name, value in report.items():
            if isinstance(value, np.ndarray | dict) and name in self._reports:
                self._reports[name].accept(self.name, value, self._settings)
        when = stamp(time_made)
        for name, value in report.items():
            self._latest[name] = self._with_others(name, value)
        if self._lost:  # a new process: what it has not said yet is what its predecessor said last
            self._lost = False
            self._posted.clear()
            report = {name: value for name, value in self._latest.items() if name != "status" or name in report}
        for name, value in report.items():
            if name not in self._reports:
                self._undeclared[name] = value
            elif name != "rate":
                self._post(name, value, when)
        if report.keys() & {"rate", "status", "queue_size", "heart_beat"}:
            self._post_rate(when)
        if report.keys() - self._reports.keys():
            self._pvs.post(f"{self.name}:REPORT:JSON_RBV", as_json(self._undeclared), when)

    def _with_others(self, name: str, value: Any) -> Any:
        """All that is known of a report: of large arrays also those of the channels that are not in this one."""
        known = self._latest.get(name)
        large = name in self._reports and self._reports[name].large
        return {**cast("dict[str, Any]", known), **value} if large and isinstance(known, dict) else value

    def show_status(self, status: str) -> None:
        """Posts a status that the task cannot report itself any more."""
        self._latest["status"] = status
        self._post("status", status, stamp())
        if status != "RUNNING":
            self._latest["rate"] = 0.0
            self._post_rate(stamp())
        if status in ("LOST", "DYING"):
            self._lose()

    def _lose(self) -> None:
        """Nobody knows the task's values any more: they stay to be read, as INVALID.

        What is about the process itself, as a boot in progress, is over with it.
        """
        self._lost = True
        for name, targets in self._targets.items():
            if self._reports[name].of_process:
                self._latest[name] = self._reports[name].initial
                self._post(name, self._latest[name], stamp())
                continue
            for target, _ in targets:
                if name != "status":
                    self._pvs[target].post_alarm(INVALID, AlarmStatus.COMM)

    def print(self, text: str) -> None:
        """Posts what the task printed."""
        self._lines.extend(text.split("\n"))
        self._pvs.post(f"{self.name}:PRINT", self._lines[-1], force=True)
        self._pvs.post(f"{self.name}:PrintLog_RBV", "\n".join(self._lines))

    def _post(self, name: str, value: Any, when: Stamp) -> None:
        targets = self._targets.get(name, ())
        if isinstance(value, np.ndarray):
            self._post_array(name, value, targets, when)
            return
        if isinstance(value, dict):
            self._post_channels(cast("dict[str, Any]", value), targets, when)
            return
        for target, _ in targets:
            self._pvs.post(target, value, when)

    def _post_array(self, name: str, value: Any, targets: Iterable[tuple[str, Source]], when: Stamp) -> None:
        """Posts what has changed of a report that has a value for each channel: there may be thousands of them."""
        if not value.size:
            return  # nothing is known yet
        before = self._posted.get(name)
        self._posted[name] = value
        changed: Any = None
        if before is not None and before.shape == value.shape:
            changed = (value != before) & ((value == value) | (before == before))  # NaN is the same as NaN
        for target, source in targets:
            at = source.index if source.number is None else (*source.index, ..., source.number)
            if changed is None or changed[at].any():
                part = value[at]  # the number of a state has to be Python's
                self._pvs.post(target, int(part) if isinstance(part, np.integer) else part, when)

    def _post_channels(self, arrays: Mapping[str, Any], targets: Iterable[tuple[str, Source]], when: Stamp) -> None:
        """Posts large arrays, of those channels that were reported."""
        for target, source in targets:
            array = arrays.get(channel_values.place_name(source.index))
            if array is not None:
                self._pvs.post(target, array, when)

    def _post_rate(self, when: Stamp) -> None:
        """A task that is running, has input and does nothing for a while is worth a look."""
        latest = self._latest
        idle = latest["status"] == "RUNNING" and latest["rate"] == 0 and latest["queue_size"] > 0
        now = time.monotonic()
        self._idle_since = (self._idle_since or now) if idle else None
        long = self._idle_since is not None and now - self._idle_since >= LONGEST_IDLE
        for target, _ in self._targets["rate"]:
            self._pvs.post_with(target, latest["rate"], MINOR if long else NO_ALARM, when)
