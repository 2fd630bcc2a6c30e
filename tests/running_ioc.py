"""A running IOC for tests, in a process of its own, and a client for it."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aioca
import psutil

from tests.ca_client import CaClient
from tests.conftest import CA_PORTS

ROOT = Path(__file__).parents[1]
_PORTS = itertools.cycle(CA_PORTS)


class Ioc(CaClient):
    """An IOC: the process, its folder (which is its home, too), and a client with its prefix.

    `arguments` are those of `pixieioc`: a command, its file and its options.
    """

    def __init__(self, folder: Path, *arguments: str | Path) -> None:
        super().__init__(f"T{secrets.token_hex(4)}:")
        self.folder = folder
        self.arguments = arguments
        self.environment: dict[str, str] = {}  #: what is different in that of the process
        self.port = 0  #: for Channel Access; 0: the next one of the tests

    def start(self, **options: Any) -> None:
        """Starts the process, and returns when its tasks are there; `options` are further ones of Popen."""
        self.launch(**options)
        self.until("DetectorState_RBV", lambda state: state not in ("Initializing", "Disconnected"), 30)

    def launch(self, **options: Any) -> None:
        """Starts the process, and returns at once."""
        self.log = (self.folder / "log").open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pixieioc", *self.arguments, "--prefix", self.prefix],
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "HOME": str(self.folder),
                "XDG_STATE_HOME": str(self.folder / "state"),
                "EPICS_CAS_SERVER_PORT": str(self.port or next(_PORTS)),
                **self.environment,
            },
            **{"stdout": self.log, "stderr": self.log, "cwd": self.folder, **options},
        )

    def forget(self) -> None:
        """Forgets all channels: those of an IOC that was restarted are looked for at once, when they are used."""

        async def purge() -> None:
            aioca.purge_channel_caches()

        self._start(purge()).result()

    def end(self, number: int = signal.SIGTERM) -> int:
        """Ends the process by a signal, and says how it ended."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(20)
        self.log.close()
        return code

    def output(self) -> str:
        """What the process has printed."""
        return (self.folder / "log").read_text()

    def tasks(self) -> list[str]:
        """The tasks of the chain."""
        return str(self.get("Tasks_RBV")).split(",")

    def pid_of(self, task: str) -> int:
        """The process of a task."""
        return int(self.get(f"{task}:ProcessId_RBV"))

    def processes(self) -> list[psutil.Process]:
        """The IOC's process and all below it."""
        own = psutil.Process(self.process.pid)
        return [own, *own.children(recursive=True)]

    def kill_task(self, task: str) -> None:
        """Kills the process of a task, which has no chance to say anything."""
        os.kill(self.pid_of(task), signal.SIGKILL)

    def recover(self, configuration: str) -> None:
        """Brings the IOC back to where a test expects it: idle, no errors, settings as configured."""
        if self.get("Acquire") == "Acquire":
            self.put("Abort", 1)
        self.put("Reset", 1)
        self.put("ConfigJSON", configuration)
        self.put("Configure", 1)
        self.put("ErrorAck", 1)


@contextlib.contextmanager
def ioc_folder() -> Iterator[Path]:
    """A folder for an IOC, gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="ioc"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def running(ioc: Ioc) -> Iterator[Ioc]:
    """The IOC, started; at the end neither it nor any process below it is left, and it had no fault of its own."""
    below: list[psutil.Process] = []
    try:
        ioc.start()
        yield ioc
    finally:
        if ioc.process.poll() is None:
            below = ioc.processes()
        ioc.end()
        _, alive = psutil.wait_procs(below, timeout=5)
        assert not alive
        assert not re.search("^Traceback", ioc.output(), re.MULTILINE), ioc.output()
