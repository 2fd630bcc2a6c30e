"""The event files of a run, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from pathlib import Path
from typing import Any

import numpy as np

from pixieioc.listmode import events as ev
from pixieioc.listmode.events import Column, Events
from pixieioc.tasks.calibration import InUse
from pixieioc.tasks.event_files import KEV, EventFile, bytes_before, inherited
from pixieioc.tasks.event_formats import new_file
from pixieioc.tasks.file_series import Destination, Series


class EventSeries(Series[Events]):
    """`describe` is given a file (None before it is there), its number and why it ends; it returns its metadata.

    A file has energies in keV by one calibration, that in use when it was begun; it has none if no channel had one. One
    with more than `rewritten` bytes is not written again for events with more columns: they go to the next file, which
    begins with the columns of those before it.
    """

    def __init__(
        self, destination: Destination, path: Path, form: str,
        describe: Callable[[EventFile | None, int, str], dict[str, Any]], calibration: InUse,
        too_slow: Callable[[], bool] = lambda: False, rewritten: Callable[[], float] = lambda: inf,
    ) -> None:  # fmt: skip
        super().__init__(destination)
        self._too_slow, self._rewritten = too_slow, rewritten
        self._columns: list[Column] = []
        self._path, self._form, self._describe = path, form, describe
        self._calibration, self.calibrated = calibration, calibration.begin()
        self._grows: EventFile | None = None
        self._events = 0

    @property
    def events(self) -> int:
        """Events that are in files which are complete, or grow."""
        return self._events + (self._grows.events if self._grows is not None else 0)

    def path(self) -> Path:
        """The name that the task has."""
        return self._path

    def new(self, path: Path, part: int) -> EventFile:
        """In the format that was asked for."""
        self.calibrated = self._calibration.begin()
        self._grows = new_file(path, self._form, self._describe(None, part, ""), self._too_slow, self._columns)
        return self._grows

    def describe(self, part: int, reason: str) -> dict[str, Any]:
        """The metadata."""
        return self._describe(self._grows, part, reason)

    def cut(self, data: Events, room: int) -> tuple[Events, Events | None]:
        """At least one event."""
        count = ev.size(data)
        fit = max(1, int(np.searchsorted(bytes_before(data), room, "right")) - 1)
        if fit >= count:
            return data, None
        return ev.take(data, slice(0, fit)), ev.take(data, slice(fit, None))

    def for_file(self, data: Events) -> Events:
        """With the energies in keV; what an earlier file could not take may have those of its calibration."""
        events = {name: column for name, column in data.items() if name != KEV.name}
        calibration = self.calibrated.calibration
        if calibration.version:
            events[KEV.name] = calibration.of_events(events["module"], events["channel"], events["energy"])
        return events

    def takes(self, data: Events) -> bool:
        """Whether little or nothing is to be written again for them: that would hold up the end of the run."""
        file, most = self._grows, self._rewritten()
        return file is None or file.size <= most or file.rewritten_for(data) <= most

    def closed(self) -> None:
        """Its events are counted."""
        if self._grows is not None:
            self._columns = inherited(self._grows.columns)
        self._events, self._grows = self.events, None
