"""The facts of this host, gathered without changing anything that stays."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import importlib
import os
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import psutil

from pixieioc.config import Config, ConfigError
from pixieioc.config_ioc import collector_of
from pixieioc.doctor.facts import AccessFile, Folder, Name, Package, Port, RealTime, Speed, StateLock
from pixieioc.ioc.access import read_rules, summary
from pixieioc.ioc.ca.environment import Environment
from pixieioc.ioc.ca.hosts import is_address, look_up
from pixieioc.ioc.conditions import READERS
from pixieioc.ioc.priority import real_time as taking_real_time
from pixieioc.pipeline import Error
from pixieioc.pipeline.temporary import temporary_folder
from pixieioc.site_pvs import parse
from pixieioc.tasks.publish_events import PublishEvents, packages_for

_PACKAGES = ("caproto", "zmq", "numpy", "numba", "boost_histogram", "msgspec", "psutil", "uvloop", "typer", "rich")
#: Where PVAccess listens if nothing says otherwise.
_PVA_PORT = 5075
#: What ports are set by, and what happens if they are taken.
_PVA = "port in [ioc.pva]", "the IOC takes another one, which clients find by broadcasts only"
_METRICS = "port in [ioc.metrics]", "there is no page of metrics"
#: How much is written at a time and in total to see how fast a disk is, and the time after which that ends.
_BLOCK, _BLOCKS, _LONGEST = 4 * 1024**2, 16, 2.0


def packages(config: Config) -> Iterator[Package]:
    """What the configuration needs of Python's packages."""
    sources: dict[str, str] = {}
    for name, source in (*((name, "pixieioc") for name in _PACKAGES), *_of_ioc(config), *_of_tasks(config)):
        sources.setdefault(name, source)
    for name, source in sources.items():
        error = ""
        try:
            importlib.import_module(name)
        except Exception as raised:  # whatever it does when it is imported
            error = f"{type(raised).__name__}: {raised}"
        yield Package(name, error, source)


def _of_ioc(config: Config) -> Iterator[tuple[str, str]]:
    if config.ioc.pva.on:
        yield "p4p", "pixieioc[pva]"
    for name in config.conditions.pvs:
        package, extra = READERS[parse(name).protocol]
        yield package, f"pixieioc[{extra}]"


def _of_tasks(config: Config) -> Iterator[tuple[str, str]]:
    for task, values in config.settings.items():
        if values.get("implementation") == "pypixie16":
            yield "pixie16", "pixieioc[hardware]"
        if issubclass(config.tasks[task], PublishEvents):
            yield from ((package, "pixieioc[kafka]") for package in packages_for(values))
        elif values.get("format") == "parquet":
            yield "pyarrow", "pixieioc[analysis]"


def ports(
    interfaces: list[str], environment: Environment, config: Config, variables: Mapping[str, str]
) -> Iterator[Port]:
    """Those of all servers, listened on for a moment."""
    for address in interfaces:
        yield _port("TCP", address, environment.server_port)
        yield _port("UDP", address, environment.server_port)
    pva, metrics = config.ioc.pva, config.ioc.metrics
    if pva.on:
        port = pva.port or variables.get("EPICS_PVAS_SERVER_PORT", "")
        for address in pva.interfaces or interfaces:
            yield _port("TCP", address, int(port) if str(port).isdecimal() else _PVA_PORT, *_PVA)
    if metrics.on:
        yield _port("TCP", metrics.address, metrics.port, *_METRICS)


def _port(protocol: str, address: str, number: int, set_by: str = "", otherwise: str = "") -> Port:
    kind = socket.SOCK_STREAM if protocol == "TCP" else socket.SOCK_DGRAM
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((address, number))
            if protocol == "TCP":
                sock.listen(1)
        except OSError as error:
            taken = error.errno == errno.EADDRINUSE
            owner = _owner(number, kind) if taken else ""
            return Port(protocol, address, number, error.strerror or str(error), owner, taken, set_by, otherwise)
    return Port(protocol, address, number, set_by=set_by, otherwise=otherwise)


def _owner(port: int, kind: int) -> str:
    """The process that has a port, as far as this account may know."""
    with contextlib.suppress(psutil.Error, OSError):
        for connection in psutil.net_connections("inet4"):
            if connection.type == kind and connection.laddr and connection.laddr.port == port and connection.pid:
                return f"process {connection.pid} ({psutil.Process(connection.pid).name()})"
    return ""


def names(interfaces: list[str], environment: Environment, config: Config) -> Iterator[Name]:
    """All hosts that are given by name, and this computer's own."""
    wanted = {socket.gethostname(): "this computer"}
    wanted |= dict.fromkeys(interfaces, "an interface")
    wanted |= {collector_of(text).host: "a collector of the put log" for text in config.ioc.put_log.collectors}
    wanted |= dict.fromkeys(sorted(environment.ignored), "EPICS_CAS_IGNORE_ADDR_LIST")
    wanted |= {host: "EPICS_CAS_BEACON_ADDR_LIST" for host, _ in environment.beacons}
    for host, used_for in wanted.items():
        if not is_address(host):
            began, error = time.monotonic(), ""
            try:
                look_up(host)
            except (OSError, UnicodeError) as raised:
                error = str(getattr(raised, "strerror", None) or raised)
            yield Name(host, used_for, time.monotonic() - began, error)


