"""What the benchmarks share: results as a table or JSON, a private folder, a demo IOC on loopback and its client."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from multiprocessing.util import Finalize
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Self

import aioca
import psutil
import typer
from aioca.types import AugmentedValue
from rich.console import Console
from rich.table import Table

#: The folder that holds `examples/`.
ROOT = Path(__file__).resolve().parents[1]
LOOPBACK = "127.0.0.1"
#: How long an IOC may take to come up or to end before the benchmark gives up, in seconds.
PATIENCE = 60.0

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object per line instead of a table.")]

_progress = Console(stderr=True, style="dim")


# -- results ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """One result. `bar` is what `ratio` or `ours` must reach, or stay below; None: for information."""

    what: str
    unit: str
    ours: float | None
    rival: float | None = None
    bar: float | None = None
    met: bool | None = None

    @property
    def ratio(self) -> float | None:
        """How many times the rival's figure ours is; None without a rival."""
        return self.ours / self.rival if self.ours is not None and self.rival else None

    def as_json(self) -> str:
        """The row as one line."""
        return json.dumps({**dataclasses.asdict(self), "ratio": self.ratio}, ensure_ascii=False)


def rivalled(what: str, unit: str, ours: float, rival: float, bar: float) -> Row:
    """A result that is to be at least `bar` times the rival's."""
    return Row(what, unit, ours, rival, bar, bool(rival) and ours / rival >= bar)


def rivalled_at_most(what: str, unit: str, ours: float, rival: float, bar: float) -> Row:
    """A result, such as a cost, that is to be at most `bar` times the rival's."""
    return Row(what, unit, ours, rival, bar, bool(rival) and ours / rival <= bar)


def limited(what: str, unit: str, ours: float, bar: float) -> Row:
    """A result that is to be at most `bar`."""
    return Row(what, unit, ours, None, bar, ours <= bar)


def show(title: str, rows: list[Row], *, as_json: bool) -> None:
    """Prints the results: a table, or one JSON object per line."""
    if as_json:
        for row in rows:
            print(row.as_json())
        return
    table = Table("what", title=title)
    for heading in ("ours", "rival", "ratio", "bar"):
        table.add_column(heading, justify="right")
    table.add_column("unit")
    table.add_column("met")
    for row in rows:
        met = "" if row.met is None else "yes" if row.met else "[bold red]NO"
        numbers = [_number(number) for number in (row.ours, row.rival, row.ratio, row.bar)]
        table.add_row(row.what, *numbers, row.unit, met)
    Console().print(table)


def _number(number: float | None) -> str:
    """Whole numbers as they are, others with four digits."""
    if number is None:
        return ""
    return f"{number:,.0f}" if number >= 1000 or number == int(number) else f"{number:.4g}"


def note(text: str) -> None:
    """Tells on stderr how far a benchmark is."""
    _progress.print(text, highlight=False, soft_wrap=True)


def cpu_of(process_id: int) -> float:
    """CPU seconds of a process so far: from the clock that Linux has for it, as others tell them in steps of 10 ms."""
    return time.clock_gettime(~process_id << 3 | 2)


# -- surroundings -----------------------------------------------------------------------------------------------------


def private_folder() -> Path:
    """A temporary folder for this process and its children, gone at the end; SIGTERM ends a benchmark like ^C."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    name = tempfile.mkdtemp(prefix="px")  # short: the path of a socket has at most 107 bytes
    # After multiprocessing has removed its own folder in there.
    Finalize(None, shutil.rmtree, (name, True), exitpriority=-200)
    os.environ["TMPDIR"] = tempfile.tempdir = name
    return Path(name)


@contextlib.contextmanager
def loopback() -> Iterator[None]:
    """Channel Access on this computer only, on free ports: set up before libca is first used."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as repeater:
        repeater.bind((LOOPBACK, 0))  # libca starts a repeater, which would stay, unless its port is taken
        beacons, server = str(repeater.getsockname()[1]), free_port()
        os.environ.update(
            EPICS_CA_ADDR_LIST=f"{LOOPBACK}:{server}",
            EPICS_CA_AUTO_ADDR_LIST="NO",
            EPICS_CA_REPEATER_PORT=beacons,
            EPICS_CAS_SERVER_PORT=str(server),
            EPICS_CAS_INTF_ADDR_LIST=LOOPBACK,
            EPICS_CAS_AUTO_BEACON_ADDR_LIST="NO",
            EPICS_CAS_BEACON_ADDR_LIST=LOOPBACK,
            EPICS_CAS_BEACON_PORT=beacons,
        )
        yield


