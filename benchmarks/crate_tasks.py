"""Tasks of `crate.py`: TakeData that tells what of its time is the crate's, a sink that tells how old events are."""

from __future__ import annotations

import time
from collections import defaultdict
from typing import Any, cast

import numpy as np

from pixieioc.hardware import Crate
from pixieioc.hardware.simulated import SimulatedCrate
from pixieioc.listmode import events as ev
from pixieioc.pipeline import NOTHING, Parameter, Report, Task
from pixieioc.tasks.items import EVENTS, WORDS
from pixieioc.tasks.take_data import TakeData

_TRACE, _TRACE_US = 1 << 8, 1.0


class MeasuredTakeData(TakeData):
    """TakeData, which reports the processor time that goes into the calls of the crate."""

    takes, gives = NOTHING, WORDS
    simulated_rate = Parameter(1000.0, low=0, doc="Hits per second and channel of the crate that is simulated in here.")
    traces = Parameter(False, doc="Whether records have traces of 1 us.")
    crate_seconds = Report(0.0, doc="Processor time of this run in the calls of the crate, s.")
    crate_verbs = Report("", doc="The same by verb.")
    most_waiting = Report(0.0, doc="The fullest that the buffer was in this run, %.")

    def do_start(self) -> None:
        self._spent: defaultdict[str, float] = defaultdict(float)
        self.most_waiting = 0.0
        if self.await_boot(lambda: self.stopping, self.send_heart_beat):
            crate = self.owner.crate
            if isinstance(crate, SimulatedCrate):
                crate.set_rate(self.simulated_rate)
            for module, info in enumerate(crate.modules):
                for channel in range(info.channels):
                    bits = int(crate.read_channel(module, channel, "CHANNEL_CSRA"))
                    wanted = bits | _TRACE if self.traces else bits & ~_TRACE
                    if bits != wanted:
                        crate.write_channel(module, channel, "CHANNEL_CSRA", wanted)
                        crate.write_channel(module, channel, "TRACE_LENGTH", _TRACE_US)
        super().do_start()

    def do_report(self) -> None:
        super().do_report()
        self.most_waiting = max(self.most_waiting, self.buffer_use)
        spent = getattr(self, "_spent", {})
        self.crate_seconds = sum(spent.values())
        self.crate_verbs = ", ".join(
            f"{verb} {seconds:.2f} s" for verb, seconds in sorted(spent.items(), key=lambda each: -each[1])
        )

    @property
    def _crate(self) -> Crate:
        return cast("Crate", _Timed(self.owner.crate, self._spent))


class _Timed:
    """A crate whose calls are timed."""

    def __init__(self, crate: Crate, spent: defaultdict[str, float]) -> None:
        self._crate, self._spent = crate, spent

    def __getattr__(self, verb: str) -> Any:
        found = getattr(self._crate, verb)
        if not callable(found):
            return found

        def timed(*arguments: Any) -> Any:
            began = time.thread_time()
            try:
                return found(*arguments)
            finally:
                self._spent[verb] += time.thread_time() - began

        return timed


class EventAges(Task):
    """The last task, behind ConvertToEvents: how long ago the events happened that come to it."""

    takes, gives = EVENTS, NOTHING
    events_known = True
    p50 = Report(0.0, unit="ms", doc="Median age of the events of this run.")
    p99 = Report(0.0, unit="ms", doc="99 % of the events of this run were not older.")

    def do_start(self) -> None:
        self._zero = 0.0
        self._ages: list[float] = []

    def do_work(self, datum: Any) -> None:
        now = time.time()
        self._zero = datum.get("begins", {}).get("clock_zero") or self._zero
        self.events += ev.size(datum["events"])
        self._ages += (now - self._zero - datum["events"]["time"] * 1e-9).tolist()

    def do_stop(self) -> None:
        if self._ages:
            self.p50, self.p99 = (1e3 * float(np.percentile(self._ages, q)) for q in (50, 99))
