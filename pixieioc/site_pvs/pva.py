"""Process variables over PVAccess, by p4p: of a structure its `value`, with alarm and time stamp if it has them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from p4p.client.asyncio import Context, Disconnected  # pyright: ignore[reportMissingImports]

from pixieioc.site_pvs.reading import NO_ANSWER, UNREADABLE, Reading, down, ok, plain, severity_name, status_name

#: The alarm statuses of PVAccess are classes of those of Channel Access.
_PVA_STATUSES = ("NO_ALARM", "DEVICE", "DRIVER", "RECORD", "DB", "CONF", "UNDEFINED", "CLIENT")


class PvaPv:
    """One process variable: `tell` is called with each reading."""

    def __init__(self, context: Context, name: str, elements: int, tell: Callable[[Reading], None]) -> None:
        self._context, self._name, self._most, self._tell = context, name, elements, tell
        self._connected = False

    async def follow(self) -> None:
        """Follows it until it is cancelled."""
        subscription = self._context.monitor(self._name, self._on_update, notify_disconnect=True)
        try:
            await asyncio.Event().wait()
        finally:
            subscription.close()

    async def read(self, seconds: float) -> Reading:
        """What the server says now; it does not wait for one that is not connected."""
        if not self._connected:
            return down()
        try:
            return self._reading(await asyncio.wait_for(self._context.get(self._name), seconds))
        except TimeoutError:
            return Reading(NO_ANSWER, why="it did not answer in time") if self._connected else down()
        except Exception as error:  # a server may send anything
            return Reading(UNREADABLE, why=f"{type(error).__name__}: {error}")

    async def _on_update(self, value: Any) -> None:
        self._connected = not isinstance(value, Exception)
        if isinstance(value, Disconnected):
            self._tell(down())
        elif isinstance(value, Exception):
            self._tell(Reading(UNREADABLE, why=str(value)))
        else:
            try:
                self._tell(self._reading(value))
            except Exception as error:
                self._tell(Reading(UNREADABLE, why=f"{type(error).__name__}: {error}"))

    def _reading(self, value: Any) -> Reading:
        """From what p4p makes of a normative type, or from any structure that has a `value`."""
        raw: Any = getattr(value, "raw", value)
        content, elements = self._content(value, raw)
        alarm, stamp = _field(raw, "alarm"), _field(raw, "timeStamp")
        severity, status = int(_field(alarm, "severity") or 0), int(_field(alarm, "status") or 0)
        seconds = _field(stamp, "secondsPastEpoch")
        known = _PVA_STATUSES[status] if 0 <= status < len(_PVA_STATUSES) else status_name(status)
        return ok(
            content,
            None if seconds is None else float(seconds) + 1e-9 * float(_field(stamp, "nanoseconds") or 0),
            time.time(),
            unit=str(_field(_field(raw, "display"), "units") or ""),
            severity=severity_name(severity),
            status=known,
            elements=elements,
        )

    def _content(self, value: Any, raw: Any) -> tuple[Any, int | None]:
        content = _field(raw, "value")
        choices = _field(content, "choices")
        if choices is not None:
            index = int(_field(content, "index") or 0)
            return (str(choices[index]) if 0 <= index < len(choices) else index), None
        content = value if content is None else content
        if hasattr(content, "tolist"):
            listed = content[: self._most].tolist() if getattr(content, "ndim", 0) else content.tolist()
            return plain(listed), len(content) if getattr(content, "ndim", 0) else None
        if isinstance(content, list):
            return plain(content[: self._most]), len(content)
        return plain(content), None


def _field(structure: Any, name: str) -> Any:
    """A field of a structure of PVAccess; None if there is none."""
    try:
        return structure[name]
    except (KeyError, TypeError, IndexError, ValueError):
        return getattr(structure, name, None) if structure is not None and name != "value" else None
