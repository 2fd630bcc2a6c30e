"""All process variables of the IOC, by their names without prefix."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping
from typing import Any

from pixieioc.ioc.records.record import Put, Record, Stamp
from pixieioc.pvinfo import PvInfo
from pixieioc.pvinfo.model import SEVERITIES

_SUMMARY = "SumSevr_RBV"


class Pvs(Mapping[str, Record]):
    """The records; keeps the worst severity of all of them."""

    def __init__(self, pvs: Mapping[str, PvInfo], prefix: str) -> None:
        self.prefix = prefix
        self._records = {name: Record(info, prefix + name) for name, info in pvs.items()}
        self._in_alarm = [0] * len(SEVERITIES)
        self._summing = False
        #: Those that are in alarm, by name, with the Unix time since when.
        self.alarms: dict[str, float] = {}
        for name, record in self._records.items():
            if name != _SUMMARY:
                self._in_alarm[record.severity] += 1
                if record.severity:
                    self.alarms[name] = time.time()
                record.on_severity = self._on_severity
        self._sum()

    def __getitem__(self, name: str) -> Record:
        return self._records[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._records)

    def __len__(self) -> int:
        return len(self._records)

    def post(self, name: str, value: Any, when: Stamp | None = None, *, force: bool = False) -> None:
        """Gives a process variable a value; its severity follows from it."""
        self._records[name].post(value, when, force=force)

    def post_with(self, name: str, value: Any, severity: int | None, when: Stamp | None = None) -> None:
        """Gives a process variable a value and a severity of its own (None: the one that follows from the value)."""
        self._records[name].post(value, when, severity=severity)

    def on_put(self, name: str, put: Put) -> None:
        """Says what a client's writing does."""
        self._records[name].put = put

    def _on_severity(self, record: Record, old: int) -> None:
        self._in_alarm[old] -= 1
        self._in_alarm[record.severity] += 1
        name = record.info.name
        if not record.severity:
            self.alarms.pop(name, None)
        elif not old:
            self.alarms[name] = time.time()
        if not self._summing:
            self._summing = True
            asyncio.get_running_loop().call_soon(self._sum)

    def _sum(self) -> None:
        self._summing = False
        worst = max((severity for severity, count in enumerate(self._in_alarm) if count), default=0)
        self._records[_SUMMARY].post(worst)
