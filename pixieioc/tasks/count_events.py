"""CountEvents: what came from which channel, in numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from pixieioc.listmode import events as ev
from pixieioc.listmode.events import Events
from pixieioc.listmode.flags import FLAG_PILEUP
from pixieioc.pipeline import Parameter, Report, Task
from pixieioc.tasks.items import EVENTS, events_of


class CountEvents(Task):
    """Counts events, pile-up and trace samples, sums energies, as whole and by channel, and hands the events on."""

    takes = EVENTS
    events_known = True

    modules = Parameter(1, low=1, high=256, fixed=True, doc="Number of modules that are counted, from module 0.")
    channels = Parameter(16, low=1, high=64, fixed=True, doc="Number of channels of each module that are counted.")

    energy_sum = Report(0, doc="Sum of the energies of all events of this run, ADC units.")
    pileup = Report(0, doc="Events of this run that the module marked as pile-up.")
    trace_samples = Report(0, unit="samples", doc="Samples of all traces of this run.")
    first_time = Report(0, unit="ns", doc="Earliest time of an event of this run, by the module's counter.")
    last_time = Report(0, unit="ns", doc="Latest time of an event of this run, by the module's counter.")
    events_elsewhere = Report(
        0,
        alarm_hihi=1,
        doc="Events of this run from modules or channels that are not counted one by one.",
        guidance="CountEvents' parameters modules and channels do not cover the crate.",
    )
    channel_events = Report(np.zeros((0, 0), np.int64), per="channel", doc="Events of this run.", pv="Events_RBV")
    channel_energy_sum = Report(
        np.zeros((0, 0), np.int64),
        per="channel",
        doc="Sum of the energies of this run, ADC units.",
        pv="EnergySum_RBV",
    )
    channel_energy_square_sum = Report(
        np.zeros((0, 0), np.int64),
        per="channel",
        doc="Sum of the squares of the energies of this run, ADC units.",
        pv="EnergySquareSum_RBV",
    )
    channel_pileup = Report(np.zeros((0, 0), np.int64), per="channel", doc="Pile-up of this run.", pv="Pileup_RBV")

    def do_start(self) -> None:
        self.energy_sum = self.pileup = self.trace_samples = self.events_elsewhere = 0
        self.first_time = self.last_time = 0
        self._sums = np.zeros((4, self.modules * self.channels), np.int64)
        self._changed = True

    def do_work(self, datum: Any) -> None:
        block = events_of(datum, self.name)
        if ev.size(block["events"]):
            self._count(block["events"])
        self.send(block)

    def do_report(self) -> None:
        if self.run_id and self._changed:
            self._changed = False
            shape = (self.modules, self.channels)
            # Copies: what was reported must not change on its way.
            events, energies, pileup, squares = self._sums.reshape(4, *shape).copy()
            self.channel_events, self.channel_energy_sum, self.channel_pileup = events, energies, pileup
            self.channel_energy_square_sum = squares

    def _count(self, events: Events) -> None:
        time, count = events["time"], ev.size(events)
        earliest, latest = int(time.min()), int(time.max())
        self.first_time = min(self.first_time, earliest) if self.events else earliest
        self.last_time = max(self.last_time, latest) if self.events else latest
        energy, piled_up = events["energy"], events["flags"] & FLAG_PILEUP > 0
        self.events += count
        self.energy_sum += int(energy.sum(dtype=np.int64))
        self.pileup += int(np.count_nonzero(piled_up))
        if "trace_length" in events:
            self.trace_samples += int(events["trace_length"].sum(dtype=np.int64))
        self._count_channels(events["module"].astype(np.intp), events["channel"], energy, piled_up)

    def _count_channels(self, module: Any, channel: Any, energy: Any, piled_up: Any) -> None:
        known = (module < self.modules) & (channel < self.channels)
        row = module * self.channels + channel
        if not known.all():
            self.events_elsewhere += len(row) - int(np.count_nonzero(known))
            row, energy, piled_up = row[known], energy[known], piled_up[known]
        total = self._sums.shape[1]
        self._sums[0] += np.bincount(row, minlength=total)
        # The sums of one block are exact in float64.
        self._sums[1] += np.bincount(row, weights=energy, minlength=total).astype(np.int64)
        self._sums[2] += np.bincount(row[piled_up], minlength=total)
        self._sums[3] += np.bincount(row, weights=np.square(energy, dtype=np.float64), minlength=total).astype(np.int64)
        self._changed = True
