"""Process variables over Channel Access, by EPICS' own libca: what a site's other clients use, too."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Any

import aioca
from epicscorelibs.ca import cadef

from pixieioc.site_pvs.reading import (
    NO_ANSWER,
    UNREADABLE,
    Reading,
    down,
    ok,
    plain,
    severity_name,
    status_name,
    text_of,
)

#: How long a server that is connected may take to say what the value is and to send it for the first time, in seconds.
_FIRST = 10.0
#: DBF types by their numbers in Channel Access.
_STRING, _ENUM, _CHAR = 0, 3, 4


class CaPv:
    """One process variable: `tell` is called with each reading.

    Each time it connects it is looked at again: behind the name there may be a record of another type now.
    """

    def __init__(self, name: str, elements: int, tell: Callable[[Reading], None]) -> None:
        self._name, self._most, self._tell = name, elements, tell
        self._connected = False
        self._kind, self._count, self._unit, self._labels = -1, 1, "", ()
        self._changed = asyncio.Event()

    async def follow(self) -> None:
        """Follows it until it is cancelled."""
        while True:
            try:
                await self._follow_once()
            except (aioca.CANothing, TimeoutError) as error:
                self._tell(Reading(NO_ANSWER, why=_said(error)))
            except Exception as error:  # a server may send anything
                self._tell(Reading(UNREADABLE, why=f"{type(error).__name__}: {error}"))
            self._connected = False
            await asyncio.sleep(1.0)

    async def read(self, seconds: float) -> Reading:
        """What the server says now; it does not wait for one that is not connected."""
        if not self._connected:
            return down()
        try:
            return self._reading(await self._get(aioca.FORMAT_TIME, self._wanted, seconds))
        except (aioca.CANothing, TimeoutError) as error:
            return Reading(NO_ANSWER, why=_said(error)) if self._connected else down()
        except Exception as error:
            return Reading(UNREADABLE, why=f"{type(error).__name__}: {error}")

    @property
    def _wanted(self) -> int:
        return max(1, min(self._most if self._kind != _CHAR else max(self._most, 256), self._count))

    async def _follow_once(self) -> None:
        """From one connection to its end."""
        info = await aioca.cainfo(self._name, timeout=None)
        self._kind, self._count = int(info.datatype), int(info.count)
        about = await self._get(aioca.FORMAT_CTRL, 1, _FIRST)
        self._unit = _text(getattr(about, "units", ""))
        self._labels = tuple(_text(label) for label in getattr(about, "enums", ()))
        self._changed.clear()
        subscription = aioca.camonitor(
            self._name, self._on_update, datatype=self._datatype, format=aioca.FORMAT_TIME, count=self._wanted,
            notify_disconnect=True,
        )  # fmt: skip
        try:
            await asyncio.wait_for(self._changed.wait(), _FIRST)
            while self._connected:
                self._changed.clear()
                await self._changed.wait()
        finally:
            subscription.close()

    def _on_update(self, value: Any) -> None:
        if getattr(value, "ok", False):
            self._connected = True
            self._tell(self._reading(value))
        else:
            self._connected = False
            self._tell(down())
        self._changed.set()

    @property
    def _datatype(self) -> Any:
        """Texts as bytes: they need not be UTF-8."""
        return bytes if self._kind == _STRING else None

    async def _get(self, form: Any, count: int, seconds: float) -> Any:
        return await aioca.caget(
            self._name, datatype=self._datatype, format=form, count=count, timeout=seconds, throw=True
        )

    def _reading(self, value: Any) -> Reading:
        return ok(
            self._value(value),
            float(value.timestamp),
            time.time(),
            unit=self._unit,
            severity=severity_name(int(value.severity)),
            status=status_name(int(value.status)),
            elements=self._count if self._count > 1 and self._kind != _CHAR else None,
        )

    def _value(self, value: Any) -> Any:
        raw = value.tolist() if hasattr(value, "tolist") else value
        if self._kind == _CHAR and self._count > 1:
            return _characters(raw if isinstance(raw, list) else [raw])
        if self._kind == _ENUM and self._labels:
            raw = [self._label(item) for item in raw] if isinstance(raw, list) else self._label(raw)
        if isinstance(raw, bytes):
            return text_of(raw)
        return plain(raw)

    def _label(self, number: Any) -> Any:
        return self._labels[int(number)] if 0 <= int(number) < len(self._labels) else int(number)


def _characters(codes: list[int]) -> Any:
    """An array of characters is a text, as in a long string, unless it cannot be one."""
    raw = bytes(code & 0xFF for code in codes)
    with contextlib.suppress(UnicodeDecodeError):
        text = raw.split(b"\0", 1)[0].decode()
        if all(sign.isprintable() or sign in "\r\n\t" for sign in text):
            return plain(text)
    return list(raw)


def _text(value: Any) -> str:
    return text_of(value) if isinstance(value, bytes) else str(value)


def _said(error: BaseException) -> str:
    late = isinstance(error, TimeoutError) or getattr(error, "errorcode", None) == cadef.ECA_TIMEOUT
    return "it did not answer in time" if late else str(error)
