"""Channel Access by aioca, which ophyd-async uses, too; ophyd-async itself loses the failure of a put."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from aioca import FORMAT_TIME, CANothing, caget, camonitor, caput
from epicscorelibs.ca import dbr

from pixieioc.devices.link import ANSWER_TIME, Tell
from pixieioc.devices.point import LONG_TEXTS, Busy, Lost


class CaLink:
    """A link by Channel Access."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix

    async def read(self, names: tuple[str, ...]) -> list[Any] | None:
        """All at once."""
        try:
            return await asyncio.gather(*map(self._read, names))
        except CANothing:
            return None

    async def _read(self, name: str) -> str:
        """As text: a short one is what Channel Access makes of numbers and enums, too."""
        kind = dbr.DBR_CHAR_STR if name in LONG_TEXTS else dbr.DBR_STRING
        return str(await caget(self.prefix + name, datatype=kind, timeout=ANSWER_TIME))

    def watch(self, name: str, tell: Tell) -> Callable[[], None]:
        """By a monitor that tells of disconnects."""

        def came(value: Any) -> None:
            tell(Busy(bool(value)) if value.ok else Lost(self.prefix + name))

        pv = self.prefix + name
        return camonitor(pv, came, datatype=dbr.DBR_LONG, format=FORMAT_TIME, notify_disconnect=True).close

    async def put(self, name: str, value: Any) -> str:
        """As long as it takes: a run may be long."""
        try:
            await caput(self.prefix + name, value, wait=True, timeout=None)
        except CANothing as failure:
            return str(failure)
        return ""
