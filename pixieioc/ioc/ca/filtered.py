"""A record behind a client's filters: a view made for one channel, and gone with it."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Iterable
from typing import Any

from pixieioc.ioc.ca.filter_syntax import Written
from pixieioc.ioc.ca.filters import Filter, make
from pixieioc.ioc.ca.listeners import Body
from pixieioc.ioc.ca.view import View
from pixieioc.ioc.records import Client, Record
from pixieioc.pvinfo.model import PvInfo

_numbers = itertools.count()


class FilteredView(View):
    """Shows another view as filters let it through. A put to it is one to the other, as a whole.

    Its own record has what is behind the filters.
    """

    def __init__(self, parent: View, filters: Iterable[Written]) -> None:
        """Raises NoFilter."""
        self._parent = parent
        self._filters = [make(written) for written in filters]
        self._described = parent.record.info
        info = _behind(self._filters, self._described)
        self._is_replaced = any(each.replaces for each in self._filters)
        super().__init__(Record(info, parent.name, None, () if self._is_replaced else parent.record.labels))
        if not self._is_replaced:
            self.native = parent.native
        # Nothing else is found under a number.
        parent.fields[str(next(_numbers))] = self

    @property
    def owner(self) -> Record:
        """The record itself."""
        return self._parent.owner

    @property
    def is_writable(self) -> bool:
        """Whether the whole value can be written."""
        return self._parent.is_writable

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
        value, when = self._parent.record.value, self._parent.record.stamp
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
        value, when = self._parent.record.value, self._parent.record.stamp
        for each in self._filters:
            each.begin(value)
            value, when = each.apply(value, when)

    def _take(self) -> None:
        parent, own = self._parent.record, self.record
        if parent.info is not self._described:
            self._described = parent.info
            own.info = _behind(self._filters, parent.info)
            self._take_info()
        if not self._is_replaced:
            self.meta = self._parent.meta
        value, when = parent.value, parent.stamp
        for each in self._filters:
            value, when = each.apply(value, when)
        own.value, own.stamp = value, when
        own.status, own.severity = parent.status, parent.severity
        self._packed.clear()


def _behind(filters: Iterable[Filter], info: PvInfo) -> PvInfo:
    """What a value is behind filters."""
    for each in filters:
        info = each.describe(info)
    return info
