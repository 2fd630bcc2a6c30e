"""What can be served: something with a type, a value at any time, and changes of which its one listener hears."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

from p4p import Value  # pyright: ignore[reportMissingTypeStubs]

from pixieioc.ioc.pva import contents
from pixieioc.ioc.pva.types import shape_of
from pixieioc.ioc.records import Change, Record
from pixieioc.ioc.records.fields import FieldRecord

#: A value that is out of date is made again at once, but no more often than once in this many seconds.
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

    __slots__ = ("_change", "_refreshed", "_refreshing", "_tell", "_type", "record")

    def __init__(self, record: Record) -> None:
        self.record = record
        self._type, self._change = shape_of(record)
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
        try:
            contents.put_value(change, record)
            contents.put_time(change, record.stamp)
            if changes & Change.ALARM:
                contents.put_alarm(change, record.severity, record.status)
            if changes & Change.PROPERTY:
                contents.put_properties(change, record)
            self._tell(change)
        finally:
            change.unmark()

    def _refresh_soon(self) -> None:
        """Has a value that is out of date made again: a get is answered with what was posted last."""
        if self._refreshing is None:
            loop = asyncio.get_running_loop()
            self._refreshing = loop.call_at(max(loop.time(), self._refreshed + _REFRESH), self._refresh)

    def _refresh(self) -> None:
        self._refreshing = None
        self._refreshed = asyncio.get_running_loop().time()
        self.record.refresh()


class _Follower:
    """Observes the record of a field."""

    __slots__ = ("_field",)

    def __init__(self, field: FieldRecord) -> None:
        self._field = field

    def changed(self, changes: int) -> None:
        """The record has been posted, or something else about it has changed."""
        if changes:
            self._field.take_over()


class FieldSource(RecordSource):
    """A field of a record, which it follows for as long as it has clients."""

    __slots__ = ("_field", "_follower")

    def __init__(self, field: FieldRecord) -> None:
        super().__init__(field)
        self._field = field
        self._follower = _Follower(field)

    def whole(self) -> Any:
        """What the field is now."""
        self._field.owner.refresh()
        self._field.take_over()
        return super().whole()

    def begin(self, tell: Callable[[Any], None]) -> None:
        """Tells what changes of it."""
        super().begin(tell)
        self._field.owner.observe(self._follower)

    def end(self) -> None:
        """Tells nothing more."""
        self._field.owner.unobserve(self._follower)
        super().end()
