"""A record as Channel Access shows it: its DBR types, its subscriptions, and what a client may put to it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Collection, Iterable, Iterator, Mapping
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from pixieioc.ioc.ca import acknowledge, dbr
from pixieioc.ioc.ca.listeners import EVENTS, Body, Listener, Listeners
from pixieioc.ioc.ca.metadata import meta_of
from pixieioc.ioc.ca.values import native_type, whole_range
from pixieioc.ioc.records import Client, Record, faults
from pixieioc.ioc.records.accepting import Accepting
from pixieioc.ioc.records.security import Security

#: A value that is out of date is made again for monitors after this many seconds, whatever happens to it until then.
_REFRESH = 1.0


class View:
    """One record, seen by the clients of Channel Access; it observes the record for as long as that exists."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.native = native_type(record.info)
        self.length = record.info.length
        self.listeners = Listeners()
        #: The fields that a client has, by name: they are told when the record has changed.
        self.fields: WeakValueDictionary[str, View] = WeakValueDictionary()
        self._packed: dict[tuple[int, int], Body] = {}
        self._take_info()
        record.observe(self)

    def __repr__(self) -> str:
        return f"<View of {self.record!r}>"

    @property
    def name(self) -> str:
        """The name that clients know."""
        return self.record.name

    @property
    def owner(self) -> Record:
        """The record whose alarm this is: that of a field is its record's."""
        return self.record.owner

    @property
    def security(self) -> Security:
        """What the rights to it follow from."""
        return self.record.security

    def _take_info(self) -> None:
        self._info = self.record.info
        self.meta = meta_of(self._info, self.record.labels)

    # -- what has changed ---------------------------------------------------------------------------------------------

    def changed(self, changes: int) -> None:
        """The record has been posted: tells whoever has a subscription to such a change."""
        self._packed.clear()
        if not changes:
            if self.record.late is not None and len(self.listeners):
                asyncio.get_running_loop().call_later(_REFRESH, self.record.refresh)
            return
        if self.record.info is not self._info:
            self._take_info()
        self._notify(changes & EVENTS)

    def _notify(self, events: int) -> None:
        for (kind, count, mask), listeners in self.listeners.groups.items():
            if mask & events:
                try:
                    body = self.packed(kind, count)
                except Exception as error:
                    self._notify_failure(kind, listeners, error)
                    continue
                for listener in listeners:
                    try:
                        listener.notify(body)
                    except Exception as error:
                        faults.report(f"a monitor of {self.name} could not be sent", error)
        if self.fields:
            for field in list(self.fields.values()):
                try:
                    field.follow(events)
                except Exception as error:
                    faults.report(f"{field.name} could not follow its record", error)

    def _notify_failure(self, kind: int, listeners: list[Listener], error: Exception) -> None:
        """Tells those who want a DBR type in which the value has no form, as a text has none as a number."""
        if not isinstance(error, dbr.Unconvertible):
            faults.report(f"{self.name} could not be packed as DBR type {kind}", error)
        for listener in listeners:
            listener.fail()

    def follow(self, events: int) -> None:
        """For the view that follows another, such as a field: takes over what that is now."""

    def subscribed(self) -> bool:
        """For the view of one channel: that has a subscription (more). Whether this gets the present value at once."""
        return True

    # -- reading ------------------------------------------------------------------------------------------------------

    def packed(self, kind: int, count: int) -> Body:
        """The body of a message of DBR type `kind`: size, number of elements, payload padded to 8 bytes.

        `count` 0 is as many elements as there are. Made once for a value, however many listen.
        """
        body = self._packed.get((kind, count))
        return self._pack(kind, count) if body is None else body

    def _pack(self, kind: int, count: int) -> Body:
        record = self.record
        if record.late is not None:
            record.refresh()
        if kind == dbr.TIME_DOUBLE and count < 2 and type(record.value) is float:
            form = dbr.TIME_DOUBLE_FORM
            stamp = dbr.epics_time(record.stamp)
            body = (form.size, 1, form.pack(record.status, record.severity, *stamp, record.value))
            self._packed[kind, count] = body
            return body
        values, elements = self._elements(kind % 7 if kind <= dbr.HIGHEST_DATA_TYPE else dbr.STRING, count)
        if kind == dbr.CLASS_NAME:
            payload, elements = dbr.text(self.owner.info.record), 1
        elif kind == dbr.STSACK_STRING:
            parts = (record.status, record.severity, self.owner.ackt, self.owner.acks)
            payload = b"".join([*(part.to_bytes(2) for part in parts), values])
        else:
            stamp = dbr.epics_time(record.stamp)
            payload = dbr.pack(kind, values, record.status, record.severity, stamp, self.meta)
        if len(payload) % 8:
            payload += b"\0" * (-len(payload) % 8)
        body = self._packed[kind, count] = (len(payload), elements, payload)
        return body

    def _elements(self, base: int, count: int) -> tuple[dbr.Buffer, int]:
        """The value in a base type, and how many elements it has; at most `count` unless that is 0, then all."""
        value = self.record.value
        if isinstance(value, str):
            return self._text_elements(value, base, count)
        if base == dbr.STRING:
            shown = [self.record.as_text(v) for v in np.atleast_1d(np.asarray(value, object))]
            data, size = b"".join(map(dbr.text, shown)), len(shown)
        else:
            data = dbr.numbers(value, base)
            size = len(data) // dbr.ELEMENT_SIZE[base]
        return _fit(data, size, count, dbr.ELEMENT_SIZE[base])

    def _text_elements(self, value: str, base: int, count: int) -> tuple[dbr.Buffer, int]:
        if base == dbr.STRING:
            return _fit(dbr.text(value), 1, count, dbr.STRING_SIZE)
        size = dbr.ELEMENT_SIZE[base]
        if self.native == dbr.STRING:
            try:
                return _fit(dbr.numbers(float(value), base), 1, count, size)
            except ValueError:
                raise dbr.Unconvertible(f"{self.name} is the text {value!r}, not a number") from None
        data = value.encode() + b"\0"
        if base != dbr.CHAR:
            data = dbr.numbers(np.frombuffer(data, np.uint8), base)
        return _fit(data, len(data) // size, count, size)

    # -- writing ------------------------------------------------------------------------------------------------------

    @property
    def is_writable(self) -> bool:
        """Whether the value can be written at all."""
        return self.record.is_writable

    def takes(self, kind: int) -> bool:
        """Whether values of a DBR type can be written: an alarm can be acknowledged wherever one can be."""
        return self.is_writable or (acknowledge.is_one(kind) and self.record.info.has_alarm)

    def accept(self, kind: int, count: int, payload: bytes) -> Any:
        """What a client sent, as a value of this record; Unconvertible says why it cannot be one."""
        if acknowledge.is_one(kind):
            return acknowledge.unpack(kind, count, payload)
        info, sent = self.record.info, dbr.unpack(kind, count, payload)
        accepting = Accepting(info, self.record.labels, whole_range(info, self.native))
        return accepting.accept(sent, single=kind == dbr.FLOAT)

    def write(self, value: Any, client: Client) -> Awaitable[None] | None:
        """Does what a client's writing does; `value` is what `accept` gave. Raises if it is refused."""
        if isinstance(value, acknowledge.Acknowledgement):
            self.check_enabled()
            acknowledge.perform(self.owner, value, client)
            return None
        return self.put(value, client)

    def check_enabled(self) -> None:
        """Raises PutRefused if puts are refused at present."""
        self.record.check_enabled()

    def put(self, value: Any, client: Client) -> Awaitable[None] | None:
        """Writes a value."""
        return self.record.write(value, client)


class Views(Mapping[str, View]):
    """The views of records by their names, each made when the first client wants it."""

    def __init__(self, records: Iterable[Record]) -> None:
        self._records = {record.name: record for record in records}
        self._made: dict[str, View] = {}

    def __getitem__(self, name: str) -> View:
        view = self._made.get(name)
        if view is None:
            record = self.record(name)
            if record is None:
                raise KeyError(name)
            view = self._made[name] = View(record)
        return view

    def __iter__(self) -> Iterator[str]:
        return iter(self._records)

    def __len__(self) -> int:
        return len(self._records)

    @property
    def records(self) -> Collection[Record]:
        """All records, also those that nobody has asked for."""
        return self._records.values()

    def record(self, name: str) -> Record | None:
        """A record by its name; None: there is none."""
        return self._records.get(name)

    def add(self, record: Record) -> None:
        """Adds a record."""
        self._records[record.name] = record


def _fit(data: dbr.Buffer, elements: int, count: int, size: int) -> tuple[dbr.Buffer, int]:
    """Exactly `count` elements, cut or filled with zeros; 0: as many as there are."""
    if not count or count == elements:
        return data, elements
    return bytes(data[: count * size]).ljust(count * size, b"\0"), count
