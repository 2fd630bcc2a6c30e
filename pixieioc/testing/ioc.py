"""A running IOC: in a process of its own, on a random port of this computer only, with a private folder."""

from __future__ import annotations

import os
import random
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from caproto import CaprotoNetworkError, CaprotoTimeoutError, ChannelType, ErrorResponseReceived
from caproto.sync.client import read, write


@dataclass
class RunningIoc:
    """An IOC and how to reach it: `environment` is what a Channel Access client needs in its own."""

    prefix: str
    folder: Path
    environment: dict[str, str]
    process: subprocess.Popen[bytes]

    def get(self, name: str) -> Any:
        """The value of a process variable, without prefix: a number, a text (also a label), or an array."""
        with self._clients():
            found = read(self.prefix + name, repeater=False)
            if found.data_type == ChannelType.ENUM:
                found = read(self.prefix + name, repeater=False, data_type=ChannelType.STRING)
        if found.data_type == ChannelType.CHAR:
            return bytes(found.data).partition(b"\0")[0].decode()
        value = found.data[0] if len(found.data) == 1 else found.data
        return value.decode() if isinstance(value, bytes) else value

    def put(self, name: str, value: float | str, timeout: float = 60.0) -> None:
        """Writes, and waits until it is done; RuntimeError with the message if it was refused or has failed."""
        data, kind = ([value.encode()], ChannelType.STRING) if isinstance(value, str) else ([value], None)
        try:
            with self._clients():
                answer = write(self.prefix + name, data, data_type=kind, notify=True, timeout=timeout, repeater=False)
            good = answer is not None and bool(answer.status.success)
        except ErrorResponseReceived:
            good = False
        if not good:
            raise RuntimeError(f"{self.prefix}{name} = {value!r}: {self.get('CmdMessage_RBV')}")

    def until(self, name: str, holds: Callable[[Any], bool], seconds: float = 60.0) -> Any:
        """The value once it is as wanted; TimeoutError that tells the last one otherwise."""
        end = time.monotonic() + seconds
        while not holds(value := self.get(name)):
            if time.monotonic() > end:
                raise TimeoutError(f"{self.prefix}{name} is {value!r} after {seconds} s")
        return value

    def output(self) -> str:
        """What the IOC has printed."""
        return (self.folder / "log").read_text(encoding="utf-8")

    @contextmanager
    def _clients(self) -> Iterator[None]:
        """Where this client looks for servers is in the environment."""
        before = dict(os.environ)
        os.environ.update(self.environment)
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)


@contextmanager
def running_ioc(configuration: Path | str, *options: str) -> Iterator[RunningIoc]:
    """The IOC of a configuration file, with the options of `pixieioc run`; it has ended when this is left."""
    folder = Path(tempfile.mkdtemp(prefix="ioc"))
    port = free_port()
    environment = {
        "EPICS_CA_ADDR_LIST": f"127.0.0.1:{port}",
        "EPICS_CA_AUTO_ADDR_LIST": "NO",
        "EPICS_CAS_INTF_ADDR_LIST": "127.0.0.1",
        "EPICS_CAS_SERVER_PORT": str(port),
        "EPICS_CAS_AUTO_BEACON_ADDR_LIST": "NO",
        "EPICS_CAS_BEACON_ADDR_LIST": "127.0.0.1",
    }
    prefix = f"T{secrets.token_hex(4)}:"
    own = {"HOME": str(folder), "XDG_STATE_HOME": str(folder / "state")}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "pixieioc", "run", str(configuration), "--prefix", prefix, *options],
            env={**os.environ, **environment, **own},
            stdout=log,
            stderr=log,
        )
    ioc = RunningIoc(prefix, folder, environment, process)
    try:
        _wait_until_ready(ioc)
        yield ioc
    finally:
        process.terminate()
        process.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


def _wait_until_ready(ioc: RunningIoc, seconds: float = 120.0) -> None:
    """Returns when the IOC answers and its tasks are there; RuntimeError with what it printed otherwise."""
    end, state = time.monotonic() + seconds, ""
    while state in ("", "Initializing", "Disconnected"):
        if ioc.process.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"the IOC does not start:\n{ioc.output()}")
        with suppress(CaprotoTimeoutError, TimeoutError, CaprotoNetworkError, OSError):  # nobody answers yet
            state = ioc.get("DetectorState_RBV")


def free_port() -> int:
    """A port of this computer that is free for TCP and UDP, and that the kernel gives to nobody who asks for any."""
    while True:
        port = random.SystemRandom().randrange(10_000, 32_000)
        with closing(socket.socket()) as tcp, closing(socket.socket(type=socket.SOCK_DGRAM)) as udp:
            try:
                tcp.bind(("127.0.0.1", port))
                udp.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
