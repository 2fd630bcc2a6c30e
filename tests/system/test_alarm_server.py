"""The alarm trees of two IOCs in one real Phoebus alarm server: an event is one alarm, which names its cause."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import pytest
from typer.testing import CliRunner

from pixieioc.cli import app
from tests.ca_client import PutFailed
from tests.conftest import CA_PORTS
from tests.running_ioc import ROOT, Ioc, ioc_folder, running
from tests.stopwatch import Stopwatch

pytestmark = pytest.mark.timeout(900)  # the first one waits for an alarm server

DEMO = ROOT / "examples" / "demo.toml"
TOOL = ROOT.parent / "shared" / "tools" / "alarm-server"
#: From the death of a task to the alarm handler, s: what an operator is promised; it takes some 1.1 s.
TOLD_WITHIN = 3.0
#: The limit of the task that is made to hang, s: longer than what takes long is shown before it is a failure.
HANG_TIMEOUT = 15.0
#: What the alarm server says of itself, when a busy computer has kept it from being heard of.
_ITSELF = ("Alarm server Disconnected", "Alarm server disconnected", "Alarm server re-connected")
#: Longer than any alarm that follows from another waits in the alarm handler, s.
QUIET = 5.0
#: What the site's own configuration includes of the two IOCs.
SITE = """\
<config name="SITE">
  <component name="Detectors" xmlns:xi="http://www.w3.org/2001/XInclude">
    <xi:include href="{0}/db/pixieioc-alarms-component.xml"/>
    <xi:include href="{1}/db/pixieioc-alarms-component.xml"/>
  </component>
</config>
"""


@dataclass
class Told:
    """What an alarm handler was told in a time: rows of the alarm table by PV, and sentences."""

    rows: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    sentences: list[str] = field(default_factory=list[str])

    @property
    def nothing(self) -> bool:
        """Whether there was neither an alarm nor a sentence."""
        return not self.alarms() and not self.sentences

    def alarms(self) -> list[str]:
        """The PVs that were in an alarm that nobody has acknowledged."""
        return [pv for pv, states in self.rows.items() if any(s != "OK" and not s.endswith("_ACK") for s in states)]


class AlarmServer:
    """What an alarm handler sees, and the operator's click on Acknowledge."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._stdin = process.stdin
        self._lines: queue.Queue[str] = queue.Queue()
        self.latest: dict[str, str] = {}
        self.told = Told()
        threading.Thread(target=self._read, args=(process.stdout,), daemon=True).start()

    def _read(self, stdout: IO[str]) -> None:
        for line in stdout:
            self._lines.put(line.strip())

    def line(self, timeout: float) -> str:
        """The next line."""
        return self._lines.get(timeout=max(0.0, timeout))

    def _take(self, timeout: float) -> None:
        mark, _, rest = self.line(timeout).partition(" ")
        if mark == "!":
            if rest.strip() not in _ITSELF:
                self.told.sentences.append(rest)
        else:
            self.latest[mark] = rest
            self.told.rows.setdefault(mark, []).append(rest)

    def until(self, pv: str, severity: str, timeout: float = 60.0) -> None:
        """Waits for a severity."""
        end = time.monotonic() + timeout
        while self.latest.get(pv, "OK") != severity:
            self._take(end - time.monotonic())

    def all_of_it(self) -> Told:
        """What was told since the last call, also what follows in the next seconds."""
        end = time.monotonic() + QUIET
        while (left := end - time.monotonic()) > 0:
            try:
                self._take(left)
            except queue.Empty:
                break
        told, self.told = self.told, Told()
        return told

    def acknowledge(self, pv: str) -> None:
        """What the operator's click does."""
        self._stdin.write(f"{pv}\n")
        self._stdin.flush()

    def end(self) -> None:
        """Its process ends when there is nothing more to come."""
        self._stdin.close()


