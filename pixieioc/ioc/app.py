"""The IOC: process variables, server and run control put together, and its life from start to signal."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import Callable
from pathlib import Path

import msgspec

from pixieioc.config import Config, ConfigError
from pixieioc.ioc.access import AccessRules
from pixieioc.ioc.ca.limits import Limits
from pixieioc.ioc.ca.server import Server
from pixieioc.ioc.records import Client, PutRefused, Pvs, Record
from pixieioc.ioc.run_control import RunControl
from pixieioc.ioc.state import State
from pixieioc.ioc.stats import Stats
from pixieioc.pipeline import Error
from pixieioc.pipeline.process import prepare
from pixieioc.pvinfo.build import all_pvs
from pixieioc.tasks.raw_file import tell_unfinished, unfinished

log = logging.getLogger(__name__)


#: Signals that end the IOC as `Stop` and `Quit` do, and those that must not suspend or kill it: an operator's ^Z, a
#: terminal that wants no output from the background, and what a careless `kill` sends.
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT)
_IGNORED = (signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU, signal.SIGUSR1, signal.SIGUSR2)


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

    def read_access(self, file: Path, pvs: Pvs) -> None:
        """Takes over who may write, and tells the clients; what is wrong with the file changes nothing."""
        try:
            self.access = AccessRules.read(file)
        except ConfigError as error:
            log.error("%s", error)
            return
        pvs.post("IOC:ACCESS", str(self.access))
        self.review_rights()


async def run_ioc(
    config: Config,
    interfaces: list[str] | None = None,
    *,
    start: bool = False,
    on_ready: Callable[[], None] | None = None,
) -> None:
    """Serves a pipeline until SIGINT, SIGTERM or SIGQUIT (or SYSRESET): a run then ends as by Stop, all is closed.

    SIGHUP has the access file read again, if there is one: the terminal may close, the IOC goes on.

    `on_ready` is called when clients can connect; `start` starts a run as soon as the tasks are there.
    Raises BadState, ConfigError, OSError if the IOC cannot begin.
    """
    stopping = asyncio.Event()
    _listen_to_signals(stopping)
    access = AccessRules({}) if config.access_file is None else AccessRules.read(config.access_file)
    with State(config.state_folder) as state:
        pvs = Pvs(all_pvs(config), config.prefix)
        prepare()
        control = RunControl(pvs, config, state)
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(control.on_fault)
        server = _Server(pvs.values(), interfaces or config.ioc.interfaces or None, _limits(config))
        server.control, server.access = control, access
        pvs.post("IOC:ACCESS", str(access))
        if config.access_file is not None:
            loop.add_signal_handler(signal.SIGHUP, server.read_access, config.access_file, pvs)
        await server.start()
        if on_ready is not None:
            on_ready()
        await _serve(config, pvs, server, control, state, stopping, start=start)


def _limits(config: Config) -> Limits:
    return Limits(**msgspec.structs.asdict(config.ioc.limits))


async def _serve(
    config: Config,
    pvs: Pvs,
    server: _Server,
    control: RunControl,
    state: State,
    stopping: asyncio.Event,
    *,
    start: bool,
) -> None:
    """Lets clients do what they want until the end is asked for, and then ends everything."""

    def reset(client: Client) -> None:
        if control.run is not None:
            raise PutRefused(control.run.describe())
        log.warning("SYSRESET by %s", client)
        stopping.set()

    loop = asyncio.get_running_loop()
    stats = loop.create_task(Stats(pvs, server, state.starts, reset).run())
    unfinished = loop.run_in_executor(None, _warn_of_unfinished_files, config)
    try:
        beginning = loop.create_task(control.begin(start=start))
        await stopping.wait()
        beginning.cancel()
        unfinished.cancel()
    finally:
        stats.cancel()
        await control.end()
        await server.stop()


def _listen_to_signals(stopping: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for number in _ENDING:
        loop.add_signal_handler(number, stopping.set)
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    loop.add_signal_handler(signal.SIGHUP, log.warning, "SIGHUP: the IOC goes on; SIGTERM ends it")


def _warn_of_unfinished_files(config: Config) -> None:
    """Says in the log which raw files were cut off, when the computer or the IOC went down or a disk was full."""
    for values in config.settings.values():
        template, path = values.get("file_template"), values.get("file_path")
        if isinstance(template, str) and isinstance(path, str):
            with contextlib.suppress(Error):  # a template that is none is refused when a run starts
                if text := tell_unfinished(unfinished(template, path), 10_000):
                    log.warning("%s", text)
