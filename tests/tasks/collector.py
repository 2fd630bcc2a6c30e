"""Test tasks that put what came to them where a test can look at it."""

from __future__ import annotations

from typing import Any

import numpy as np

from pixieioc.listmode import events as ev
from pixieioc.listmode.events import Events
from pixieioc.pipeline import Parameter, Report, Task
from pixieioc.tasks.items import run_begins


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
    runs = Report("", doc="Number and start of each run that began.")

    def do_start(self) -> None:
        self._parts: dict[int, list[Any]] = {}
        self.lengths = self.runs = ""

    def do_work(self, datum: Any) -> None:
        if run_begins(datum):
            self.runs = f"{self.runs} {datum['begins']['run_id']}@{datum['begins']['start_time']}".strip()
            self.send(datum)
            return
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


class Turncoat(Task):
    """A source of words, and then of something else."""

    def do_work(self, datum: Any) -> None:
        self.send({0: np.arange(1000, dtype=np.uint32)})
        self.send("mumble")
        self.finish()
