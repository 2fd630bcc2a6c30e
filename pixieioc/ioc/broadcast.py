"""UDP sockets for what is broadcast to a port that several programs of one computer listen on."""

from __future__ import annotations

import socket

import psutil


def listening_udp(interfaces: list[str], port: int, room: int, what: str) -> list[socket.socket]:
    """Sockets with `room` bytes on all `interfaces`, also for broadcasts to the networks of those that are named.

    Raises OSError that says for `what` it is impossible to listen, and where.
    """
    addresses = list(dict.fromkeys([*interfaces, *(b for i in interfaces if (b := _broadcast_of(i)))]))
    made: list[socket.socket] = []
    try:
        for address in addresses:
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            made.append(sock)
            # Several programs of one host share the port; broadcasts reach all of them.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
            sock.setblocking(False)
            sock.bind((address, port))
    except OSError as error:
        for sock in made:
            sock.close()
        raise OSError(
            f"cannot listen for {what} on UDP {', '.join(addresses)} port {port}: {error.strerror}"
        ) from error
    return made


def _broadcast_of(interface: str) -> str | None:
    if interface == "0.0.0.0":
        return None
    for addresses in psutil.net_if_addrs().values():
        for address in addresses:
            if address.family == socket.AF_INET and address.address == interface:
                return address.broadcast
    return None
