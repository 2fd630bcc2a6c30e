"""Channel Access messages: numbers of commands, headers, and cutting a stream of bytes into messages."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

from caproto import CAStatus  # pyright: ignore[reportMissingTypeStubs]  # it has none

(VERSION, EVENT_ADD, EVENT_CANCEL, READ, WRITE, SEARCH) = (0, 1, 2, 3, 4, 6)
(EVENTS_OFF, EVENTS_ON, READ_SYNC, ERROR, CLEAR_CHANNEL, IS_UP, NOT_FOUND) = (8, 9, 10, 11, 12, 13, 14)
(READ_NOTIFY, CREATE_CHANNEL, WRITE_NOTIFY, CLIENT_NAME, HOST_NAME) = (15, 18, 19, 20, 21)
(ACCESS_RIGHTS, ECHO, CREATE_FAIL, SERVER_DISCONNECT) = (22, 23, 26, 27)

MINOR_VERSION = 13
DO_REPLY = 10
SEQUENCE_IS_VALID = 1

HEADER = struct.Struct(">HHHHII")
EXTENDED = struct.Struct(">HHHHIIII")
_LARGE = 0xFFFF
_MINOR = struct.pack(">Hxxxxxx", MINOR_VERSION)
_STATUSES: Any = CAStatus  # caproto has no types


def status(name: str) -> int:
    """The code of an ECA status, as it stands in messages."""
    return int(_STATUSES[name].value.code_with_severity)


NORMAL = status("ECA_NORMAL")
PUTFAIL, GETFAIL = status("ECA_PUTFAIL"), status("ECA_GETFAIL")
NO_READ_ACCESS, NO_WRITE_ACCESS = status("ECA_NORDACCESS"), status("ECA_NOWTACCESS")
BADTYPE, BADCOUNT, BADCHID, NO_MEMORY = map(status, ("ECA_BADTYPE", "ECA_BADCOUNT", "ECA_BADCHID", "ECA_ALLOCMEM"))
INTERNAL, TOO_LARGE = status("ECA_INTERNAL"), status("ECA_TOLARGE")


class Message(NamedTuple):
    """One message; what `a` and `b` (the two parameters) mean depends on the command."""

    command: int
    data_type: int
    elements: int  #: the header's count
    a: int
    b: int
    payload: bytes
    header: bytes
    too_large: int = 0  #: the size of a payload that was announced and is not taken


class Broken(Exception):
    """What a client says is not Channel Access: nothing that it says after it can be understood."""


def header(command: int, size: int, data_type: int, count: int, a: int, b: int) -> bytes:
    """A header, in its long form where size or count need it."""
    if size < _LARGE and count < _LARGE:
        return HEADER.pack(command, size, data_type, count, a, b)
    return EXTENDED.pack(command, _LARGE, data_type, 0, a, b, size, count)


def search_reply(port: int, client_id: int) -> bytes:
    """What tells a client that the name it has looked for is here, on TCP port `port`."""
    return HEADER.pack(SEARCH, 8, port, 0, 0xFFFFFFFF, client_id) + _MINOR


def text_payload(text: str) -> bytes:
    """A text as payload: with NUL, padded to 8 bytes."""
    data = text.encode("utf-8", "replace") + b"\0"
    return data + b"\0" * (-len(data) % 8)


class MessageParser:
    """Cuts what comes in over TCP into messages; `limit` is the longest payload that is taken, in bytes.

    Of a message with a longer one its size alone is kept, and what comes of it is left out.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._rest = bytearray()
        self._needed = 0  # how long the rest must become before there can be a message in it
        self._left_out = 0  # bytes of a payload that are still to come, and are not taken

    @property
    def is_empty(self) -> bool:
        """Whether nothing of a message waits for its rest."""
        return not self._rest and not self._left_out

    def cut(self, data: bytes) -> Iterator[Message]:
        """The messages that `data` completes."""
        if self._left_out:
            data = self._leave_out(data, 0)
        if self._rest:
            self._rest += data
            if len(self._rest) < self._needed:
                return
            data = bytes(self._rest)
            self._rest.clear()
        at, end = 0, len(data)
        self._needed = HEADER.size
        while end - at >= HEADER.size:
            command, size, data_type, count, a, b = HEADER.unpack_from(data, at)
            body = at + HEADER.size
            if size == _LARGE:
                self._needed = EXTENDED.size
                if end - at < EXTENDED.size:
                    break
                size, count = struct.unpack_from(">II", data, body)
                body = at + EXTENDED.size
            if size > self.limit:
                self._left_out = size
                data, start, at = self._leave_out(data, body), data[at : at + HEADER.size], 0
                end, self._needed = len(data), HEADER.size
                yield Message(command, data_type, count, a, b, b"", start, size)
                continue
            if end - body < size:
                self._needed = body + size - at
                break
            at, start = body + size, at
            yield Message(command, data_type, count, a, b, data[body:at], data[start : start + HEADER.size])
            self._needed = HEADER.size
        self._rest += data[at:]

    def _leave_out(self, data: bytes, at: int) -> bytes:
        """What there is in `data` behind the part that is left out, which begins at `at`."""
        end = min(len(data), at + self._left_out)
        self._left_out -= end - at
        return data[end:]
