from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest

from pixieioc.ioc.priority import real_time
from tests.running_ioc import ROOT, Ioc, ioc_folder, running

VARIABLE = "EPICS_ALLOW_POSIX_THREAD_PRIORITY_SCHEDULING"
ORDINARY = (os.SCHED_OTHER, os.SCHED_OTHER | os.SCHED_RESET_ON_FORK)
REAL_TIME = os.SCHED_FIFO | os.SCHED_RESET_ON_FORK


def _allowed() -> bool:
    """Whether this system gives this user a real-time priority."""
    script = "import os; os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(20))"
    return subprocess.run([sys.executable, "-c", script], stderr=subprocess.DEVNULL, check=False).returncode == 0


needs_permission = pytest.mark.skipif(not _allowed(), reason="no real-time priority is allowed here (ulimit -r)")


@needs_permission
def test_only_the_thread_itself_has_it_and_only_meanwhile() -> None:
    of_thread: list[int] = []
    with real_time():
        assert os.sched_getscheduler(0) == REAL_TIME
        thread = threading.Thread(target=lambda: of_thread.append(os.sched_getscheduler(0)))
        thread.start()
        thread.join()
        child = [sys.executable, "-c", "import os; print(os.sched_getscheduler(0))"]
        assert int(subprocess.run(child, capture_output=True, check=True).stdout) in ORDINARY
    assert of_thread[0] in ORDINARY
    assert os.sched_getscheduler(0) in ORDINARY


@pytest.mark.parametrize("value", ["NO", "no", "0"])
def test_it_can_be_forbidden_as_for_epics(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, value)
    with real_time():
        assert os.sched_getscheduler(0) in ORDINARY


def test_without_permission_nothing_changes_and_the_log_says_why() -> None:
    script = """if True:
        import logging, os, resource
        from pixieioc.ioc.priority import real_time
        logging.basicConfig(level=logging.INFO)
        resource.setrlimit(resource.RLIMIT_RTPRIO, (0, 0))
        if os.getuid() == 0:
            os.setuid(65534)
        with real_time():
            print(os.sched_getscheduler(0))
    """
    child = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    assert int(child.stdout) in ORDINARY
    assert "no real-time priority (ulimit -r" in child.stderr


@needs_permission
def test_the_ioc_serves_with_it_and_its_tasks_work_without() -> None:
    with ioc_folder() as folder, running(Ioc(folder, "run", ROOT / "examples" / "replay.toml")) as ioc:
        assert os.sched_getscheduler(ioc.process.pid) == REAL_TIME
        for process in ioc.processes()[1:]:
            assert os.sched_getscheduler(process.pid) in ORDINARY
