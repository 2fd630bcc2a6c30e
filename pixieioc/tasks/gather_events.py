"""GatherEvents: larger chunks of events, for what comes behind."""

from __future__ import annotations

import time
from typing import Any

from pixieioc.listmode import events as ev
from pixieioc.listmode.events import Events
from pixieioc.pipeline import Parameter, Report, Task
from pixieioc.tasks.items import EVENTS, Beginning, Ending, EventBlock, events_of


class GatherEvents(Task):
    """Collects events until there are enough, or enough bytes, or they have waited long enough; then hands them on in
    one piece."""

    takes = EVENTS
    events_known = True

    chunk_size = Parameter(100_000, low=1, high=100_000_000, live=True, doc="Events of a chunk; it may become larger.")
    chunk_bytes = Parameter(
        1024**2, unit="B", low=1, high=1024**3, live=True, doc="Bytes of a chunk, which traces may reach much earlier."
    )
    max_delay = Parameter(0.5, unit="s", low=0, high=3600, live=True, doc="Longest time that an event is held here.")
    events_held = Report(0, doc="Events held here.")
    chunks = Report(0, doc="Chunks passed on in this run.")

    def do_start(self) -> None:
        self._held: list[Events] = []
        self._words: dict[int, int] = {}
        self._quiet: set[int] = set()
        self._begins: Beginning | None = None
        self._ends: Ending | None = None
        self._since, self._bytes = 0.0, 0
        self.events_held = self.chunks = 0

    def do_work(self, datum: Any) -> None:
        block = events_of(datum, self.name)
        if "begins" in block:
            self.do_stop()
            self._begins = block["begins"]
        self._ends = block.get("ends", self._ends)
        for module, words in block["words_read"].items():
            self._words[module] = self._words.get(module, 0) + words
        self._quiet = self._quiet - block["words_read"].keys() | set(block["quiet"])
        if count := ev.size(block["events"]):
            if not self._held:
                self._since = time.monotonic()
            self._held.append(block["events"])
            self._bytes += sum(column.nbytes for column in block["events"].values())
            self.events += count
            self.events_held += count
        self._send_if_due()

    def do_wait(self) -> None:
        if self.running:
            self._send_if_due()

    def do_stop(self) -> None:
        if self._held or self._begins or self._ends:
            self._send()

    def _send_if_due(self) -> None:
        enough = self.events_held >= self.chunk_size or self._bytes >= self.chunk_bytes
        if self._held and (enough or time.monotonic() - self._since >= self.max_delay):
            self._send()

    def _send(self) -> None:
        events = ev.concatenate(self._held, self.allocate)
        block = EventBlock(events=events, words_read=self._words, quiet=sorted(self._quiet))
        if self._begins:
            block["begins"], self._begins = self._begins, None
        if self._ends:
            block["ends"], self._ends = self._ends, None
        self.send(block)
        self._held, self._words = [], {}
        self.events_held = self._bytes = 0
        self.chunks += 1
