"""Who may read what over PVAccess, as far as p4p lets that be known: by the address of a client, not by its user."""

from __future__ import annotations

from collections.abc import Callable

from pixieioc.ioc.pva.operations import client_of
from pixieioc.ioc.records.rights import Gate
from pixieioc.ioc.records.security import Security

#: Answers that are remembered.
_MOST = 10_000


class Readers:
    """What was answered, so that it is known when an answer changes."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._known: dict[tuple[Security, str], bool] = {}

    def may(self, security: Security, peer: str) -> bool:
        """Whether whoever is at an address may read what has this security; asked in p4p's threads."""
        host = client_of("", peer).host
        allowed = self._known.get((security, host))
        if allowed is None:
            if len(self._known) >= _MOST:
                self._known.clear()
            allowed = self._known[security, host] = self._ask(security, host)
        return allowed

    def review(self) -> Callable[[Security], bool]:
        """Asks again; says of what has a security whether an answer has changed."""
        changed: set[Security] = set()
        for (security, host), before in list(self._known.items()):
            self._known[security, host] = after = self._ask(security, host)
            if after != before:
                changed.add(security)
        return changed.__contains__

    def differ(self, before: Security, after: Security) -> bool:
        """Whether somebody who was answered by `before` is answered something else by `after`."""
        known = [(host, may) for (security, host), may in list(self._known.items()) if security == before]
        return any(self.may(after, f"{host}:0") != may for host, may in known)

    def _ask(self, security: Security, host: str) -> bool:
        return self._gate.rights_to(security, client_of("", f"{host}:0")).read
