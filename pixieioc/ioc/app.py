"""The IOC: process variables, server and run control put together, and its life from start to signal."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import logging
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from pixieioc.config import Config, ConfigError
from pixieioc.ioc.access import AccessSecurity, read_rules
from pixieioc.ioc.autosave import Autosave
from pixieioc.ioc.ca.environment import CannotServe
from pixieioc.ioc.ca.limits import Limits
from pixieioc.ioc.ca.server import Server
from pixieioc.ioc.command_status import show_outcomes
from pixieioc.ioc.conditions import check_reading
from pixieioc.ioc.energies import Energies
from pixieioc.ioc.folders import PATIENCE
from pixieioc.ioc.last_resort import UNCLEAN, LastResort, exit_now, say, within
from pixieioc.ioc.log_pvs import LogPvs
from pixieioc.ioc.logs import Logs
from pixieioc.ioc.metrics.endpoint import Endpoint
from pixieioc.ioc.put_log import PutLog
from pixieioc.ioc.records import Client, PutRefused, Pvs, Record
from pixieioc.ioc.records.rights import Rights
from pixieioc.ioc.records.security import Security
from pixieioc.ioc.recsync.caster import Caster
from pixieioc.ioc.run_control import RunControl
from pixieioc.ioc.run_log import RunLog
from pixieioc.ioc.state import State
from pixieioc.ioc.stats import Stats
from pixieioc.ioc.supervisor import Supervisor, stuck
from pixieioc.ioc.worker import Worker
from pixieioc.pipeline.limits import clients_at_most
from pixieioc.pipeline.process import SAME_WISH, prepare
from pixieioc.pvinfo.build import all_pvs
from pixieioc.tasks import cut_off

if TYPE_CHECKING:
    from pixieioc.ioc.pva.server import Server as PvaServer

log = logging.getLogger(__name__)


#: Signals that end the IOC as `Stop` and `Quit` do, and those that must not suspend or kill it: an operator's ^Z, a
#: terminal that wants no output from the background, and what a careless `kill` sends.
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT)
_IGNORED = (signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU, signal.SIGUSR1, signal.SIGUSR2)
#: So long may the closing of sockets and threads take at the end, in seconds: longer if there is still time, and then
#: a disk has so long for what is written last.
_CLOSING, _WRITING = 0.3, 3.0
#: Seconds beyond StopTimeout within which the process has ended, or beyond a second signal.
_ENDED, _ENDED_AT_ONCE = 1.9, 1.0
#: Seconds that a service manager allows for an end beyond those for the run and for the tasks.
_MARGIN = 10.0


class _Server(Server):
    """The server of this IOC, which tells of values that could not be converted, and knows who may do what."""

    def __init__(self, pvs: Pvs, config: Config, interfaces: list[str] | None, control: RunControl) -> None:
        allowed = Limits(**msgspec.structs.asdict(config.ioc.limits))
        clients = min(allowed.clients, clients_at_most(len(config.tasks), config.ioc.servers))
        super().__init__(pvs.values(), interfaces, dataclasses.replace(allowed, clients=clients))
        self.trusts_hosts = not config.ioc.check_client_ip
        self._control = control
        #: The server of PVAccess, which is told of the same.
        self.pva: PvaServer | None = None
        self.access = AccessSecurity(config, pvs, self.find, self._rights_changed, self._regrouped)
        self.put_log = PutLog.of(config, pvs)
        if self.put_log.is_on:
            self.put_listener = self.put_log
            self.all_puts = config.ioc.put_log.all or config.access_file is None

    def put_refused(self, record: Record, client: Client, why: str) -> None:
        self._control.put_refused(record, why, client)

    def rights(self, security: Security, client: Client) -> Rights:
        return self.access.rights(security, client)

    def _rights_changed(self) -> None:
        self.review_rights()
        if self.pva is not None:
            self.pva.review_rights()

    def _regrouped(self, record: Record, before: Security) -> None:
        self.regrouped(record)
        if self.pva is not None:
            self.pva.regrouped(record, before)

    async def stop(self) -> None:
        self.access.close()
        await super().stop()


class _Ending:
    """Signals that end the IOC, which may come before there is anything to end."""

    def __init__(self, supervisor: Supervisor, last: LastResort) -> None:
        self._supervisor, self._last = supervisor, last
        self._control: RunControl | None = None
        self._wanted: float | None = None
        self.asked = asyncio.Event()

    def watch(self, control: RunControl) -> None:
        """From now on `control` is what is to be ended."""
        self._control = control
        if self._wanted is not None:
            self._end(control)

    def ask(self) -> None:
        """The end is wanted; the second time it is wanted at once."""
        now = time.monotonic()
        if self._wanted is not None and now - self._wanted <= SAME_WISH:
            return
        self.asked.set()
        if self._wanted is not None:
            self._last.by(now + _ENDED_AT_ONCE)
        self._wanted = now
        if self._control is not None:
            self._end(self._control)

    def _end(self, control: RunControl) -> None:
        timeout = control.settings.run["stop_timeout"]
        self._last.by(time.monotonic() + timeout + _ENDED)
        control.signal()
        self._supervisor.stopping(2 * timeout + _MARGIN)


async def run_ioc(
    config: Config,
    interfaces: list[str] | None = None,
    *,
    start: bool = False,
    restore: bool = True,
    on_ready: Callable[[], None] | None = None,
    logs: Logs | None = None,
    last: LastResort | None = None,
) -> None:
    """Serves a pipeline until SIGINT, SIGTERM or SIGQUIT (or SYSRESET): a run then ends as by Stop, all is closed.

    That takes at most StopTimeout and 2 s, whatever happens, then `last` ends the process; it knows what a disk has not
    taken by then. A second signal ends everything at once. SIGHUP has the access file read again, if there is one: the
    terminal may close, the IOC goes on.

    `on_ready` is called when clients can connect; `start` starts a run as soon as the tasks are there; `logs` is where
    the log goes, of which clients are told; without `restore` the settings are those of the configuration, whatever was
    saved. Raises BadState, CannotServe, ConfigError if the IOC cannot begin.
    """
    supervisor = Supervisor.take(os.environ)
    last = last or LastResort()
    ending = _Ending(supervisor, last)
    _listen_to_signals(ending)
    check_reading(config.conditions)
    read_rules(config)  # what is wrong with them is said before anything is begun
    async with _state_of(config.state_folder, ending.asked) as state:
        if state is None:
            return
        infos = all_pvs(config)
        pvs = Pvs(infos, config.prefix)
        prepare()
        control = RunControl(pvs, config, state)
        control.pipeline.processes.state_folder = config.state_folder
        Energies(pvs, control.settings, control.put_refused)
        ending.watch(control)
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(control.on_fault)
        server = _Server(pvs, config, interfaces or config.ioc.interfaces or None, control)
        if config.access_file is not None:
            loop.add_signal_handler(signal.SIGHUP, _read_access, server, set[asyncio.Task[None]]())
        autosave = Autosave(pvs, infos, config, server.views)
        undying = control.pipeline.processes.undying
        last.sources = [control.files.unwritten, control.recorder.unwritten, lambda: [undying.left()]]
        last.sources += [autosave.unwritten, server.put_log.unwritten, *([logs.unwritten] if logs is not None else [])]
        autosave.serve(server.is_writable)
        await autosave.begin(restore=restore, starts=state.starts)
        for command in ("SR_save", "SR_restore", "IOC:ReadAccess"):
            show_outcomes(control.status, pvs, command)
        await server.access.start()
        try:
            await server.start()
        except OSError as error:
            raise error if isinstance(error, CannotServe) else CannotServe(*error.args) from error
        pva = await _begin_pva(config, pvs, server, control.run_log)
        if on_ready is not None:
            on_ready()
        supervisor.ready()
        background = [
            loop.create_task(supervisor.run(lambda: stuck(time.monotonic() - control.looked), _status(pvs))),
            loop.create_task(LogPvs(pvs, logs).run()),
        ]
        await _serve(config, pvs, server, pva, control, state, ending, background, autosave, last, start=start)


@contextlib.asynccontextmanager
async def _state_of(folder: Path, asked: asyncio.Event) -> AsyncIterator[State | None]:
    """The state folder; None if the end is asked for and its file system has not answered yet.

    That is waited for: without it, a run could have the number of another one.
    """
    worker = Worker("pixieioc state folder")
    opening, end = worker.do(lambda: State(folder)), asyncio.ensure_future(asked.wait())
    patience = PATIENCE
    while not (await asyncio.wait({opening, end}, timeout=patience, return_when=asyncio.FIRST_COMPLETED))[0]:
        say(f"the IOC begins when the file system of its state folder {folder} answers")  # which may be the log's, too
        patience *= 2
    end.cancel()
    try:
        yield opening.result() if opening.done() else None
    finally:
        if opening.done() and opening.exception() is None:
            await asyncio.wait([worker.do(opening.result().close)], timeout=_CLOSING)
        worker.close()


async def _begin_pva(config: Config, pvs: Pvs, server: _Server, run_log: RunLog) -> PvaServer | None:
    """The PVAccess server, running, if there is to be one; it asks that of Channel Access who may write."""
    wanted = config.ioc.pva
    if not wanted.on:
        return None
    try:
        from pixieioc.ioc.pva.server import Address, Limits, Server
        from pixieioc.ioc.pva.structures import offers
    except ImportError as error:
        raise CannotServe(
            f"PVAccess needs p4p ({error}): pip install 'pixieioc[pva]', or ioc.pva.on = false"
        ) from error
    interfaces = wanted.interfaces or [each for each in server.interfaces if each != "0.0.0.0"]
    address = Address(tuple(interfaces), wanted.port, wanted.broadcast_port)
    more = offers(pvs, lambda: list(reversed(run_log.entries)))
    wanted_limits = config.ioc.limits
    limits = Limits(server.limits.clients, wanted_limits.channels, wanted_limits.puts)
    pva = Server(pvs.values(), server, address, limits, more)
    try:
        await pva.start()
    except OSError as error:
        await server.stop()
        raise CannotServe(*error.args) from error
    server.pva = pva
    return pva


def _status(pvs: Pvs) -> Callable[[], str]:
    """What a service manager shows of the IOC."""
    return lambda: f"{pvs['DetectorState_RBV'].label}: {pvs['StatusMessage_RBV'].value}"


def _read_access(server: _Server, reading: set[asyncio.Task[None]]) -> None:
    async def read() -> None:
        with contextlib.suppress(ConfigError):  # which it has told of
            await server.access.read()

    task = asyncio.get_running_loop().create_task(read())
    reading.add(task)  # the loop itself does not keep it
    task.add_done_callback(reading.discard)


async def _serve(
    config: Config,
    pvs: Pvs,
    server: _Server,
    pva: PvaServer | None,
    control: RunControl,
    state: State,
    ending: _Ending,
    background: list[asyncio.Task[None]],
    autosave: Autosave,
    last: LastResort,
    *,
    start: bool,
) -> None:
    """Lets clients do what they want until the end is asked for, and then ends everything."""

    def reset(client: Client) -> None:
        if control.run is not None:
            raise PutRefused(control.run.describe(time.monotonic()))
        log.warning("SYSRESET by %s", client)
        ending.ask()

    loop = asyncio.get_running_loop()
    background.append(loop.create_task(Stats(pvs, server, state.starts, reset).run()))
    show_outcomes(control.status, pvs, "IOC:SYSRESET")
    background.append(loop.create_task(server.put_log.run()))
    if config.ioc.recsync.on:
        ports = {"RSRV_SERVER_PORT": server.port} | ({"PVAS_SERVER_PORT": pva.port} if pva is not None else {})
        background.append(loop.create_task(Caster.of(config, pvs, server.interfaces, ports).run()))
    if config.ioc.metrics.on:
        background.append(loop.create_task(Endpoint(pvs, config.ioc.metrics).run()))
    unfinished = Worker("pixieioc unfinished files")
    unfinished.do(functools.partial(_warn_of_unfinished_files, config))
    unfinished.close()
    try:
        control.begin(start=start)
        await control.left.wait()
    finally:
        for task in background:
            task.cancel()
        await _close(control, server, pva, autosave, last)
        server.put_log.close()


async def _close(
    control: RunControl, server: _Server, pva: PvaServer | None, autosave: Autosave, last: LastResort
) -> None:
    """Closes everything; what does not let itself be closed ends with this process, which then ends at once."""
    servers = [each.stop() for each in (server, pva) if each is not None]
    time_left = control.machine.leave_by - time.monotonic()
    patience = min(_WRITING, max(_CLOSING, time_left))
    closing = asyncio.gather(control.end(patience), *servers, autosave.end(patience))
    limit = max(_CLOSING, time_left) + 2 * _CLOSING
    try:
        await asyncio.wait_for(closing, 0.0 if control.at_once else min(limit, 60.0))
    except TimeoutError:
        log.error("the IOC ends without having closed everything")
        control.pipeline.kill_processes()
        within(_CLOSING, logging.shutdown)
        exit_now(UNCLEAN, last.left())


def _listen_to_signals(ending: _Ending) -> None:
    loop = asyncio.get_running_loop()
    for number in _ENDING:
        loop.add_signal_handler(number, ending.ask)
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    loop.add_signal_handler(signal.SIGHUP, log.warning, "SIGHUP: the IOC goes on; SIGTERM ends it")
    # Whoever has started this may have them blocked, as procServ has: SIGTERM would never come.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {*_ENDING, *_IGNORED, signal.SIGHUP})


def _warn_of_unfinished_files(config: Config) -> None:
    """Says in the log which files were cut off, when the computer or the IOC went down or a disk was full."""
    for values in config.settings.values():
        for text in cut_off.in_settings(values, 10_000):
            log.warning("%s", text)
