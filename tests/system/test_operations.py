"""An IOC under a service manager: what it says, its log, its exit codes."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from pixieioc.cli_exit import ExitCode
from tests.running_ioc import ROOT, Ioc, ioc_folder, running

CONFIG = """
[pipeline]
chain = ["DummyData", "GatherData", "ConvertToEvents"]

[run]
stop_timeout = 3

[ioc]
state_dir = "state"

[ioc.log]
file = "logs/ioc.log"
level = "info"
"""


def _configured(folder: Path, text: str = CONFIG) -> Path:
    config = folder / "test.toml"
    config.write_text(text)
    return config


def _until(sock: socket.socket, wanted: str, seconds: float = 60.0) -> list[str]:
    """What a service manager hears until it hears this."""
    lines: list[str] = []
    sock.settimeout(seconds)
    while not any(line.startswith(wanted) for line in lines):
        lines += sock.recv(4096).decode().split("\n")
    return lines


def test_a_service_manager_and_a_log_file() -> None:
    with ioc_folder() as folder, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(folder / "notify"))
        ioc = Ioc(folder, "run", _configured(folder))
        ioc.environment = {"NOTIFY_SOCKET": str(folder / "notify"), "WATCHDOG_USEC": "1500000"}
        with running(ioc):
            assert _until(manager, "READY=1")[0] == "READY=1"
            _until(manager, "STATUS=Idle")
            _until(manager, "WATCHDOG=1")
            for process in ioc.processes()[1:]:  # it is not for what the IOC starts
                assert "NOTIFY_SOCKET" not in process.environ()
            log = folder / "logs" / "ioc.log"
            assert ioc.get("IOC:LogTo_RBV") == str(log)
            assert ioc.get("IOC:LogLevel") == "Info"
            assert " INFO pixieioc.ioc.ca.server: Channel Access on" in log.read_text()
            ioc.put("IOC:LogLevel", "Error")
            before = log.read_text()
            ioc.process.send_signal(signal.SIGHUP)
            assert ioc.get("IOC:LogLevel") == "Error"  # and so the loop has come round since
            ioc.put("IOC:LogLevel", "Debug")
            ioc.process.send_signal(signal.SIGHUP)
            _wait_for(lambda: "SIGHUP" in log.read_text())
            new = log.read_text().removeprefix(before)
            assert "log from level DEBUG on, set by " in new
            assert new.count("SIGHUP") == 1
            assert (ioc.get("IOC:LogLost_RBV"), ioc.severity("IOC:LogLost_RBV")) == (0, 0)
            # While the loop stands still, it is not fed; nothing else can be true of a process that is stopped.
            ioc.process.send_signal(signal.SIGSTOP)
            _wait_for(lambda: psutil.Process(ioc.process.pid).status() == psutil.STATUS_STOPPED)
            _drain(manager)
            with pytest.raises(TimeoutError):
                _until(manager, "WATCHDOG=1", 1.0)
            ioc.process.send_signal(signal.SIGCONT)
            _until(manager, "WATCHDOG=1")
            ioc.process.send_signal(signal.SIGTERM)
            assert _until(manager, "STOPPING=1")[-3:] == [
                "STOPPING=1",
                "EXTEND_TIMEOUT_USEC=16000000",
                "STATUS=ending",
            ]
            assert ioc.process.wait(60) == ExitCode.DONE


def _wait_for(holds: object, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not holds():  # pyright: ignore[reportCallIssue]
        assert time.monotonic() < end
        time.sleep(0.02)


def _drain(sock: socket.socket) -> None:
    sock.setblocking(False)
    try:
        while True:
            sock.recv(4096)
    except BlockingIOError:
        return


def _run(folder: Path, *arguments: str | Path, **environment: str) -> tuple[int, str]:
    """The exit code of an IOC that cannot begin, and what it said."""
    done = subprocess.run(
        [sys.executable, "-m", "pixieioc", *arguments],
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "HOME": str(folder),
            "XDG_STATE_HOME": str(folder / "home"),
            **environment,
        },
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("change", "options", "environment", "code", "says"),
    [
        (("DummyData", "DummyDatum"), (), {}, ExitCode.BAD_CONFIG, "did you mean DummyData?"),
        (("", ""), ("--bananas",), {}, ExitCode.USAGE, "--bananas"),
        (("", ""), ("--json",), {}, ExitCode.USAGE, "goes with --list-pvs only"),
        (("", ""), ("--interfaces", "192.0.2.7"), {}, ExitCode.CANNOT_SERVE, "192.0.2.7"),
        (("", ""), (), {"EPICS_CAS_SERVER_PORT": "many"}, ExitCode.CANNOT_SERVE, "EPICS_CAS_SERVER_PORT=many"),
        (('"state"', '"/proc/state"'), (), {}, ExitCode.BAD_STATE, "the state folder /proc/state cannot be used"),
        (('level = "info"', "keep = 0"), (), {}, ExitCode.BAD_CONFIG, "ioc.log.keep = 0"),
    ],
)
def test_an_ioc_that_cannot_begin_says_why_by_its_exit_code(
    change: tuple[str, str], options: tuple[str, ...], environment: dict[str, str], code: int, says: str
) -> None:
    with ioc_folder() as folder:
        found, told = _run(folder, "run", _configured(folder, CONFIG.replace(*change)), *options, **environment)
        assert (found, says in told) == (code, True), told


def test_an_ioc_that_is_killed_at_once_or_has_a_fault_says_so_too() -> None:
    with ioc_folder() as folder:
        (folder / "sitecustomize.py").write_text(
            "import pixieioc.ioc.app\n"
            "def broken(*_): raise ZeroDivisionError('of the test')\n"
            "pixieioc.ioc.app.all_pvs = broken\n"
        )
        code, told = _run(folder, "run", _configured(folder), PYTHONPATH=f"{folder}{os.pathsep}{ROOT}")
        assert code == ExitCode.FAULT
        assert "ZeroDivisionError: of the test" in told
