"""The messages of recsync's protocol, version 0: what a recceiver announces and asks, and what a caster answers."""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

#: The UDP port to which recceivers announce themselves.
PORT = 5049
#: What every announcement and message begins with, and the version that is spoken here.
MAGIC, VERSION = 0x5243, 0
#: The first bytes of an announcement, which are all that counts of it.
ANNOUNCEMENT = struct.Struct("!HBx4sHxxI")
HEAD = struct.Struct("!HHI")
_GREETING = struct.Struct("!BBxxI")
_NUMBER = struct.Struct("!I")
_RECORD, _INFO = struct.Struct("!IBBH"), struct.Struct("!IBxH")
#: Kinds of messages: a recceiver's have the highest bit.
GREET, PONG, ADD_RECORD, UPLOAD_DONE, ADD_INFO = 1, 2, 3, 5, 6
SERVER_GREET, PING = 0x8001, 0x8002
#: An announcement with this address means the one that it comes from.
_SENDER = b"\xff\xff\xff\xff"
#: The longest texts that fit their fields, in bytes.
_LONGEST_KEY, _LONGEST_TEXT = 0xFF, 0xFFFF


class ProtocolError(Exception):
    """What came is none of recsync's protocol."""


class Recceiver(NamedTuple):
    """Where a recceiver takes connections."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True)
class Announcement:
    """What a recceiver says of itself; `key` is what it wants to hear from who connects."""

    recceiver: Recceiver
    key: int


def announcement_of(datagram: bytes, sender: str) -> Announcement | None:
    """What a datagram announces; None if it is no announcement, or of nothing that can be connected to."""
    if len(datagram) < ANNOUNCEMENT.size:
        return None
    magic, version, address, port, key = ANNOUNCEMENT.unpack_from(datagram)
    if magic != MAGIC or version != VERSION or not port:
        return None
    host = ipaddress.IPv4Address(sender if address == _SENDER else address)
    elsewhere = not ipaddress.IPv4Address(sender).is_loopback
    if host.is_multicast or host.is_unspecified or host.is_reserved or (host.is_loopback and elsewhere):
        return None
    return Announcement(Recceiver(str(host), port), key)


def message(kind: int, *parts: bytes) -> bytes:
    """A message with its head."""
    body = b"".join(parts)
    return HEAD.pack(MAGIC, kind, len(body)) + body


def greeting(key: int) -> bytes:
    """The first message to a recceiver: an IOC with fixed records, and the key of the announcement."""
    return message(GREET, _GREETING.pack(VERSION, 0, key))


def pong(ping: bytes) -> bytes:
    """The answer to the body of a ping; ProtocolError if it has no number."""
    if len(ping) < _NUMBER.size:
        raise ProtocolError("sent a ping without a number")
    return message(PONG, ping[: _NUMBER.size])


def add_record(number: int, record: str, name: str) -> bytes:
    """A record with its type; numbers begin with 1."""
    kind, text = _encoded(record, _LONGEST_KEY), _encoded(name, _LONGEST_TEXT)
    return message(ADD_RECORD, _RECORD.pack(number, 0, len(kind), len(text)), kind, text)


def add_info(number: int, key: str, value: str) -> bytes:
    """A property of a record, or with number 0 of the IOC."""
    name, text = _encoded(key, _LONGEST_KEY), _encoded(value, _LONGEST_TEXT)
    return message(ADD_INFO, _INFO.pack(number, len(name), len(text)), name, text)


def upload_done() -> bytes:
    """Says that all records have been sent."""
    return message(UPLOAD_DONE, _NUMBER.pack(0))


def _encoded(text: str, longest: int) -> bytes:
    """What fits of a text, in whole letters and without NUL, which both are not allowed."""
    return text.replace("\0", " ").encode("utf-8", "replace")[:longest].decode("utf-8", "ignore").encode()


class Inbox:
    """Takes the bytes of a recceiver and gives its messages; of each no more than the few bytes that count are kept."""

    #: Bytes of a body that are kept.
    _KEPT = 8

    def __init__(self) -> None:
        self._bytes = bytearray()  # of a message that is not complete: its head, and what is kept of its body
        self._skip = 0  # bytes to come that nobody wants to see

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """The kind and the first bytes of the body of each message that these bytes complete.

        Raises ProtocolError if they are none of the protocol.
        """
        rest = memoryview(data)
        while rest:
            if self._skip:
                skipped = min(self._skip, len(rest))
                self._skip -= skipped
                rest = rest[skipped:]
                continue
            taken = rest[: self._wanted() - len(self._bytes)]
            self._bytes += taken
            rest = rest[len(taken) :]
            if len(self._bytes) == self._wanted():
                yield self._complete()

    def _wanted(self) -> int:
        """The bytes that the message at the beginning has, as far as they are kept."""
        if len(self._bytes) < HEAD.size:
            return HEAD.size
        magic, _, length = HEAD.unpack_from(self._bytes)
        if magic != MAGIC:
            raise ProtocolError(f"sent {bytes(self._bytes[:2])!r} rather than b'RC'")
        return HEAD.size + min(length, self._KEPT)

    def _complete(self) -> tuple[int, bytes]:
        _, kind, length = HEAD.unpack_from(self._bytes)
        body = bytes(self._bytes[HEAD.size :])
        self._skip = length - len(body)
        self._bytes.clear()
        return kind, body
