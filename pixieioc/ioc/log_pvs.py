"""The process variables of the log: where it goes, from which level on, and whether lines were lost."""

from __future__ import annotations

import asyncio
import logging

from pixieioc.ioc.logs import LEVELS, Logs
from pixieioc.ioc.records import MINOR, NO_ALARM, Client, Pvs

log = logging.getLogger(__name__)

_PERIOD = 1.0


class LogPvs:
    """Clients set the level of the log, and see once a second what became of it."""

    def __init__(self, pvs: Pvs, logs: Logs | None) -> None:
        self._pvs, self._logs = pvs, logs
        pvs.post("IOC:LogLevel", _index(logging.getLogger().level))
        pvs.on_put("IOC:LogLevel", self._set)

    async def run(self) -> None:
        """Goes on until cancelled."""
        while True:
            self._show()
            await asyncio.sleep(_PERIOD)

    def _show(self) -> None:
        if self._logs is not None:
            problem = f" ({self._logs.problem})" if self._logs.problem else ""
            text, severity = f"{self._logs.where}{problem}", MINOR if self._logs.silent else NO_ALARM
            self._pvs.post_with("IOC:LogTo_RBV", text, severity)
            if self._pvs["IOC:LogLost_RBV"].value != self._logs.lost:
                self._pvs.post("IOC:LogLost_RBV", self._logs.lost)

    def _set(self, value: int, client: Client) -> None:
        logging.getLogger().setLevel(LEVELS[value])
        self._pvs.post("IOC:LogLevel", value)
        log.warning("log from level %s on, set by %s", logging.getLevelName(LEVELS[value]), client)


def _index(level: int) -> int:
    """The last of the levels that shows all of this one."""
    return max((index for index, each in enumerate(LEVELS) if each <= level), default=0)
