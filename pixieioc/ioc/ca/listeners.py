"""Who listens to a record: grouped by what they want, so that a value is packed once for each group."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from pixieioc.ioc.records.change import Change

#: Event masks of Channel Access, which are the bits of `Change`; anything else is none of its events.
DBE_VALUE, DBE_LOG, DBE_ALARM, DBE_PROPERTY = Change.VALUE, Change.ARCHIVE, Change.ALARM, Change.PROPERTY
EVENTS = DBE_VALUE | DBE_LOG | DBE_ALARM | DBE_PROPERTY

#: The body of a message: its size in bytes, the number of elements, the payload padded to 8 bytes.
Body = tuple[int, int, bytes]


class Listener(Protocol):
    """A subscription, as a record sees it: the DBR type and number of elements that it wants, and of which events."""

    @property
    def kind(self) -> int:
        """The DBR type."""
        ...

    @property
    def count(self) -> int:
        """The number of elements; 0: as many as there are."""
        ...

    @property
    def mask(self) -> int:
        """Of which events it wants to hear."""
        ...

    def notify(self, body: Body) -> None:
        """Takes a message."""

    def fail(self) -> None:
        """Takes the news of a value that has no form in the DBR type that it wants."""


class Listeners:
    """The listeners of one record."""

    __slots__ = ("groups",)

    def __init__(self) -> None:
        #: By DBR type, number of elements and mask, in the order in which they came.
        self.groups: dict[tuple[int, int, int], list[Listener]] = {}

    def __len__(self) -> int:
        return sum(map(len, self.groups.values()))

    def __iter__(self) -> Iterator[Listener]:
        for group in self.groups.values():
            yield from group

    def add(self, listener: Listener) -> None:
        """Has it told from now on."""
        self.groups.setdefault((listener.kind, listener.count, listener.mask), []).append(listener)

    def remove(self, listener: Listener) -> None:
        """Tells it nothing more."""
        key = (listener.kind, listener.count, listener.mask)
        self.groups[key].remove(listener)
        if not self.groups[key]:
            del self.groups[key]
