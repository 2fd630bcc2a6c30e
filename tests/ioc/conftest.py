"""A running IOC for tests, in a process of its own, and a client for it."""

from __future__ import annotations

import itertools
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.ca_client import CaClient, PutFailed
from tests.conftest import CA_PORTS

ROOT = Path(__file__).parents[2]
_PORTS = itertools.cycle(CA_PORTS)

CONFIG = """
[pipeline]
chain = ["DummyData", "GatherData", "ConvertToEvents", "Brake", "SortEvents", "GatherEvents", "FillSpectra"]
imports = ["tests.ioc.brake"]

[run]
stop_timeout = 3

[tasks.DummyData]
channel_rate = 1000
channels = 2

[tasks.GatherData]
max_delay = 0.05

[tasks.FillSpectra]
channels = 2
bins = 256

[ioc]
state_dir = "state"
"""


class Ioc(CaClient):
    """An IOC: the process, its folder, and a client with its prefix."""

    def __init__(self, folder: Path, config: str, *options: str, command: str = "run") -> None:
        super().__init__(f"T{secrets.token_hex(4)}:")
        self.folder = folder
        self.options = options
        self.command = command
        self.config = folder / "test.toml"
        self.config.write_text(config)
        self.start()

    def start(self) -> None:
        """Starts the process, and returns when it answers."""
        arguments = [self.config] if self.command == "run" else []
        self.log = (self.folder / "log").open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pixieioc", self.command, *arguments, "--prefix", self.prefix, *self.options],
            env={**os.environ, "PYTHONPATH": str(ROOT), "EPICS_CAS_SERVER_PORT": str(next(_PORTS))},
            stdout=self.log,
            stderr=self.log,
            cwd=self.folder,
        )
        self.until("State_RBV", "WAITING", 30)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ends the process, and says how it ended."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(20)
        self.log.close()
        return code

    def output(self) -> str:
        return (self.folder / "log").read_text()

    def pid_of(self, task: str) -> int:
        return int(self.get(f"{task}:ProcessId_RBV"))

    def kill_task(self, task: str) -> None:
        os.kill(self.pid_of(task), signal.SIGKILL)

    def recover(self) -> None:
        """Brings the IOC back to where a test expects it: idle, no errors, settings as configured."""
        if self.get("Acquire") == "Acquire":
            self.put("Abort", 1)
        self.put("Reset", 1)
        self.put("ConfigJSON", str(self.defaults))
        self.put("Configure", 1)
        self.put("ErrorAck", 1)

    defaults: Any = ""


def make_ioc(config: str, *options: str, command: str = "run") -> Iterator[Ioc]:
    """An IOC in a folder of its own; at the end neither is left."""
    folder = Path(tempfile.mkdtemp(prefix="ioc"))
    try:
        ioc = Ioc(folder, config, *options, command=command)
        below = psutil.Process(ioc.process.pid).children(recursive=True)
        try:
            yield ioc
        finally:
            below += psutil.Process(ioc.process.pid).children(recursive=True) if ioc.process.poll() is None else []
            ioc.stop()
            _, alive = psutil.wait_procs(set(below), timeout=5)
            assert not alive
            assert "Traceback" not in ioc.output(), ioc.output()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def shared_ioc() -> Iterator[Ioc]:
    for ioc in make_ioc(CONFIG):
        ioc.defaults = ioc.get("ConfigJSON_RBV")
        yield ioc


@pytest.fixture
def ioc(shared_ioc: Ioc) -> Iterator[Ioc]:
    """The module's IOC, idle and with its own settings."""
    yield shared_ioc
    shared_ioc.recover()


__all__ = ["PutFailed"]
