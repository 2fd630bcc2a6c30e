"""One client's connection: requests in, replies and monitors out, in order and in few system calls.

What a burst of posts produces leaves in one write. A circuit whose client does not read is *behind*: its replies wait
(and its further requests too, so they are bounded), its monitors coalesce, the newest value of each subscription wins,
in the order of the last posts. So a stalled client costs its own values, and nobody else anything.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from pixieioc.ioc.ca import dbr, sockets
from pixieioc.ioc.ca import protocol as ca
from pixieioc.ioc.ca.protocol import Message
from pixieioc.ioc.ca.record import Client, PutRefused, Record

if TYPE_CHECKING:
    from pixieioc.ioc.ca.server import Server

log = logging.getLogger(__name__)


@dataclass
class Limits:
    """What one client may cost; all of it is configurable."""

    message: int = 16 * 1024**2  #: longest message that is taken, bytes
    backlog: int = 256 * 1024  #: bytes that wait for a client before it counts as behind
    channels: int = 100_000  #: channels of one circuit
    silence: float = 30.0  #: seconds that a new client may take to say anything
    stall: float = 60.0  #: seconds after which a client that does not read is disconnected


class Channel:
    """A client's connection to one record."""

    __slots__ = ("client_id", "record", "server_id", "subscriptions", "writable")

    def __init__(self, record: Record, client_id: int, server_id: int, writable: bool) -> None:
        self.record = record
        self.client_id = client_id
        self.server_id = server_id
        self.writable = writable
        self.subscriptions: dict[int, Subscription] = {}


class Subscription:
    """A client's wish to hear of a record's changes; `mask` says of which."""

    __slots__ = ("_header", "_header_of", "circuit", "count", "dbr", "id", "mask")

    def __init__(self, circuit: Circuit, identifier: int, data_type: int, count: int, mask: int) -> None:
        self.circuit = circuit
        self.id = identifier
        self.dbr = data_type
        self.count = count
        self.mask = mask
        self._header = b""
        self._header_of = (-1, -1)

    def tell(self, size: int, count: int, payload: bytes) -> None:
        """Queues one message for the client."""
        if self._header_of != (size, count):
            self._header_of = (size, count)
            self._header = ca.header(ca.EVENT_ADD, size, self.dbr, count, ca.NORMAL, self.id)
        self.circuit.queue(self, self._header, payload)


