"""Names of a site's process variables: over which protocol each is read."""

from __future__ import annotations

from typing import Literal, NamedTuple

Protocol = Literal["ca", "pva"]
#: Longest name that either protocol is used with, its field included.
LONGEST = 120


class BadName(ValueError):
    """A name that no process variable can have."""


class SiteName(NamedTuple):
    """A process variable, by protocol and name."""

    protocol: Protocol
    name: str


def parse(text: str) -> SiteName:
    """From `NAME`, `ca://NAME` or `pva://NAME`; BadName says that it must be so."""
    scheme, slashes, name = text.rpartition("://")
    protocol = scheme if slashes else "ca"
    if not name or len(name) > LONGEST or not name.isprintable() or any(sign.isspace() for sign in name):
        raise BadName(f"must have 1 to {LONGEST} characters and no space behind ca:// or pva://")
    match protocol:
        case "ca" | "pva":
            return SiteName(protocol, name)
        case _:
            raise BadName("must begin with ca://, pva://, or with the name itself, which is read over ca")
