"""SnapTraces: now and then a trace of each channel, to look at."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from pixieioc.listmode import events as ev
from pixieioc.listmode.events import Events
from pixieioc.pipeline import Parameter, Report, Task
from pixieioc.tasks.crate import CrateFacts
from pixieioc.tasks.items import EVENTS, events_of


class SnapTraces(Task):
    """Shows the trace of a recent event of each channel, and passes the events on."""

    takes = EVENTS
    events_known = True

    modules, channels = CrateFacts.modules, CrateFacts.channels
    max_samples = Parameter(
        1000,
        unit="samples",
        low=10,
        high=32768,
        fixed=True,
        doc="Samples of a trace that are shown, from its beginning.",
    )
    interval = Parameter(
        0.5, unit="s", low=0.5, high=3600, at_once=True, doc="Shortest time between two traces of a channel."
    )
    freeze = Parameter(False, at_once=True, doc="Whether the traces on display are frozen.")
    erase = Parameter(False, command=True, live=True, doc="Clears the traces.")

    trace = Report(
        np.zeros((0, 0, 0)),
        per="channel",
        length="max_samples",
        unit="ADC",
        doc="Trace of a recent event; NaN before the first, and beyond the end of a short one.",
        pv="Trace_RBV",
    )
    trace_energy = Report(
        np.zeros((0, 0)), per="channel", doc="Energy of the event whose trace is shown.", pv="TraceEnergy_RBV"
    )
    traces_seen = Report(0, doc="Events of this run that have a trace.")

    def do_init(self) -> None:
        self._clear()

    def do_configure(self, config: dict[str, Any]) -> None:
        if config.get("erase"):
            self._clear()

    def do_start(self) -> None:
        self.traces_seen = 0
        self._due[:] = 0.0

    def do_work(self, datum: Any) -> None:
        block = events_of(datum, self.name)
        events = block["events"]
        self.events += ev.size(events)
        if ev.TRACES in events:
            self.traces_seen += int(np.count_nonzero(events["trace_length"]))
            self._snap(events, time.monotonic())
        self.send(block)

    def do_report(self) -> None:
        if self._changed:
            self._changed = False
            shape = (self.modules, self.channels)
            # Copies: what was reported must not change on its way.
            self.trace = self._traces.reshape(*shape, -1)[:, :, : max(1, int(self._lengths.max()))].copy()
            self.trace_energy = self._energies.reshape(shape).copy()

    def _snap(self, events: Events, now: float) -> None:
        """Takes the last trace of each channel that is due."""
        if self.freeze or now < self._due.min():
            return
        module, channel = events["module"].astype(np.intp), events["channel"].astype(np.intp)
        known = (module < self.modules) & (channel < self.channels) & (events["trace_length"] > 0)
        indices, found = (module * self.channels + channel)[known], np.flatnonzero(known)
        indices, last = np.unique(indices[::-1], return_index=True)
        for index, row in zip(indices, found[::-1][last], strict=True):
            if now >= self._due[index]:
                self._take(index, events, row)
                self._due[index] = now + self.interval

    def _take(self, index: int, events: Events, row: int) -> None:
        length = min(int(events["trace_length"][row]), self.max_samples)
        start = int(events["trace_start"][row])
        self._traces[index, :length] = events[ev.TRACES][start : start + length]
        self._traces[index, length:] = np.nan
        self._lengths[index] = length
        self._energies[index] = events["energy"][row]
        self._changed = True

    def _clear(self) -> None:
        total = self.modules * self.channels
        # 32 bits hold every sample exactly, and NaN where a trace has none.
        self._traces = np.full((total, self.max_samples), np.nan, np.float32)
        self._lengths = np.zeros(total, np.intp)
        self._energies = np.full(total, np.nan)
        self._due = np.zeros(total)
        self._changed = True
