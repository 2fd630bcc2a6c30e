"""The IOC's own process variables, under the names of iocStats."""

from __future__ import annotations

import asyncio
import os
import platform
import resource
import time
from collections.abc import Callable
from datetime import datetime, timedelta

import psutil

from pixieioc.ioc.ca.server import Server
from pixieioc.ioc.records import Client, PutRefused, Pvs

_PERIOD = 1.0
_TIME_FORMAT = "%Y-%m-%d %H:%M:%S"


class Stats:
    """Posts what the IOC uses, once a second; `SYSRESET` calls `reset`, which raises PutRefused if it must not be."""

    def __init__(self, pvs: Pvs, server: Server, starts: int, reset: Callable[[Client], None]) -> None:
        self._pvs = pvs
        self._server = server
        self._reset = reset
        self._process = psutil.Process()
        self._began = time.monotonic()
        self._beats = 0
        uname = platform.uname()
        for name, value in {
            "STARTTOD": datetime.now().strftime(_TIME_FORMAT),
            "START_CNT": starts,
            "PROCESS_ID": os.getpid(),
            "HOSTNAME": uname.node,
            "KERNEL_VERS": f"{uname.system} {uname.release}",
            "FD_MAX": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        }.items():
            pvs.post(f"IOC:{name}", value)
        pvs.on_put("IOC:SYSRESET", self._sysreset)

    async def run(self) -> None:
        """Goes on until cancelled."""
        while True:
            self._post()
            await asyncio.sleep(_PERIOD)

    def _sysreset(self, value: int, client: Client) -> None:
        if value:
            try:
                self._reset(client)
            except PutRefused:
                self._pvs.post("IOC:SYSRESET", 0, force=True)
                raise

    def _post(self) -> None:
        self._beats += 1
        files = len(os.listdir("/proc/self/fd")) - 1  # noqa: PTH208  # without the one that this takes to look
        memory = psutil.virtual_memory()
        circuits = self._server.circuits
        for name, value in {
            "HEARTBEAT": self._beats,
            "TOD": datetime.now().strftime(_TIME_FORMAT),
            "UPTIME": str(timedelta(seconds=round(time.monotonic() - self._began))),
            "CA_CLNT_CNT": len(circuits),
            "CA_CONN_CNT": sum(circuit.channels for circuit in circuits),
            "CA_COALESCED_CNT": self._server.coalesced + sum(circuit.outbox.coalesced for circuit in circuits),
            "NAME_ERROR_CNT": self._server.name_faults,
            "RECORD_CNT": len(self._pvs),
            "FD_CNT": files,
            "FD_FREE": self._pvs["IOC:FD_MAX"].value - files,
            "SYS_CPU_LOAD": psutil.cpu_percent(None),
            "IOC_CPU_LOAD": self._process.cpu_percent(None),
            "MEM_USED": self._process.memory_info().rss / 1e6,
            "MEM_FREE": memory.available / 1e6,
        }.items():
            self._pvs.post(f"IOC:{name}", value)
