"""The puts of one client, by whatever protocol: told of, carried out, and answered when what they started has ended."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from pixieioc.ioc.records import faults
from pixieioc.ioc.records.client import Client, PutFailed, PutRefused
from pixieioc.ioc.records.conversion import Unconvertible
from pixieioc.ioc.records.told import Told

#: Who wrote what, for those who want it logged.
log = logging.getLogger("pixieioc.puts")


@dataclass(frozen=True, slots=True)
class Asked:
    """A put that a client asks for: `answer` is called once with why it has failed, or None when it has been done."""

    name: str
    client: Client
    answer: Callable[[Exception | None], None]
    told: Told | None = None

    def refuse(self, error: Exception) -> None:
        """It fails: a refusal is told to the client alone; a fault of ours is reported."""
        if self.told is not None:
            self.told.failed(str(error), accepted=isinstance(error, PutFailed))
        if isinstance(error, PutRefused | Unconvertible):
            log.info("%s at %s: %s refused: %s", self.client, self.client.address, self.name, error)
        else:
            faults.report(f"put to {self.name} failed", error)
        self.answer(error)

    def end(self) -> None:
        """It has been done."""
        if self.told is not None:
            self.told.ended()
        self.answer(None)


class Puts:
    """Those of one client, of which at most `most` go on at a time."""

    __slots__ = ("_going_on", "_most")

    def __init__(self, most: int) -> None:
        self._most = most
        self._going_on: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._going_on)

    def carry_out(self, asked: Asked, value: object, write: Callable[[], Awaitable[None] | None]) -> None:
        """Writes a value that can be one: `write` does it. What it starts goes on if the client disappears."""
        log.info("%s at %s: %s = %.200r", asked.client, asked.client.address, asked.name, value)
        try:
            if len(self._going_on) >= self._most:
                raise PutRefused(f"{len(self._going_on)} puts of this client have not completed")
            going_on = write()
        except Exception as error:  # a fault in one hook must not end the client's connection
            asked.refuse(error)
            return
        if going_on is None:
            asked.end()
            return
        if asked.told is not None:
            asked.told.goes_on()
        task = asyncio.ensure_future(_complete(asked, going_on))
        self._going_on.add(task)
        task.add_done_callback(self._going_on.discard)


async def _complete(asked: Asked, going_on: Awaitable[None]) -> None:
    try:
        await _ended(going_on)
    except Exception as error:
        asked.refuse(error)
    else:
        asked.end()


async def _ended(going_on: Awaitable[None]) -> None:
    """Awaits what a put has started; PutRefused if that was cancelled, and not the waiting for it."""
    try:
        await going_on
    except asyncio.CancelledError:
        this = asyncio.current_task()
        if this is None or this.cancelling():
            raise
        raise PutRefused("what the put has started was cancelled") from None
