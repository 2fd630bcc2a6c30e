"""Test tasks that put what came to them where a test can look at it."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from pixieioc.listmode import events as ev
from pixieioc.listmode.encode import encode
from pixieioc.listmode.events import Events
from pixieioc.listmode.variant import variant
from pixieioc.pipeline import Parameter, Report, Task


class KeepEvents(Task):
    """Writes all events of a run to an .npz file, and the sizes of the blocks in which they came."""

    events_known = True
    keep_in = Parameter("", doc="File to write.")
    sizes = Report("", doc="Events of each block.")
    reads = Report("", doc="Words read of each block.")

    def do_start(self) -> None:
        self._chunks: list[Events] = []
        self.sizes = self.reads = ""

    def do_work(self, datum: Any) -> None:
        events = datum["events"]
        self.events += ev.size(events)
        self.sizes = f"{self.sizes} {ev.size(events)}".strip()
        self.reads = f"{self.reads} {datum['words_read']}".strip()
        self._chunks.append(events)
        self.send(datum)

    def do_stop(self) -> None:
        np.savez(self.keep_in, **ev.concatenate(self._chunks))  # pyright: ignore[reportArgumentType]


class KeepWords(Task):
    """Writes all words of a run to one file a module, and the lengths of the blocks in which they came."""

    keep_in = Parameter("", doc="Start of the files' names.")
    lengths = Report("", doc="Words of each block, by module.")

    def do_start(self) -> None:
        self._parts: dict[int, list[Any]] = {}
        self.lengths = ""

    def do_work(self, datum: Any) -> None:
        self.lengths = f"{self.lengths} {'+'.join(str(len(words)) for words in datum.values())}".strip()
        for module, words in datum.items():
            self._parts.setdefault(module, []).append(words)
        self.send(datum)

    def do_stop(self) -> None:
        for module, parts in self._parts.items():
            np.concatenate(parts).tofile(f"{self.keep_in}{module}")


class Mumble(Task):
    """A source of things that no task of the chain understands."""

    def do_work(self, datum: Any) -> None:
        self.send("mumble")
        self.finish()


class Clockwork(Task):
    """A live crate of 250 MHz modules with events at even intervals, whose counters show this computer's time."""

    rates = Parameter([1000.0, 1.0], items=float, unit="1/s", low=0.1, high=1e6, doc="Events a second, by module.")
    ahead = Parameter([0.0, 0.0], items=float, unit="s", doc="How far each counter is ahead.")
    seconds = Parameter(3.0, unit="s", low=0, high=60, doc="Time until the modules fall silent.")
    interval = Parameter(0.05, unit="s", low=0.001, high=1, doc="Time between two readings.")
    made = Report(0, doc="Events so far.")

    def do_start(self) -> None:
        self._began = time.monotonic_ns()
        self._counts = [0] * len(self.rates)
        self.made = 0

    def do_work(self, datum: Any) -> None:
        elapsed = min((time.monotonic_ns() - self._began) * 1e-9, self.seconds)
        block = {module: self._words(module, elapsed) for module in range(len(self.rates))}
        self.send(block)
        self.made = sum(self._counts)
        self.idle(self.interval)

    def _words(self, module: int, elapsed: float) -> np.ndarray[Any, Any]:
        """What a module has made since the last reading."""
        begin, end = self._counts[module], int(elapsed * self.rates[module]) + 1
        self._counts[module] = end
        events = ev.allocate(ev.BASE_COLUMNS, end - begin, zero=True)
        shown = self._began + (np.arange(begin, end) / self.rates[module] + self.ahead[module]) * 1e9
        events["time"][:] = shown.astype(np.int64) // 8 * 8
        events["slot"][:] = 2 + module
        return encode(events, variant(250, 34688))


class Latency(Task):
    """How long the events of `Clockwork` were on their way."""

    events_known = True
    ahead = Parameter([0.0, 0.0], items=float, unit="s", doc="How far each counter is ahead.")
    longest = Report([0.0, 0.0], doc="Longest time on the way, by module, s.")
    flagged = Report([0, 0], doc="Events that are out of order, by module.")
    had = Report([0, 0], doc="Events, by module.")

    def do_work(self, datum: Any) -> None:
        events, now = datum["events"], time.monotonic_ns()
        self.events += ev.size(events)
        for module in range(2):
            mine = events["module"] == module
            if mine.any():
                oldest = (now - int(events["time"][mine].min())) * 1e-9 + self.ahead[module]
                self.longest = [max(t, oldest) if m == module else t for m, t in enumerate(self.longest)]
                late = int((events["flags"][mine] & ev.FLAG_LATE > 0).sum())
                self.flagged = [n + late * (m == module) for m, n in enumerate(self.flagged)]
                self.had = [n + int(mine.sum()) * (m == module) for m, n in enumerate(self.had)]
        self.send(datum)
