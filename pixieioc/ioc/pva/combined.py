"""Sources that are made of several records: all that changes in one step is one update, with the time of the newest."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any

from pixieioc.ioc.pva import contents
from pixieioc.ioc.pva.alarms import kind_of
from pixieioc.ioc.pva.source import NEWS
from pixieioc.ioc.records import Record


class _Part:
    """Observes one of the records."""

    def __init__(self, record: Record, changed: Callable[[Record], None]) -> None:
        self._record = record
        self._changed = changed

    def changed(self, changes: int) -> None:
        """The record has been posted."""
        if changes & NEWS:
            self._changed(self._record)


class Combined(ABC):
    """The records are posted one after the other; when all have been, those that changed are told of together."""

    record: Record | None = None

    def __init__(self, records: Iterable[Record]) -> None:
        self.records = tuple(records)
        self._parts = [(record, _Part(record, self._note)) for record in self.records]
        self._changed: dict[Record, None] = {}
        self._tell: Callable[[Any], None] | None = None
        self._alarm: dict[str, Any] | None = None

    def whole(self) -> Any:
        """All of it."""
        self._alarm = None
        return self.structure(self.records, whole=True)

    def begin(self, tell: Callable[[Any], None]) -> None:
        """Tells what changes."""
        self._tell = tell
        for record, part in self._parts:
            record.observe(part)

    def end(self) -> None:
        """Tells nothing more."""
        self._tell = None
        for record, part in self._parts:
            record.unobserve(part)

    @abstractmethod
    def structure(self, changed: Iterable[Record], *, whole: bool) -> Any:
        """What clients get when these records have changed."""

    def put_alarm_and_time(self, into: Any, changed: Iterable[Record]) -> None:
        """The worst alarm of all records, with the name of the first that has it, and the newest time of those."""
        worst = max(self.records, key=lambda record: record.severity)
        kind, message = kind_of(worst.status)
        text = f"{worst.info.own_name} {message}" if worst.severity else ""
        shown = {"severity": worst.severity, "status": kind, "message": text}
        if shown != self._alarm:
            into["alarm"] = self._alarm = shown
        contents.put_time(into, max(record.stamp for record in changed))

    def _note(self, record: Record) -> None:
        if not self._changed:
            asyncio.get_running_loop().call_soon(self._update)
        self._changed[record] = None

    def _update(self) -> None:
        changed, self._changed = tuple(self._changed), {}
        if self._tell is not None:
            self._tell(self.structure(changed, whole=False))
