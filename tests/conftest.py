"""What all tests share: a private corner of the network, and nothing left behind."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from multiprocessing.util import Finalize
from pathlib import Path

import psutil
import pytest
from hypothesis import HealthCheck, settings

from tests.marks import forget_started, longest_first, mark, started
from tests.ports import free_port
from tests.recorder import Recorder
from tests.soak import SOAK

#: Channel Access ports of this test process: libca reads its address list once, so they are chosen before it is loaded.
CA_PORTS = [free_port() for _ in range(3)]
# libca starts a repeater unless its port is taken.
_REPEATER = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
_REPEATER.bind(("127.0.0.1", 0))
Finalize(None, _REPEATER.close, exitpriority=0)

os.environ.update(
    EPICS_CA_ADDR_LIST=" ".join(f"127.0.0.1:{port}" for port in CA_PORTS),
    EPICS_CA_AUTO_ADDR_LIST="NO",
    EPICS_CA_REPEATER_PORT=str(_REPEATER.getsockname()[1]),
    EPICS_CA_MAX_ARRAY_BYTES="10000000",
    EPICS_CAS_INTF_ADDR_LIST="127.0.0.1",
    EPICS_CAS_AUTO_BEACON_ADDR_LIST="NO",
    EPICS_CAS_BEACON_ADDR_LIST="127.0.0.1",
    EPICS_CAS_BEACON_PORT=str(_REPEATER.getsockname()[1]),
)

# Whoever starts the tests in the background has them ignore some signals, and every program would inherit that.
if threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_configure(config: pytest.Config) -> None:
    """Makes the mark known."""
    config.addinivalue_line("markers", "system: starts processes; without these, the tests take less than a minute")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Marks what starts processes, before -m selects; with several workers, begins with what takes longest."""
    mark(items)
    if hasattr(config, "workerinput"):
        longest_first(items)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """From here on, processes are those of the test that comes, and of its fixtures."""
    forget_started()


# The same examples each time, however long they take: what an unlucky number or a busy computer finds is no verdict on
# a change. Who searches for faults takes other examples, and more of them.
settings.register_profile(
    "default",
    deadline=None,
    derandomize=SOAK == 1,
    print_blob=True,
    max_examples=100 * SOAK,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("default")

#: The recording that the project carries.
DATA = Path(__file__).parent.parent / "examples" / "data"


@pytest.fixture
def pipeline() -> Iterator[Recorder]:
    """A pipeline without tasks."""
    with Recorder() as made:
        yield made


# A temporary folder of our own, so that what is left in it is ours. Short: the path of a socket has at most 107 bytes.
_TEMPORARY = tempfile.mkdtemp(prefix="px")
os.environ["TMPDIR"] = tempfile.tempdir = _TEMPORARY
# What the simulated SDK does is read from one file per test process: its fork server has the environment of here.
os.environ["PIXIE16_SIM_CONTROL"] = f"{_TEMPORARY}/control"

# After multiprocessing has removed its own folder in there.
Finalize(None, shutil.rmtree, (_TEMPORARY, True), exitpriority=-200)


def _processes() -> set[psutil.Process]:
    """Our child processes, and those that the fork server has made for us; not it and its helper, which stay."""
    found: set[psutil.Process] = set()
    for child in psutil.Process().children():
        command = _command(child)
        if "multiprocessing.forkserver" in command:
            found |= set(child.children())
        elif "resource_tracker" not in command:
            found.add(child)
    return found


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""


@pytest.fixture(autouse=True)
def nothing_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fails a test that leaves a process or a folder of sockets behind (those of wider fixtures may stay).

    One that is not marked `system` must not even start a process.
    """
    if request.node.get_closest_marker("system") is None:
        yield
        assert started() == [], "this test starts a process, and tests/marks.py does not see by what"
        return
    processes, folders = _processes(), set(Path(_TEMPORARY).glob("pixieioc-*"))
    yield
    # A process that was told to end may still be on its way out.
    _, alive = psutil.wait_procs(list(_processes() - processes), timeout=60)
    assert not [f"{process.pid}: {_command(process)[:200]}" for process in alive]
    # So may be the folder of a program that was killed.
    end = time.monotonic() + 60
    while not set(Path(_TEMPORARY).glob("pixieioc-*")) <= folders and time.monotonic() < end:
        time.sleep(0.02)
    assert set(Path(_TEMPORARY).glob("pixieioc-*")) <= folders
