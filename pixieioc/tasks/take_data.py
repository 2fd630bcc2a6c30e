"""TakeData: the Pixie-16 itself as the source of a run, through XIA's SDK."""

from __future__ import annotations

import math
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import numpy as np

from pixieioc.hardware import Crate, HardwareError, Statistics
from pixieioc.listmode.variant import variant
from pixieioc.pipeline import NOTHING, Error, Parameter, Report, Task
from pixieioc.pipeline.presets import LIVE_TIME
from pixieioc.tasks import run_end, run_record
from pixieioc.tasks.channel_rates import ChannelRates, counted, rates_of
from pixieioc.tasks.items import WORDS, Beginning, RunBegins, RunEnds
from pixieioc.tasks.module_histograms import ModuleHistograms
from pixieioc.tasks.module_reports import ModuleReports
from pixieioc.tasks.own_layout import own_layout
from pixieioc.tasks.pace import Pace
from pixieioc.tasks.read_out import ReadOut
from pixieioc.tasks.run_counts import RunCounts, warm_up
from pixieioc.tasks.source_time import SourceTime

#: How often it is asked whether the modules still take data, in seconds.
_CHECK_INTERVAL = 0.5
#: How long modules may take to end their run, in seconds.
_END_TIMEOUT = 5.0


class TakeData(ChannelRates, ModuleReports, SourceTime, ModuleHistograms, Task):
    """Reads the FIFOs of booted modules in list mode, and now and then their statistics.

    The crate boots when the task's process is there, or by command: see `Boot`. When something fails, what the modules
    still hold is read before that is reported.
    """

    takes, gives = NOTHING, WORDS
    urgent = True

    synchronous = Parameter(False, shared=True, section="crate", doc="Whether all modules start and stop together.")
    clear_clocks = Parameter(
        True, shared=True, section="crate", doc="Whether the modules' clocks begin at 0 in each run."
    )
    run_time = Parameter(
        0.0, unit="s", low=1e-3, high=1e7, unset=0, doc="Time after which the run ends; 0: not by itself."
    )
    threshold = Parameter(
        16384, unit="words", low=1, high=131072, live=True, doc="A FIFO is read when it holds at least this many words."
    )
    max_delay = Parameter(
        0.05, unit="s", low=0.01, high=60, live=True, doc="Longest time between two reads of the FIFOs."
    )
    poll_interval = Parameter(
        0.002,
        unit="s",
        low=0.0005,
        high=1,
        live=True,
        doc="Shortest time between two looks at the levels of the FIFOs.",
    )
    buffer_size = Parameter(
        64 * 1024**2,
        unit="B",
        low=0,
        high=16 * 1024**3,
        live=True,
        doc="The FIFOs are read on while the next task takes nothing, until about this much waits.",
    )
    statistics_interval = Parameter(
        1.0,
        unit="s",
        low=0.01,
        high=3600,
        unset=0,
        live=True,
        doc="Shortest time between two reads of the modules' statistics; 0: never, rates stay 0 then.",
    )

    words_read = Report(0, unit="words", doc="Words read in this run.")
    buffer_use = Report(
        0.0,
        unit="%",
        precision=0,
        alarm_high=50,
        alarm_hihi=90,
        hysteresis=5,
        doc="How full the buffer is of data that were read and that the next task has not taken yet.",
        guidance="The tasks behind take less than comes: see which one is slow. Once the buffer is full the modules "
        "are not read, and events are lost in them.",
    )

    def do_init(self) -> None:
        self._taking = self._unsent = False
        self._waits = -math.inf
        self._boots_shown = 0
        self._zero: float | None = None  # Unix time at which the modules' clocks were at 0
        self._report_all(0.0)
        self.begin_settings()
        self.begin_tools()
        self.begin_owning(self.print)
        warm_up()

    def do_configure(self, config: dict[str, Any]) -> None:
        self.check_copies(config, self.channels_there)
        if config.get("boot"):
            self.begin_boot(fast=self.fast_boot)

    def do_connect(self, address_pull: str, is_start: bool, is_final: bool) -> None:
        self._waits = 0  # from here on

    def do_wait(self) -> None:
        self._waits += 1
        if self._waits > 1:  # before that the other tasks are being made, and would not be if this one failed
            self.raise_if_failed()

    def do_report(self) -> None:
        self.show_boot()
        if self.owner.boots != self._boots_shown and self.owner.modules:
            self._boots_shown = self.owner.boots
            self.show_modules(self.owner.modules)
        if self._taking:
            try:  # also while a histogram or a tool takes long
                self._check_losses()
            except HardwareError as error:  # the run goes on as long as data come
                self._doubt("no losses", error)
            self.module_fifo_level = self._counts.take_levels()
            self.words_read = self._counts.words
            self._show_buffer()

    def do_start(self) -> None:
        self._taking = self._unsent = False
        self.send_starting("waiting for the crate")
        if not self.await_boot(lambda: self.stopping, self.send_heart_beat):
            return
        self.follow_boots()
        with self._as_errors():
            crate = self._crate
            self._modules = range(len(crate.modules))
            given = self.adc_mhz, self.firmware_revision
            layouts = [own_layout(module, info, *given) for module, info in enumerate(crate.modules)]
            self._counts = RunCounts([variant(*layout) for layout in layouts])
            run_end.prepare(
                crate, synchronous=self.synchronous, clear_clocks=self.clear_clocks, preset=self.real_preset
            )
            self.words_read, self.live_share = 0, 0.0
            self._counted = np.zeros((4, self.modules, self.channels))
            self._report_all(0.0)
            self.report_times(0.0, 0.0)
            self.show_losses(self._counts.lost, self._counts.overflows)
            self._doubts = set[str]()
            self._settings_text = self._ask_settings(crate)
            self._ending = run_record.unknown_ending("the modules' statistics were not read at the end of the run")
            before = time.time()
            self._begin_read_out(layouts, before)  # also for what there is if not all modules can be started
            self._taking = self._unsent = True
            self.owner.begin_run()
            crate.start()
            self._begin_read_out(layouts, (before + time.time()) / 2)
        self.begin_histograms(self._began)

    def _begin_read_out(self, layouts: list[list[int]], zero: float) -> None:
        """The modules begin at this Unix time (s): what the tasks behind are told before the first data."""
        self._began = self._last_statistics = self._last_check = time.monotonic()
        self._ahead, self._zero = 0.0, zero if self.clear_clocks else self._zero
        begins = Beginning(
            modules=list(self._modules), run_id=self.run_id, start_time=self.run_started, recorded=False,
            layouts=dict(enumerate(layouts)), clock_zero=self._zero, settings=self._settings_text, counts_follow=True,
        )  # fmt: skip
        self._read_out = ReadOut(self._crate, self._counts, RunBegins(begins=begins), self._began)

    def do_work(self, datum: Any) -> None:
        now = time.monotonic()
        self.report_times(self._elapsed(now), self.live_share)
        if self.elapsed_real >= self.ends_at and self._is_reached(now):
            self.finish()
            return
        read_out, pace = self._read_out, Pace(self.threshold, self.max_delay, self.poll_interval)
        with self._as_errors():
            read_out.refresh(now)
            read_out.read_if_due(pace, now, self.buffer_size)
            self._do_another_thing(now)
        read_out.hand_on(self.offer, self.buffer_size)
        pause = self.poll_interval if self.histograms_left else read_out.pause(pace, now)
        self.idle(min(pause, max(0.0, self._began + self.ends_at - now)))

    def _do_another_thing(self, now: float) -> None:
        """At most one of the things that are due now and then: the events come first."""
        if now - self._last_check >= _CHECK_INTERVAL:
            self._last_check = now
            self._check()
        elif 0 < self.statistics_interval <= now - self._last_statistics:
            self._read_statistics(now)
        elif self.histogram_due(now):
            self.read_next_histogram(now)

    def do_stop(self) -> None:
        if not self._taking:
            return
        with self._as_errors():
            self._read_out.read_all()  # so that the host has room for what the modules still hold
            run_end.await_others(self._crate, self.real_preset)
            self._crate.end()
            real = self._elapsed(time.monotonic())
            deadline = time.monotonic() + _END_TIMEOUT
            while any(self._crate.running()):
                if time.monotonic() > deadline:
                    raise Error(f"the modules did not end their run within {_END_TIMEOUT:g} s")
                time.sleep(self.poll_interval)
            self._read_out.empty()
            self.report_times(real, self.live_share)
            self._settle()
            self.read_last_histograms()
        self.owner.end_run()
        self._taking = False
        self._hand_on_all()
        self._report_all(0.0)

    def do_quit(self) -> None:
        self.owner.close()

    @property
    def _crate(self) -> Crate:
        return self.owner.crate

    @contextmanager
    def _as_errors(self) -> Generator[None]:
        """What the hardware says becomes the task's error, after what the modules still hold was sent."""
        try:
            yield
        except (HardwareError, Error) as error:
            self._rescue(end=not (isinstance(error, HardwareError) and error.timed_out))
            raise Error(str(error)) from error

    def _rescue(self, *, end: bool) -> None:
        """Something has failed: ends the run as far as that is possible, and sends what there is."""
        if not self._unsent:
            return
        attempts = (*([self._crate.end] if end else []), self._read_out.empty, self._settle) if self._taking else ()
        self._taking = False
        for attempt in attempts:
            try:
                attempt()
            except HardwareError as error:
                self.print(f"afterwards: {error}")
                self._ending = run_record.unknown_ending(str(error))
        self._hand_on_all()

    def _hand_on_all(self) -> None:
        """Sends all that was read, and waits for the next task while it has no room."""

        def send(item: object) -> bool:
            self.send(item)
            self._show_buffer()
            return True

        self._read_out.hand_on(send, self.buffer_size)
        self.send(RunEnds(ends=self._ending))
        self._unsent = False
        self._show_buffer()

    def _show_buffer(self) -> None:
        waiting = self._read_out.bytes_waiting
        self.buffer_use = min(100.0, 100.0 * waiting / self.buffer_size) if self.buffer_size else 100.0 * bool(waiting)

    def _check(self) -> None:
        """Whether all modules still take data."""
        running = self._crate.running()
        self.show_running(running)
        ended = [module for module, on in enumerate(running) if not on]
        if ended and run_end.are_done(self._crate, ended, self.real_preset):
            self.finish()
        elif ended:
            slots = [info.slot for info in self._crate.modules]
            which = ", ".join(f"{module} (slot {slots[module]})" for module in ended)
            said = " | ".join(self._crate.log())
            raise Error(f"the run has ended by itself in module {which}" + (f"; the SDK's log: {said}" if said else ""))

    def _check_losses(self) -> None:
        self._counts.note_losses([self._crate.losses(module) for module in self._modules])
        self.show_losses(self._counts.lost, self._counts.overflows)

    def _settle(self) -> None:
        """The run has ended, and all was read: times by the modules' own clocks, and what was lost."""
        self.show_running([False] * len(self._modules))
        self._check_losses()
        statistics = [self._crate.statistics(module) for module in self._modules]
        self._taking = False
        for text in self._counts.settle(statistics):
            self.print(text)
        self.show_losses(self._counts.lost, self._counts.overflows)
        self.module_fifo_level, self.words_read = self._counts.take_levels(), self._counts.words
        self._take_statistics(statistics)
        self._ending = run_record.ending(self._counts, statistics)
        self.report_times(run_end.real_time(statistics) or self._elapsed(time.monotonic()), self.live_share)

    def _elapsed(self, now: float) -> float:
        """The run's real time (s) by the modules' clocks, as far as they were read."""
        return max(0.0, now - self._began + self._ahead)

    def _is_reached(self, now: float) -> bool:
        """Whether a preset is reached indeed: a live time is known exactly only when the modules were asked."""
        if LIVE_TIME in self.run_presets:
            with self._as_errors():
                self._read_statistics(now)
            self.report_times(self.elapsed_real, self.live_share)
        return self.elapsed_real >= self.ends_at

    def _read_statistics(self, now: float) -> None:
        """What the modules have counted since they were asked last; a failure ends no run."""
        self._last_statistics = now
        try:
            statistics = list(map(self._crate.statistics, self._modules))
        except HardwareError as error:
            self._doubt("no statistics", error)
            self._report_all(np.nan)
            return
        ahead = run_end.real_time(statistics) - (time.monotonic() - self._began)
        # A clock that stands still, or is that of another run, says nothing of this one.
        self._ahead = ahead if abs(ahead) < run_end.MOST_AHEAD else 0.0
        self._take_statistics(statistics)

    def _take_statistics(self, statistics: list[Statistics]) -> None:
        before, self._counted = self._counted, counted(statistics, self.modules, self.channels)
        self.report_rates(*rates_of(self._counted - before))
        self.report_live_share(*rates_of(self._counted))
        self.show_scalers(statistics)

    def _doubt(self, what: str, error: HardwareError) -> None:
        """Prints what is not known in this run although it goes on, once."""
        if what not in self._doubts:
            self.print(f"{what}: {error}")
        self._doubts.add(what)

    def _ask_settings(self, crate: Crate) -> str:
        """The settings of the run; empty if they cannot be had, which ends no run."""
        try:
            return run_record.settings_text(crate)
        except HardwareError as error:
            self._doubt("no file of the settings of this run", error)
            return ""

    def _report_all(self, value: float) -> None:
        self.report_rates(*np.full((2, self.modules, self.channels), value))
