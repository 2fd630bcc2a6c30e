"""Name searches over UDP: many of them a second cost little, and never more than a slice of time at a stretch."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Set

from pixieioc.ioc.ca import protocol as ca
from pixieioc.ioc.records import faults

#: Datagrams that are answered before the loop does something else.
_SLICE = 64
_LONGEST = 65536


class Searches:
    """Answers what comes on one socket, from whomever is not ignored; `knows` says whether a name is here."""

    def __init__(
        self,
        sock: socket.socket,
        port: int,
        knows: Callable[[bytes], bool],
        ignored: Set[str],
    ) -> None:
        self._socket = sock
        self._port = port
        self._knows = knows
        self._ignored = ignored
        asyncio.get_running_loop().add_reader(sock, self._read)

    def close(self) -> None:
        """Answers nothing more."""
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()

    def _read(self) -> None:
        for _ in range(_SLICE):
            try:
                data, address = self._socket.recvfrom(_LONGEST)
            except BlockingIOError:
                return
            except OSError:  # an answer to somebody has not arrived: the kernel tells it here
                continue
            if address[0] in self._ignored:
                continue
            try:
                reply = answer(data, self._port, self._knows)
            except Exception as error:
                faults.report(f"searches from {address[0]} could not be answered", error)
                continue
            if reply:
                try:
                    self._socket.sendto(reply, address)
                except OSError:
                    continue  # a client that cannot be reached searches again, or has gone


def answer(data: bytes, port: int, knows: Callable[[bytes], bool]) -> bytes:
    """The reply to a datagram of searches for a server on TCP `port`; empty if there is nothing to say.

    It begins with the datagram's sequence number, without which libca sends few searches at a time. What is no Channel
    Access is not answered; names before it are.
    """
    found: list[bytes] = []
    sequence = valid = at = 0
    end = len(data)
    while end - at >= ca.HEADER.size:
        command, size, data_type, _, a, _ = ca.HEADER.unpack_from(data, at)
        at += ca.HEADER.size + size
        if size > _LONGEST - 2 or at > end:
            break
        if command == ca.SEARCH:
            if knows(data[at - size : at].partition(b"\0")[0]):
                found.append(ca.search_reply(port, a))
        elif command == ca.VERSION and data_type == ca.SEQUENCE_IS_VALID:
            sequence, valid = a, ca.SEQUENCE_IS_VALID
    return ca.HEADER.pack(ca.VERSION, 0, valid, ca.MINOR_VERSION, sequence, 0) + b"".join(found) if found else b""
