"""DummyData: a simulated crate as the source of a run, without any hardware."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from pixieioc.detector.response import DETECTORS
from pixieioc.detector.simulation import Simulation, warm_up
from pixieioc.detector.sources import SOURCES
from pixieioc.hardware.setting_table import CHANNEL_SETTINGS
from pixieioc.pipeline import NOTHING, Parameter, Report, Task
from pixieioc.pipeline.rate import RateWindow
from pixieioc.tasks.channel_rates import RATE_INTERVAL, ChannelRates
from pixieioc.tasks.crate import CrateFacts
from pixieioc.tasks.dummy_crate import check_detectors, check_sources, crate_of, in_use, problems_of
from pixieioc.tasks.items import WORDS, Silence
from pixieioc.tasks.source_time import SourceTime

#: A read-out has at most about this many words: a source that is behind catches up in steps.
MOST_WORDS = 1 << 22
#: A preset live time is reached when no more than this many seconds are missing.
_CLOSE = 1e-3


def _as_in_module(default: float, name: str, doc: str, *, low: float | None = None) -> Parameter[float]:
    """A parameter with the limits of a module's setting; `low`: a lowest value of its own."""
    info = CHANNEL_SETTINGS[name]
    lowest = info.low if low is None else low
    return Parameter(default, unit=info.unit, low=lowest, high=info.high, doc=f"{doc}, as {name} of a module.")


