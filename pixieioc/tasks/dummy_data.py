"""DummyData: a source of valid records without any hardware."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixieioc.listmode import events as ev
from pixieioc.listmode.encode import encode
from pixieioc.listmode.variant import variant
from pixieioc.pipeline import Parameter, Report, Task
from pixieioc.tasks.items import WordBlock

#: Lines of the simulated spectrum: energy in ADC units, share of the events, full width at half maximum.
_LINES = ((6617.0, 0.35, 460.0), (11732.0, 0.15, 610.0), (13325.0, 0.15, 650.0))
_BACKGROUND = 4000.0


class DummyData(Task):
    """Makes header-only records of 500 MHz modules at a constant mean rate, in real time, for a time or without end."""

    run_time = Parameter(0.0, unit="s", low=0, high=1e7, doc="The source ends after so long; 0: never.")
    channel_rate = Parameter(1000.0, unit="1/s", low=0, high=1e6, live=True, doc="Mean rate of events in each channel.")
    modules = Parameter(1, low=1, high=13, doc="Number of modules.")
    channels = Parameter(4, low=1, high=16, doc="Number of channels of each module.")
    interval = Parameter(0.05, unit="s", low=0.01, high=10, live=True, doc="Time between two read-outs.")
    seed = Parameter(0, low=0, doc="Seed of the random numbers; 0: another one each run.")

    elapsed = Report(0.0, unit="s", doc="Time since the start of the run.")

    def do_start(self) -> None:
        self._random = np.random.default_rng(self.seed or None)
        self._layout = variant(500, 34688)
        self._began = time.monotonic()
        self._until_ns = 0
        self.elapsed = 0.0

    def do_work(self, datum: Any) -> None:
        elapsed = time.monotonic() - self._began
        done = 0 < self.run_time <= elapsed
        now_ns = int(1e9 * (self.run_time if done else elapsed))
        block: WordBlock = {module: self._read_out(module, now_ns) for module in range(self.modules)}
        self._until_ns, self.elapsed = now_ns, elapsed
        if any(len(words) for words in block.values()):
            self.send(block)
        if done:
            self.finish()
        self.idle(self.interval)

    def _read_out(self, module: int, now_ns: int) -> NDArray[np.uint32]:
        random = self._random
        counts = random.poisson(self.channel_rate * (now_ns - self._until_ns) * 1e-9, self.channels)
        count = int(counts.sum())
        events = ev.allocate(ev.BASE_COLUMNS, count, zero=True)
        ticks = np.sort(random.integers(self._until_ns, max(now_ns, self._until_ns + 1), count)) // self._layout.tick_ns
        events["time"][:] = ticks * self._layout.tick_ns
        events["cfd"][:] = random.integers(1, 5 * 8192, count) / 4096 - 2
        events["energy"][:] = self._energies(count)
        events["channel"][:] = random.permutation(np.repeat(np.arange(self.channels), counts))
        events["slot"][:] = 2 + module
        return encode(events, self._layout)

    def _energies(self, count: int) -> NDArray[np.float64]:
        line = self._random.random(count)
        energy = self._random.exponential(_BACKGROUND, count)
        share = 0.0
        for centre, part, width in _LINES:
            rows = (line >= share) & (line < share + part)
            energy[rows] = self._random.normal(centre, width / 2.355, int(rows.sum()))
            share += part
        return np.clip(energy, 0, 65535)
