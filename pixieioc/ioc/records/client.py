"""Who writes, and what writing to a record may answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Client:
    """Who writes: what the client said of itself, and where it connects from."""

    user: str
    host: str
    address: str = ""

    def __str__(self) -> str:
        return f"{self.user}@{self.host}"


#: Who writes what is restored when the IOC starts.
RESTORING = Client("autosave", "localhost")


class PutRefused(Exception):
    """A put that is not accepted: the client is told that it has failed."""


class PutFailed(PutRefused):
    """A put that was accepted, and what it has started has ended badly."""


#: What a put does: it gets the value and the client; what it awaits, the completion of the put awaits.
Put = Callable[[Any, Client], Awaitable[None] | None]
