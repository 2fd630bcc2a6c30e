"""The processes of the Channel Access benchmarks: a server, and clients on the real libca; lines tell what to do.

The clients are C, compiled when a benchmark begins: ten clients in Python could not take what the server sends. That
needs a C compiler, and the libca and headers that epicscorelibs (below aioca and softioc) brings.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import common
import epicscorelibs.path
import psutil

_HERE = Path(__file__).parent


class Worker:
    """A process that answers each line with a line of JSON; it ends when its stdin does."""

    def __init__(self, *command: str | Path, environment: Mapping[str, str] | None = None) -> None:
        self._name = f"{Path(command[0]).name} {' '.join(map(str, command[1:]))}"
        self._said = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed in __exit__
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
            start_new_session=True,
            env=environment,
        )
        self.watched = psutil.Process(self.process.pid)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process.stdin is not None
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()
        self._said.close()

    def tell(self, order: str) -> None:
        """Gives an order."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{order}\n")
        self.process.stdin.flush()

    def answer(self) -> dict[str, Any]:
        """The next answer; RuntimeError if there is none."""
        return json.loads(self.line())

    def line(self) -> str:
        """The next line that it says; RuntimeError if it has ended."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            code = self.process.wait()
            self._said.seek(0)
            raise RuntimeError(f"{self._name} has ended with {code}: {self._said.read()[-2000:]}")
        return line

    def ask(self, order: str) -> dict[str, Any]:
        """Gives an order, and returns the answer."""
        self.tell(order)
        return self.answer()

    def cpu(self) -> float:
        """Seconds of processor time that it has used."""
        times = self.watched.cpu_times()
        return times.user + times.system


class Contender(Worker):
    """A server of `ca_contenders.py` with a random prefix and a port of its own; SCALARS numbers."""

    def __init__(self, kind: str, program: Path, scalars: int) -> None:
        self.prefix = f"B{secrets.token_hex(4)}:"
        port = str(common.free_port())
        self.port = int(port)
        self._program = program
        self._environment = {
            **os.environ,
            "EPICS_CA_ADDR_LIST": f"{common.LOOPBACK}:{port}",
            "EPICS_CA_SERVER_PORT": port,  # the one that caproto looks at
            "EPICS_CAS_SERVER_PORT": port,
            "EPICS_CA_MAX_ARRAY_BYTES": "10000000",
        }
        contenders = _HERE / "ca_contenders.py"
        command = (sys.executable, contenders, kind, self.prefix, str(scalars))
        super().__init__(*command, environment=self._environment)
        while "ready" not in self.line():  # pythonSoftIOC greets before
            pass

    def client(self, mode: str, name: str, number: float) -> Worker:
        """A client of this server; `mode` and `number` are those of ca_load.c."""
        return Worker(self._program, mode, self.prefix + name, str(number), environment=self._environment)

    @contextlib.contextmanager
    def watchers(self, name: str, count: int, clients: int) -> Iterator[list[Worker]]:
        """Clients that all listen to `name`0, `name`1, ...; each has heard the first value of all of them."""
        with contextlib.ExitStack() as stack:
            made = [stack.enter_context(self.client("watch", name, count)) for _ in range(clients)]
            for client in made:
                client.answer()
            yield made


def compile_client(folder: Path) -> Path:
    """The program of the clients; RuntimeError without a compiler."""
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        raise RuntimeError("the clients of this benchmark are in C: install a C compiler (gcc), or name one in CC")
    include, libraries = Path(epicscorelibs.path.include_path), epicscorelibs.path.lib_path
    program = folder / "ca_load"
    subprocess.run(
        [
            *(compiler, "-std=gnu11", "-O2", _HERE / "ca_load.c", "-o", program),
            *(f"-I{include / sub}" for sub in ("", "os/Linux", "compiler/gcc")),
            *(f"-L{libraries}", "-lca", "-lCom", f"-Wl,-rpath,{libraries}"),
        ],
        check=True,
    )
    return program
