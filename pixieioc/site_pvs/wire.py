"""How the process that reads and the IOC talk: MessagePack with its length before it, over pipes."""

from __future__ import annotations

import asyncio
import struct

import msgspec

from pixieioc.site_pvs.reading import Reading
from pixieioc.site_pvs.tally import Tally

_LENGTH = struct.Struct(">I")
#: No message is longer, in bytes: there may be hundreds of arrays in it.
_LONGEST = 64 * 1024**2


class Wanted(msgspec.Struct, frozen=True):
    """The first message to the process: what it is to read, and how."""

    names: list[str]
    period: float  #: s between two `News`
    elements: int  #: that are read of an array at most


class Ask(msgspec.Struct, frozen=True, tag=True):
    """All are to be read now, each within `seconds`."""

    number: int
    seconds: float


class News(msgspec.Struct, frozen=True, tag=True):
    """Once a period: what has changed, by the number of the name; empty as a sign of life.

    An `Ask` has what is known told at once: what comes behind the News with its number came after it.
    """

    readings: dict[int, Reading] = {}
    tallies: dict[int, Tally] = {}
    asked: int = 0


class Answer(msgspec.Struct, frozen=True, tag=True):
    """One of those that were asked for."""

    number: int
    index: int
    reading: Reading


def encode(message: msgspec.Struct) -> bytes:
    """A message as it travels."""
    body = msgspec.msgpack.encode(message)
    return _LENGTH.pack(len(body)) + body


async def receive(reader: asyncio.StreamReader) -> bytes:
    """The next message; EOFError when there will be none."""
    try:
        (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
        if length > _LONGEST:
            raise EOFError(f"a message of {length} bytes")
        return await reader.readexactly(length)
    except asyncio.IncompleteReadError as error:
        raise EOFError from error
