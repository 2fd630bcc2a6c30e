"""PVAccess by p4p, which ophyd-async uses, too."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from p4p.client.asyncio import Context, Disconnected
from p4p.client.thread import RemoteError

from pixieioc.devices.link import ANSWER_TIME, Tell
from pixieioc.devices.point import Busy, Lost

_contexts: dict[asyncio.AbstractEventLoop, Context] = {}


def _context() -> Context:
    """That of the running loop."""
    loop = asyncio.get_running_loop()
    if loop not in _contexts:
        _contexts[loop] = Context("pva", nt=False)
    return _contexts[loop]


def _as_text(value: Any) -> str:
    """What `value` of an NTScalar or NTEnum is, as text."""
    content = value["value"]
    return str(content["choices"][content["index"]] if value.getID().startswith("epics:nt/NTEnum") else content)


class PvaLink:
    """A link by PVAccess."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix

    async def read(self, names: tuple[str, ...]) -> list[Any] | None:
        """All at once."""
        pvs = [self.prefix + name for name in names]
        try:
            return [_as_text(value) for value in await asyncio.wait_for(_context().get(pvs), ANSWER_TIME)]
        except (TimeoutError, Disconnected, RemoteError):
            return None

    def watch(self, name: str, tell: Tell) -> Callable[[], None]:
        """By a monitor that tells of disconnects: p4p's begins with one, before it is connected."""
        connected = False

        async def came(value: Any) -> None:
            nonlocal connected
            if not isinstance(value, Exception):
                connected = True
                tell(Busy(_as_text(value) == "Acquiring"))
            elif connected:
                tell(Lost(self.prefix + name))

        return _context().monitor(self.prefix + name, came, notify_disconnect=True).close

    async def put(self, name: str, value: Any) -> str:
        """As long as it takes: a run may be long."""
        try:
            await _context().put(self.prefix + name, {"value": value}, wait=True)
        except (Disconnected, RemoteError) as failure:
            return str(failure)
        return ""
