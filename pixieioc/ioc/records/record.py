"""A record: one process variable's value, alarm and time, and who observes them."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from pixieioc.ioc.records import acknowledge, faults
from pixieioc.ioc.records.alarm import NO_ALARM, AlarmEvaluation, AlarmStatus
from pixieioc.ioc.records.change import Change
from pixieioc.ioc.records.client import Client, Put, PutRefused
from pixieioc.ioc.records.security import Security, security_of
from pixieioc.ioc.records.values import as_text, form_of, same
from pixieioc.pvinfo.model import PvInfo

__all__ = ["Change", "Client", "Observer", "Put", "PutRefused", "Record", "Stamp", "stamp"]

#: A time stamp: Unix time in ns.
Stamp = int


def stamp(unix: float | None = None) -> Stamp:
    """A Unix time in s (now if None) as a time stamp."""
    return time.time_ns() if unix is None else round(unix * 1e9)


class Observer(Protocol):
    """Who wants to know what happens to a record."""

    def changed(self, changes: int) -> None:
        """The record has been posted: `changes` (see `Change`) says what is news to clients, and may be 0."""


class Record:
    """A process variable. Values: float, int (also the index of an enum's label), str, or a numpy array.

    `put` is what happens when a client writes: it gets the converted value and the client, posts what is accepted, and
    raises to refuse; what it awaits, the client's put awaits. Without it the record is read only. `labels` are those
    of an enum, if it has others than `info` says.
    """

    #: Other than 0 if puts are refused.
    disabled = 0
    #: The puts that go on.
    active = 0
    #: Whether alarms that have gone want to be acknowledged, and the highest severity that nobody has acknowledged.
    ackt, acks = 1, NO_ALARM
    #: What posts the value again, if that has not been done although it is out of date.
    late: Callable[[], None] | None = None
    #: Called when what the record says of itself has changed.
    on_describe: Callable[[Record], None] | None = None
    #: Called when a client has acknowledged an alarm here.
    on_acknowledge: Callable[[Client], None] | None = None
    #: Called when a client has given the record another access group, with what its rights followed from before.
    on_regroup: Callable[[Record, Security], None] | None = None

    def __init__(self, info: PvInfo, name: str, put: Put | None = None, labels: tuple[str, ...] = ()) -> None:
        self.info = info
        self.name = name
        self.put = put
        self.labels = labels or info.labels
        #: The access group, that of the description until a client gives it another; empty: it has none of its own.
        self.group: str = info.access
        self.status, self.severity = AlarmStatus.NO_ALARM, NO_ALARM
        self.stamp: Stamp = stamp()
        #: Called with the old severity when it has changed.
        self.on_severity: Callable[[Record, int], None] | None = None
        self._observers: list[Observer] = []
        self._evaluation = AlarmEvaluation(info)
        self._form = form_of(info, name, self.labels)
        self.value: Any = self._form(info.initial)
        #: Last posted as a change of value, and to archivers; if it has deadbands.
        self.posted: list[Any] = [self.value, self.value]
        self._take_info()
        self.status, self.severity = self._judged(self.value)
        acknowledge.note(self, self.severity)

    def __repr__(self) -> str:
        return f"<Record {self.name} = {self.value!r}>"

    @property
    def owner(self) -> Record:
        """The record whose alarm this is: that of a field is its record's."""
        return self

    @property
    def security(self) -> Security:
        """What the rights to it follow from."""
        return security_of(self)

    @property
    def is_writable(self) -> bool:
        """Whether it can be written at all."""
        return self.put is not None

    # -- posting ------------------------------------------------------------------------------------------------------

    def post(
        self,
        value: Any,
        when: Stamp | None = None,
        *,
        severity: int | None = None,
        status: int = AlarmStatus.SOFT,
        force: bool = False,
    ) -> None:
        """Gives the record a value, and tells whoever observes it what of that is news (all of it with `force`).

        A number that has changed by no more than MDEL (ADEL) since it was told last is no change of the value (to
        archivers). An enum takes its label or index. The severity follows from the value unless one is given. Raises
        ValueError for a value that the record cannot have.
        """
        value = self._form(value)
        if severity is None:
            status, severity = self._judged(value)
        elif severity == NO_ALARM:
            status = AlarmStatus.NO_ALARM
        old = self.severity
        changes = Change.VALUE | Change.ARCHIVE if force else self._change(value)
        if severity != old or status != self.status:
            changes |= Change.ALARM
            acknowledge.note(self, severity)
        self.value, self.status, self.severity = value, status, severity
        self.stamp = when or stamp()
        if self._observers:
            self.renew(changes)
        if severity != old and self.on_severity is not None:
            self.on_severity(self, old)

    def post_alarm(self, severity: int, status: int = AlarmStatus.SOFT, when: Stamp | None = None) -> None:
        """Changes the severity alone."""
        self.post(self.value, when or self.stamp, severity=severity, status=status)

    def process(self, *, keep_time: bool) -> None:
        """Posts value and alarm as they are, at the present time or the one that they have."""
        self.post(self.value, self.stamp if keep_time else None, severity=self.severity, status=self.status)

    def outdate(self, update: Callable[[], None]) -> None:
        """The value is out of date and costs something: `update`, which posts it, is called when somebody wants it."""
        if self.late is None:
            self.late = update
            self.renew(0)

    def refresh(self) -> None:
        """Has the value posted, if it is out of date."""
        update, self.late = self.late, None
        if update is not None:
            update()

    def renew(self, changes: int) -> None:
        """Tells the observers that something about the record has changed."""
        for observer in self._observers:
            try:
                observer.changed(changes)
            except Exception as error:  # one that fails costs the others nothing
                faults.report(f"an observer of {self.name} has failed", error)

    def describe(self, **changes: Any) -> None:
        """Changes what the record says of itself, such as `limits` or `unit` of its info.

        The severity follows again from the value; if it changes, it does so now. What `value` may be does not change.
        """
        self.info = dataclasses.replace(self.info, **changes)
        self._evaluation = AlarmEvaluation(self.info, self._evaluation.exceeded)
        self._take_info()
        old = (self.status, self.severity)
        self.status, self.severity = self._judged(self.value)
        if (self.status, self.severity) != old:
            self.stamp = stamp()
            acknowledge.note(self, self.severity)
        self.renew(Change.PROPERTY | (Change.ALARM if (self.status, self.severity) != old else 0))
        if self.severity != old[1] and self.on_severity is not None:
            self.on_severity(self, old[1])
        if self.on_describe is not None:
            self.on_describe(self)

    def _change(self, value: Any) -> int:
        """What the value is a change of, compared with what was told last."""
        if not self._has_deadband:
            return 0 if same(self.value, value) else Change.VALUE | Change.ARCHIVE
        changes = 0
        for i, change, deadband in ((0, Change.VALUE, self.info.mdel), (1, Change.ARCHIVE, self.info.adel)):
            # Written so that a change from or to NaN is one; that it stays NaN is none.
            if not abs(value - self.posted[i]) <= deadband and not (same(value, self.posted[i]) and deadband >= 0):
                self.posted[i] = value
                changes |= change
        return changes

    def _take_info(self) -> None:
        info = self.info
        self._has_deadband = bool(info.mdel or info.adel) and isinstance(self.value, int | float) and not self.labels

    def _judged(self, value: Any) -> tuple[int, int]:
        if isinstance(value, int | float):
            return self._evaluation.evaluate(value)
        return AlarmStatus.NO_ALARM, NO_ALARM

    # -- being observed -----------------------------------------------------------------------------------------------

    def observe(self, observer: Observer) -> None:
        """Tells an observer of changes from now on."""
        self._observers.append(observer)

    def unobserve(self, observer: Observer) -> None:
        """Tells an observer nothing more."""
        self._observers.remove(observer)

    @property
    def label(self) -> str:
        """An enum's value as its label."""
        return self.labels[self.value]

    @property
    def exceeded(self) -> float:
        """The limit that the value has exceeded, and not come back from; NaN: none."""
        return self._evaluation.exceeded

    def as_text(self, value: Any, precision: int | None = None) -> str:
        """A value of this record, or one element of it, as a text; with the record's precision unless one is given."""
        return as_text(value, self.labels, self.info.precision if precision is None else precision)

    # -- writing ------------------------------------------------------------------------------------------------------

    def write(self, value: Any, client: Client) -> Awaitable[None] | None:
        """Does what a client's writing does. Raises if it is refused."""
        self.check_enabled()
        if self.put is None:
            raise PutRefused(f"{self.name} cannot be written")
        return self.follow(self.put(value, client))

    def check_enabled(self) -> None:
        """Raises PutRefused if puts are refused at present."""
        if self.disabled:
            raise PutRefused(f"puts to {self.name} are disabled, its DISP is {self.disabled}")

    def follow(self, going_on: Awaitable[None] | None) -> Awaitable[None] | None:
        """What a put has started, during which the record is active."""
        return None if going_on is None else self._until_done(going_on)

    async def _until_done(self, going_on: Awaitable[None]) -> None:
        self._count_active(1)
        try:
            await going_on
        finally:
            self._count_active(-1)

    def _count_active(self, change: int) -> None:
        self.active += change
        self.renew(Change.STATE)
