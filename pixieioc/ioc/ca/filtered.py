"""A record behind a client's filters: a view made for one channel, and gone with it."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Iterable
from typing import Any

from pixieioc.ioc.ca.filter_syntax import Written
from pixieioc.ioc.ca.filters import Filter, Sample, States, make
from pixieioc.ioc.ca.listeners import Body
from pixieioc.ioc.ca.view import View
from pixieioc.ioc.records import Client, Record
from pixieioc.ioc.records.security import Security
from pixieioc.pvinfo.model import PvInfo

_numbers = itertools.count()


class FilteredView(View):
    """Shows another view as filters let it through. A put to it is one to the other, as a whole.

    Its own record has what is behind the filters.
    """

    def __init__(self, parent: View, filters: Iterable[Written], states: States) -> None:
        """Raises NoFilter."""
        self._parent = parent
        self._filters = [make(written, states) for written in filters]
        self._posting: Sample | None = None  # what monitors are told just now
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
    def security(self) -> Security:
        """That of what is behind the filters."""
        return self._parent.security

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
        sample = self._present()
        for each in self._filters:
            sample, events = each.pass_on(sample, events)
            if not events:
                return
        self._posting = sample
        try:
            self._notify(events)
        finally:
            self._posting = None

    def subscribed(self) -> bool:
        """What comes after the first value of the first subscription is compared with that, if it gets one."""
        begins, sample = len(self.listeners) == 1, self._present()
        for each in self._filters:
            if begins:
                each.begin(sample.value)
            if each.decides_first and not each.passes_first(sample):
                return False
            value, when = each.apply(sample.value, sample.when)
            sample = sample._replace(value=value, when=when)
        return True

    def _present(self) -> Sample:
        record = self._parent.record
        return Sample(record.value, record.stamp, record.status, record.severity)

    def _take(self) -> None:
        parent, own = self._parent.record, self.record
        parent.refresh()
        if parent.info is not self._described:
            self._described = parent.info
            own.info = _behind(self._filters, parent.info)
            self._take_info()
        if not self._is_replaced:
            self.meta = self._parent.meta
        if (sample := self._posting) is None:
            sample = self._present()
            for each in self._filters:
                value, when = each.apply(sample.value, sample.when)
                sample = sample._replace(value=value, when=when)
        own.value, own.stamp, own.status, own.severity = sample
        self._packed.clear()


def _behind(filters: Iterable[Filter], info: PvInfo) -> PvInfo:
    """What a value is behind filters."""
    for each in filters:
        info = each.describe(info)
    return info
