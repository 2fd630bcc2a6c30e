"""The generated alarm tree in a real Phoebus alarm server that watches a running IOC."""

from __future__ import annotations

import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest
from typer.testing import CliRunner

from pixieioc.cli import app
from tests.conftest import CA_PORTS
from tests.running_ioc import ROOT, Ioc, ioc_folder, running

DEMO = ROOT / "examples" / "demo.toml"
TOOL = ROOT.parent / "shared" / "tools" / "alarm-server"
#: From the death of a task to the alarm handler, s: what an operator is promised; it takes some 0.05 s.
TOLD_WITHIN = 3.0
pytestmark = pytest.mark.timeout(180)


class AlarmServer:
    """What an alarm handler sees: the latest severity of each process variable that has had one."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._stdin = process.stdin
        self._lines: queue.Queue[str] = queue.Queue()
        self.latest: dict[str, str] = {}
        self.history: list[tuple[str, str]] = []
        threading.Thread(target=self._read, args=(process.stdout,), daemon=True).start()

    def _read(self, stdout: IO[str]) -> None:
        for line in stdout:
            self._lines.put(line.strip())

    def line(self, timeout: float) -> str:
        """The next line."""
        return self._lines.get(timeout=max(0.0, timeout))

    def until(self, pv: str, severity: str, timeout: float = 10.0) -> None:
        """Waits for a severity."""
        end = time.monotonic() + timeout
        while self.latest.get(pv, "OK") != severity:
            name, _, found = self.line(end - time.monotonic()).partition(" ")
            self.latest[name] = found
            self.history.append((name, found))

    def catch_up(self) -> None:
        """Takes what has been told already, so that what comes next is new."""
        while not self._lines.empty():
            name, _, found = self.line(0).partition(" ")
            self.latest[name] = found

    def acknowledge(self, pv: str) -> None:
        """What the operator's click does."""
        self._stdin.write(f"{pv}\n")
        self._stdin.flush()

    def end(self) -> None:
        """Its process ends when there is nothing more to come."""
        self._stdin.close()


@pytest.fixture(scope="module")
def ioc() -> Iterator[Ioc]:
    """The demo's IOC."""
    with ioc_folder() as folder, running(Ioc(folder, "run", DEMO)) as ioc:
        yield ioc


@pytest.fixture(scope="module")
def server(ioc: Ioc, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AlarmServer]:
    """An alarm server that has imported the tree of that IOC."""
    if not TOOL.is_dir():
        pytest.skip("the program that starts an alarm server is not beside this repository")
    out = tmp_path_factory.mktemp("generated")
    done = CliRunner().invoke(app, ["generate", str(DEMO), "--prefix", ioc.prefix, "--out", str(out)])
    assert done.exit_code == 0, done.output
    addresses = " ".join(f"127.0.0.1:{port}" for port in CA_PORTS)
    program = Path(__file__).with_name("alarm_watch.py")
    with subprocess.Popen(
        [sys.executable, program, TOOL, out / "db" / "pixieioc-alarms.xml", addresses],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        made = AlarmServer(process)
        try:
            if (first := made.line(120)) != "ready":
                assert process.wait(10) == 3, first
                pytest.skip(first)
            yield made
        finally:
            made.end()
            assert process.wait(30) in (0, 3)


def test_while_all_is_well_there_is_no_alarm(ioc: Ioc, server: AlarmServer) -> None:
    ioc.put_and_forget("Acquire", 1)
    ioc.until("FillSpectra:Events_RBV", lambda events: events > 10_000, 30)
    ioc.put("Stop", 1)
    ioc.kill_task("SortEvents")  # so that there is a first alarm
    server.until(f"{ioc.prefix}SortEvents:ERROR", "MAJOR")
    alarms = [pv.removeprefix(ioc.prefix) for pv, severity in server.history if severity != "OK"]
    assert alarms[0].startswith(("SortEvents:", "State_RBV"))
    ioc.put("ErrorAck", 1)
    ioc.put("Reset", 1)
    server.acknowledge(f"{ioc.prefix}SortEvents:ERROR")  # the IOC's comes first: it is latched here
    server.until(f"{ioc.prefix}SortEvents:ERROR", "OK")


def test_an_error_is_told_and_its_acknowledge_there_is_one_here(ioc: Ioc, server: AlarmServer) -> None:
    error = f"{ioc.prefix}SortEvents:ERROR"
    server.catch_up()
    assert server.latest[error] == "OK"
    server.history.clear()
    killed = time.monotonic()
    ioc.kill_task("SortEvents")
    server.until(error, "MAJOR")
    seconds = time.monotonic() - killed
    assert (error, "MAJOR") in server.history
    print(f"from SIGKILL to the alarm handler: {seconds:.2f} s")  # shown by pytest -s
    assert seconds <= TOLD_WITHIN
    ioc.until("SortEvents:ErrorAlarm", "MAJOR", 10)
    assert ioc.get("SortEvents:ERROR") == "ERROR"
    server.acknowledge(error)
    server.until(error, "MAJOR_ACK")
    ioc.until("SortEvents:ERROR", "OK", 10)
    server.until(error, "OK")
    ioc.until("SortEvents:ErrorAlarm", "OK", 10)
