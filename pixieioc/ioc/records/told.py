"""Telling of puts: what was to be written, what was there before, and what became of it."""

from __future__ import annotations

import asyncio
from typing import Any

from pixieioc.ioc.records import faults
from pixieioc.ioc.records.client import Client
from pixieioc.ioc.records.record import Record, stamp
from pixieioc.ioc.records.written import Outcome, PutListener, Written

#: A put that has not ended after this many seconds is told of as started, and once more when it has.
SOON = 1.0


class Told:
    """One put, which its listener hears of when it is known what became of it; `name` is that of what is written."""

    __slots__ = ("_client", "_is_array", "_later", "_listener", "_name", "_new", "_old", "_stamp", "_started")

    def __init__(self, listener: PutListener, name: str, record: Record, client: Client) -> None:
        self._listener = listener
        self._client = client
        self._stamp = stamp()
        self._name = name
        self._new: Any = None
        self._old = record.value
        self._is_array = record.info.record == "waveform"
        self._started = False
        self._later: asyncio.TimerHandle | None = None

    def writes(self, value: Any) -> None:
        """What it is to write."""
        self._new = value

    def writes_field(self, name: str, value: int, before: int) -> None:
        """What it is to write to a field, whatever it was sent to."""
        self._name, self._is_array = name, False
        self._new, self._old = value, before

    def goes_on(self) -> None:
        """It has been taken, and its end is awaited."""
        self._later = asyncio.get_running_loop().call_later(SOON, self._start)

    def _start(self) -> None:
        self._started = True
        self._tell("started", "")

    def ended(self) -> None:
        """It has been done."""
        self._end("completed" if self._started else "accepted", "")

    def failed(self, why: str, *, accepted: bool = False) -> None:
        """It has not been done or, if it was accepted, has ended badly."""
        self._end("failed" if self._started or accepted else "refused", why)

    def _end(self, outcome: Outcome, why: str) -> None:
        if self._later is not None:
            self._later.cancel()
        self._tell(outcome, why)

    def _tell(self, outcome: Outcome, why: str) -> None:
        put = Written(self._stamp, self._client, self._name, self._new, self._old, outcome, why, self._is_array)
        try:
            self._listener(put)
        except Exception as error:  # a log that fails costs no client anything
            faults.report(f"a put to {self._name} could not be logged", error)
