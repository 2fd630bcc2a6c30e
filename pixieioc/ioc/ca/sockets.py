"""Sockets of a Channel Access server: which addresses, and options that decide about latency and lost hosts."""

from __future__ import annotations

import errno
import socket

import psutil

from pixieioc.ioc.broadcast import listening_udp

#: Bytes that the kernel takes beyond what the client can: what waits there cannot be replaced by something newer.
_UNSENT = 128 * 1024
#: Bytes of searches that may wait: all clients of a facility search at once when its network comes back.
_SEARCHES = 1024**2


def tune(sock: socket.socket, patience: float) -> None:
    """Sends at once (a monitor must not wait for the acknowledge of a put reply), and notices hosts that vanish.

    `patience`: seconds after which unacknowledged data end the connection.
    """
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_KEEPIDLE", 15),
        ("TCP_KEEPINTVL", 5),
        ("TCP_KEEPCNT", 3),
        ("TCP_USER_TIMEOUT", int(1000 * patience)),
        ("TCP_NOTSENT_LOWAT", _UNSENT),
    ):
        if hasattr(socket, name):  # not every system has them all
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def listening_tcp(interfaces: list[str], port: int) -> list[socket.socket]:
    """Sockets that listen on all `interfaces` with one port: `port` if it is free on them, any free one otherwise."""
    for attempt in range(100):
        made: list[socket.socket] = []
        wanted = port if attempt == 0 else 0
        try:
            for interface in interfaces:
                sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
                made.append(sock)
                if wanted:  # a port that is left over from a connection that has just ended is free
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                sock.bind((interface, wanted))
                sock.listen(128)
                sock.setblocking(False)
                wanted = sock.getsockname()[1]
            return made
        except OSError as error:
            for sock in made:
                sock.close()
            if error.errno != errno.EADDRINUSE:
                raise OSError(f"cannot listen for clients on TCP {', '.join(interfaces)}: {error.strerror}") from error
    raise OSError(f"no free TCP port on {', '.join(interfaces)}")


def search_udp(interfaces: list[str], port: int) -> list[socket.socket]:
    """Sockets on which name searches come: also broadcasts to the networks of the interfaces that were named."""
    return listening_udp(interfaces, port, _SEARCHES, "searches")


def beacon_udp() -> socket.socket:
    """The socket that beacons leave by."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    sock.setblocking(False)
    return sock


def broadcast_addresses(interfaces: list[str]) -> list[str]:
    """Where beacons of a server on `interfaces` go by default."""
    everywhere = not interfaces or interfaces == ["0.0.0.0"]
    found = [
        address.broadcast or address.address
        for addresses in psutil.net_if_addrs().values()
        for address in addresses
        if address.family == socket.AF_INET and (everywhere or address.address in interfaces)
    ]
    return list(dict.fromkeys(found))
