"""One client's connection: what it asks is answered; what leaves, and when, is the outbox's."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from pixieioc.ioc.ca import dbr, sockets
from pixieioc.ioc.ca import protocol as ca
from pixieioc.ioc.ca.channel import Channel, Subscription
from pixieioc.ioc.ca.limits import Limits
from pixieioc.ioc.ca.outbox import Outbox
from pixieioc.ioc.ca.protocol import Message
from pixieioc.ioc.ca.transport import Transport
from pixieioc.ioc.ca.writes import Writes
from pixieioc.ioc.records import Client, Record, faults
from pixieioc.ioc.records.rights import KnownRights

if TYPE_CHECKING:
    from pixieioc.ioc.ca.server import Server

log = logging.getLogger(__name__)
#: The longest payload of a client that has no channel for anything longer: names, and a string.
_SHORT = 64 * 1024


class Circuit:
    """The server's side of one TCP connection, which came from `address`."""

    def __init__(self, server: Server, limits: Limits, sock: socket.socket, address: tuple[str, int]) -> None:
        self._server = server
        self._limits = limits
        self._cutter = ca.MessageParser(min(_SHORT, limits.message))
        self._requests: Iterator[Message] = iter(())
        self._requests_wait = False
        self._channels: dict[int, Channel] = {}
        self._rights = KnownRights(lambda security: server.rights_to(security, self.client))
        self._next_id = 1
        self._subscriptions = 0
        self._writes = Writes(self, server, limits.puts)
        self.spoken = False  #: the client has said something that is Channel Access
        host, port = address
        self.client = Client("", host, f"{host}:{port}")
        self._handlers: dict[int, Callable[[Message], None]] = {
            ca.VERSION: self._nothing,
            ca.CLIENT_NAME: self._client_name,
            ca.HOST_NAME: self._host_name,
            ca.ECHO: self._echo,
            ca.SEARCH: self._search,
            ca.CREATE_CHANNEL: self._create_channel,
            ca.CLEAR_CHANNEL: self._clear_channel,
            ca.READ: self._read,
            ca.READ_NOTIFY: self._read,
            ca.WRITE: self._write,
            ca.WRITE_NOTIFY: self._write,
            ca.EVENT_ADD: self._event_add,
            ca.EVENT_CANCEL: self._event_cancel,
            ca.EVENTS_ON: self._events_switch,
            ca.EVENTS_OFF: self._events_switch,
            ca.READ_SYNC: self._nothing,
        }
        sockets.tune(sock, limits.stall)
        self.transport = Transport(sock, server.inbox, self)
        self.outbox = Outbox(self.transport, limits.backlog, limits.patience)
        if not server.admit(self):
            self.transport.abort()
            return
        asyncio.get_running_loop().call_later(limits.silence, self._close_if_silent)
        self.outbox.reply(ca.header(ca.VERSION, 0, 0, ca.MINOR_VERSION, 0, 0))

    @property
    def channels(self) -> int:
        """The number of channels that the client has here."""
        return len(self._channels)

    # -- the connection -----------------------------------------------------------------------------------------------

    def received(self, size: int) -> None:
        """Handles what the client says, and answers at once; a client that breaks the protocol is disconnected."""
        if size == ca.HEADER.size and self._cutter.is_empty and self._get():
            return
        self._requests = self._cutter.cut(bytes(self._server.inbox[:size]))
        self._handle_requests()

    def _handle_requests(self) -> None:
        """Handles requests until their answers are too much for the client; the rest when it has taken them."""
        outbox = self.outbox
        scheduled, outbox.scheduled = outbox.scheduled, True  # all answers leave together at the end
        try:
            for message in self._requests:
                self._handle(message)
                if outbox.choked:
                    self._requests_wait = True
                    self.transport.pause_reading()
                    return
        except ca.Broken as error:
            self._disconnect(str(error))
        finally:
            outbox.scheduled = scheduled
            outbox.flush()

    def _handle(self, message: Message) -> None:
        """Answers a request; a fault of ours costs its client this answer, and nothing else."""
        handler = self._handlers.get(message.command)
        if handler is None:
            raise ca.Broken(f"unknown command {message.command}")
        if message.too_large:
            handler = self._too_large
        self.spoken = True
        try:
            handler(message)
        except ca.Broken:
            raise
        except Exception as error:
            channel = self._channels.get(message.a)
            about = f" of {channel.view.name}" if channel is not None else ""
            faults.report(f"request {message.command}{about} could not be answered", error)
            self._fail(message)

    def _fail(self, message: Message) -> None:
        """Answers a request that has failed by a fault of ours."""
        match message.command:
            case ca.CREATE_CHANNEL:
                self.outbox.reply(ca.header(ca.CREATE_FAIL, 0, 0, 0, message.a, 0))
            case ca.READ_NOTIFY:
                self.outbox.reply(ca.header(ca.READ_NOTIFY, 0, message.data_type, 0, ca.GETFAIL, message.b))
            case ca.WRITE_NOTIFY:
                self._writes.answer(message, ca.PUTFAIL, "")
            case _:
                self.error(message, ca.INTERNAL, "this is a fault of the server")

    def full(self) -> None:
        """The client does not read as fast as it is written to; it may still ask for something, such as a stop."""
        self.outbox.full()

    def drained(self) -> None:
        """The client has taken what was sent: what was held back leaves, then more is taken from it."""
        self.outbox.drained()
        if self._requests_wait and not self.outbox.choked and not self.transport.closing:
            self._requests_wait = False
            self._handle_requests()
            if not self._requests_wait:
                self.transport.resume_reading()

    def lost(self, error: OSError | None) -> None:
        """The client has gone; what it has asked for goes on."""
        if error is not None:
            log.info("%s at %s: %s", self.client, self.client.address, error.strerror)
        self._server.dismiss(self)
        self.outbox.close()
        for channel in self._channels.values():
            try:
                channel.unsubscribe_all()
            except Exception as fault:
                faults.report(f"monitors of {channel.view.name} could not be ended", fault)
        self._channels.clear()

    def check(self) -> None:
        """Disconnects a client that has not read for too long."""
        if self.outbox.stalled() > self._limits.stall:
            self._disconnect(f"has not read for {self._limits.stall:g} s")

    def review_rights(self) -> None:
        """Tells the client of those rights that have changed."""
        changed = self._rights.renew()
        if not changed:
            return
        for channel in self._channels.values():
            if channel.security in changed and channel.take(self._rights.to(channel.security)):
                self.outbox.reply(channel.rights)

    def regrouped(self, record: Record) -> None:
        """Tells the client of its rights to a record, whose access group is another one now, if they have changed."""
        for channel in self._channels.values():
            if channel.view.owner is record and channel.follow_group(self._rights.to):
                self.outbox.reply(channel.rights)

    def _close_if_silent(self) -> None:
        if not self.spoken and not self.transport.closing:
            self._disconnect(f"has not said anything in {self._limits.silence:g} s")

    def _disconnect(self, why: str) -> None:
        self._server.complain(f"{self.client} at {self.client.address}: {why}; disconnected")
        self.transport.abort()

    # -- requests -----------------------------------------------------------------------------------------------------

    def _nothing(self, _: Message) -> None:
        """Nothing to do or to answer."""

    def _client_name(self, message: Message) -> None:
        self.client = Client(dbr.name(message.payload), self.client.host, self.client.address)
        self.review_rights()

    def _host_name(self, message: Message) -> None:
        if self._server.trusts_hosts:
            self.client = Client(self.client.user, dbr.name(message.payload), self.client.address)
            self.review_rights()

    def _echo(self, message: Message) -> None:
        self.outbox.reply(message.header)

    def _search(self, message: Message) -> None:
        if self._server.knows(dbr.name(message.payload)):
            self.outbox.reply(ca.search_reply(self._server.port, message.a))
        elif message.data_type == ca.DO_REPLY:
            self.outbox.reply(ca.header(ca.NOT_FOUND, 0, ca.DO_REPLY, ca.MINOR_VERSION, message.a, message.a))

    def _create_channel(self, message: Message) -> None:
        view = self._server.find(dbr.name(message.payload))
        if view is None or len(self._channels) >= self._limits.channels:
            self.outbox.reply(ca.header(ca.CREATE_FAIL, 0, 0, 0, message.a, 0))
            return
        channel = Channel(view, message.a, self._next_id, self._rights.to(view.security))
        self._channels[self._next_id] = channel
        self._next_id += 1
        # Whoever has a channel may send what fits in it, as text, too.
        longest = view.length * (dbr.STRING_SIZE if channel.writable else 1)
        self._cutter.limit = min(max(self._cutter.limit, longest), self._limits.message)
        self.outbox.reply(
            channel.rights,
            ca.header(ca.CREATE_CHANNEL, 0, view.native, view.length, channel.client_id, channel.server_id),
        )

    def _too_large(self, message: Message) -> None:
        """Refuses a put of more than is taken; anything else that is so large is no Channel Access."""
        channel = self._channels.get(message.a)
        why = f"a message of {message.too_large} bytes was announced, at most {self._cutter.limit} are taken"
        if message.command not in (ca.WRITE, ca.WRITE_NOTIFY) or channel is None:
            raise ca.Broken(why)
        self._server.complain(f"{self.client} at {self.client.address}: put to {channel.view.name}: {why}")
        self._server.put_refused(channel.view.record, self.client, why)
        self._writes.answer(message, ca.TOO_LARGE, why)

    def _clear_channel(self, message: Message) -> None:
        channel = self._channels.pop(message.a, None)
        if channel is None:
            self.error(message, ca.BADCHID, "no such channel")
            return
        self._subscriptions -= len(channel.subscriptions)
        channel.unsubscribe_all()
        self.outbox.reply(ca.header(ca.CLEAR_CHANNEL, 0, 0, 0, message.a, message.b))

    def _get(self) -> bool:
        """Answers a get that has come alone, as all do of a client that waits for each; False if it is not so simple.

        What `_read` does, without making a message of it, and without collecting what leaves.
        """
        command, size, kind, count, channel_id, request = ca.HEADER.unpack_from(self._server.inbox)
        channel = self._channels.get(channel_id)
        if command != ca.READ_NOTIFY or size or channel is None or count > channel.view.length or not channel.readable:
            return False
        try:
            size, count, payload = channel.view.packed(kind, count)
        except Exception:  # whatever it is: `_read` says so
            return False
        # Whoever has a channel has spoken.
        return self.outbox.reply_alone(ca.header(ca.READ_NOTIFY, size, kind, count, ca.NORMAL, request) + payload)

    def _read(self, message: Message) -> None:
        channel = self._channel(message)
        if channel is None:
            return
        if not channel.readable:
            self._answer_get(message, ca.NO_READ_ACCESS, "no read access")
            return
        try:
            size, count, payload = channel.view.packed(message.data_type, message.elements)
        except dbr.Unconvertible as error:
            self._answer_get(message, ca.GETFAIL, str(error))
            return
        a = ca.NORMAL if message.command == ca.READ_NOTIFY else channel.client_id
        self.outbox.reply(ca.header(message.command, size, message.data_type, count, a, message.b), payload)

    def _answer_get(self, message: Message, code: int, why: str) -> None:
        """Says why a get has no answer."""
        if message.command == ca.READ_NOTIFY:
            self.outbox.reply(ca.header(ca.READ_NOTIFY, 0, message.data_type, 0, code, message.b))
        else:
            self.error(message, code, why)

    def _write(self, message: Message) -> None:
        channel = self._channel(message)
        if channel is not None:
            self._writes.write(message, channel)

    def _event_add(self, message: Message) -> None:
        channel = self._channel(message)
        if channel is None:
            return
        if len(message.payload) < 14:
            raise ca.Broken("subscription without a mask")
        if self._subscriptions >= self._limits.subscriptions:
            self.error(message, ca.NO_MEMORY, f"no more than {self._limits.subscriptions} subscriptions")
            return
        mask = int.from_bytes(message.payload[12:14])
        try:
            channel.view.packed(message.data_type, message.elements)  # made once, and sent when it has subscribed
        except dbr.Unconvertible as error:
            self.error(message, ca.BADTYPE, str(error))
            return
        subscription = Subscription(self.outbox, message.b, message.data_type, message.elements, mask)
        self._subscriptions += message.b not in channel.subscriptions
        channel.subscribe(subscription)

    def _event_cancel(self, message: Message) -> None:
        channel = self._channel(message)
        if channel is None:
            return
        subscription = channel.unsubscribe(message.b)
        if subscription is None:
            self.error(message, ca.BADCHID, "no such subscription")
            return
        self._subscriptions -= 1
        # An empty event is the confirmation; nothing of this subscription may come after it.
        self.outbox.reply(ca.header(ca.EVENT_ADD, 0, subscription.kind, 0, channel.server_id, subscription.id))

    def _events_switch(self, message: Message) -> None:
        self.outbox.switch(message.command == ca.EVENTS_ON)

    # -- small steps --------------------------------------------------------------------------------------------------

    def _channel(self, message: Message) -> Channel | None:
        """The channel that a request is about; a request of an impossible type or about no channel is answered here."""
        channel = self._channels.get(message.a)
        if channel is None:
            self.error(message, ca.BADCHID, "no such channel")
        elif message.data_type > dbr.CLASS_NAME:
            self.error(message, ca.BADTYPE, f"no DBR type {message.data_type}")
            return None
        elif message.elements > channel.view.length and message.command in (ca.READ, ca.READ_NOTIFY, ca.EVENT_ADD):
            self.error(message, ca.BADCOUNT, f"{message.elements} elements of {channel.view.length}")
            return None
        return channel

    def error(self, message: Message, code: int, why: str) -> None:
        """Answers a request with an error."""
        payload = message.header + ca.text_payload(why)
        channel = self._channels.get(message.a)
        self.outbox.reply(
            ca.header(ca.ERROR, len(payload), 0, 0, channel.client_id if channel else 0xFFFFFFFF, code), payload
        )