@pytest.fixture(scope="module")
def ioc() -> Iterator[Ioc]:
    """The demo's IOC, with limits that a small disk reaches."""
    with ioc_folder() as folder:
        demo = DEMO.read_text()
        (folder / "demo.toml").write_text(f"{demo}\n[ioc]\ndisk_low = 0.006\ndisk_lolo = 0.003\n")
        with running(Ioc(folder, "run", folder / "demo.toml")) as ioc:
            yield ioc


@pytest.fixture(scope="module")
def neighbour() -> Iterator[Ioc]:
    """Another IOC of the site, with which nothing is the matter."""
    with ioc_folder() as folder, running(Ioc(folder, "run", ROOT / "examples" / "energy_cut.toml")) as ioc:
        yield ioc


@pytest.fixture(scope="module")
def server(ioc: Ioc, neighbour: Ioc, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AlarmServer]:
    """An alarm server that has imported a site's configuration, which includes the trees of both."""
    if not TOOL.is_dir():
        pytest.skip("the program that starts an alarm server is not beside this repository")
    folder = tmp_path_factory.mktemp("site")
    for one, name in ((ioc, "PIXIE1"), (neighbour, "PIXIE2")):
        arguments = [str(one.arguments[1]), "--prefix", one.prefix, "--out", str(folder / name)]
        done = CliRunner().invoke(app, ["generate", *arguments, "--alarm-name", name, "--display-folder", name])
        assert done.exit_code == 0, done.output
    tree = folder / "site.xml"
    tree.write_text(SITE.format(folder / "PIXIE1", folder / "PIXIE2"))
    addresses = " ".join(f"127.0.0.1:{port}" for port in CA_PORTS)
    program = Path(__file__).with_name("alarm_watch.py")
    with subprocess.Popen(
        [sys.executable, program, TOOL, tree, addresses], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        made = AlarmServer(process)
        try:
            if (first := made.line(600)) != "ready":
                assert process.wait(60) == 3, first
                pytest.skip(first)
            made.all_of_it()
            yield made
        finally:
            made.end()
            assert process.wait(60) in (0, 3)


def _take_data(ioc: Ioc) -> None:
    ioc.put_and_forget("Acquire", 1)
    ioc.until("DetectorState_RBV", lambda state: state == "Acquire", 60)
    ioc.until("FillSpectra:Events_RBV", lambda events: events > 10_000, 60)


def _acknowledge(server: AlarmServer, *pvs: str) -> None:
    """One acknowledge for each, after which nothing is in alarm any more, nor said."""
    for pv in pvs:
        server.acknowledge(pv)
        server.until(pv, "OK")
    assert server.told.sentences == []
    server.told = Told()
    assert server.all_of_it().nothing
    assert {pv: state for pv, state in server.latest.items() if state != "OK"} == {}


def test_while_all_is_well_there_is_no_alarm_also_through_stop_and_abort(ioc: Ioc, server: AlarmServer) -> None:
    for command in ("Stop", "Abort"):
        _take_data(ioc)
        ioc.put(command, 1)
    assert server.all_of_it().nothing


def test_a_start_that_is_refused_is_no_alarm(ioc: Ioc, server: AlarmServer) -> None:
    _take_data(ioc)
    with pytest.raises(PutFailed):
        ioc.put("Acquire", 1)
    ioc.put("Stop", 1)
    assert server.all_of_it().nothing


def test_a_killed_task_is_one_alarm_and_its_acknowledge_there_is_one_here(ioc: Ioc, server: AlarmServer) -> None:
    error = f"{ioc.prefix}SortEvents:ERROR"
    _take_data(ioc)
    killed = Stopwatch()
    ioc.kill_task("SortEvents")
    server.until(error, "MAJOR")
    seconds = killed.taken
    print(f"from SIGKILL to the alarm handler: {killed.elapsed:.2f} s")  # shown by pytest -s
    assert seconds <= TOLD_WITHIN
    told = server.all_of_it()
    assert (told.alarms(), told.sentences) == ([error], ["MAJOR Alarm: PIXIE1 SortEvents has failed"])
    ioc.until("SortEvents:ErrorAlarm", "MAJOR", 60)
    assert ioc.get("SortEvents:ERROR") == "ERROR"
    _acknowledge(server, f"{ioc.prefix}SortEvents:ERROR")
    assert ioc.get("SortEvents:ERROR") == "OK"
    _take_data(ioc)
    ioc.put("Stop", 1)
    assert server.all_of_it().nothing


def test_a_task_that_hangs_is_shown_then_one_alarm(ioc: Ioc, server: AlarmServer) -> None:
    ioc.put("SortEvents:HangTimeout", HANG_TIMEOUT)
    _take_data(ioc)
    os.kill(ioc.pid_of("SortEvents"), signal.SIGSTOP)
    server.until(f"{ioc.prefix}SortEvents:ERROR", "MAJOR", HANG_TIMEOUT + 60)
    told = server.all_of_it()
    print("a task that hangs:", told.alarms(), told.sentences)
    shown = ("ERROR", "HeartBeatAge_RBV", "BusyTime_RBV")  # it may have been stopped at work
    assert set(told.alarms()) <= {f"{ioc.prefix}SortEvents:{pv}" for pv in shown}
    states = told.rows[f"{ioc.prefix}SortEvents:HeartBeatAge_RBV"]
    assert "MAJOR" in states, states
    assert told.sentences == ["MAJOR Alarm: PIXIE1 SortEvents has failed"]
    _acknowledge(server, f"{ioc.prefix}SortEvents:ERROR")
    ioc.put("Reset", 1)
    ioc.put("SortEvents:HangTimeout", 60.0)
    assert server.all_of_it().nothing


def test_a_full_disk_is_one_alarm_that_says_so(
    ioc: Ioc, server: AlarmServer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    disk, full = tmp_path_factory.mktemp("disk"), f"{ioc.prefix}DiskFull_RBV"
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("a small file system cannot be mounted here")
    try:
        ioc.put("FilePath", str(disk))
        ioc.put("AutoSave", "Yes")
        with pytest.raises(PutFailed):
            ioc.put("Acquire", 1, 60)
        server.until(full, "MAJOR")
        told = server.all_of_it()
        print("a full disk:", told.rows, told.sentences)
        # That there is little room may be told before, and goes by itself.
        assert {pv: state for pv, state in server.latest.items() if state != "OK"} == {full: "MAJOR"}
        assert set(told.alarms()) <= {full, f"{ioc.prefix}DiskFree_RBV"}
        assert told.sentences[-1] == "MAJOR Alarm: PIXIE1 disk full"
        assert len(told.sentences) == len(told.alarms())
        assert ioc.get("GatherData:ERROR") == "ERROR"
        for file in disk.iterdir():
            file.unlink()
        ioc.until("DiskFree_RBV", lambda free: free > 0.01, 60)
        _acknowledge(server, full)
        assert (ioc.get("GatherData:ERROR"), ioc.get("DiskFull_RBV")) == ("OK", "No")
    finally:
        ioc.put("AutoSave", "No")
        subprocess.run(["umount", "-l", disk], check=True)


def test_an_ioc_that_is_gone_is_one_alarm_above_all_others(ioc: Ioc, neighbour: Ioc, server: AlarmServer) -> None:
    _take_data(ioc)
    ioc.end(signal.SIGKILL)
    server.until(f"{ioc.prefix}IOC:ALIVE", "UNDEFINED")
    told = server.all_of_it()
    assert (told.alarms(), told.sentences) == ([f"{ioc.prefix}IOC:ALIVE"], ["PIXIE1: the IOC is gone"])
    ioc.start()
    _acknowledge(server, f"{ioc.prefix}IOC:ALIVE")
    _take_data(ioc)
    ioc.put("Stop", 1)
    assert server.all_of_it().nothing
    assert neighbour.get("IOC:ALIVE") == "Alive"
    assert ioc.end() == 0  # here, since it was started here: the last test of this module
