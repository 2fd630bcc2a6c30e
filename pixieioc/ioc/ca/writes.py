"""The puts of one client: converted, handed to their records, and answered when what they have started has ended."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from typing import TYPE_CHECKING

from pixieioc.ioc.ca import dbr
from pixieioc.ioc.ca import protocol as ca
from pixieioc.ioc.ca.channel import Channel
from pixieioc.ioc.ca.protocol import Message
from pixieioc.ioc.ca.puts_told import Told, as_sent
from pixieioc.ioc.ca.view import View
from pixieioc.ioc.records import PutRefused, faults

if TYPE_CHECKING:
    from pixieioc.ioc.ca.circuit import Circuit
    from pixieioc.ioc.ca.server import Server

#: Who wrote what, for those who want it logged.
puts = logging.getLogger("pixieioc.puts")


class Writes:
    """Those of one circuit, of which at most `most` go on at a time."""

    __slots__ = ("_circuit", "_going_on", "_most", "_server")

    def __init__(self, circuit: Circuit, server: Server, most: int) -> None:
        self._circuit = circuit
        self._server = server
        self._most = most
        self._going_on: set[asyncio.Task[None]] = set()

    def write(self, message: Message, channel: Channel) -> None:
        """Does what the message wants to be put, or says why not."""
        view, client = channel.view, self._circuit.client
        told = self._server.told_of(channel, client)
        if not view.takes(message.data_type) or not channel.writable:
            if told is not None:
                told.writes(as_sent(message), view)
                told.refused("no write access")
            self.answer(message, ca.NO_WRITE_ACCESS, "no write access")
            return
        try:
            value = view.accept(message.data_type, message.elements, message.payload)
        except dbr.Unconvertible as error:
            if told is not None:
                told.writes(as_sent(message), view)
            self._server.put_refused(view.record, client, str(error))
            self._fail(message, view, error, told)
            return
        puts.info("%s at %s: %s = %.200r", client, client.address, view.name, value)
        if told is not None:
            told.writes(value, view)
        try:
            if len(self._going_on) >= self._most:
                raise PutRefused(f"{len(self._going_on)} puts of this client have not completed")
            going_on = view.write(value, client)
        except Exception as error:  # a fault in one hook must not end the client's connection
            self._fail(message, view, error, told)
            return
        if going_on is None:
            self._end(message, told)
        else:
            self._wait(message, view, going_on, told)

    def answer(self, message: Message, code: int, why: str) -> None:
        """Answers a put."""
        if message.command == ca.WRITE_NOTIFY:
            reply = ca.header(ca.WRITE_NOTIFY, 0, message.data_type, message.elements, code, message.b)
            self._circuit.outbox.reply(reply)
        elif code != ca.NORMAL:
            self._circuit.error(message, code, why)

    def _wait(self, message: Message, view: View, going_on: Awaitable[None], told: Told | None) -> None:
        if told is not None:
            told.goes_on()
        task = asyncio.ensure_future(self._complete(message, view, going_on, told))
        self._going_on.add(task)
        task.add_done_callback(self._going_on.discard)

    async def _complete(self, message: Message, view: View, going_on: Awaitable[None], told: Told | None) -> None:
        """Answers a put-callback when what it started has ended; that goes on if the client disappears."""
        try:
            await _ended(going_on)
        except Exception as error:
            if message.command == ca.WRITE_NOTIFY:
                self._fail(message, view, error, told)
            else:
                self._note(view, error, told)
        else:
            self._end(message, told)

    def _end(self, message: Message, told: Told | None) -> None:
        if told is not None:
            told.ended()
        if message.command == ca.WRITE_NOTIFY:
            self.answer(message, ca.NORMAL, "")

    def _fail(self, message: Message, view: View, error: Exception, told: Told | None) -> None:
        self._note(view, error, told)
        self.answer(message, ca.PUTFAIL, f"{view.name}: {error}")

    def _note(self, view: View, error: Exception, told: Told | None) -> None:
        """A refusal is told to the client alone; a fault of ours is reported."""
        if told is not None:
            told.refused(str(error))
        if isinstance(error, PutRefused | dbr.Unconvertible):
            client = self._circuit.client
            puts.info("%s at %s: %s refused: %s", client, client.address, view.name, error)
        else:
            faults.report(f"put to {view.name} failed", error)


async def _ended(going_on: Awaitable[None]) -> None:
    """Awaits what a put has started; PutRefused if that was cancelled, and not the waiting for it."""
    try:
        await going_on
    except asyncio.CancelledError:
        this = asyncio.current_task()
        if this is None or this.cancelling():
            raise
        raise PutRefused("what the put has started was cancelled") from None