class Circuit(asyncio.Protocol):
    """The server's side of one TCP connection."""

    transport: asyncio.Transport

    def __init__(self, server: Server) -> None:
        self._server = server
        self._limits = server.limits
        self._cutter = ca.Cutter(server.limits.message)
        self._requests: Iterator[Message] = iter(())
        self._requests_wait = False
        self._channels: dict[int, Channel] = {}
        self._next_id = 1
        self._out: list[bytes] = []
        self._out_size = 0
        self._waiting: dict[Subscription, tuple[bytes, bytes]] = {}
        self._flushing = False
        self._behind_since: float | None = None
        self._events_on = True
        self._spoken = False
        self._tasks: set[asyncio.Task[None]] = set()
        self.coalesced = 0  #: monitors that a newer value of their subscription has replaced
        self.client = Client("", "")
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

    @property
    def channels(self) -> int:
        """The number of channels that the client has here."""
        return len(self._channels)

    # -- the connection -----------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected."""
        self.transport = transport = cast("asyncio.Transport", transport)
        transport.set_write_buffer_limits(high=self._limits.backlog, low=self._limits.backlog // 4)
        sockets.tune(transport.get_extra_info("socket"), self._limits.stall)
        host, port = transport.get_extra_info("peername")[:2]
        self.client = Client("", host, f"{host}:{port}")
        self._server.circuits.add(self)
        asyncio.get_running_loop().call_later(self._limits.silence, self._close_if_silent)
        self._reply(ca.header(ca.VERSION, 0, 0, ca.MINOR_VERSION, 0, 0))

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone; what it has asked for goes on."""
        self._server.circuits.discard(self)
        self._server.coalesced += self.coalesced
        for channel in self._channels.values():
            self._unsubscribe_all(channel)
        self._channels.clear()
        self._waiting.clear()
        self._out.clear()

    def data_received(self, data: bytes) -> None:
        """Handles what the client says; a client that breaks the protocol is disconnected."""
        self._spoken = True
        self._requests = self._cutter.cut(data)
        self._handle_requests()

    def _handle_requests(self) -> None:
        """Handles requests, as long as their answers are not too much at a time; the rest is handled after a flush."""
        try:
            for message in self._requests:
                handler = self._handlers.get(message.command)
                if handler is None:
                    raise ValueError(f"unknown command {message.command}")
                handler(message)
                self._requests_wait = self._out_size >= self._limits.backlog
                if self._requests_wait:
                    self.transport.pause_reading()
                    return
            self._read_on()
        except ca.TooLarge as error:
            self._fatal(str(error))
        except (ValueError, IndexError) as error:
            self._fatal(f"protocol error: {error}")

    def _read_on(self) -> None:
        """Takes more from the client, if it takes what it is sent: first what has come already."""
        if self._behind_since is None and not self.transport.is_closing():
            if self._requests_wait:
                self._requests_wait = False
                self._handle_requests()
            else:
                self.transport.resume_reading()

    def pause_writing(self) -> None:
        """The client does not read as fast as it is written to."""
        self._behind_since = time.monotonic()
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        """The client has caught up: what was held back goes out."""
        self._behind_since = None
        self._release()
        self._read_on()

    def check(self) -> None:
        """Disconnects a client that has not read for too long."""
        if self._behind_since is not None and time.monotonic() - self._behind_since > self._limits.stall:
            log.warning(
                "%s at %s has not read for %g s: disconnected", self.client, self.client.address, self._limits.stall
            )
            self.transport.abort()

    def _close_if_silent(self) -> None:
        if not self._spoken and not self.transport.is_closing():
            self.transport.abort()

    def _fatal(self, why: str) -> None:
        log.warning("%s at %s: %s; disconnected", self.client, self.client.address, why)
        self.transport.abort()

    # -- what goes out ------------------------------------------------------------------------------------------------

    def queue(self, subscription: Subscription, header: bytes, payload: bytes) -> None:
        """Takes a monitor: sent with everything else of this burst, or, if the client is behind, when it is not."""
        if self._behind_since is None and self._events_on and self._out_size < self._limits.backlog:
            self._out.append(header)
            self._out.append(payload)
            self._out_size += len(payload) + 16
            self._schedule()
            return
        if self._waiting.pop(subscription, None) is not None:
            self.coalesced += 1
        self._waiting[subscription] = (header, payload)
        if self._events_on:
            self._schedule()

    def _release(self) -> None:
        """What was held back goes out, before anything newer does."""
        if self._waiting and self._behind_since is None and self._events_on:
            waiting, self._waiting = self._waiting, {}
            for header, payload in waiting.values():
                self._out += (header, payload)
                self._out_size += len(payload) + 16
            self._schedule()

    def _reply(self, *parts: bytes) -> None:
        self._out.extend(parts)
        self._out_size += sum(map(len, parts))
        self._schedule()

    def _schedule(self) -> None:
        if not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        if self.transport.is_closing():
            return
        if self._out:
            out, self._out, self._out_size = self._out, [], 0
            self.transport.write(b"".join(out))
        self._release()
        self._read_on()

    # -- requests -----------------------------------------------------------------------------------------------------

    def _nothing(self, _: Message) -> None:
        """Nothing to do or to answer."""

    def _client_name(self, message: Message) -> None:
        self.client = Client(dbr.name(message.payload), self.client.host, self.client.address)

    def _host_name(self, message: Message) -> None:
        self.client = Client(self.client.user, dbr.name(message.payload), self.client.address)

    def _echo(self, message: Message) -> None:
        self._reply(message.header)

    def _search(self, message: Message) -> None:
        if self._server.find(dbr.name(message.payload)) is not None:
            self._reply(ca.header(ca.SEARCH, 8, self._server.port, 0, 0xFFFFFFFF, message.a), b"\0\x0d" + b"\0" * 6)
        elif message.data_type == ca.DO_REPLY:
            self._reply(ca.header(ca.NOT_FOUND, 0, ca.DO_REPLY, ca.MINOR_VERSION, message.a, message.a))

    def _create_channel(self, message: Message) -> None:
        record = self._server.find(dbr.name(message.payload))
        if record is None or len(self._channels) >= self._limits.channels:
            self._reply(ca.header(ca.CREATE_FAIL, 0, 0, 0, message.a, 0))
            return
        writable = record.put is not None and self._server.may_write(record, self.client)
        channel = Channel(record, message.a, self._next_id, writable)
        self._channels[self._next_id] = channel
        self._next_id += 1
        self._reply(
            ca.HEADER.pack(ca.ACCESS_RIGHTS, 0, 0, 0, channel.client_id, 3 if writable else 1),
            ca.header(ca.CREATE_CHANNEL, 0, record.native, record.length, channel.client_id, channel.server_id),
        )

    def _clear_channel(self, message: Message) -> None:
        channel = self._channels.pop(message.a, None)
        if channel is None:
            self._error(message, ca.BADCHID, "no such channel")
            return
        self._unsubscribe_all(channel)
        self._reply(ca.header(ca.CLEAR_CHANNEL, 0, 0, 0, message.a, message.b))

    def _read(self, message: Message) -> None:
        channel = self._channel(message)
        if channel is None:
            return
        try:
            size, count, payload = channel.record.packed(message.data_type, message.elements)
        except dbr.Unconvertible as error:
            if message.command == ca.READ_NOTIFY:
                self._reply(ca.header(ca.READ_NOTIFY, 0, message.data_type, 0, ca.GETFAIL, message.b))
            else:
                self._error(message, ca.GETFAIL, str(error))
            return
        a = ca.NORMAL if message.command == ca.READ_NOTIFY else channel.client_id
        self._reply(ca.header(message.command, size, message.data_type, count, a, message.b), payload)

    def _write(self, message: Message) -> None:
        channel = self._channel(message)
        if channel is None:
            return
        record = channel.record
        if record.put is None or not channel.writable:
            self._answer_write(message, ca.NO_WRITE_ACCESS, "no write access")
            return
        try:
            value = record.accept(message.data_type, message.elements, message.payload)
        except dbr.Unconvertible as error:
            self._server.put_refused(record, self.client, str(error))
            self._answer_write(message, ca.PUTFAIL, f"{record.name}: {error}")
            return
        try:
            going_on = record.put(value, self.client)
        except Exception as error:  # a fault in one hook must not end the client's connection
            self._answer_write(message, ca.PUTFAIL, _why(record, error))
            return
        if going_on is None:
            self._answer_write(message, ca.NORMAL, "")
        else:
            task = asyncio.ensure_future(self._complete(message, record, going_on))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _complete(self, message: Message, record: Record, going_on: Awaitable[None]) -> None:
        """Answers a put-callback when what it started has ended; that goes on if the client disappears."""
        code = ca.NORMAL
        try:
            await going_on
        except Exception as error:
            _why(record, error)
            code = ca.PUTFAIL
        if message.command == ca.WRITE_NOTIFY:
            self._answer_write(message, code, "")

    def _answer_write(self, message: Message, code: int, why: str) -> None:
        if message.command == ca.WRITE_NOTIFY:
            self._reply(ca.header(ca.WRITE_NOTIFY, 0, message.data_type, message.elements, code, message.b))
        elif code != ca.NORMAL:
            self._error(message, code, why)

    def _event_add(self, message: Message) -> None:
        channel = self._channel(message)
        if channel is None:
            return
        if len(message.payload) < 14:
            raise ValueError("subscription without a mask")
        mask = int.from_bytes(message.payload[12:14])
        subscription = Subscription(self, message.b, message.data_type, message.elements, mask)
        try:
            first = channel.record.packed(message.data_type, message.elements)
        except dbr.Unconvertible as error:
            self._error(message, ca.BADTYPE, str(error))
            return
        if (older := channel.subscriptions.pop(message.b, None)) is not None:
            self._forget(channel, older)
        channel.subscriptions[message.b] = subscription
        channel.record.listeners.append(subscription)
        subscription.tell(*first)

    def _event_cancel(self, message: Message) -> None:
        channel = self._channel(message)
        if channel is None:
            return
        subscription = channel.subscriptions.pop(message.b, None)
        if subscription is None:
            self._error(message, ca.BADCHID, "no such subscription")
            return
        self._forget(channel, subscription)
        # An empty event is the confirmation; nothing of this subscription may come after it.
        self._reply(ca.header(ca.EVENT_ADD, 0, subscription.dbr, 0, channel.server_id, subscription.id))

    def _events_switch(self, message: Message) -> None:
        self._events_on = message.command == ca.EVENTS_ON
        self._release()

    # -- small steps --------------------------------------------------------------------------------------------------

    def _channel(self, message: Message) -> Channel | None:
        """The channel that a request is about; a request of an impossible type or about no channel is answered here."""
        channel = self._channels.get(message.a)
        if channel is None:
            self._error(message, ca.BADCHID, "no such channel")
        elif message.data_type > dbr.CLASS_NAME:
            self._error(message, ca.BADTYPE, f"no DBR type {message.data_type}")
            return None
        elif message.elements > channel.record.length and message.command in (ca.READ, ca.READ_NOTIFY, ca.EVENT_ADD):
            self._error(message, ca.BADCOUNT, f"{message.elements} elements of {channel.record.length}")
            return None
        return channel

    def _error(self, message: Message, code: int, why: str) -> None:
        payload = message.header + ca.text_payload(why)
        channel = self._channels.get(message.a)
        self._reply(
            ca.header(ca.ERROR, len(payload), 0, 0, channel.client_id if channel else 0xFFFFFFFF, code), payload
        )

    def _unsubscribe_all(self, channel: Channel) -> None:
        for subscription in channel.subscriptions.values():
            self._forget(channel, subscription)
        channel.subscriptions.clear()

    def _forget(self, channel: Channel, subscription: Subscription) -> None:
        channel.record.listeners.remove(subscription)
        self._waiting.pop(subscription, None)


def _why(record: Record, error: Exception) -> str:
    """What a client is told of a put that failed; a fault of ours is logged."""
    if not isinstance(error, PutRefused):
        log.error("put to %s failed", record.name, exc_info=error)
    return f"{record.name}: {error}"
