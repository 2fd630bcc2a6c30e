"""An IOC over PVAccess, with p4p's own client: runs, refusals, lost tasks, nonsense; the same as by Channel Access."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from p4p import Value
from p4p.client.thread import Context, RemoteError

from pixieioc.config import load
from pixieioc.ioc.pva.types import code_of
from pixieioc.pvinfo import PvInfo
from pixieioc.pvinfo.build import all_pvs
from tests.ioc.pva.clients import client
from tests.ports import free_port
from tests.running_ioc import Ioc

PORT, SEARCHES = free_port(), free_port()
CONFIG = f"""
[pipeline]
chain = ["DummyData", "GatherData", "ConvertToEvents", "FillSpectra"]

[run]
stop_timeout = 3

[crate]
channels = 2

[tasks.DummyData]
channel_rate = 1000

[tasks.FillSpectra]
bins = 256

[ioc]
state_dir = "state"

[ioc.pva]
on = true
interfaces = ["127.0.0.1"]
port = {PORT}
broadcast_port = {SEARCHES}
"""


class Peer:
    """A client over PVAccess that knows the prefix, and a thread for puts that last."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.prefix = ""
        self._thread = ThreadPoolExecutor(1)

    def raw(self, name: str) -> Any:
        return self.context.get(self.prefix + name, timeout=60)

    def get(self, name: str) -> Any:
        return plain(self.raw(name))

    def put(self, name: str, value: Any, *, wait: bool | None = True, timeout: float = 60.0) -> None:
        self.context.put(self.prefix + name, value, wait=wait, timeout=timeout)

    def begin(self, name: str, value: Any) -> Future[None]:
        return self._thread.submit(self.put, name, value)

    def refusal(self, name: str, value: Any, *, wait: bool | None = True) -> str:
        with pytest.raises(RemoteError) as refused:
            self.put(name, value, wait=wait)
        return str(refused.value)


def plain(structure: Any) -> Any:
    """Its value, of an enum the label."""
    value = structure.value
    return value.choices[value.index] if isinstance(value, Value) else value


@pytest.fixture(scope="module", autouse=True)
def connected() -> Iterator[Peer]:
    """Before the IOC and still there when it ends: a client must not hold that up."""
    with client(SEARCHES, nt=False) as context:
        yield Peer(context)


@pytest.fixture
def pva(connected: Peer, ioc: Ioc) -> Peer:
    connected.prefix = ioc.prefix
    return connected


def test_a_put_to_acquire_ends_with_the_run(ioc: Ioc, pva: Peer) -> None:
    before = pva.get("RunId_RBV")
    pva.put("PresetReal", 0.3)
    pva.put("PresetMode", "Real time")
    pva.put("Acquire", 1)
    assert (pva.get("Acquire_RBV"), pva.get("RunId_RBV")) == ("Done", before + 1)
    assert pva.get("RunEndReason_RBV") == ioc.get("RunEndReason_RBV") == "Preset"
    assert pva.get("M00:C00:Spectrum_RBV").sum() > 0


def test_a_refused_start_is_an_exception_also_for_who_does_not_wait(pva: Peer) -> None:
    running = pva.begin("Acquire", 1)
    try:
        assert _soon(pva, "Acquire_RBV", "Acquiring")
        for wait in (True, False, None):
            assert ", has been running for " in (why := pva.refusal("Acquire", 1, wait=wait))
        assert pva.get("CmdMessage_RBV").startswith(why.partition(" has been ")[0])
        assert pva.get("CmdUser_RBV").endswith("@127.0.0.1")
    finally:
        pva.put("Stop", 1)
        running.result(60)


def test_a_run_that_ends_badly_is_an_exception_with_the_reason(ioc: Ioc, pva: Peer) -> None:
    running = pva.begin("Acquire", 1)
    assert _soon(pva, "DetectorState_RBV", "Acquire")
    os.kill(int(pva.get("ConvertToEvents:ProcessId_RBV")), signal.SIGKILL)
    with pytest.raises(RemoteError, match="ConvertToEvents: its process was killed by signal 9"):
        running.result(60)
    assert pva.raw("ConvertToEvents:Status").alarm.message == "STATE"


def test_a_setting_is_used_when_its_put_returns(pva: Peer) -> None:
    pva.put("GatherData:MaxDelay", 0.25)
    assert pva.get("GatherData:MaxDelay_RBV") == 0.25
    pva.put("PresetEvents", 2**53)
    wide = pva.raw("PresetEvents")
    assert (wide.value, wide.type().aspy("value")) == (2**53, "l")
    assert "must be a whole number from 1 to 9007199254740992" in pva.refusal("PresetEvents", 2**53 + 1)
    assert "must be a number from " in pva.refusal("GatherData:MaxDelay", 1e300, wait=None)


@pytest.fixture
def infos(ioc: Ioc) -> dict[str, PvInfo]:
    return all_pvs(load(ioc.folder / "test.toml"))


def test_both_protocols_have_the_same_names_and_values(ioc: Ioc, pva: Peer, infos: dict[str, PvInfo]) -> None:
    constant = [info for info in infos.values() if info.role in ("setpoint", "readback")]
    assert len(constant) > 80
    structures: Any = pva.context.get([ioc.prefix + info.name for info in infos.values()], timeout=60)
    assert len(structures) == len(infos)
    seen: dict[str, Any] = dict(zip(infos, structures, strict=True))
    for info in constant[::8]:  # each has a search by libca of its own
        assert (info.name, plain(seen[info.name])) == (info.name, ioc.get(info.name))


_NONSENSE = {
    "d": [np.nan, np.inf, -1e308],
    "i": [-(2**31), 2**31 - 1],
    "l": [-(2**63), 2**63 - 1],
    "s": ["\x01é€" * 20, "x" * 200_000],
    "ad": [np.full(100_000, np.nan)],
    "ai": [np.full(100_000, -1, np.int32)],
}


def test_nonsense_costs_nobody_anything(ioc: Ioc, pva: Peer, infos: dict[str, PvInfo]) -> None:
    written = [info for info in infos.values() if info.access and "SYSRESET" not in info.name]
    refused = 0
    for info in written:
        for value in [17, -1] if info.labels else _NONSENSE[code_of(info)]:
            try:
                pva.put(info.name, value, wait=None, timeout=60)
            except RemoteError as error:
                refused += bool(str(error))
    assert refused > len(written)
    assert (ioc.get("IOC:ERROR"), pva.get("IOC:ERROR")) == ("OK", "OK")
    assert pva.get("DetectorState_RBV") == ioc.get("DetectorState_RBV")


def _soon(pva: Peer, name: str, value: str) -> bool:
    """Whether an enum comes to an index."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if pva.get(name) == value:
            return True
    return False
