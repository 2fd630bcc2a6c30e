"""Puts as p4p hands them over: what of them the event loop needs, and their answers.

p4p's object of a put must not be let go in the event loop, which would wait for p4p's thread then: it stays here, and
the loop knows it by a number.
"""

from __future__ import annotations

import functools
import ipaddress
import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
from p4p import Value  # pyright: ignore[reportMissingTypeStubs]

from pixieioc.ioc.pva.lane import Lane
from pixieioc.ioc.records import Client

#: The options of a put that say yes.
_YES = ("true", "1", "yes")


@dataclass(frozen=True, slots=True)
class Operation:
    """A put: from whom, which fields it has and with which values, and the options that it was sent with."""

    number: int
    client: Client
    fields: dict[str, Any]
    process: str
    block: bool
    #: Why what was sent cannot be read at all.
    problem: str = ""


class Operations:
    """All of them that are not answered."""

    def __init__(self, lane: Lane) -> None:
        self._lane = lane
        self._numbers = itertools.count()
        self._open: dict[int, Any] = {}

    def take(self, op: Any) -> Operation:
        """Takes one over, in p4p's thread."""
        request = op.pvRequest()
        fields, problem = _fields(op.value())
        operation = Operation(
            number=next(self._numbers),
            client=client_of(op.account(), op.peer()),
            fields=fields,
            process=str(request.get("record._options.process", "") or "").lower(),
            block=str(request.get("record._options.block", "") or "").lower() in _YES,
            problem=problem,
        )
        self._open[operation.number] = op
        return operation

    def answer(self, number: int, error: str | None) -> None:
        """Answers one, in the event loop: in the lane, as that may wait."""
        self._lane.hand_over(functools.partial(self._answer, number, error), "a put could not be answered")

    def _answer(self, number: int, error: str | None) -> None:
        op = self._open.pop(number, None)
        if op is not None:
            op.done(error=error)


def client_of(user: str, peer: str) -> Client:
    """Who it is, by what p4p calls the other end: `10.0.0.7:5075`, `[::1]:5075`, `[::ffff:10.0.0.7]:5075`."""
    text, _, port = peer.rpartition(":")
    host = text.strip("[]")
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return Client(user, host, peer)
    host = str(getattr(address, "ipv4_mapped", None) or address)
    return Client(user, host, f"{host}:{port}")


def _fields(value: Any) -> tuple[dict[str, Any], str]:
    """What was sent, by the full names of the fields, and why it cannot be read; nothing belongs to p4p any longer."""
    try:
        sent = {name: value[name] for name in value.changedSet(expand=True) if name}
    except UnicodeDecodeError as error:
        return {}, f"text is not UTF-8: {error}"
    fields = {name: each for name, each in sent.items() if not isinstance(each, Value)}
    return {name: each.copy() if isinstance(each, np.ndarray) else each for name, each in fields.items()}, ""
