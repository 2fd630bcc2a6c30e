"""The IOC: process variables, server and run control put together, and its life from start to signal."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable
from pathlib import Path

from pixieioc.config import Config, ConfigError
from pixieioc.ioc.access import AccessRules
from pixieioc.ioc.board import Board
from pixieioc.ioc.ca.record import Client, PutRefused, Record
from pixieioc.ioc.ca.server import Server
from pixieioc.ioc.faults import Faults
from pixieioc.ioc.run_control import NOBODY, RunControl
from pixieioc.ioc.state import State
from pixieioc.ioc.stats import Stats
from pixieioc.pipeline.process import prepare
from pixieioc.pvinfo import all_pvs

log = logging.getLogger(__name__)


class _Server(Server):
    """The server of this IOC, which tells of values that could not be converted, and knows who may write."""

    control: RunControl | None = None
    access = AccessRules({})

    def put_refused(self, record: Record, client: Client, why: str) -> None:
        if self.control is not None:
            self.control.put_refused(record, why, client)

    def may_write(self, record: Record, client: Client) -> bool:
        # Of what is read only, alarms can be acknowledged by whoever may acknowledge errors.
        return self.access.may_write(record.info.access or "OP", client)

    def read_access(self, file: Path, board: Board) -> None:
        """Takes over who may write, and tells the clients; what is wrong with the file changes nothing."""
        try:
            self.access = AccessRules.read(file)
        except ConfigError as error:
            log.error("%s", error)
            return
        board.post("IOC:ACCESS", str(self.access))
        self.review_rights()


async def run_ioc(
    config: Config,
    interfaces: list[str] | None = None,
    *,
    start: bool = False,
    on_ready: Callable[[], None] | None = None,
) -> None:
    """Serves a pipeline until SIGINT or SIGTERM (or SYSRESET): then a run ends as Stop does, and everything is closed.

    `on_ready` is called when clients can connect; `start` starts a run as soon as the tasks are there.
    Raises BadState, ConfigError, OSError if the IOC cannot begin.
    """
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    faults = Faults(loop)
    access = AccessRules({}) if config.access_file is None else AccessRules.read(config.access_file)
    board = Board(all_pvs(config), config.prefix)
    state = State(config.state_folder)
    prepare()
    control = RunControl(board, config, state)
    server = _Server(board.values(), interfaces or config.ioc.interfaces or None, config.ioc.limits)
    server.control, server.access = control, access
    board.post("IOC:ACCESS", str(access))
    if config.access_file is not None:
        loop.add_signal_handler(signal.SIGHUP, server.read_access, config.access_file, board)
    await server.start()
    if on_ready is not None:
        on_ready()

    def reset(client: Client) -> None:
        if control.run is not None:
            raise PutRefused(control.run.describe())
        log.warning("SYSRESET by %s", client)
        stopping.set()

    stats = loop.create_task(Stats(board, server, faults, state.starts, reset).run())
    try:
        beginning = loop.create_task(control.begin())
        if start:
            control.start(NOBODY)
        await stopping.wait()
        beginning.cancel()
    finally:
        stats.cancel()
        await control.end()
        await server.stop()
