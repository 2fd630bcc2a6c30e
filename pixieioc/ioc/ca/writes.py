"""The puts of one client over Channel Access: converted, handed to their records, and answered."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from pixieioc.ioc.ca import dbr
from pixieioc.ioc.ca import protocol as ca
from pixieioc.ioc.ca.acknowledge import Acknowledgement
from pixieioc.ioc.ca.channel import Channel
from pixieioc.ioc.ca.protocol import Message
from pixieioc.ioc.ca.view import View
from pixieioc.ioc.records.puts import Asked, Puts
from pixieioc.ioc.records.told import Told

if TYPE_CHECKING:
    from pixieioc.ioc.ca.circuit import Circuit
    from pixieioc.ioc.ca.server import Server


class Writes:
    """Those of one circuit, of which at most `most` go on at a time."""

    __slots__ = ("_circuit", "_puts", "_server")

    def __init__(self, circuit: Circuit, server: Server, most: int) -> None:
        self._circuit = circuit
        self._server = server
        self._puts = Puts(most)

    def write(self, message: Message, channel: Channel) -> None:
        """Does what the message wants to be put, or says why not."""
        view, client = channel.view, self._circuit.client
        told = self._server.told_of(view.name, view.record, client, trapped=channel.trapped)
        if not view.takes(message.data_type) or not channel.writable:
            if told is not None:
                told.writes(_as_sent(message))
                told.failed("no write access")
            self.answer(message, ca.NO_WRITE_ACCESS, "no write access")
            return
        goes_on = False

        def answer(error: Exception | None) -> None:
            if error is None:
                self.answer(message, ca.NORMAL, "")
            elif not goes_on or message.command == ca.WRITE_NOTIFY:  # nobody waits any longer for another one's end
                self.answer(message, ca.PUTFAIL, f"{view.name}: {error}")

        asked = Asked(view.name, client, answer, told)
        try:
            value = view.accept(message.data_type, message.elements, message.payload)
        except dbr.Unconvertible as error:
            if told is not None:
                told.writes(_as_sent(message))
            self._server.put_refused(view.record, client, str(error))
            asked.refuse(error)
            return
        if told is not None:
            _tell(told, value, view)
        self._puts.carry_out(asked, value, functools.partial(view.write, value, client))
        goes_on = True

    def answer(self, message: Message, code: int, why: str) -> None:
        """Answers a put."""
        if message.command == ca.WRITE_NOTIFY:
            reply = ca.header(ca.WRITE_NOTIFY, 0, message.data_type, message.elements, code, message.b)
            self._circuit.outbox.reply(reply)
        elif code != ca.NORMAL:
            self._circuit.error(message, code, why)


def _tell(told: Told, value: Any, view: View) -> None:
    """What a put is to write; an acknowledgement writes a field, whatever it was sent to."""
    if isinstance(value, Acknowledgement):
        told.writes_field(f"{view.owner.name}.{value.field}", value.value, value.before(view.owner))
    else:
        told.writes(value)


def _as_sent(message: Message) -> Any:
    """What a put that cannot be taken wants to write; None: it makes no sense at all."""
    try:
        sent = dbr.unpack(message.data_type, message.elements, message.payload)
    except dbr.Unconvertible:
        return None
    return sent[0] if len(sent) == 1 else sent
