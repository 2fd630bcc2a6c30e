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
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aioca
import psutil

from tests.ca_client import CaClient
from tests.conftest import CA_PORTS

ROOT = Path(__file__).parents[1]
_PORTS = itertools.cycle(CA_PORTS)


def end_in_order() -> None:
    """From now on SIGTERM unwinds this program, as ^C does: what it has started ends with it."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


#: What an IOC prints when clients can connect.
_SERVES = r"\bserves\b|IOC is up"


def until_printed(
    log: Path, process: subprocess.Popen[Any], text: str = _SERVES, begin: int = 0, seconds: float = 240.0
) -> None:
    """Waits until a program has printed this (a regular expression) into its log, from byte `begin` on.

    Who looks for the process variables of an IOC before it serves them is not heard, and libca repeats that less and
    less often: on a busy computer, half a minute later.
    """
    end = time.monotonic() + seconds
    while not re.search(text, printed := log.read_bytes()[begin:].decode(errors="replace") if log.exists() else ""):
        assert process.poll() is None, printed
        assert time.monotonic() < end, printed
        time.sleep(0.02)


def forget_channels(client: CaClient) -> None:
    """Forgets all channels of all clients: those of an IOC that was restarted are looked for at once, when used."""

    async def purge() -> None:
        aioca.purge_channel_caches()

    client._start(purge()).result()


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
        self.starts = 0

    def start(self, **options: Any) -> None:
        """Starts the process, and returns when its tasks are there.

        `options` are further ones of Popen; what the process prints must go to the log.
        """
        self.launch(**options)
        self.until_serving()
        self.until_there()

    def until_serving(self) -> None:
        """Waits until clients can connect; one that was there before is looked for anew."""
        until_printed(self.folder / "log", self.process, begin=self._printed_before)
        if self.starts > 1:
            forget_channels(self)

    def until_there(self) -> None:
        """Waits for its tasks, which take long where they must compile first."""
        self.until("DetectorState_RBV", lambda state: state not in ("Initializing", "Disconnected"), 240)

    def launch(self, **options: Any) -> None:
        """Starts the process, and returns at once."""
        self.starts += 1
        self.log = (self.folder / "log").open("ab")
        self._printed_before = self.log.tell()
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

    def end(self, number: int = signal.SIGTERM) -> int:
        """Ends the process by a signal, and says how it ended."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(60)
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
        _, alive = psutil.wait_procs(below, timeout=60)
        assert not alive
        # Of the IOC itself: printed, or in a message of its log; that of a task is indented further.
        assert not re.search("^(    )?Traceback", ioc.output(), re.MULTILINE), ioc.output()
