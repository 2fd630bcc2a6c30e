"""What the clients of a server may cost."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Numbers of things at a time; times are in seconds, sizes in bytes."""

    clients: int = 1000
    channels: int = 100_000  #: of one client
    subscriptions: int = 100_000  #: of one client
    puts: int = 1000  #: of one client, that have not completed
    message: int = 16 * 1024**2  #: the longest that is taken
    backlog: int = 1024**2  #: what is held for a client that does not take it, before only newest values are
    patience: float = 0.05  #: after which only newest values are held for such a client
    silence: float = 30.0  #: after which a client that has said nothing is disconnected
    stall: float = 60.0  #: after which a client that does not read is disconnected
