"""A client's connections to records: channels, and subscriptions on them."""

from __future__ import annotations

from collections.abc import Callable

from pixieioc.ioc.ca import dbr
from pixieioc.ioc.ca import protocol as ca
from pixieioc.ioc.ca.listeners import Body
from pixieioc.ioc.ca.outbox import LONGEST_WRITE, Outbox
from pixieioc.ioc.ca.view import View
from pixieioc.ioc.records.rights import Rights, Security


class Channel:
    """A client's connection to one record, and what it may do there."""

    __slots__ = ("client_id", "readable", "security", "server_id", "subscriptions", "trapped", "view", "writable")

    def __init__(self, view: View, client_id: int, server_id: int, rights: Rights) -> None:
        self.view = view
        self.client_id = client_id
        self.server_id = server_id
        self.security = view.security
        self._take(rights)
        self.subscriptions: dict[int, Subscription] = {}

    @property
    def rights(self) -> bytes:
        """The message that tells the client what it may do: 1 is reading, 2 writing."""
        rights = (1 if self.readable else 0) | (2 if self.writable else 0)
        return ca.HEADER.pack(ca.ACCESS_RIGHTS, 0, 0, 0, self.client_id, rights)

    def take(self, rights: Rights) -> bool:
        """Takes over other rights; whether they are news to the client. Its monitors pause while it must not read."""
        could_read, before = self.readable, (self.readable, self.writable)
        self._take(rights)
        if could_read and not self.readable:
            for subscription in self.subscriptions.values():
                self.view.listeners.remove(subscription)
                subscription.fail(ca.NO_READ_ACCESS)
        elif self.readable and not could_read:
            for subscription in self.subscriptions.values():
                self._begin(subscription)
        return before != (self.readable, self.writable)

    def follow_group(self, rights_to: Callable[[Security], Rights]) -> bool:
        """The record has another access group; whether the rights are news to the client."""
        self.security = self.view.security
        return self.take(rights_to(self.security))

    def _take(self, rights: Rights) -> None:
        """What can be written in no way, not even to acknowledge its alarm, is not to be written by anybody."""
        self.readable, self.trapped = rights.read, rights.trap
        self.writable = rights.write and self.view.takes(dbr.PUT_ACKS)

    def subscribe(self, subscription: Subscription) -> None:
        """Has a subscription told from now on, if that is allowed; one with the same number ends."""
        self.unsubscribe(subscription.id)
        self.subscriptions[subscription.id] = subscription
        if self.readable:
            self._begin(subscription)
        else:
            subscription.fail(ca.NO_READ_ACCESS)

    def _begin(self, subscription: Subscription) -> None:
        """Tells the present value, unless filters keep it back, and all that follow."""
        self.view.listeners.add(subscription)
        if self.view.subscribed():
            subscription.notify(self.view.packed(subscription.kind, subscription.count))

    def unsubscribe(self, identifier: int) -> Subscription | None:
        """Ends a subscription: nothing more of it leaves. None: there is none with this number."""
        subscription = self.subscriptions.pop(identifier, None)
        if subscription is not None:
            if self.readable:
                self.view.listeners.remove(subscription)
            subscription.outbox.forget(subscription)
        return subscription

    def unsubscribe_all(self) -> None:
        """Ends all of them."""
        for identifier in list(self.subscriptions):
            self.unsubscribe(identifier)


class Subscription:
    """A client's wish to hear of a record's changes: as DBR type `kind`, of `count` elements, of events in `mask`."""

    __slots__ = ("_body_size", "_count", "_header", "_size", "count", "id", "kind", "mask", "outbox")

    def __init__(self, outbox: Outbox, identifier: int, kind: int, count: int, mask: int) -> None:
        self.outbox = outbox
        self.id = identifier
        self.kind = kind
        self.count = count
        self.mask = mask
        self._header = b""
        self._body_size = self._count = -1
        self._size = 0

    def notify(self, body: Body) -> None:
        """Sends one message to the client."""
        size, count, payload = body
        if size != self._body_size or count != self._count:
            self._renew(size, count)
        outbox = self.outbox
        if (
            outbox.open and outbox.scheduled and outbox.size < LONGEST_WRITE
        ):  # the way that nearly all monitors take: nothing but what they need
            outbox.parts += (self._header, payload)
            outbox.size += self._size
        else:
            outbox.monitor(self, self._size, self._header, payload)

    def fail(self, code: int = ca.GETFAIL) -> None:
        """Tells the client that there is no value, as EPICS Base does: by default, none in the type that it wants."""
        size = dbr.padded_size(self.kind)
        header = ca.header(ca.EVENT_ADD, size, self.kind, 1, code, self.id)
        self.outbox.monitor(self, len(header) + size, header, bytes(size))

    def _renew(self, size: int, count: int) -> None:
        """Makes the header for bodies of another size or count."""
        self._body_size, self._count = size, count
        self._header = ca.header(ca.EVENT_ADD, size, self.kind, count, ca.NORMAL, self.id)
        self._size = size + len(self._header)
