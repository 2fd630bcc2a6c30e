"""What `[ioc]` says of access, of the log of puts and of recceivers: checked beyond the types of its keys."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pixieioc.config_schema import IocTable
from pixieioc.config_tables import Problem, path_from

#: The port of caPutLog's collectors.
PUT_LOG_PORT = 7011


@dataclass(frozen=True)
class Collector:
    """Who gets the lines of the log of puts."""

    protocol: Literal["tcp", "udp"]
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.protocol}://{self.host}:{self.port}"


def collector_of(text: str) -> Collector:
    """From `tcp://host:port`, `udp://host:port` or `host:port`; ValueError says what it must be."""
    parts = urlsplit(text if "://" in text else f"tcp://{text}")
    try:
        host, port = parts.hostname, parts.port
    except ValueError:  # no number, or none that a port can be
        host = port = None
    if host and not (parts.path or parts.query or parts.username):
        match parts.scheme:
            case "tcp" | "udp" as protocol:
                return Collector(protocol, host, port or PUT_LOG_PORT)
            case _:
                pass
    raise ValueError("must be host:port, tcp://host:port or udp://host:port, the port from 1 to 65535 or missing")


def macro_of(text: str) -> tuple[str, str]:
    """From `NAME=value`; ValueError says that it must be so."""
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise ValueError("must be NAME=value")
    return name.strip(), value


def address_of(text: str) -> str:
    """From an address of IPv4; ValueError says that it must be one."""
    try:
        return str(ipaddress.IPv4Address(text))
    except ValueError:
        raise ValueError("must be an address such as 10.0.0.5") from None


def macros_of(ioc: IocTable, prefix: str) -> Mapping[str, str]:
    """The macros of the access file: `P` is the prefix unless it is one of them."""
    return {"P": prefix} | dict(map(macro_of, ioc.access_macros))


def access_file_of(ioc: IocTable, folder: Path) -> Path | None:
    """The file that says who may do what."""
    return path_from(folder, ioc.access_file)


def problems_of(ioc: IocTable, folder: Path, *, files: bool) -> Iterator[Problem]:
    """What is wrong with these keys; with `files`, also that there is no access file."""
    access_file = access_file_of(ioc, folder)
    if files and access_file is not None and not os.path.lexists(access_file):
        yield Problem(("ioc", "access_file"), f"ioc.access_file: there is no {access_file}")
    checks: dict[tuple[str, ...], tuple[list[str], Callable[[str], object]]] = {
        ("ioc", "access_macros"): (ioc.access_macros, macro_of),
        ("ioc", "put_log", "collectors"): (ioc.put_log.collectors, collector_of),
        ("ioc", "recsync", "interfaces"): (ioc.recsync.interfaces, address_of),
        ("ioc", "recsync", "recceivers"): (ioc.recsync.recceivers, address_of),
        ("ioc", "metrics", "address"): ([ioc.metrics.address], address_of),
    }
    for key_path, (texts, read) in checks.items():
        for text in texts:
            try:
                read(text)
            except ValueError as error:
                yield Problem(key_path, f"{'.'.join(key_path)}: {text!r}: {error}")