class DummyData(ChannelRates, SourceTime, Task):
    """Simulates a crate in real time, for a time or without end: sources, detectors, digitizers, and faults on request.

    Where the computer is too slow for the rates, or the tasks behind are, the simulated time falls behind (`lag`) and
    catches up later: no stretch of time is left out.
    """

    takes, gives = NOTHING, WORDS

    run_time = Parameter(0.0, unit="s", low=1e-3, high=1e7, unset=0, doc="Time after which the source ends; 0: never.")
    channel_rate = Parameter(1000.0, unit="1/s", low=0, high=1e6, live=True, doc="Mean rate of hits in each channel.")
    modules, channels = CrateFacts.modules, CrateFacts.channels
    adc_mhz, firmware_revision = CrateFacts.adc_mhz, CrateFacts.firmware_revision
    interval = Parameter(0.05, unit="s", low=0.01, high=10, live=True, doc="Time between two read-outs.")
    seed = Parameter(0, low=0, doc="The same seed makes the same words; 0: another one each run.")

    detectors = Parameter(
        ["LaBr3"],
        rule=check_detectors,
        doc=f"Detectors ({', '.join(DETECTORS)}) on the channels: one text for all, or one per module.",
    )
    sources = Parameter(
        ["60Co", "137Cs"],
        rule=check_sources,
        doc=f"Sources ({', '.join(SOURCES)}) before all detectors; 60Co:2 counts twice as much as 137Cs.",
    )
    background = Parameter(0.1, low=0, high=1, doc="Share of the room's background, an exponential spectrum.")
    coincidence = Parameter(
        0.1, low=0, high=1, doc="Chance that the partner of a photon from a cascade is seen in another channel."
    )
    energy_gain = Parameter(10.0, unit="1/keV", low=0.01, high=1000, doc="Units of energy in a record per keV.")
    pileup = Parameter(
        True, doc="Whether hits within rise time + flat top (a module's PeakSep) spoil each other's energy."
    )
    energy_rise = _as_in_module(0.2, "ENERGY_RISETIME", "Rise time of the energy filter")
    energy_flat_top = _as_in_module(0.1, "ENERGY_FLATTOP", "Flat top of the energy filter")
    dead_time = Parameter(0.0, unit="us", low=0, high=1e5, doc="Time after a record in which a channel sees nothing.")
    cfd_failure = Parameter(
        200.0,
        unit="keV",
        low=1e-3,
        high=1e5,
        unset=0,
        doc="Energy E in exp(-energy / E), the chance that the CFD fails; 0: never.",
    )
    backwards = Parameter(
        0.09, low=0, high=0.4, doc="Share of records that come before an earlier one, as far as 50 us make it possible."
    )
    traces = Parameter(False, doc="Whether records have traces (a module's CaptureTrace).")
    trace_length = _as_in_module(1.0, "TRACE_LENGTH", "Length of the traces; the trigger is at 30 %", low=0.1)
    full_scale = Parameter(3000.0, unit="keV", low=10, high=1e5, doc="The ADC is out of range above this energy.")
    qdc = Parameter(False, doc="Whether records have QDC sums (EnableQDC), of eighths of the trace's length.")
    energy_sums = Parameter(False, doc="Whether records have energy sums (CaptureSums).")
    external_time = Parameter(False, doc="Whether records have external time stamps (ExtTimestamps).")
    external_clock = Parameter(100.0, unit="MHz", low=0.001, high=1000, doc="Rate of the external clock.")

    corrupt_rate = Parameter(
        0.0, unit="1/s", low=0, high=50, live=True, doc="Header words that become garbage, in each module."
    )
    truncate_rate = Parameter(
        0.0, unit="1/s", low=0, high=50, live=True, doc="Blocks that lose their end, in each module."
    )
    reset_interval = Parameter(
        0.0, unit="s", low=0.01, high=1e7, unset=0, doc="Time after which the modules' counters restart; 0: never."
    )
    reset_counters = Parameter(False, command=True, live=True, doc="Restarts the modules' counters now.")

    elapsed = Report(0.0, unit="s", doc="Time since the start of the run.")
    lag = Report(
        0.0,
        unit="s",
        alarm_high=1,
        alarm_hihi=10,
        doc="How far the simulated time is behind.",
        guidance="Rates or traces are too much for this computer, or a task behind is slow: data come late.",
    )
    input_count_rate = Report(0.0, unit="1/s", doc="Hits in all detectors, by simulated time.")
    hits_lost = Report(0, doc="Hits in dead time, which have no record.")
    events_made = Report(0, doc="Records that were made.")
    words_made = Report(0, unit="words", doc="Words that were sent.")
    corrupt_words = Report(0, doc="Header words that were made garbage.")
    truncated_blocks = Report(0, doc="Blocks that lost their end.")
    events_hit = Report(0, doc="Records that are damaged or missing by these faults.")
    counter_resets = Report(0, doc="How often the modules' counters restarted.")

    @classmethod
    def do_check(cls, settings: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        yield from problems_of(settings)

    def do_init(self) -> None:
        warm_up()

    def do_configure(self, config: dict[str, Any]) -> None:
        if self.running:
            self._simulation.change(
                channel_rate=self.channel_rate, corrupt_rate=self.corrupt_rate, truncate_rate=self.truncate_rate
            )
            self._reset |= self.reset_counters

    def do_apply(self, changes: Mapping[str, Any]) -> Mapping[str, Any]:
        return in_use(self.parameter_values)

    def do_start(self) -> None:
        self._simulation = Simulation(crate_of(self.parameter_values), np.random.default_rng(self.seed or None))
        self._reset = self._ended = False
        self._silence = Silence()
        nothing = np.zeros((2, self.modules * self.channels))
        self._rate = RateWindow(0.0, RATE_INTERVAL, 0.0, nothing)
        self._report_rates(*nothing)
        self.live_share = self.elapsed = 0.0
        self._began = time.monotonic()
        self._report_counts(0.0)

    def do_work(self, datum: Any) -> None:
        simulation = self._simulation
        self.elapsed = time.monotonic() - self._began
        end = self.ends_at
        due = min(self.elapsed, end)
        if self._reset:
            self._reset = False
            self._send(simulation.reset_counters())
        if not simulation.is_at(int(1e9 * due)):
            self._send(simulation.advance(int(1e9 * due), MOST_WORDS))
        if not simulation.is_at(int(1e9 * due)):
            self._report_counts(due)
            return
        if due == end:
            # The rest of a preset live time is less than a slice now, or longer than that was to be expected.
            self._send(simulation.finish(round(1e9 * due)))
            self._report_counts(due)
            self._ended = self.ends_at - due <= _CLOSE
        self._report_counts(due)
        if self._ended:
            self.finish()
        self.idle(min(self.interval, max(0.0, self.ends_at - self.elapsed)))

    def do_report(self) -> None:
        if not self.running:
            self._report_rates(*np.zeros((2, self.modules * self.channels)))
            return
        simulation = self._simulation
        counts = np.array([simulation.hits_of, simulation.lost_of])
        if (rates := self._rate.rates(1e-9 * simulation.now_ns, counts)) is not None:
            hits, lost = rates[0]
            self._report_rates(hits, hits - lost)

    def do_stop(self) -> None:
        if not self._ended:
            self._send(self._simulation.finish())
        self._report_counts(self._simulation.now_ns * 1e-9)

    def _report_rates(self, hits: Any, records: Any) -> None:
        shape = (self.modules, self.channels)
        self.report_rates(hits.reshape(shape), records.reshape(shape))
        self.input_count_rate = float(hits.sum())

    def _send(self, block: dict[int, Any]) -> None:
        self._silence.send(block, self.send)

    def _report_counts(self, due: float) -> None:
        counts, hits = self._simulation.counts, self._simulation.hits_of
        if hits.any():
            self.report_live_share(hits, hits - self._simulation.lost_of)
            self.report_times(self._simulation.now_ns * 1e-9, self.live_share)
        else:
            self.report_times(self._simulation.now_ns * 1e-9, 100.0)
        self.lag = max(0.0, due - self._simulation.now_ns * 1e-9)
        self.hits_lost, self.events_made, self.words_made = counts.dead, counts.events, counts.words
        self.corrupt_words, self.truncated_blocks = counts.corrupt_words, counts.truncated_blocks
        self.events_hit, self.counter_resets = counts.events_hit, counts.counter_resets
