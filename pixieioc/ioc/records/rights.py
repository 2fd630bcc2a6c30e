"""What a client may do with a process variable, and what that depends on: the seam to whoever decides it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from pixieioc.access.model import DEFAULT
from pixieioc.ioc.records.change import Change
from pixieioc.ioc.records.client import Client
from pixieioc.ioc.records.record import Record
from pixieioc.ioc.records.security import Security
from pixieioc.ioc.records.told import Told


def regroup(record: Record, group: str) -> None:
    """Gives a record another access group; what had none has none again with DEFAULT, or an empty name."""
    before = record.security
    record.group = (DEFAULT if record.info.access else "") if group in ("", DEFAULT) else group
    record.renew(Change.STATE)
    if record.on_regroup is not None:
        record.on_regroup(record, before)


class Rights(NamedTuple):
    """What a client may do, and whether its puts are to be logged."""

    read: bool
    write: bool
    trap: bool


#: The rights of everybody where there are no rules, and those where it cannot be found out.
ALL, READ_ONLY = Rights(read=True, write=True, trap=False), Rights(read=True, write=False, trap=False)


class Gate(Protocol):
    """Who decides on the puts of clients, and hears of them, whatever protocol they come by."""

    def rights_to(self, security: Security, client: Client) -> Rights:
        """What a client may do with whatever has this security; may be asked in any thread."""
        ...

    def told_of(self, name: str, record: Record, client: Client, *, trapped: bool) -> Told | None:
        """The put that a client makes now to what has this name, if it is to be logged."""
        ...

    def put_refused(self, record: Record, client: Client, why: str) -> None:
        """A client's value could not be converted for a record."""


class KnownRights:
    """What one client may do, asked once for each of the few securities that its channels have."""

    __slots__ = ("_ask", "_known")

    def __init__(self, ask: Callable[[Security], Rights]) -> None:
        self._ask = ask
        self._known: dict[Security, Rights] = {}

    def to(self, security: Security) -> Rights:
        """The rights to whatever has this security."""
        rights = self._known.get(security)
        if rights is None:
            rights = self._known[security] = self._ask(security)
        return rights

    def renew(self) -> set[Security]:
        """Asks again; returns those whose rights are other ones now."""
        before, self._known = self._known, {}
        return {security for security, rights in before.items() if self.to(security) != rights}
