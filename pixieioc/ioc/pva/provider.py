"""Which names there are, and p4p's process variable of each that has clients; all of it is used in p4p's threads.

One is made for the first client and dropped when the last has gone: what nobody looks at costs nothing. That p4p calls
`makeChannel` and `onLastDisconnect` in one thread makes this safe: no client comes to one that is just being dropped.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import CancelledError
from typing import Any, Protocol

from p4p.server.raw import SharedPV  # pyright: ignore[reportMissingTypeStubs]

from pixieioc.ioc.pva.admission import Admission
from pixieioc.ioc.pva.names import Names
from pixieioc.ioc.pva.operations import Operation, Operations
from pixieioc.ioc.pva.refusals import Refusals
from pixieioc.ioc.pva.to_loop import ToLoop


class Hearer(Protocol):
    """Who hears in the event loop of what happens in p4p's threads."""

    def wanted(self, name: str, pv: Any) -> Any:
        """A client has come to a process variable, the first one; gives what it reads."""

    def opened(self, pv: Any) -> None:
        """It can be posted to."""

    def unwanted(self, pv: Any) -> None:
        """The last one has gone."""

    def put(self, pv: Any, operation: Operation) -> None:
        """A client wants to write."""

    def turned_away(self) -> None:
        """A client gets nothing now, and may later."""


class Provider:
    """What p4p's DynamicProvider asks; `refusal` says why a client may not see something, empty: it may."""

    def __init__(
        self,
        names: Names,
        refusal: Callable[[Any, str], str],
        admission: Admission,
        operations: Operations,
        hearer: Hearer,
        loop: ToLoop,
    ) -> None:
        self._names = names
        self._refusal = refusal
        self._admission = admission
        self._operations = operations
        self._hearer = hearer
        self._loop = loop
        self._pvs: dict[str, Any] = {}
        #: What clients have that may not have what they want.
        self.refusals = Refusals()

    def testChannel(self, name: str) -> bool:  # noqa: N802
        """Whether a name is one of ours."""
        return self._names.find(name) is not None

    def makeChannel(self, name: str, peer: str) -> Any:  # noqa: N802
        """The process variable for a client at an address."""
        if why := self._admission.refusal(peer):
            return self._turned_away(why)
        what = self._names.find(name)
        why = "there is no such process variable" if what is None else self._refusal(what, peer)
        return self.refusals.pv(why) if why else self._pvs.get(name) or self._open(name)

    def _open(self, name: str) -> Any:
        """Makes one and opens it before it has clients: pvxs may hang if it is opened later, in another thread."""
        pv = SharedPV(handler=_Handler(self, name))
        try:
            pv.open(self._loop.ask(self._hearer.wanted, name, pv))
        except (TimeoutError, CancelledError):
            self._loop.tell(self._hearer.unwanted, pv)
            return self._turned_away("the IOC does not answer")
        self._pvs[name] = pv
        self._loop.tell(self._hearer.opened, pv)
        return pv

    def _turned_away(self, why: str) -> Any:
        self._loop.tell(self._hearer.turned_away)
        return self.refusals.pv(why)

    def forget(self, name: str, pv: Any) -> None:
        """One that is to be closed: whoever comes from now on gets a new one."""
        if self._pvs.get(name) is pv:
            self._pvs.pop(name, None)

    def drop(self, name: str, pv: Any) -> None:
        """Its last client has gone."""
        self.forget(name, pv)
        self._loop.tell(self._hearer.unwanted, pv)

    def put(self, pv: Any, op: Any) -> None:
        """A client wants to write."""
        self._loop.tell(self._hearer.put, pv, self._operations.take(op))


class _Handler:
    """What p4p calls for one process variable."""

    def __init__(self, provider: Provider, name: str) -> None:
        self._provider = provider
        self._name = name

    def put(self, pv: Any, op: Any) -> None:
        self._provider.put(pv, op)

    def onLastDisconnect(self, pv: Any) -> None:  # noqa: N802
        self._provider.drop(self._name, pv)
