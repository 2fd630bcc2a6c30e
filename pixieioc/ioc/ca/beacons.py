"""Beacons: they tell clients that a server is there, so that these search for its names at once."""

from __future__ import annotations

import asyncio
import contextlib
import socket

from pixieioc.ioc.ca import hosts, sockets
from pixieioc.ioc.ca import protocol as ca
from pixieioc.ioc.ca.environment import Address, Environment
from pixieioc.ioc.records import faults


class Beacons:
    """Those of a server on TCP `port` of some interfaces."""

    def __init__(self, environment: Environment, interfaces: list[str], port: int) -> None:
        self._environment = environment
        self._interfaces = interfaces
        self._port = port
        self._listed: list[Address] = [address for address in environment.beacons if hosts.is_address(address[0])]

    async def run(self) -> None:
        """Sends them until cancelled: often at first, then every EPICS_CAS_BEACON_PERIOD seconds."""
        looking_up = asyncio.get_running_loop().create_task(self._look_up())
        try:
            with contextlib.closing(sockets.beacon_udp()) as sock:
                number, period = 0, 0.02
                while True:
                    self._send(sock, number)
                    number = (number + 1) & 0xFFFFFFFF
                    await asyncio.sleep(period)
                    period = min(2 * period, self._environment.beacon_period)
        finally:
            looking_up.cancel()

    async def _look_up(self) -> None:
        """Those that were given as names of hosts get theirs as soon as their addresses are known."""
        known = await hosts.resolve((host for host, _ in self._environment.beacons), "beacons")
        self._listed = [(known[host][0], port) for host, port in self._environment.beacons if host in known]

    def _send(self, sock: socket.socket, number: int) -> None:
        message = ca.HEADER.pack(ca.IS_UP, 0, ca.MINOR_VERSION, self._port, number, 0)
        for address in self._addresses():
            try:
                sock.sendto(message, address)
            except OSError:
                continue  # a network that is not there (now)
            except Exception as error:
                faults.report(f"the beacon for {address} could not be sent", error)

    def _addresses(self) -> list[Address]:
        env, interfaces = self._environment, self._interfaces
        found = sockets.broadcast_addresses(interfaces) if env.beacons_automatic else []
        addresses = dict.fromkeys([*((address, env.beacon_port) for address in found), *self._listed])
        local = all(interface.startswith("127.") for interface in interfaces)  # then nobody else can connect
        return [(host, port) for host, port in addresses if not local or host.startswith("127.")]
