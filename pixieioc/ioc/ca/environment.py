"""The EPICS_CAS_ variables, with the fallbacks to EPICS_CA_ ones that a server of EPICS Base has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Address = tuple[str, int]

_SERVER_PORT, _REPEATER_PORT = 5064, 5065


class CannotServe(OSError):
    """What keeps a server from being made: a variable that is not acceptable, or what is installed."""


@dataclass(frozen=True)
class Environment:
    """Where a server listens, whom it does not answer, and to whom it sends beacons: addresses, or names of hosts.

    `beacons_automatic` adds the broadcast addresses of the interfaces to `beacons`.
    """

    interfaces: tuple[str, ...] = ()
    server_port: int = _SERVER_PORT
    ignored: frozenset[str] = frozenset()
    beacons: tuple[Address, ...] = ()
    beacons_automatic: bool = True
    beacon_port: int = _REPEATER_PORT
    beacon_period: float = 15.0

    @classmethod
    def read(cls, variables: Mapping[str, str]) -> Environment:
        """From `os.environ`; CannotServe names a variable that is not acceptable, and what is."""

        def get(*names: str) -> tuple[str, str]:
            """The first of these variables that is set and not empty, and its name."""
            return next(
                ((name, variables[name].strip()) for name in names if variables.get(name, "").strip()), ("", "")
            )

        def port(*names: str, default: int) -> int:
            name, text = get(*names)
            if text and not (text.isdecimal() and 0 < int(text) < 65536):
                raise CannotServe(f"{name}={text}: must be a port, 1 to 65535")
            return int(text) if text else default

        def hosts(*names: str) -> list[str]:
            return [address.partition(":")[0] for address in get(*names)[1].split()]

        of_beacons, beacons = get("EPICS_CAS_BEACON_ADDR_LIST", "EPICS_CA_ADDR_LIST")
        beacon_port = port("EPICS_CAS_BEACON_PORT", "EPICS_CA_REPEATER_PORT", default=_REPEATER_PORT)
        return cls(
            interfaces=tuple(hosts("EPICS_CAS_INTF_ADDR_LIST")),
            server_port=port("EPICS_CAS_SERVER_PORT", "EPICS_CA_SERVER_PORT", default=_SERVER_PORT),
            ignored=frozenset(hosts("EPICS_CAS_IGNORE_ADDR_LIST")),
            beacons=tuple(_address(of_beacons, text, beacon_port) for text in beacons.split()),
            beacons_automatic=get("EPICS_CAS_AUTO_BEACON_ADDR_LIST", "EPICS_CA_AUTO_ADDR_LIST")[1].lower() != "no",
            beacon_port=beacon_port,
            beacon_period=_period(*get("EPICS_CAS_BEACON_PERIOD", "EPICS_CA_BEACON_PERIOD")),
        )


def _address(name: str, text: str, port: int) -> Address:
    host, colon, own = text.partition(":")
    if colon and not (own.isdecimal() and 0 < int(own) < 65536):
        raise CannotServe(f"{name}: {text}: must be address or address:port")
    return host, int(own) if colon else port


def _period(name: str, text: str) -> float:
    try:
        period = float(text or 15)
    except ValueError:
        period = 0.0
    if not 0.1 <= period <= 3600:
        raise CannotServe(f"{name}={text}: must be from 0.1 to 3600 (s)")
    return period