def free_port() -> int:
    """A port that is free for TCP and UDP on loopback, and that the kernel gives to nobody who asks for any port."""
    while True:
        port = 10_000 + secrets.randbelow(22_000)
        with (
            socket.socket() as tcp,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
            contextlib.suppress(OSError),
        ):
            tcp.bind((LOOPBACK, port))
            udp.bind((LOOPBACK, port))
            return port


# -- an IOC and its client --------------------------------------------------------------------------------------------


class Demo:
    """`pixieioc demo` as a process of its own, from `with` to the end of `with`; `spawned` is when it was begun.

    It has a random prefix and its state in `folder`. At the end it is told to end, and nothing of it may stay. With
    `arguments` it is another IOC, such as `run FILE`.
    """

    def __init__(
        self, folder: Path, *arguments: str | Path, environment: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        self.prefix = f"B{secrets.token_hex(4)}:"
        self._folder, self._arguments, self._environment = folder, arguments or ("demo",), environment
        self._log = folder / "ioc.log"

    def __enter__(self) -> Self:
        program = Path(sysconfig.get_path("scripts"), "pixieioc")
        with self._log.open("wb") as log:
            self.spawned = time.perf_counter()
            # A session of its own: ^C is for the benchmark, which then ends the IOC.
            self._process = subprocess.Popen(
                [program, *self._arguments, "--prefix", self.prefix],
                env={**os.environ, "XDG_STATE_HOME": str(self._folder / "state"), **self._environment},
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return self

    @property
    def process_id(self) -> int:
        """The IOC's own process."""
        return self._process.pid

    def check(self) -> None:
        """Raises RuntimeError with what the IOC said if it has ended."""
        if self._process.poll() is not None:
            raise RuntimeError(f"the IOC has ended with {self._process.returncode}: {self._log.read_text()}")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        aioca.purge_channel_caches()  # otherwise libca complains that the IOC goes
        family: list[psutil.Process] = []
        if self._process.poll() is None:
            family = psutil.Process(self._process.pid).children(recursive=True)
        try:
            self._process.terminate()
            self._process.wait(PATIENCE)
        finally:
            self._process.kill()
            left = psutil.wait_procs(family, timeout=PATIENCE / 10)[1]
            for process in left:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            self._process.wait()
        if kind is not None and issubclass(kind, Exception):
            note(f"the IOC said: {self._log.read_text()}")
        elif kind is None and (left or self._process.returncode):
            raise RuntimeError(
                f"the IOC ended with {self._process.returncode}, {len(left)} of its processes stayed: "
                + self._log.read_text()
            )


class Watch:
    """Listens to process variables that are numbers or enums (as their index); a context manager of asyncio."""

    def __init__(self, prefix: str, names: list[str]) -> None:
        self.values: dict[str, float] = {}
        self._prefix = prefix
        self._names = names
        self._waiting: list[tuple[Callable[[Mapping[str, float]], bool], asyncio.Future[float]]] = []
        self._subscriptions: list[aioca.Subscription] = []

    async def __aenter__(self) -> Self:
        self._subscriptions = [
            aioca.camonitor(self._prefix + name, self._listener(name), format=aioca.FORMAT_TIME, all_updates=True)
            for name in self._names
        ]
        return self

    async def __aexit__(self, *_: object) -> None:
        for subscription in self._subscriptions:
            subscription.close()

    async def until(self, holds: Callable[[Mapping[str, float]], bool]) -> float:
        """The time (perf_counter) at which all have told a value and `holds` is true of the values; may be now."""
        future: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._waiting.append((holds, future))
        self._check()
        return await asyncio.wait_for(future, PATIENCE)

    def _listener(self, name: str) -> Callable[[AugmentedValue], None]:
        def heard(value: AugmentedValue) -> None:
            self.values[name] = float(value)  # pyright: ignore[reportArgumentType]
            self._check()

        return heard

    def _check(self) -> None:
        if len(self.values) < len(self._names):
            return
        for holds, future in self._waiting:
            if not future.done() and holds(self.values):
                future.set_result(time.perf_counter())
        self._waiting = [(holds, future) for holds, future in self._waiting if not future.done()]
