"""The setpoints and readbacks of all parameters, and what they show of the store: thousands at once in slices."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable

from pixieioc.ioc.records import Pvs, Stamp
from pixieioc.ioc.setting_store import Key, SettingStore
from pixieioc.pvinfo.declared import as_pv

#: Values that are shown at once; more of them in slices of this many seconds, between which others have their turn.
_AT_ONCE, _SLICE = 100, 0.002


class SettingDisplay:
    """Shows what is in the store. What is to be shown later is shown as it is in the store then.

    `on_fault` gets an exception of ours, which costs what it was about.
    """

    def __init__(self, pvs: Pvs, store: SettingStore, on_fault: Callable[[str, BaseException], None]) -> None:
        self._pvs = pvs
        self._store = store
        self._on_fault = on_fault
        self.setpoints: dict[Key, str] = {}
        self.readbacks: dict[Key, str] = {}
        #: What is to be shown, and the time stamps that it gets; and what has got other limits.
        self._later: dict[Key, Stamp | None] = {}
        self._limited: set[Key] = set()
        self._job: asyncio.Task[None] | None = None
        self._afterwards: list[Callable[[], None]] = []

    def show_setpoint(self, key: Key, when: Stamp | None = None) -> None:
        """Posts a setpoint, as it was accepted."""
        if (pv := self.setpoints.get(key)) is not None:
            self._pvs.post(pv, as_pv(self._store.setpoint(key)), when)

    def show_used(self, key: Key, when: Stamp | None = None) -> None:
        """Posts the value in use on its readback."""
        if (pv := self.readbacks.get(key)) is not None:
            self._pvs.post(pv, as_pv(self._store.is_used(key)), when)

    def show(self, keys: Iterable[Key], when: Stamp | None, limited: Iterable[Key] = ()) -> None:
        """Has values shown that have changed without being written: a few at once, many in the background."""
        self._limited.update(limited)
        self._later |= dict.fromkeys(keys, when)
        self._later = dict.fromkeys(self._limited) | self._later
        if len(self._later) <= _AT_ONCE:
            self._slice(float("inf"))
        elif self._job is None or self._job.done():
            self._job = asyncio.get_running_loop().create_task(self._show_later())

    async def shown(self) -> None:
        """Returns when everything is shown."""
        while self._job is not None and not self._job.done():
            await asyncio.wait([self._job])

    def when_shown(self, action: Callable[[], None]) -> None:
        """Does something once everything is shown, at once if that is so: what was said later is shown later."""
        if self._job is None or self._job.done():
            action()
        else:
            self._afterwards.append(action)

    async def _show_later(self) -> None:
        while self._later or self._afterwards:
            self._slice(time.perf_counter() + _SLICE)
            if not self._later and self._afterwards:
                self._do(self._afterwards.pop(0))
            await asyncio.sleep(0)

    def _do(self, action: Callable[[], None]) -> None:
        try:
            action()
        except Exception as error:  # the others are done all the same
            self._on_fault("what came behind settings cannot be shown", error)

    def _slice(self, end: float) -> None:
        while self._later and time.perf_counter() < end:
            key = next(iter(self._later))
            when = self._later.pop(key)
            try:
                self._show(key, when)
            except Exception as error:  # the others are shown all the same
                self._on_fault(f"{self._store.named(key)} cannot be shown", error)

    def _show(self, key: Key, when: Stamp | None) -> None:
        if key in self._limited:
            self._limited.discard(key)
            for pv in filter(None, (self.setpoints.get(key), self.readbacks.get(key))):
                self._pvs[pv].describe(drive=self._store.limits[key])
            if when is None:
                return
        self.show_used(key, when)
        if key not in self._store.dirty:
            self.show_setpoint(key, when)
