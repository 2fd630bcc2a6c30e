"""What a service manager is told: that the IOC is ready, how it is, that it still works, that it is ending.

The protocol is sd_notify(3)'s: lines of text in datagrams to the socket that the environment names. systemd starts the
IOC again when WATCHDOG=1 stays away, so that is only sent while the IOC really works.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass

log = logging.getLogger(__name__)

_VARIABLES = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
#: How often the status is looked at, in seconds, and how often in its period the watchdog is fed.
_PERIOD, _FEEDS = 1.0, 3
#: So long may run control not have followed its run, in seconds, before the IOC counts as stuck.
STUCK = 5.0


def stuck(since: float) -> str:
    """Why the watchdog is not to be fed, if run control has not looked at its run for `since` seconds; or nothing."""
    return f"run control has not followed its run for {since:.0f} s" if since > STUCK else ""


@dataclass
class Supervisor:
    """The socket of a service manager, and the period of its watchdog in seconds; without a socket it does nothing."""

    address: str = ""
    watchdog: float = 0.0

    def __post_init__(self) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) if self.address else None
        self._status = ""
        self._stuck = ""

    @classmethod
    def take(cls, environment: MutableMapping[str, str]) -> Supervisor:
        """The one that the environment names, which is taken out of it: it is not that of our tasks."""
        address, period, pid = (environment.pop(name, "") for name in _VARIABLES)
        meant = not pid or pid == str(os.getpid())
        return cls(address, int(period) / 1e6 if meant and period.isdecimal() else 0.0)

    def ready(self) -> None:
        """Clients can connect."""
        self._send("READY=1")

    def stopping(self, seconds: float) -> None:
        """The IOC is ending, which may take so long."""
        self._send("STOPPING=1", f"EXTEND_TIMEOUT_USEC={seconds * 1e6:.0f}", "STATUS=ending")

    async def run(self, problem: Callable[[], str], status: Callable[[], str]) -> None:
        """Tells the status when it changes, and feeds the watchdog while there is no `problem`; goes on for ever."""
        if self._socket is None:
            return
        while True:
            self.check(problem(), status())
            await asyncio.sleep(min(_PERIOD, self.watchdog / _FEEDS) if self.watchdog else _PERIOD)

    def check(self, problem: str, status: str) -> None:
        """Says once how things are."""
        if problem and problem != self._stuck:
            log.error("the watchdog is not fed: %s", problem)
        self._stuck = problem
        shown = problem or " ".join(status.split())
        if shown != self._status:
            self._status = shown
            self._send(f"STATUS={shown}")
        if self.watchdog and not problem:
            self._send("WATCHDOG=1")

    def close(self) -> None:
        """Nothing is told any more."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, *lines: str) -> None:
        if self._socket is None:
            return
        address = f"\0{self.address[1:]}" if self.address.startswith("@") else self.address
        try:
            self._socket.sendto("\n".join(lines).encode(), socket.MSG_DONTWAIT, address)
        except OSError as error:  # a manager that does not listen must not hold up the IOC
            log.warning("the service manager (%s) cannot be told %s: %s", self.address, lines[0], error.strerror)
