"""The values that access rules depend on: process variables of this IOC, seen directly, and those of others."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from pixieioc.ioc.ca.monitor_client import MonitorClient
from pixieioc.ioc.ca.view import View
from pixieioc.ioc.records import INVALID, Record
from pixieioc.ioc.records.change import Change

#: Hears of an input's value; None: it has none that is valid.
Heard = Callable[[str, float | None], None]


class _Own:
    """Observes one of this IOC; `view` is held, as a field exists only for as long as somebody has it."""

    def __init__(self, name: str, view: View, heard: Heard) -> None:
        self._name = name
        self._view = view
        self._heard: Heard | None = heard
        view.record.observe(self)
        self.changed(Change.VALUE)

    def changed(self, changes: int) -> None:
        """The record has been posted."""
        if changes & (Change.VALUE | Change.ALARM) and self._heard is not None:
            self._heard(self._name, value_of(self._view.record))

    def close(self) -> None:
        """Hears no more."""
        self._heard = None


class Inputs:
    """All of them, by name; `find` gives what this IOC has of a name."""

    def __init__(self, find: Callable[[str], View | None], heard: Heard) -> None:
        self._find = find
        self._heard = heard
        self._own: dict[str, _Own] = {}
        self._foreign: MonitorClient | None = None
        self._values: dict[str, float | None] = {}

    @property
    def missing(self) -> list[str]:
        """Those without a valid value."""
        return sorted(name for name, value in self._values.items() if value is None)

    def want(self, names: Iterable[str]) -> None:
        """From now on these, and no others; each is heard of at once if it has a value."""
        wanted = set(names)
        before, self._values = self._values, {}
        for name in set(before) - wanted:
            if own := self._own.pop(name, None):
                own.close()
        for name in sorted(wanted):
            self._values[name] = None
            if name in before:  # the rules are new, the value is not
                self._take(name, before[name])
            elif (view := self._find(name)) is not None:
                self._own[name] = _Own(name, view, self._take)
        others = wanted - self._own.keys()
        if others or self._foreign is not None:
            self._foreign = self._foreign or MonitorClient(self._take)
            self._foreign.want(others)

    def close(self) -> None:
        """Hears of nothing more."""
        self.want(())
        if self._foreign is not None:
            self._foreign.close()

    def _take(self, name: str, value: float | None) -> None:
        if name in self._values:
            self._values[name] = value
            self._heard(name, value)


def value_of(record: Record) -> float | None:
    """The value of a record as a number, as DBR_STS_DOUBLE has it; None: there is none, or it is INVALID."""
    record.refresh()
    if record.severity == INVALID:
        return None
    value: Any = record.value
    try:
        return float(value if isinstance(value, int | float | str) else value[0])
    except (ValueError, IndexError, TypeError):
        return None
