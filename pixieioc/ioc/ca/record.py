"""A record: one process variable's value, alarm and time, and who wants to hear of them."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from pixieioc.ioc.ca import acknowledge, dbr, faults
from pixieioc.ioc.ca.alarm import AlarmEvaluation
from pixieioc.ioc.ca.listeners import DBE_ALARM, DBE_LOG, DBE_PROPERTY, DBE_VALUE, Body, Listener, Listeners
from pixieioc.ioc.ca.metadata import meta_of
from pixieioc.ioc.ca.values import Values, same
from pixieioc.pvinfo.model import PvInfo


@dataclass(frozen=True)
class Client:
    """Who writes: what the client said of itself, and where it connects from."""

    user: str
    host: str
    address: str = ""

    def __str__(self) -> str:
        return f"{self.user}@{self.host}"


class PutRefused(Exception):
    """A put that is not accepted: the client's put-callback fails."""


Put = Callable[[Any, Client], Awaitable[None] | None]
Stamp = tuple[int, int]


def stamp(unix: float | None = None) -> Stamp:
    """A Unix time (now if None) as seconds and nanoseconds since the EPICS epoch."""
    nanoseconds = time.time_ns() if unix is None else round(unix * 1e9)
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    return max(0, seconds - dbr.EPICS_EPOCH), rest


