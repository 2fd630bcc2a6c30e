"""The puts of all clients over PVAccess: handed to their records as those over Channel Access are, and answered."""

from __future__ import annotations

import asyncio
import functools
from typing import Any

import numpy as np

from pixieioc.ioc.pva.operations import Operation, Operations
from pixieioc.ioc.pva.types import code_of
from pixieioc.ioc.records import PutRefused, Record
from pixieioc.ioc.records.accepting import INT32, INT64, Accepting
from pixieioc.ioc.records.conversion import Unconvertible
from pixieioc.ioc.records.puts import Asked, Puts
from pixieioc.ioc.records.rights import Gate

#: Who does not wait for the end of a put waits at most this many seconds for its refusal.
_DECIDED = 0.2
_WHOLE = {"i": INT32, "ai": INT32, "l": INT64}


class Writes:
    """Each client, known by its address, may have as many puts going on as by Channel Access."""

    def __init__(self, gate: Gate, operations: Operations, most: int) -> None:
        self._gate = gate
        self._operations = operations
        self._most = most
        self._puts: dict[str, Puts] = {}

    def write(self, name: str, record: Record | None, operation: Operation) -> None:
        """Does what a client wants to be put, or says why not."""
        answer = _Answer(self._operations, operation)
        if record is None:
            answer(PutRefused(f"{name} cannot be written"))
            return
        client = operation.client
        rights = self._gate.rights_to(record.security, client)
        told = self._gate.told_of(name, record, client, trapped=rights.trap)
        asked = Asked(name, client, answer, told)
        if told is not None:
            told.writes(operation.fields.get("value.index", operation.fields.get("value")))
        if not record.is_writable:
            asked.refuse(PutRefused(f"{name} cannot be written"))
            return
        if not rights.write:
            asked.refuse(PutRefused(f"no write access to {name} for {client}"))
            return
        try:
            value = accept(record, operation)
        except Unconvertible as error:
            self._gate.put_refused(record, client, str(error))
            asked.refuse(error)
            return
        if told is not None:
            told.writes(value)
        self._carry_out(asked, value, functools.partial(record.write, value, client))
        answer.soon()

    def _carry_out(self, asked: Asked, value: Any, write: Any) -> None:
        address = asked.client.address
        puts = self._puts.setdefault(address, Puts(self._most))
        puts.carry_out(asked, value, write)
        self._puts = {address: puts for address, puts in self._puts.items() if len(puts)}


class _Answer:
    """The one answer of a put: when it has ended, or as soon as it is decided for who does not wait for the end."""

    def __init__(self, operations: Operations, operation: Operation) -> None:
        self._operations = operations
        self._operation = operation
        self._given = False

    def __call__(self, error: Exception | None) -> None:
        if not self._given:
            self._given = True
            self._operations.answer(self._operation.number, None if error is None else str(error) or repr(error))

    def soon(self) -> None:
        """The put goes on, or has ended."""
        if not self._given and not self._operation.block:
            asyncio.get_running_loop().call_later(_DECIDED, self, None)


def accept(record: Record, operation: Operation) -> Any:
    """What was sent, as a value of a record; Unconvertible says why it cannot be one."""
    if operation.problem:
        raise Unconvertible(operation.problem)
    if operation.process == "false":
        raise Unconvertible("process=false: a value that is written is used, or it is refused")
    fields = dict(operation.fields)
    choices = fields.pop("value.choices", None)
    if choices is not None and tuple(choices) != record.labels:
        raise Unconvertible("value.choices cannot be written")
    sent = fields.pop("value.index" if record.labels else "value", None)
    if fields:
        raise Unconvertible(f"{', '.join(sorted(fields))} cannot be written, only the value can")
    if sent is None:
        raise Unconvertible("no value was sent")
    accepting = Accepting(record.info, record.labels, _WHOLE.get(code_of(record.info)))
    return accepting.accept(_elements(sent))


def _elements(sent: Any) -> Any:
    """Texts as a list, numbers as an array."""
    return [sent] if isinstance(sent, str) else np.atleast_1d(np.asarray(sent))
