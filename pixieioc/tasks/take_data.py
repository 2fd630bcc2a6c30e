"""TakeData: the Pixie-16 itself as the source of a run, through XIA's SDK."""

from __future__ import annotations

import math
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import numpy as np

from pixieioc.hardware import Crate, HardwareError, ModuleInfo
from pixieioc.listmode.variant import variant
from pixieioc.pipeline import NOTHING, Error, Parameter, Report, Task
from pixieioc.tasks.channel_rates import ChannelRates, counted, rates_of
from pixieioc.tasks.crate import layout_of
from pixieioc.tasks.items import WORDS, Silence, WordBlock
from pixieioc.tasks.setup_modules import SetupModules
from pixieioc.tasks.source_time import SourceTime

#: How often it is asked whether the modules still take data, in seconds; and the longest time between two looks at
#: their levels, in which a module at the limit of its bus fills no more than what the host has for it.
_CHECK_INTERVAL, _LONGEST_LOOK = 0.5, 0.05
#: How long modules may take to end their run, in seconds.
_END_TIMEOUT = 5.0


class TakeData(ChannelRates, SourceTime, SetupModules, Task):
    """Reads the FIFOs of booted modules in list mode, and now and then their statistics.

    The crate boots when the task's process is there, or by command: see `Boot`. When something fails, what the modules
    still hold is read before that is reported.
    """

    takes, gives = NOTHING, WORDS

    synchronous = Parameter(False, shared=True, doc="Whether all modules start and stop together.")
    clear_clocks = Parameter(True, shared=True, doc="Whether the modules' clocks begin at 0 in each run.")
    run_time = Parameter(0.0, unit="s", low=0, high=1e7, doc="Time after which the run ends; 0: not by itself.")
    threshold = Parameter(
        16384, unit="words", low=1, high=131072, live=True, doc="A FIFO is read when it holds at least this many words."
    )
    max_delay = Parameter(
        0.1, unit="s", low=0.01, high=60, live=True, doc="Longest time between two reads of the FIFOs."
    )
    poll_interval = Parameter(
        0.002,
        unit="s",
        low=0.0005,
        high=1,
        live=True,
        doc="Shortest time between two looks at the levels of the FIFOs.",
    )
    statistics_interval = Parameter(
        1.0,
        unit="s",
        low=0,
        high=3600,
        live=True,
        doc="Shortest time between two reads of the modules' statistics; 0: never, rates stay 0 then.",
    )

    words_read = Report(0, unit="words", doc="Words read in this run.")
    fifo_level = Report(
        0.0,
        unit="%",
        precision=0,
        alarm_high=50,
        alarm_hihi=90,
        hysteresis=5,
        doc="Fullest FIFO when it was read.",
        guidance="The read-out is barely fast enough: events are about to be lost in the module.",
    )

    words_dropped = Report(
        0,
        unit="words",
        alarm_hihi=1,
        doc="Words of this run that the host could not take; not known with SDKs before 5.",
        guidance="The chain was not fast enough: events of this run are lost, those before and after are right.",
    )
    full_fifo = Report(
        0,
        alarm_hihi=1,
        doc="How often a module's FIFO was found full in this run; each time an unknown number of events was lost.",
        guidance="The chain was not fast enough: events of this run are lost.",
    )

    def do_init(self) -> None:
        self._taking, self._waits = False, -math.inf
        self._report_all(0.0)
        self.begin_settings()
        self.begin_owning(self.print)

    def do_configure(self, config: dict[str, Any]) -> None:
        if config.get("boot"):
            self.begin_boot(fast=self.fast_boot)
        if config.get("adjust_offsets"):
            with self._as_errors():
                self.move_baselines(self.send_starting)

    def do_connect(self, address_pull: str, is_start: bool, is_final: bool) -> None:
        self._waits = 0  # from here on

    def do_wait(self) -> None:
        self._waits += 1
        if self._waits > 1:  # before that the other tasks are being made, and would not be if this one failed
            self.raise_if_failed()
        self.follow_boots()

    def do_report(self) -> None:
        self.show_boot()

    def do_start(self) -> None:
        self._taking = False
        self.send_starting("waiting for the crate")
        if not self.await_boot(lambda: self.stopping, self.send_heart_beat):
            return
        self.follow_boots()
        with self._as_errors():
            crate = self.owner.crate
            self._modules = range(len(crate.modules))
            for module, info in enumerate(crate.modules):
                self._check_layout(module, info)
            # Both are written to all modules at once; 0 has the clocks begin anew at the start.
            crate.write_module(0, "SYNCH_WAIT", self.synchronous)
            if self.clear_clocks:
                crate.write_module(0, "IN_SYNCH", 0)
            self.words_read, self.fifo_level, self.words_dropped, self.full_fifo = 0, 0.0, 0, 0
            self._counted = np.zeros((4, self.modules, self.channels))
            self._report_all(0.0)
            self.live_share = 0.0
            self.report_times(0.0, 0.0)
            self._silence = Silence()
            self._taking = True
            crate.start()
        self._began = self._last_read = self._last_statistics = self._last_check = self._looked = time.monotonic()
        self._level = 0

    def do_work(self, datum: Any) -> None:
        now = time.monotonic()
        self.report_times(now - self._began, self.live_share)
        if self.elapsed_real >= self.ends_at:
            self.finish()
            return
        with self._as_errors():
            level = max(map(self._crate.level, self._modules))
            pause = self._pause(level, now)
            if level > self.threshold or now - self._last_read >= self.max_delay:
                self._last_read = now
                self._send({module: self._crate.read(module) for module in self._modules})
                level = 0
            elif now - self._last_check >= _CHECK_INTERVAL:
                self._last_check = now
                self._check()
            elif 0 < self.statistics_interval <= now - self._last_statistics:
                # Between two reads that are not due: the events come first.
                self._read_statistics(now)
            self._level, self._looked = level, now
        self.idle(pause)

    def do_stop(self) -> None:
        if not self._taking:
            return
        with self._as_errors():
            self._crate.end()
            real = time.monotonic() - self._began
            deadline = time.monotonic() + _END_TIMEOUT
            while any(self._crate.running()):
                if time.monotonic() > deadline:
                    raise Error(f"the modules did not end their run within {_END_TIMEOUT:g} s")
                time.sleep(self.poll_interval)
            self._drain()
            if self.statistics_interval:
                self._read_statistics(time.monotonic())
            self._report_losses()
        self._taking = False
        self.report_times(real, self.live_share)
        self._report_all(0.0)

    def do_quit(self) -> None:
        self.owner.close()

    @property
    def _crate(self) -> Crate:
        return self.owner.crate

    def _check_layout(self, module: int, info: ModuleInfo) -> None:
        """Whether records will be read as this module writes them, as far as the names of its firmware tell."""
        given = layout_of(self.adc_mhz, self.firmware_revision, module)
        try:
            right = variant(info.adc_mhz, info.firmware) == given if info.firmware else info.adc_mhz == given.adc_mhz
        except ValueError:
            right = False
        if not right:
            revision = info.firmware or "unknown"
            raise Error(
                f"module {module} (slot {info.slot}) is {info.kind} with firmware revision {revision}, but its records "
                f"would be read as those of {given}: correct adc_mhz and firmware_revision in [crate]"
            )

    @contextmanager
    def _as_errors(self) -> Generator[None]:
        """What the hardware says becomes the task's error, after what the modules still hold was sent."""
        try:
            yield
        except (HardwareError, Error) as error:
            self._rescue()
            raise Error(str(error)) from error

    def _rescue(self) -> None:
        """Something has failed: ends the run as far as that is possible, and sends what there is."""
        if not self._taking:
            return
        self._taking = False
        for attempt in (self._crate.end, self._drain, self._report_losses):
            try:
                attempt()
            except HardwareError as error:
                self.print(f"afterwards: {error}")

    def _drain(self) -> None:
        """Sends all that can be read; if one module fails, what the others have."""
        failed: dict[int, HardwareError] = {}
        while True:
            block: WordBlock = {}
            for module in self._modules:
                if module in failed:
                    continue
                try:
                    block[module] = self._crate.read(module)
                except HardwareError as error:
                    failed[module] = error
            if not any(len(words) for words in block.values()):
                break
            self._send(block)
        for error in failed.values():
            raise error

    def _pause(self, level: int, now: float) -> float:
        """Until the next look: half the time in which a FIFO would reach the threshold, if it goes on as it did."""
        rate = max(level - self._level, 0) / max(now - self._looked, 1e-6)
        full = (self.threshold - level) / rate / 2 if rate else math.inf
        ends = max(0.0, self._began + self.ends_at - now)
        return max(self.poll_interval, min(full, self.max_delay / 2, _LONGEST_LOOK, ends))

    def _check(self) -> None:
        """Whether all modules still take data, and what was lost."""
        self._report_losses()
        ended = [module for module, on in enumerate(self._crate.running()) if not on]
        if ended:
            slots = [info.slot for info in self._crate.modules]
            which = ", ".join(f"{module} (slot {slots[module]})" for module in ended)
            said = " | ".join(self._crate.log())
            raise Error(f"the run has ended by itself in module {which}" + (f"; the SDK's log: {said}" if said else ""))

    def _report_losses(self) -> None:
        losses = [each for each in map(self._crate.losses, self._modules) if each is not None]
        self.words_dropped = sum(each.words_dropped for each in losses)
        self.full_fifo = sum(each.full_fifo for each in losses)

    def _send(self, block: WordBlock) -> None:
        self.words_read += sum(len(words) for words in block.values())
        self.fifo_level = max(100.0 * len(words) / 131072 for words in block.values())
        self._silence.send(block, self.send)

    def _read_statistics(self, now: float) -> None:
        """What the modules have counted since they were asked last; a failure is printed and ends no run."""
        self._last_statistics = now
        try:
            statistics = list(map(self._crate.statistics, self._modules))
        except HardwareError as error:
            self.print(f"no statistics: {error}")
            self._report_all(np.nan)
            return
        before, self._counted = self._counted, counted(statistics, self.modules, self.channels)
        self.report_rates(*rates_of(self._counted - before))
        self.report_live_share(*rates_of(self._counted))

    def _report_all(self, value: float) -> None:
        self.report_rates(*np.full((2, self.modules, self.channels), value))
