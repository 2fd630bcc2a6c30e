"""The caster: waits for a recceiver, tells it everything, and answers its pings for as long as it is there."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import platform
import random
import time
from collections.abc import Mapping
from typing import Never, Self

from pixieioc.config import Config
from pixieioc.config_schema import RecSyncTable
from pixieioc.ioc.records import Pvs, faults
from pixieioc.ioc.recsync.announcements import Announcements
from pixieioc.ioc.recsync.connection import Connection
from pixieioc.ioc.recsync.heard import Heard
from pixieioc.ioc.recsync.protocol import (
    PING,
    SERVER_GREET,
    Announcement,
    ProtocolError,
    Recceiver,
    announcement_of,
    greeting,
    pong,
)
from pixieioc.ioc.recsync.upload import Upload, own_properties, properties
from pixieioc.pvinfo.recsync import CONNECTING, DONE, INIT, LISTENING, UPLOADING

log = logging.getLogger(__name__)

#: Seconds after which a connection has been a good one: a recceiver that cannot pass on what it is told closes it
#: soon, and is to wait longer each time.
GOOD = 60.0
#: Seconds before it is tried again to listen, if that was impossible.
_RETRY = 10.0


class Caster:
    """Tells one recceiver at a time of all process variables; `info` are the properties of the IOC.

    It listens on `interfaces` unless the configuration names others.
    """

    def __init__(self, pvs: Pvs, wanted: RecSyncTable, interfaces: list[str], info: Mapping[str, str]) -> None:
        self._pvs = pvs
        self._wanted = wanted
        self._interfaces = wanted.interfaces or interfaces
        self._info = info
        self._heard = Heard(wanted.recceivers, random.choice)
        self._found = asyncio.Event()
        self._complained = False

    @classmethod
    def of(cls, config: Config, pvs: Pvs, interfaces: list[str], ports: Mapping[str, int]) -> Self:
        """The one that a configuration wants; `ports` are those of the servers, by the names of recsync."""
        own = own_properties(config.prefix, platform.node(), ports)
        return cls(pvs, config.ioc.recsync, interfaces, properties(own, os.environ, config.ioc.recsync.info))

    async def run(self) -> Never:
        """Goes on until cancelled."""
        while True:
            try:
                await self._serve(await self._find())
            except OSError as error:
                self._show(INIT, "Cannot listen, see the log")
                log.error("recsync: %s; it is tried again every %g s", error, _RETRY)
                await asyncio.sleep(_RETRY)
            except Exception as error:
                faults.report("the caster of recsync has failed", error)
                await asyncio.sleep(_RETRY)

    # -- a recceiver is looked for ------------------------------------------------------------------------------------

    async def _find(self) -> Announcement:
        """A recceiver that has announced itself; other IOCs hear it, too, so that each waits for a time of its own."""
        with Announcements(self._interfaces, self._wanted.port, self._take):
            self._pvs.post("IOC:RecSync:State-Sts", LISTENING)
            if not self._complained:
                self._show(LISTENING, "Searching")
            while True:
                self._found.clear()
                await self._found.wait()
                await asyncio.sleep(random.uniform(0.0, self._wanted.hold_off))
                if (announcement := self._heard.pick(time.monotonic())) is not None:
                    return announcement

    def _take(self, datagram: bytes, sender: str) -> None:
        announcement = announcement_of(datagram, sender)
        if announcement is not None and self._heard.note(announcement, time.monotonic()):
            self._found.set()

    # -- and served ---------------------------------------------------------------------------------------------------

    async def _serve(self, announcement: Announcement) -> None:
        """Tells it everything and stays until it is gone; who is no good, or not for long, must wait."""
        recceiver = announcement.recceiver
        self._show(CONNECTING, f"Connecting to {recceiver}")
        self._pvs.post("IOC:RecSync:Server_RBV", str(recceiver))
        done = math.inf  # when it knew everything
        try:
            async with Connection.open(recceiver, self._wanted.timeout) as connection:
                await self._upload(connection, announcement)
                done = time.monotonic()
                await self._keep_alive(connection)
        except (OSError, ProtocolError) as error:
            self._lost(recceiver, _text_of(error), is_good=time.monotonic() - done >= GOOD)
        finally:
            self._pvs.post("IOC:RecSync:Server_RBV", "")
            self._pvs.post("IOC:RecSync:Count_RBV", 0)

    async def _upload(self, connection: Connection, announcement: Announcement) -> None:
        await connection.send(greeting(announcement.key))
        # It lets IOCs wait before it greets them, when many come at once.
        kind, _ = await connection.receive(4 * self._wanted.timeout, "did not greet")
        if kind != SERVER_GREET:
            raise ProtocolError(f"its first message is of kind {kind:#06x} rather than a greeting")
        self._show(UPLOADING, "Connected")
        upload = Upload(self._info, self._pvs.values(), self._pvs.prefix, self._wanted.exclude)
        for piece in upload.pieces():
            await connection.send(piece)
            await asyncio.sleep(0)  # also where there is room: clients come in between
        self._pvs.post("IOC:RecSync:Count_RBV", upload.count)
        self._show(DONE, "Synchronized")
        self._complained = False
        log.info("recsync: %s knows %d process variables", announcement.recceiver, upload.count)

    async def _keep_alive(self, connection: Connection) -> Never:
        """Answers pings. Other messages are none of ours, and no sign that it still knows us."""
        while True:
            _, body = await connection.receive(4 * self._wanted.timeout, "did not ping", PING)
            await connection.send(pong(body))

    def _lost(self, recceiver: Recceiver, why: str, *, is_good: bool) -> None:
        if is_good:
            self._heard.succeeded(recceiver)
            again = "when it announces itself"
        else:
            again = f"in {self._heard.failed(recceiver, time.monotonic()):g} s at the earliest"
        level = logging.INFO if self._complained else logging.WARNING
        log.log(level, "recsync: %s: %s; next try %s", recceiver, why, again)
        self._complained = True
        self._show(LISTENING, f"Lost: {why}")

    def _show(self, state: str, message: str) -> None:
        self._pvs.post("IOC:RecSync:State-Sts", state)
        self._pvs.post("IOC:RecSync:Msg-I", message)


def _text_of(error: OSError | ProtocolError) -> str:
    return os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
