"""Events that wait until there are enough of them for a message."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from pixieioc.listmode import events as ev
from pixieioc.listmode.events import Column, Events
from pixieioc.tasks.event_files import PART_OF, TRACE, bytes_before


class EventBatches:
    """Takes blocks of events as they come, and gives out the wanted columns in pieces of about `size` bytes."""

    def __init__(self, columns: Sequence[Column], size: int) -> None:
        self._size = size
        self._names = {column.name for column in columns}
        if TRACE in columns:
            self._names |= {"trace_start", "trace_length", ev.TRACES}
        if self._names & PART_OF.keys():
            self._names.add("parts")
        self._held: list[Events] = []
        self._bytes = 0.0
        self.events = 0  #: that are held

    def add(self, events: Events) -> Iterator[Events]:
        """Takes events; gives out what is as large as it shall be."""
        if not ev.size(events):
            return
        self._hold(ev.compact({name: column for name, column in events.items() if name in self._names}))
        if self._bytes < self._size:
            return
        left = ev.concatenate(self._held)
        self._forget()
        while (cut := _cut(left, self._size)) < ev.size(left):
            yield ev.compact(ev.take(left, slice(0, cut)))
            left = ev.take(left, slice(cut, None))
        # A copy: what the last task has sent is in memory that it waits for.
        self._hold({name: np.array(column) for name, column in ev.compact(left).items()})

    def rest(self) -> Iterator[Events]:
        """What is held, if there is something."""
        if self._held:
            left = ev.concatenate(self._held)
            self._forget()
            yield left

    def _hold(self, events: Events) -> None:
        self._held.append(events)
        self._bytes += float(bytes_before(events)[-1])
        self.events += ev.size(events)

    def _forget(self) -> None:
        self._held, self._bytes, self.events = [], 0.0, 0


def _cut(events: Events, size: int) -> int:
    """How many of the events fit into `size` bytes; at least one."""
    return max(1, int(np.searchsorted(bytes_before(events), size, "right")) - 1)
