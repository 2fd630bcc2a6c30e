"""A connection with a recceiver, whose every step is bounded in time and memory, whatever it sends or does not read."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator
from typing import Self

from pixieioc.ioc.recsync.protocol import Inbox, ProtocolError, Recceiver

#: Bytes that are read at a time, and the time between two readings, in seconds: a recceiver says something every 15 s.
_READ, _PACE = 4096, 0.05
#: Bytes that wait for it at most, before sending waits, too.
_UNSENT = 64 * 1024


@contextlib.asynccontextmanager
async def _within(seconds: float, what: str) -> AsyncIterator[None]:
    """ProtocolError that says what the recceiver has not done within this time."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        if isinstance(error, OSError) and error.errno:  # the system's own, which says more
            raise
        raise ProtocolError(f"{what} within {seconds:.3g} s") from None


class Connection:
    """What can be sent to a recceiver and received from it; `open` makes it. OSError if it has gone."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, timeout: float) -> None:
        self._reader = reader
        self._writer = writer
        self._timeout = timeout
        self._inbox = Inbox()
        self._messages: deque[tuple[int, bytes]] = deque()
        self._next_read = 0.0
        writer.transport.set_write_buffer_limits(high=_UNSENT)

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, recceiver: Recceiver, timeout: float) -> AsyncIterator[Self]:
        """The connection to a recceiver, closed at the end; it may take `timeout` seconds for a step."""
        async with _within(timeout, "did not answer"):
            reader, writer = await asyncio.open_connection(*recceiver, limit=_READ)
        try:
            yield cls(reader, writer, timeout)
        finally:
            writer.transport.abort()

    async def send(self, data: bytes) -> None:
        """Sends this; waits while too much of what was sent before has not been taken."""
        self._writer.write(data)
        async with _within(self._timeout, "did not read"):
            await self._writer.drain()

    async def receive(self, seconds: float, what: str, kind: int | None = None) -> tuple[int, bytes]:
        """The kind and the first bytes of the next message, or of the next one of a `kind`: others are ignored.

        `what` says how it fails to come within `seconds`.
        """
        async with _within(seconds, what):
            while True:
                while not self._messages:
                    await self._read()
                message = self._messages.popleft()
                if kind in (None, message[0]):
                    return message

    async def _read(self) -> None:
        await asyncio.sleep(max(0.0, self._next_read - time.monotonic()))
        data = await self._reader.read(_READ)
        self._next_read = time.monotonic() + _PACE
        if not data:
            raise ProtocolError("closed the connection")
        self._messages.extend(self._inbox.feed(data))
