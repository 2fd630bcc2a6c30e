"""A record behind a client's filters: made for one channel, and gone with it."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Iterable
from typing import Any

from pixieioc.ioc.ca.filter_syntax import Written
from pixieioc.ioc.ca.filters import Filter, make
from pixieioc.ioc.ca.listeners import Body
from pixieioc.ioc.ca.record import Client, Record
from pixieioc.pvinfo.model import PvInfo

_numbers = itertools.count()


class FilteredRecord(Record):
    """A record that shows another as filters let it through. A put to it is one to the other, as a whole."""

    def __init__(self, parent: Record, filters: Iterable[Written]) -> None:
        """Raises NoFilter."""
        self._parent = parent
        self._filters = [make(written) for written in filters]
        self._described = parent.info
        info = _behind(self._filters, parent.info)
        self._is_replaced = any(each.replaces for each in self._filters)
        super().__init__(info, parent.name, parent.put, () if self._is_replaced else parent.labels)
        if not self._is_replaced:
            self.native = self.values.native = parent.native
        # Nothing else is found under a number.
        parent.fields[str(next(_numbers))] = self

    @property
    def owner(self) -> Record:
        """The record itself."""
        return self._parent.owner

    def accept(self, kind: int, count: int, payload: bytes) -> Any:
        """A value for the whole record."""
        return self._parent.accept(kind, count, payload)

    def write(self, value: Any, client: Client) -> Awaitable[None] | None:
        """Writes the whole record."""
        return self._parent.write(value, client)

    def packed(self, kind: int, count: int) -> Body:
        """That of the value as it is now; a value that was not passed on can be read all the same."""
        self._take()
        return super().packed(kind, count)

    def follow(self, events: int) -> None:
        """Passes on what the filters let through."""
        for _, _, mask in self.listeners.groups:
            if mask & events:
                break
        else:
            return
        value, when = self._parent.value, self._parent.stamp
        for each in self._filters:
            events = each.passes(value, events)
            if not events:
                return
            value, when = each.apply(value, when)
        self._tell(events)

    def subscribed(self) -> None:
        """What comes after the first value of the first subscription is compared with that."""
        if len(self.listeners) > 1:
            return
        value, when = self._parent.value, self._parent.stamp
        for each in self._filters:
            each.begin(value)
            value, when = each.apply(value, when)

    def _take(self) -> None:
        parent = self._parent
        if parent.info is not self._described:
            self._described = parent.info
            self.info = _behind(self._filters, parent.info)
        if not self._is_replaced:
            self.meta = parent.meta
        value, when = parent.value, parent.stamp
        for each in self._filters:
            value, when = each.apply(value, when)
        self.value, self.stamp = value, when
        self.status, self.severity = parent.status, parent.severity
        self._packed.clear()


def _behind(filters: Iterable[Filter], info: PvInfo) -> PvInfo:
    """What a value is behind filters."""
    for each in filters:
        info = each.describe(info)
    return info