def folders(config: Config) -> Iterator[Folder]:
    """Those that the IOC and its tasks write to."""
    state = config.state_folder
    yield replace(_folder(state, "state", made=True), foreign=_foreign(state, "*", os.R_OK))
    yield _sockets()
    if config.ioc.log.file:
        log = config.folder / Path(config.ioc.log.file).expanduser()
        yield _folder_of_log(log, "log", made=True)
    if file := config.put_log_file:
        yield _folder_of_log(file, "put log", made=False)
    for path, (used_for, made) in data_folders(config).items():
        yield _folder(Path(path), used_for, made=made)


def _folder_of_log(file: Path, used_for: str, *, made: bool) -> Folder:
    found = replace(_folder(file.parent, used_for, made=made), foreign=_foreign(file.parent, file.name, os.W_OK))
    with contextlib.suppress(OSError):
        if file.exists() and not file.is_file():
            return replace(found, error=f"{file.name} is no ordinary file")
    return found


def _foreign(folder: Path, name: str, rights: int) -> tuple[str, ...]:
    """Files of this name (`*`: any) in a folder that this account cannot use; locks are written to in any case."""
    with contextlib.suppress(OSError):
        paths = sorted(path for path in folder.iterdir() if name in ("*", path.name) and path.is_file())
        needed = {path: rights | (os.W_OK if path.suffix in (".lock", ".new") else 0) for path in paths}
        return tuple(path.name for path, rights in needed.items() if not os.access(path, rights, effective_ids=True))
    return ()


def _sockets() -> Folder:
    try:
        return _folder(Path(temporary_folder()), "sockets", made=False)
    except Error as error:
        return Folder(tempfile.gettempdir(), "sockets", str(error))


def access_file(config: Config) -> AccessFile:
    """The file of access security, read as the IOC reads it."""
    path = "" if config.access_file is None else str(config.access_file)
    try:
        return AccessFile(path, (), summary(read_rules(config)))
    except ConfigError as error:
        return AccessFile(path, error.problems)


def state_lock(config: Config) -> StateLock:
    """Who has the state folder, tried without taking it for longer than a moment."""
    path = config.state_folder / "state.lock"
    with contextlib.suppress(FileNotFoundError, PermissionError), path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = file.read(200).decode(errors="replace").strip()
            return StateLock(str(path.parent), f"another IOC ({owner})")
    return StateLock(str(path.parent))


def data_folders(config: Config) -> dict[str, tuple[str, bool]]:
    """The folders of data: what is written there, and whether a run makes them."""
    found: dict[str, tuple[str, bool]] = {}
    for values in config.settings.values():
        raw, events, second = (str(values.get(name) or "") for name in ("file_path", "file", "second_file_path"))
        if raw:
            found.setdefault(raw, ("raw files", bool(values.get("create_directory"))))
        if events and "format" in values:
            found.setdefault(str(Path(events).parent), ("files of events", False))
        if second:
            found.setdefault(second, ("files that have no room elsewhere", False))
    return found


def _folder(path: Path, used_for: str, *, made: bool) -> Folder:
    there = next(each for each in (path, *path.parents) if each.exists())
    free, kind = 0.0, _kind(there)
    with contextlib.suppress(OSError):
        free = float(shutil.disk_usage(there).free)
    if there != path and not made:
        return Folder(str(path), used_for, missing=True, free=free, kind=kind)
    try:
        with tempfile.TemporaryFile(dir=there):
            return Folder(str(path), used_for, free=free, kind=kind)
    except OSError as error:
        return Folder(str(path), used_for, f"{there}: {error.strerror}", free, kind=kind)


def _kind(path: Path) -> str:
    """The file system that a path is on."""
    with contextlib.suppress(psutil.Error, OSError):
        mounts = {disk.mountpoint: disk.fstype for disk in psutil.disk_partitions(all=True)}
        return next((mounts[str(each)] for each in (path, *path.parents) if str(each) in mounts), "")
    return ""


def speeds(config: Config) -> Iterator[Speed]:
    """How fast the folders of data are, as far as they can be written to."""
    for path in data_folders(config):
        there = next(each for each in (Path(path), *Path(path).parents) if each.exists())
        if os.access(there, os.W_OK | os.X_OK):
            yield _speed(there)


def _speed(folder: Path) -> Speed:
    block, slowest, began = os.urandom(_BLOCK), 0.0, time.monotonic()
    written, now = 0, began
    try:
        with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
            for _ in range(_BLOCKS):
                written += file.write(block)
                os.fsync(file.fileno())
                slowest, now = max(slowest, time.monotonic() - now), time.monotonic()
                if now - began > _LONGEST:
                    break
    except OSError as error:
        return Speed(str(folder), 0.0, slowest, error.strerror or str(error))
    return Speed(str(folder), written / max(now - began, 1e-6), slowest)


def real_time(environment: Mapping[str, str]) -> RealTime:
    """Whether a thread of this process may have a real-time priority, tried in one that ends at once."""
    got: list[bool] = []

    def attempt() -> None:
        with taking_real_time():
            got.append(os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK != os.SCHED_OTHER)

    thread = threading.Thread(target=attempt)
    thread.start()
    thread.join()
    wanted = (environment.get("EPICS_ALLOW_POSIX_THREAD_PRIORITY_SCHEDULING") or "YES").upper() == "YES"
    return RealTime(got[0], wanted, psutil.Process().rlimit(psutil.RLIMIT_RTPRIO)[0])


def year() -> int:
    """By the clock of this computer."""
    return datetime.now().year
