"""What an operator sees at a glance: what is in alarm, what happened when, what a start would do, numbers in words."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

import numpy as np

from pixieioc.config import Config
from pixieioc.ioc.alarm_rows import AlarmRows
from pixieioc.ioc.forecast import Outlook, start_message
from pixieioc.ioc.live import LivePipeline
from pixieioc.ioc.readiness import Readiness
from pixieioc.ioc.records import Pvs, Record
from pixieioc.ioc.run_log import RunLog
from pixieioc.ioc.settings import Settings
from pixieioc.ioc.state import State
from pixieioc.ioc.text import duration, round_above, size
from pixieioc.tasks.take_data import TakeData

#: How the numbers with these units are said.
_SAID: dict[str, Callable[[float], str]] = {
    "s": duration,
    "h": lambda hours: duration(hours * 3600),
    "B": size,
    "GB": lambda gigabytes: size(gigabytes * 1e9),
}


class Overview:
    """Posts it all; `look` is called once a second and when something has changed, `count` more often."""

    def __init__(
        self, pvs: Pvs, config: Config, state: State, pipeline: LivePipeline, settings: Settings, log: RunLog
    ) -> None:
        self._pvs = pvs
        self._chain = tuple(config.tasks)
        self._alarms = AlarmRows(pvs, self._chain)
        self._state = state
        self._pipeline = pipeline
        self._settings = settings
        texts = [record.info for record in pvs.values() if record.info.text_of in pvs]
        self._texts = [(text.name, pvs[text.text_of]) for text in texts if not text.source.task]
        self._texts_of_tasks = [(text.name, pvs[text.text_of]) for text in texts if text.source.task]
        pvs.post("SimMode_RBV", "Hardware" if _has_hardware(config) else "Simulation")
        log.add("the IOC has been started")
        if state.interrupted:
            log.add(f"run {state.interrupted} was cut off by the end of the IOC before")

    def update(self, readiness: Readiness, *, in_run: bool) -> None:
        """Alarms, the outlook for a start, and the settings that wait."""
        self._alarms.show()
        self._show_texts(self._texts_of_tasks)  # which are many
        waiting = [f"{task or 'run'}.{name}" for task, of_task in self._settings.dirty.items() for name in of_task]
        self._pvs.post("ConfigWaiting_RBV", ", ".join(waiting))
        self._pvs.post("StartMessage_RBV", start_message(self._outlook(readiness, len(waiting), in_run=in_run)))
        self._pvs.post("ReadyCure_RBV", "None" if in_run else readiness.cure)
        self._show_time_left(in_run=in_run)
        known = self._pvs["RateHistory_RBV"].value
        self._pvs.post("RateHistoryMax_RBV", round_above(float(np.nanmax(known, initial=0.0))))

    def count(self, *, in_run: bool) -> None:
        """Times and sizes as they are now."""
        self._show_texts(self._texts)
        self._show_time_left(in_run=in_run)

    def _show_texts(self, texts: Iterable[tuple[str, Record]]) -> None:
        for name, number in texts:
            self._pvs.post_with(name, _SAID[number.info.unit](float(number.value)), number.severity)

    def _show_time_left(self, *, in_run: bool) -> None:
        """The deadline of a run that has ended, or of tasks that are shut down, is nobody's any more."""
        deadline = self._pipeline.watchdog.deadline if in_run else None
        left = 0.0 if deadline is None else max(0.0, deadline - time.monotonic())
        self._pvs.post("StopTimeLeft_RBV", np.ceil(left))

    def _outlook(self, readiness: Readiness, waiting: int, *, in_run: bool) -> Outlook:
        there = self._pipeline.processes
        saved_in = self._settings.shared("file_path", "") if self._settings.shared("auto_save", False) else ""
        return Outlook(
            self._state.run_id + 1, in_run, readiness.message,
            failed=[name for name in self._chain if name in there and there[name].failed],
            missing=[name for name in self._chain if name not in there],
            waiting=waiting, saved_in=saved_in,
        )  # fmt: skip


def _has_hardware(config: Config) -> bool:
    """Whether the source of the chain is a crate, and not a simulated one."""
    source = config.chain[0]
    return issubclass(config.tasks[source], TakeData) and config.settings[source]["implementation"] != "simulated"
