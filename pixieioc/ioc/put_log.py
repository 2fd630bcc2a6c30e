"""The log of puts: who has written what, from where, and what became of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Sequence

from pixieioc.config import Config
from pixieioc.config_ioc import collector_of
from pixieioc.counted import counted
from pixieioc.ioc.put_entry import line_of
from pixieioc.ioc.put_sinks import FileSink, Sink, TcpSink, UdpSink
from pixieioc.ioc.records import Pvs
from pixieioc.ioc.records.written import Written
from pixieioc.pvinfo.access import PUT_LOG_STATES

log = logging.getLogger(__name__)

_PERIOD = 1.0
#: Seconds that the end of the IOC waits for what is not written yet.
_PATIENCE = 0.5
OFF, GOOD, FAILS = PUT_LOG_STATES


class PutLog:
    """Hands each put to all sinks, and posts once a second how that goes."""

    def __init__(self, sinks: Sequence[Sink], pvs: Pvs) -> None:
        self._sinks = sinks
        self._pvs = pvs
        self._count = 0
        self._problems: list[str] = []
        for sink in sinks:
            sink.start()
        self._post()

    @classmethod
    def of(cls, config: Config, pvs: Pvs) -> PutLog:
        """The one that a configuration wants."""
        wanted = config.ioc.put_log
        kinds = {"tcp": TcpSink, "udp": UdpSink}
        collectors = map(collector_of, wanted.collectors)
        sinks: list[Sink] = [kinds[at.protocol](str(at), at.host, at.port, wanted.room) for at in collectors]
        if file := config.put_log_file:
            sinks.insert(0, FileSink(file, round(wanted.size * 1e6), wanted.keep, wanted.room))
        return cls(sinks, pvs)

    @property
    def is_on(self) -> bool:
        """Whether anything is logged at all."""
        return bool(self._sinks)

    def __call__(self, put: Written) -> None:
        """Logs a put."""
        line = line_of(put)
        self._count += 1
        for sink in self._sinks:
            sink.put(line)

    async def run(self) -> None:
        """Goes on until cancelled."""
        while True:
            self._post()
            await asyncio.sleep(_PERIOD)

    def close(self) -> None:
        """Writes what is there, and ends; what a sink does not take soon is lost."""
        for sink in self._sinks:
            sink.close(_PATIENCE)

    def unwritten(self) -> Iterator[str]:
        """What is not written yet, if there is anything."""
        for sink in self._sinks:
            if sink.waiting:
                yield f"{counted(sink.waiting, 'line')} of the put log ({sink.name})"

    def _post(self) -> None:
        problems = [sink.problem for sink in self._sinks if sink.problem]
        if problems != self._problems:
            log.warning("put log: %s", "; ".join(problems) or "everything is written again")
        self._problems = problems
        pvs = self._pvs
        pvs.post("IOC:PutLogState_RBV", (FAILS if problems else GOOD) if self._sinks else OFF)
        pvs.post("IOC:PutLogMessage_RBV", "; ".join(problems)[:500])
        pvs.post("IOC:PutLogCount_RBV", self._count)
        lost = sum(sink.lost for sink in self._sinks)
        if pvs["IOC:PutLogLost_RBV"].value != lost:
            pvs.post("IOC:PutLogLost_RBV", lost)
