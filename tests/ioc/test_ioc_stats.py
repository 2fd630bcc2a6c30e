"""The iocStats process variables are true: each is compared with what the system says of the IOC's process."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import psutil
import pytest

from pixieioc.config import load
from pixieioc.pvinfo.access import access_pvs
from pixieioc.pvinfo.build import all_pvs
from pixieioc.pvinfo.ioc_stats import ioc_pvs
from tests.running_ioc import Ioc

#: What is no statistics, or has tests of its own.
OTHERS = {
    "ALIVE", "ERROR", "ErrorMessage_RBV", "NAME_ERROR_CNT", "CA_COALESCED_CNT", "SYSRESET", "ACCESS", "LogLevel",
    "LogTo_RBV", "LogLost_RBV",
} | {pv.name.removeprefix("IOC:") for pv in access_pvs()}  # fmt: skip


def _proc(ioc: Ioc, name: str) -> str:
    return Path(f"/proc/{ioc.process.pid}/{name}").read_text()


def _kilobytes(text: str, key: str) -> float:
    found = re.search(rf"^{key}:\s*(\d+) kB", text, re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024 / 1e6


def _age(text: str) -> float:
    return time.time() - datetime.strptime(text, "%Y-%m-%d %H:%M:%S").timestamp()


def _uptime(text: str) -> float:
    days, _, clock = text.rpartition(" day")
    hours, minutes, seconds = map(int, clock.removeprefix("s").removeprefix(", ").split(":"))
    return int(days or 0) * 86400 + hours * 3600 + minutes * 60 + seconds


def _started(ioc: Ioc) -> float:
    return time.time() - psutil.Process(ioc.process.pid).create_time()


def _files(ioc: Ioc) -> int:
    return len(list(Path(f"/proc/{ioc.process.pid}/fd").iterdir()))


def _files_allowed(ioc: Ioc) -> int:
    return int(_proc(ioc, "limits").partition("Max open files")[2].split()[0])


def _clients(ioc: Ioc) -> int:
    connections = psutil.Process(ioc.process.pid).net_connections("tcp")
    return sum(connection.status == psutil.CONN_ESTABLISHED for connection in connections)


def _cpu_seconds(ioc: Ioc) -> float:
    fields = _proc(ioc, "stat").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _busy_seconds(_: Ioc) -> float:
    fields = list(map(int, Path("/proc/stat").read_text().partition("\n")[0].split()[1:9]))
    return (sum(fields) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")


NOW: dict[str, Callable[[Ioc], object]] = {
    "STARTTOD": lambda ioc: _age(ioc.get("IOC:STARTTOD")) == pytest.approx(_started(ioc), abs=5),
    "TOD": lambda ioc: _age(ioc.get("IOC:TOD")) == pytest.approx(1, abs=1.5),
    "UPTIME": lambda ioc: _uptime(ioc.get("IOC:UPTIME")) == pytest.approx(_started(ioc), abs=5),
    "START_CNT": lambda ioc: ioc.get("IOC:START_CNT") == 1,
    "CA_CLNT_CNT": lambda ioc: ioc.get("IOC:CA_CLNT_CNT") == _clients(ioc),
    "RECORD_CNT": lambda ioc: ioc.get("IOC:RECORD_CNT") == len(all_pvs(load(ioc.folder / "test.toml"))),
    "FD_CNT": lambda ioc: ioc.get("IOC:FD_CNT") == _files(ioc),
    "FD_MAX": lambda ioc: ioc.get("IOC:FD_MAX") == _files_allowed(ioc),
    "FD_FREE": lambda ioc: ioc.get("IOC:FD_FREE") == _files_allowed(ioc) - _files(ioc),
    "MEM_USED": lambda ioc: (
        ioc.get("IOC:MEM_USED") == pytest.approx(_kilobytes(_proc(ioc, "status"), "VmRSS"), rel=0.05)
    ),
    "MEM_FREE": lambda ioc: (
        ioc.get("IOC:MEM_FREE") == pytest.approx(_kilobytes(Path("/proc/meminfo").read_text(), "MemAvailable"), rel=0.2)
    ),
    "PROCESS_ID": lambda ioc: ioc.get("IOC:PROCESS_ID") == ioc.process.pid,
    "HOSTNAME": lambda ioc: ioc.get("IOC:HOSTNAME") == Path("/proc/sys/kernel/hostname").read_text().strip(),
    "KERNEL_VERS": lambda ioc: (
        ioc.get("IOC:KERNEL_VERS") == f"Linux {Path('/proc/sys/kernel/osrelease').read_text().strip()}"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NOW)
def test_it_is_what_the_system_says(ioc: Ioc, name: str) -> None:
    end = time.monotonic() + 10  # it is posted once a second, and what is counted may just be changing
    while not NOW[name](ioc):
        assert time.monotonic() < end, ioc.get(f"IOC:{name}")
        time.sleep(0.3)


def test_channels_are_counted(ioc: Ioc) -> None:
    with ioc.watch("IOC:HEARTBEAT", "IOC:CA_CONN_CNT") as watch:
        watch.until("IOC:HEARTBEAT", watch.posts[0].value + 2)  # by then, the channels of other tests are counted
        before = watch.values("IOC:CA_CONN_CNT")[-1]
        ioc.get("M00:C01:ROI4:Name")  # which nobody has asked for yet
        watch.until("IOC:CA_CONN_CNT", before + 1)


def test_what_is_used_in_a_second(ioc: Ioc) -> None:
    """Heart beats and loads, over the same seconds; a run keeps the processors busy."""
    done = ioc.put_later("Acquire", 1)
    names = ("IOC:HEARTBEAT", "IOC:IOC_CPU_LOAD", "IOC:SYS_CPU_LOAD")
    with ioc.watch(*names) as watch:
        beat = watch.posts[0].value
        watch.until("IOC:HEARTBEAT", beat + 1)
        watch.clear()
        began, own, busy = time.monotonic(), _cpu_seconds(ioc), _busy_seconds(ioc)
        watch.until("IOC:HEARTBEAT", beat + 5)
        passed = time.monotonic() - began
        own, busy = _cpu_seconds(ioc) - own, _busy_seconds(ioc) - busy
        # One that stays the same, as that of processors that are all busy, is not posted.
        loads = {name: watch.values(name)[:4] or [ioc.get(name)] for name in names[1:]}
    ioc.put("Stop", 1)
    done.result(10)
    assert passed == pytest.approx(4, abs=1.5)

    def mean(name: str) -> float:
        return sum(loads[name]) / len(loads[name])

    assert mean("IOC:IOC_CPU_LOAD") == pytest.approx(100 * own / passed, abs=15)
    processors = os.cpu_count() or 1
    assert mean("IOC:SYS_CPU_LOAD") == pytest.approx(100 * busy / passed / processors, abs=20)


def test_nothing_is_left_out() -> None:
    tested = {*NOW, "CA_CONN_CNT", "HEARTBEAT", "IOC_CPU_LOAD", "SYS_CPU_LOAD"}
    assert {pv.name.removeprefix("IOC:") for pv in ioc_pvs()} == tested | OTHERS