class Record:
    """A process variable. Values: float, int (also the index of an enum's label), str, or a numpy array.

    `put` is what happens when a client writes: it gets the converted value and the client, posts what is accepted, and
    raises to refuse; what it awaits, the client's put-callback awaits. Without it the record is read only. `labels` are
    those of an enum, if it has others than `info` says.
    """

    #: Other than 0 if puts are refused, as the field DISP has it.
    disabled = 0
    #: The puts that go on.
    active = 0
    #: As the fields ACKT and ACKS have them: whether alarms that have gone want to be acknowledged, and the highest
    #: severity that nobody has acknowledged.
    ackt, acks = 1, dbr.NO_ALARM
    #: Called when a client has acknowledged an alarm here.
    on_acknowledge: Callable[[Client], None] | None = None

    def __init__(self, info: PvInfo, name: str, put: Put | None = None, labels: tuple[str, ...] = ()) -> None:
        self.info = info
        self.name = name
        self.put = put
        self.labels = labels or info.labels
        self.values = Values(info, name, self.labels)
        self.native = self.values.native
        self.length = info.length
        self.status, self.severity = dbr.STATUS_NONE, dbr.NO_ALARM
        self.stamp: Stamp = stamp()
        self.listeners = Listeners()
        #: Called with the old severity when it has changed.
        self.on_severity: Callable[[Record, int], None] | None = None
        #: The fields that somebody looks at, by name: they are posted when this record has changed.
        self.fields: WeakValueDictionary[str, Record] = WeakValueDictionary()
        self.meta = dbr.Meta()
        self._evaluation = AlarmEvaluation(info)
        self._own = self.values.own
        self._packed: dict[tuple[int, int], Body] = {}
        self.value: Any = self._own(info.initial)
        self.posted: list[Any] = [self.value, self.value]  #: last posted as DBE_VALUE, as DBE_LOG; if it has deadbands
        self._take_info()
        self.status, self.severity = self._judged(self.value)
        acknowledge.note(self, self.severity)

    def __repr__(self) -> str:
        return f"<Record {self.name} = {self.value!r}>"

    # -- posting ------------------------------------------------------------------------------------------------------

    def post(
        self,
        value: Any,
        when: Stamp | None = None,
        *,
        severity: int | None = None,
        status: int = dbr.STATUS_SOFT,
        force: bool = False,
    ) -> None:
        """Gives the record a value, and tells whoever listens if value or alarm have changed (or `force`).

        A number that has changed by no more than MDEL (ADEL) since it was told last is no change of DBE_VALUE
        (DBE_LOG). An enum takes its label or index. The severity follows from the value unless one is given. Raises
        ValueError for a value that the record cannot have.
        """
        value = self._own(value)
        if severity is None:
            status, severity = self._judged(value)
        elif severity == dbr.NO_ALARM:
            status = dbr.STATUS_NONE
        old = self.severity
        events = DBE_VALUE | DBE_LOG if force else self._change(value)
        if severity != old or status != self.status:
            events |= DBE_ALARM
            acknowledge.note(self, severity)
        self.value, self.status, self.severity = value, status, severity
        self.stamp = when or stamp()
        self._packed.clear()
        if events:
            self._tell(events)
        if severity != old and self.on_severity is not None:
            self.on_severity(self, old)

    def post_alarm(self, severity: int, status: int = dbr.STATUS_SOFT, when: Stamp | None = None) -> None:
        """Changes the severity alone."""
        self.post(self.value, when or self.stamp, severity=severity, status=status)

    def process(self, *, keep_time: bool) -> None:
        """Posts value and alarm as they are, at the present time or the one that they have."""
        self.post(self.value, self.stamp if keep_time else None, severity=self.severity, status=self.status)

    def renew(self, events: int) -> None:
        """Tells of something else than the value that has changed about the record."""
        self._packed.clear()
        self._tell(events)

    def describe(self, **changes: Any) -> None:
        """Changes what the record says of itself, such as `limits` or `unit` of its info: that is a DBE_PROPERTY.

        The severity follows anew from the value; if it changes, it does so now. What `value` may be does not change.
        """
        self.info = dataclasses.replace(self.info, **changes)
        self._evaluation = AlarmEvaluation(self.info, self._evaluation.exceeded)
        self._take_info()
        old = (self.status, self.severity)
        self.status, self.severity = self._judged(self.value)
        if (self.status, self.severity) != old:
            self.stamp = stamp()
            acknowledge.note(self, self.severity)
        self._packed.clear()
        self._tell(DBE_PROPERTY | (DBE_ALARM if (self.status, self.severity) != old else 0))
        if self.severity != old[1] and self.on_severity is not None:
            self.on_severity(self, old[1])

    def _change(self, value: Any) -> int:
        """Which events the value is, compared with what was told last."""
        if not self._has_deadband:
            return 0 if same(self.value, value) else DBE_VALUE | DBE_LOG
        events = 0
        for i, event, deadband in ((0, DBE_VALUE, self.info.mdel), (1, DBE_LOG, self.info.adel)):
            # Written so that a change from or to NaN is one; that it stays NaN is none.
            if not abs(value - self.posted[i]) <= deadband and not (same(value, self.posted[i]) and deadband >= 0):
                self.posted[i] = value
                events |= event
        return events

    def _tell(self, events: int) -> None:
        for (kind, count, mask), listeners in self.listeners.groups.items():
            if mask & events:
                try:
                    body = self.packed(kind, count)
                except Exception as error:
                    self._tell_failure(kind, listeners, error)
                    continue
                for listener in listeners:
                    try:
                        listener.tell(body)
                    except Exception as error:
                        faults.report(f"a monitor of {self.name} could not be sent", error)
        if self.fields:
            for field in list(self.fields.values()):
                try:
                    field.follow(events)
                except Exception as error:
                    faults.report(f"{field.name} could not follow its record", error)

    def _tell_failure(self, kind: int, listeners: list[Listener], error: Exception) -> None:
        """Tells those who want a DBR type in which the value has no form, as a text has none as a number."""
        if not isinstance(error, dbr.Unconvertible):
            faults.report(f"{self.name} could not be packed as DBR type {kind}", error)
        for listener in listeners:
            listener.fail()

    def follow(self, events: int) -> None:
        """For the record that follows another, such as a field: takes over what that is now."""

    def subscribed(self) -> None:
        """For the record of one channel: that has a subscription (more)."""

    @property
    def owner(self) -> Record:
        """The record whose alarm this is: itself, unless it is a field of another."""
        return self

    @property
    def exceeded(self) -> float:
        """The limit that the value has exceeded, and not come back from; NaN: none."""
        return self._evaluation.exceeded

    def _take_info(self) -> None:
        info = self.info
        self.meta = meta_of(info, self.labels)
        self._has_deadband = bool(info.mdel or info.adel) and isinstance(self.value, int | float) and not self.labels

    @property
    def label(self) -> str:
        """An enum's value as its label."""
        return self.labels[self.value]

    # -- reading ------------------------------------------------------------------------------------------------------

    def packed(self, kind: int, count: int) -> Body:
        """The body of a message of DBR type `kind`: size, number of elements, payload padded to 8 bytes.

        `count` 0 is as many elements as there are. Made once for a value, however many listen.
        """
        body = self._packed.get((kind, count))
        return self._pack(kind, count) if body is None else body

    def _pack(self, kind: int, count: int) -> Body:
        if kind == dbr.TIME_DOUBLE and count < 2 and type(self.value) is float:
            form = dbr.TIME_DOUBLE_FORM
            body = (form.size, 1, form.pack(self.status, self.severity, *self.stamp, self.value))
            self._packed[kind, count] = body
            return body
        values, elements = self._elements(kind % 7 if kind <= dbr.HIGHEST_DATA_TYPE else dbr.STRING, count)
        if kind == dbr.CLASS_NAME:
            payload, elements = dbr.text(self.owner.info.record), 1
        elif kind == dbr.STSACK_STRING:
            parts = (self.status, self.severity, self.owner.ackt, self.owner.acks)
            payload = b"".join([*(part.to_bytes(2) for part in parts), values])
        else:
            payload = dbr.pack(kind, values, self.status, self.severity, self.stamp, self.meta)
        if len(payload) % 8:
            payload += b"\0" * (-len(payload) % 8)
        body = self._packed[kind, count] = (len(payload), elements, payload)
        return body

    def _elements(self, base: int, count: int) -> tuple[dbr.Buffer, int]:
        """The value in a base type, and how many elements it has; at most `count` unless that is 0, then all."""
        if isinstance(self.value, str):
            return self._text_elements(base, count)
        if base == dbr.STRING:
            precision = self.info.precision
            shown = [self.values.shown(v, precision) for v in np.atleast_1d(np.asarray(self.value, object))]
            data, size = b"".join(map(dbr.text, shown)), len(shown)
        else:
            data = dbr.numbers(self.value, base)
            size = len(data) // dbr.ELEMENT_SIZE[base]
        return _fit(data, size, count, dbr.ELEMENT_SIZE[base])

    def _text_elements(self, base: int, count: int) -> tuple[dbr.Buffer, int]:
        if base == dbr.STRING:
            return _fit(dbr.text(self.value), 1, count, dbr.STRING_SIZE)
        size = dbr.ELEMENT_SIZE[base]
        if self.native == dbr.STRING:
            try:
                return _fit(dbr.numbers(float(self.value), base), 1, count, size)
            except ValueError:
                raise dbr.Unconvertible(f"{self.name} is the text {self.value!r}, not a number") from None
        data = self.value.encode() + b"\0"
        if base != dbr.CHAR:
            data = dbr.numbers(np.frombuffer(data, np.uint8), base)
        return _fit(data, len(data) // size, count, size)

    # -- writing ------------------------------------------------------------------------------------------------------

    def accept(self, kind: int, count: int, payload: bytes) -> Any:
        """What a client sent, as a value of this record; Unconvertible says why it cannot be one.

        A number is clipped to DRVL and DRVH where the description wants it and there is something between them.
        """
        if acknowledge.is_one(kind):
            return acknowledge.unpack(kind, count, payload)
        value = self.values.accept(kind, count, payload)
        high, low = self.meta.control
        return type(value)(min(max(value, low), high)) if self.info.clips and low < high else value

    def takes(self, kind: int) -> bool:
        """Whether values of a DBR type can be written: an alarm can be acknowledged wherever one can be."""
        return self.put is not None or (acknowledge.is_one(kind) and self.info.has_alarm)

    @property
    def refuses_puts(self) -> bool:
        """Whether nothing can be written at present."""
        return self.disabled != 0

    def write(self, value: Any, client: Client) -> Awaitable[None] | None:
        """Does what a client's writing does; `value` is what `accept` gave. Raises if it is refused."""
        if self.refuses_puts:
            raise PutRefused(f"puts to {self.owner.name} are disabled, its DISP is {self.owner.disabled}")
        if isinstance(value, acknowledge.Acknowledgement):
            acknowledge.perform(self.owner, value, client)
            return None
        if self.put is None:
            raise PutRefused(f"{self.name} cannot be written")
        going_on = self.put(value, client)
        return None if going_on is None else self.owner._until_done(going_on)

    async def _until_done(self, going_on: Awaitable[None]) -> None:
        """Awaits what a put has started; meanwhile the record is active."""
        self._count_active(1)
        try:
            await going_on
        finally:
            self._count_active(-1)

    def _count_active(self, change: int) -> None:
        self.active += change
        for field in list(self.fields.values()):
            field.follow(0)

    def _judged(self, value: Any) -> tuple[int, int]:
        return self._evaluation.evaluate(value) if isinstance(value, int | float) else (dbr.STATUS_NONE, dbr.NO_ALARM)


def _fit(data: dbr.Buffer, elements: int, count: int, size: int) -> tuple[dbr.Buffer, int]:
    """Exactly `count` elements, cut or filled with zeros; 0: as many as there are."""
    if not count or count == elements:
        return data, elements
    return bytes(data[: count * size]).ljust(count * size, b"\0"), count
