"""FillSpectra: an energy histogram per module and channel."""

from __future__ import annotations

import time
from typing import Any

import boost_histogram as bh
import numpy as np

from pixieioc.listmode import events as ev
from pixieioc.pipeline import Parameter, Report, Task
from pixieioc.tasks.items import events_of

#: Energies of the Pixie-16 have 16 bits.
_ENERGIES = 65536
#: A rate is counted over at least so many seconds.
_RATE_INTERVAL = 0.4


class FillSpectra(Task):
    """Fills one energy spectrum per module and channel, and hands the events on."""

    events_known = True

    modules = Parameter(1, low=1, high=13, fixed=True, doc="Number of modules with spectra, from module 0.")
    channels = Parameter(16, low=1, high=32, fixed=True, doc="Number of channels of each module with spectra.")
    bins = Parameter(2048, low=16, high=65536, fixed=True, doc="Bins of a spectrum, over all energies from 0 to 65535.")
    erase = Parameter(False, command=True, live=True, doc="Clears the spectra.")
    keep = Parameter(False, live=True, doc="Whether spectra go on growing over several runs.")

    spectrum = Report(
        np.zeros((0, 0, 0), np.int32), per="channel", length="bins", doc="Events by energy.", pv="Spectrum_RBV"
    )
    counts = Report(np.zeros((0, 0)), per="channel", doc="Events in the spectrum.", pv="Counts_RBV")
    output_count_rate = Report(
        np.zeros((0, 0)), per="channel", unit="1/s", doc="Events a second.", precision=1, pv="OutputCountRate_RBV"
    )
    events_elsewhere = Report(
        0,
        hihi=1,
        doc="Events of this run from modules or channels that have no spectrum.",
        guidance="FillSpectra's parameters modules and channels do not cover the crate.",
    )

    def do_configure(self, config: dict[str, Any]) -> None:
        if config.get("erase"):
            self._make()

    def do_init(self) -> None:
        self._make()
        self._rate_base = (time.monotonic(), self._counts())

    def do_start(self) -> None:
        if not self.keep:
            self._make()
        self._rate_base = (time.monotonic(), self._counts())
        self.events_elsewhere = 0

    def do_work(self, datum: Any) -> None:
        block = events_of(datum, self.name)
        events = block["events"]
        if count := ev.size(events):
            module, channel, energies = events["module"], events["channel"], events["energy"]
            row = module * np.uint16(self.channels) + channel  # 16 bits: at most 255 * 32 + 255
            if module.max() >= self.modules or channel.max() >= self.channels:
                known = (module < self.modules) & (channel < self.channels)
                row, energies = row[known], energies[known]
            self._histogram.fill(row, energies)
            self._changed = True
            self.events += count
            self.events_elsewhere += count - len(row)
        self.send(block)

    def do_report(self) -> None:
        now, (then, before) = time.monotonic(), self._rate_base
        if not self.running:
            self.output_count_rate = np.zeros((self.modules, self.channels))
        elif now - then >= _RATE_INTERVAL:
            counts = self._counts()
            self.output_count_rate = (counts - before) / (now - then)
            self._rate_base = (now, counts)
        if self._changed:
            self._changed = False
            self.counts = self._counts()
            # Channel Access has no integers above 32 bits: a bin stays at its highest value rather than wrap.
            spectra = np.minimum(self._histogram.view(), np.iinfo(np.int32).max).astype(np.int32)
            self.spectrum = spectra.reshape(self.modules, self.channels, self.bins)

    def _make(self) -> None:
        rows = bh.axis.Integer(0, self.modules * self.channels, underflow=False, overflow=False)
        energy = bh.axis.Regular(self.bins, 0, _ENERGIES, underflow=False, overflow=False)
        self._histogram = bh.Histogram(rows, energy, storage=bh.storage.Int64())
        self._changed = True

    def _counts(self) -> np.ndarray[Any, Any]:
        counts = self._histogram.view().sum(axis=1)
        return counts.reshape(self.modules, self.channels).astype(np.float64)
