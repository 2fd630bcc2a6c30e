"""What a service manager hears, on a datagram socket such as systemd's."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from pixieioc.ioc.supervisor import STUCK, Supervisor, stuck


@contextlib.contextmanager
def manager(address: str) -> Iterator[socket.socket]:
    """A service manager's socket, which does not wait for what has not come."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(f"\0{address[1:]}" if address.startswith("@") else address)
        sock.setblocking(False)
        yield sock


def heard(sock: socket.socket) -> list[str]:
    """All that has come, a line for each thing."""
    lines: list[str] = []
    with contextlib.suppress(BlockingIOError):
        while True:
            lines += sock.recv(4096).decode().split("\n")
    return lines


@pytest.fixture(params=["file", "abstract"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "notify") if request.param == "file" else f"@pixieioc-test-{os.getpid()}"


def test_it_says_ready_status_and_stopping(address: str) -> None:
    with manager(address) as sock:
        supervisor = Supervisor.take({"NOTIFY_SOCKET": address})
        supervisor.ready()
        supervisor.check("", "Idle: \n all is well")
        supervisor.check("", "Idle: all is well")
        supervisor.stopping(26)
        assert heard(sock) == [
            "READY=1",
            "STATUS=Idle: all is well",
            "STOPPING=1",
            "EXTEND_TIMEOUT_USEC=26000000",
            "STATUS=ending",
        ]
        supervisor.close()


def test_the_watchdog_is_fed_only_while_it_works(address: str) -> None:
    with manager(address) as sock:
        supervisor = Supervisor.take({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "3000000"})
        assert supervisor.watchdog == 3
        supervisor.check(stuck(1.0), "Idle")
        supervisor.check(stuck(1.0), "Idle")
        assert heard(sock) == ["STATUS=Idle", "WATCHDOG=1", "WATCHDOG=1"]
        supervisor.check(stuck(STUCK + 4), "Idle")
        supervisor.check(stuck(STUCK + 4), "Idle")
        assert heard(sock) == ["STATUS=run control has not followed its run for 9 s"]
        supervisor.check(stuck(0), "Idle")
        assert heard(sock) == ["STATUS=Idle", "WATCHDOG=1"]
        supervisor.close()


def test_tasks_do_not_inherit_it_and_a_watchdog_for_another_process_is_not_ours(tmp_path: Path) -> None:
    environment = {"NOTIFY_SOCKET": str(tmp_path / "s"), "WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "1", "HOME": "/"}
    supervisor = Supervisor.take(environment)
    assert environment == {"HOME": "/"}
    assert supervisor.watchdog == 0
    supervisor.close()


def test_a_manager_that_has_gone_or_does_not_read_is_no_trouble(tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    with manager(address):
        supervisor = Supervisor.take({"NOTIFY_SOCKET": address})
        for i in range(2000):  # more than the socket holds
            supervisor.check("", f"status {i}")
    supervisor.ready()
    supervisor.close()
    supervisor.ready()


def test_without_a_manager_nothing_is_said() -> None:
    supervisor = Supervisor.take({})
    supervisor.ready()
    supervisor.check("stuck", "Idle")
    assert supervisor == Supervisor()
