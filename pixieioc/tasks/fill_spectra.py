"""FillSpectra: an energy histogram per module and channel, and what is in its regions of interest."""

from __future__ import annotations

import time
from typing import Any

import boost_histogram as bh
import numpy as np
from numpy.typing import NDArray

from pixieioc.listmode import events as ev
from pixieioc.pipeline import Parameter, Report, Task
from pixieioc.pipeline.rate import RateWindow
from pixieioc.tasks.channel_rates import RATE_INTERVAL, OutputRates
from pixieioc.tasks.energy_spectra import EnergySpectra
from pixieioc.tasks.items import EVENTS, events_of
from pixieioc.tasks.kept_spectra import KeptSpectra, Spectra
from pixieioc.tasks.regions import sums

Column = NDArray[Any]
#: Energies of the Pixie-16 have 16 bits.
_ENERGY_BITS = 16
#: Without events for so long, in seconds, a rate is 0.
_SILENCE = 2.0
#: How long the end of the process waits for the spectra to be kept at most, in seconds.
_LAST = 2.0
#: What the sums of the regions of interest depend on, beside the spectra.
_OF_REGIONS = {"roi_low", "roi_high", "roi_background"}


class FillSpectra(EnergySpectra, KeptSpectra, OutputRates, Task):
    """Fills one energy spectrum per module and channel, counts in its regions of interest, and passes the events on."""

    takes = EVENTS
    events_known = True

    interval = Parameter(
        0.5, unit="s", low=0.5, high=60, live=True, doc="Shortest time between two updates of the spectra during a run."
    )
    erase = Parameter(False, command=True, live=True, doc="Clears the spectra.")
    keep = Parameter(False, live=True, doc="Whether spectra go on growing over several runs.")

    spectrum = Report(
        np.zeros((0, 0, 0), np.int32), per="channel", length="bins", doc="Events by energy.", pv="Spectrum_RBV"
    )
    counts = Report(np.zeros((0, 0)), per="channel", doc="Events in the spectrum.", pv="Counts_RBV")
    roi_counts = Report(
        np.zeros((0, 0, 0)), per="channel", times="rois", doc="Events in the region.", pv="ROI{}:Counts_RBV"
    )
    roi_net = Report(
        np.zeros((0, 0, 0)),
        per="channel",
        times="rois",
        doc="Events in the region above a background that is a straight line between its edges.",
        pv="ROI{}:Net_RBV",
    )
    events_elsewhere = Report(
        0,
        alarm_hihi=1,
        doc="Events of this run from modules or channels that have no spectrum.",
        guidance="modules and channels in the table [crate] of the configuration are fewer than there are.",
    )

    def do_configure(self, config: dict[str, Any]) -> None:
        if config.get("erase"):
            self._make()
            self._begin_rates()
            self.spectra_run = self.run_id if self.running else 0
        if config.get("erase") or config.get("keep_spectra"):
            self.save_spectra(now=True)
        self._regions_changed |= not _OF_REGIONS.isdisjoint(config)

    def do_init(self) -> None:
        self._make()
        self.begin_keeping()
        self._begin_rates()

    def do_start(self) -> None:
        if not self.keep:
            self._make()
        self._begin_rates()
        self.events_elsewhere = 0
        self.spectra_run = self.run_id

    def do_stop(self) -> None:
        self.save_spectra(now=True)

    def do_quit(self) -> None:
        self.end_keeping(_LAST)

    def do_work(self, datum: Any) -> None:
        block = events_of(datum, self.name)
        events = block["events"]
        if count := ev.size(events):
            module, channel, energies = events["module"], events["channel"], events["energy"]
            only = module[:1] if ev.is_repeated(module) else module
            if only.max() >= self.modules or channel.max() >= self.channels:
                known = (module < self.modules) & (channel < self.channels)
                only, channel, energies = module[known], channel[known], energies[known]
            self._histogram.fill(self._places(only, channel, energies))
            self._changed, self._filled = True, time.monotonic()
            self.events += count
            self.events_elsewhere += count - len(energies)
        self.send(block)

    def _places(self, module: Column, channel: Column, energy: Column) -> Column:
        """Where events are counted: bin by bin, channel by channel; in place, which takes half the time."""
        places = channel.astype(np.int32)
        places *= np.int32(self.bins)
        places += module * np.int32(self.channels * self.bins)
        if self.bins & (self.bins - 1):
            places += (energy.astype(np.uint32) * np.uint32(self.bins) >> np.uint32(_ENERGY_BITS)).astype(np.int32)
        else:
            places += energy >> np.uint16(_ENERGY_BITS + 1 - self.bins.bit_length())
        return places

    def do_report(self) -> None:
        now = time.monotonic()
        self._report_rates(now)
        if self.running:
            self.save_spectra(now=False)
        if self._changed and (self._shown is None or not self.running or now - self._shown >= self.interval):
            self._changed, self._regions_changed, self._shown = False, True, now
            self.counts = self._counts()
            # Channel Access has no integers above 32 bits: a bin stays at its highest value rather than wrap.
            spectra = np.minimum(self._spectra(), np.iinfo(np.int32).max).astype(np.int32)
            self.spectrum = spectra.reshape(self.modules, self.channels, self.bins)
        if self._regions_changed:
            self._regions_changed = False
            self._report_regions()

    def spectra_now(self) -> Spectra:
        return self._spectra().reshape(self.modules, self.channels, self.bins)

    def _begin_rates(self) -> None:
        self._filled = time.monotonic()
        self._rate = RateWindow(0.0, RATE_INTERVAL, self._filled, self._counts())

    def _report_rates(self, now: float) -> None:
        """Rates are counted from block to block, so that it does not matter how many of them come between reports."""
        until = self._filled if now - self._filled < _SILENCE else now
        if not self.running:
            self.channel_output_rate = np.zeros((self.modules, self.channels))
        elif until - self._rate.since >= RATE_INTERVAL:  # to add all bins up takes time
            rates = self._rate.rates(until, self._counts())
            assert rates is not None
            self.channel_output_rate = rates[0]

    def _report_regions(self) -> None:
        low, high = (np.array(bins).reshape(-1, self.rois) for bins in (self.roi_low, self.roi_high))
        found = np.zeros((2, *low.shape))
        used = (high >= 0).any(axis=1)
        if used.any():
            found[:, used] = sums(self._spectra()[used], low[used], high[used], self.roi_background)
        self.roi_counts, self.roi_net = found.reshape(2, self.modules, self.channels, self.rois)

    def _make(self) -> None:
        # One axis for channels and bins: filled twice as fast as two.
        places = bh.axis.Integer(0, self.modules * self.channels * self.bins, underflow=False, overflow=False)
        self._histogram = bh.Histogram(places, storage=bh.storage.Int64())
        self._changed = self._regions_changed = True
        self._shown: float | None = None

    def _spectra(self) -> np.ndarray[Any, Any]:
        """What is in each bin, one row per channel."""
        return self._histogram.view().reshape(self.modules * self.channels, self.bins)

    def _counts(self) -> np.ndarray[Any, Any]:
        counts = self._spectra().sum(axis=1)
        return counts.reshape(self.modules, self.channels).astype(np.float64)
