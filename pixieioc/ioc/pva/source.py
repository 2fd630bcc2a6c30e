"""What can be served: something with a type, a value at any time, and changes of which its one listener hears."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

from p4p import Value  # pyright: ignore[reportMissingTypeStubs]

from pixieioc.ioc.pva import contents
from pixieioc.ioc.pva.types import type_of
from pixieioc.ioc.records import Change, Record

#: A value that is out of date is made anew at once, but no more often than once in so many seconds.
_REFRESH = 1.0
#: What clients hear of.
NEWS = Change.VALUE | Change.ARCHIVE | Change.ALARM | Change.PROPERTY


class Source(Protocol):
    """One process variable as its clients see it. All of it is used in the event loop."""

    def whole(self) -> Any:
        """All of its structure, as it is now."""

    def begin(self, tell: Callable[[Any], None]) -> None:
        """Tells structures from now on in which that is marked which has changed; valid until `tell` returns."""

    def end(self) -> None:
        """Tells nothing more."""

    @property
    def record(self) -> Record | None:
        """The record that is written when this is; None: it is read only."""
        ...


class RecordSource:
    """A record."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self._type = type_of(record.info)
        self._change = Value(self._type)
        self._tell: Callable[[Any], None] | None = None
        self._refreshing: asyncio.TimerHandle | None = None
        self._refreshed = 0.0

    def whole(self) -> Any:
        """The record's value, alarm, time, and what it says of itself."""
        record = self.record
        record.refresh()
        whole = Value(self._type)
        contents.put_properties(whole, record)
        contents.put_value(whole, record)
        contents.put_alarm(whole, record.severity, record.status)
        contents.put_time(whole, record.stamp)
        return whole

    def begin(self, tell: Callable[[Any], None]) -> None:
        """Tells what is posted."""
        self._tell = tell
        self.record.observe(self)

    def end(self) -> None:
        """Tells nothing more."""
        self._tell = None
        self.record.unobserve(self)
        if self._refreshing is not None:
            self._refreshing.cancel()

    def changed(self, changes: int) -> None:
        """The record has been posted."""
        record = self.record
        if record.late is not None:
            self._refresh_soon()
        if not changes & NEWS or self._tell is None:
            return
        change = self._change
        contents.put_value(change, record)
        contents.put_time(change, record.stamp)
        if changes & Change.ALARM:
            contents.put_alarm(change, record.severity, record.status)
        if changes & Change.PROPERTY:
            contents.put_properties(change, record)
        self._tell(change)
        change.unmark()

    def _refresh_soon(self) -> None:
        """Has a value that is out of date made anew: a get is answered with what was posted last."""
        if self._refreshing is None:
            loop = asyncio.get_running_loop()
            self._refreshing = loop.call_at(max(loop.time(), self._refreshed + _REFRESH), self._refresh)

    def _refresh(self) -> None:
        self._refreshing = None
        self._refreshed = asyncio.get_running_loop().time()
        self.record.refresh()
