"""What goes wrong with caproto 1.3.0's own server, and not with this one: the same libca client talks to both.

A hazard is a function that says whether a server has the fault; its docstring is the fault as it was measured. Those
that are not here have their tests elsewhere: searches and variables of the environment in test_server.py, SIGTERM in
system/test_life.py, SYSRESET in test_pvs.py; overload is a benchmark (ca_server.py).
"""

from __future__ import annotations

import contextlib
import math
import os
import secrets
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import aioca
import numpy as np
import psutil
import pytest
from epicscorelibs.ca import dbr as types

from tests.ca_client import CaClient, NoAnswer, PutFailed
from tests.conftest import CA_PORTS
from tests.running_ioc import ROOT

NO_ALARM, MAJOR = 0, 2
ELEMENTS = 10_000


class Served(CaClient):
    """A server of served.py, and a client for it."""

    def __init__(self, kind: str, port: int) -> None:
        super().__init__(f"H{secrets.token_hex(4)}:")
        self.port = port
        #: How long it has for what it must do, s; caproto's server, which never does it, is not waited for long.
        self.patience = 60.0 if kind == "ours" else 0.5
        self.process = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("served.py"), kind, self.prefix],
            # caproto looks at the client's variable only.
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "EPICS_CAS_SERVER_PORT": str(port),
                "EPICS_CA_SERVER_PORT": str(port),
            },
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def memory(self) -> float:
        """Resident memory in MB."""
        return psutil.Process(self.process.pid).memory_info().rss / 1e6

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


@contextlib.contextmanager
def _served(kind: str, port: int) -> Iterator[Served]:
    served = Served(kind, port)
    try:
        served.until("Count", 0, 60)
        yield served
    finally:
        served.end()


@pytest.fixture(scope="module")
def ours() -> Iterator[Served]:
    with _served("ours", CA_PORTS[0]) as served:
        yield served


@pytest.fixture(scope="module")
def stock() -> Iterator[Served]:
    with _served("caproto", CA_PORTS[1]) as served:
        yield served


# -- hazards ----------------------------------------------------------------------------------------------------------


def how_late_monitors_are(*servers: Served) -> list[float]:
    """Once a circuit is never idle for 10 ms (one PV at 200 Hz), caproto collects updates for up to 1 s.

    Of each, over the same seconds: a quarter of its updates are no later than this, in s.
    """
    with contextlib.ExitStack() as stack:
        watches = [stack.enter_context(served.watch("Clock")) for served in servers]
        began = time.time()
        for watch in watches:
            watch.clear()
        for watch in watches:
            watch.until("Clock", lambda value: value > began + 2)
        late = [[post.received - post.value for post in watch.posts] for watch in watches]
    return [float(np.percentile(of_one, 25)) for of_one in late]


def updates_stay_in_memory(served: Served) -> bool:
    """The last 1000 updates of each subscription are kept: 80 MB for an array of 80 kB."""
    with served.watch("Array"):
        served.put("Flood", 100)
        before = served.memory()
        served.put("Flood", 1000)
        return served.memory() - before > 30


def a_state_that_is_not_there_poisons_the_pv(served: Served) -> bool:
    """A plain put of 7 to an enum of two states is taken: every read fails until a valid one is written."""
    with contextlib.suppress(PutFailed):
        served.put("Mode", 7, datatype=types.DBR_SHORT)
    try:
        return served.get("Mode", timeout=served.patience) not in ("Soft", "Hard")
    except (NoAnswer, IndexError):
        return True
    finally:
        served.put("Mode", 0, datatype=types.DBR_ENUM)


def all_pvs_share_one_alarm(served: Served) -> bool:
    """All PVs of a group are in alarm when one of them is."""
    served.put("Number", 20.0)
    severities = (served.severity("Number"), served.severity("Other"))
    served.put("Number", 5.0)
    assert severities[0] == MAJOR
    return severities[1] != NO_ALARM


def a_refusal_leaves_an_alarm(served: Served) -> bool:
    """After a refused put, strings, enums and chars stay in WRITE/MAJOR."""
    with pytest.raises(PutFailed):
        served.put("Refusing", np.frombuffer(b"text\0", np.uint8))
    return served.severity("Refusing") != NO_ALARM


def limits_that_are_not_set_are_0(served: Served) -> bool:
    """With HIHI alone, the value 0 is LOLO MAJOR."""
    served.put("Number", 0.0)
    return served.severity("Number") != NO_ALARM


def states_have_no_severity(served: Served) -> bool:
    """OSV and its like are stored and ignored."""
    with contextlib.suppress(PutFailed):
        served.put("Switch.OSV", "MAJOR")  # ours has it from its description
    served.put("Switch", "On")
    try:
        return served.severity("Switch") != MAJOR
    finally:
        served.put("Switch", "Off")


def deadbands_are_ignored(served: Served) -> bool:
    """MDEL is ignored: every monitor gets every publish."""
    with contextlib.suppress(NoAnswer, PutFailed):
        served.put("Deadband.MDEL", 1.0, timeout=served.patience)
    with served.watch("Deadband", "Ramp") as watch:
        served.put("Ramp", 35)
        watch.until("Deadband", lambda value: value > 3)
        return len(watch.values("Deadband")) > 6


def a_slow_put_overwrites_a_newer_one(served: Served) -> bool:
    """Puts to one PV run concurrently; an older, slower one stores its value last."""
    slow, quick = served.put_later("Slow", 1.0), served.put_later("Slow", 0.1)
    quick.result()
    slow.result()
    return served.get("Slow") != pytest.approx(0.1)


def a_value_is_not_posted_while_its_hook_waits(served: Served) -> bool:
    """While a putter awaits, the new value is not posted."""
    served.put("Slow", 0.0)
    with served.watch("Slow") as watch:
        answered: list[float] = []
        put = served.put_later("Slow", 1.5)
        put.add_done_callback(lambda _: answered.append(time.time()))
        posted = watch.until("Slow", 1.5).received
        put.result()
        served.get("Slow")  # by then, that it is answered has been noted
        return posted > answered[0] - 0.2


def an_internal_write_runs_the_hook(served: Served) -> bool:
    """An internal write runs the putter, too."""
    before = served.get("Hooks")
    served.put("Inside", int(time.time()))
    return served.get("Hooks") != before


def rights_that_change_are_not_told(served: Served) -> bool:
    """check_access is asked when a channel is made and at each put; later changes are not pushed."""
    may_write = served._start(aioca.cainfo(served.prefix + "Number")).result().write
    assert may_write
    served.put("Lock", 1)
    end = time.monotonic() + served.patience
    while may_write and time.monotonic() < end:
        may_write = served._start(aioca.cainfo(served.prefix + "Number")).result().write
    served.put("Lock", 0)
    return may_write


def there_are_no_fields(served: Served) -> bool:
    """Without `record=` there are no fields."""
    for field in ("EGU", "PREC", "DESC", "SEVR", "STAT", "TIME", "HIHI"):
        try:
            served.raw(f"Number.{field}", timeout=served.patience)
        except NoAnswer:
            return True
    return False


def an_integer_wraps(served: Served) -> bool:
    """1e12 into a LONG wraps."""
    served.put("Count", 5)
    with contextlib.suppress(PutFailed):
        served.put("Count", 1e12, datatype=types.DBR_DOUBLE)
    return served.get("Count") != 5


def drive_limits_are_not_applied(served: Served) -> bool:
    """DRVH and DRVL are there, and a value beyond them is taken as it is."""
    for name in ("Driven", "Steps"):
        for field, limit in (("DRVL", -10), ("DRVH", 10)):
            with contextlib.suppress(PutFailed):
                served.put(f"{name}.{field}", limit)  # ours has it from its description
            assert served.get(f"{name}.{field}") == limit
        for value in (11, -11):
            served.put(name, value)
            if abs(served.get(name)) > 10:
                return True
            assert served.get(name) == math.copysign(10, value)
    return False


def an_index_as_text_is_refused(served: Served) -> bool:
    """ "1" to an enum is refused, which is how Phoebus' buttons write."""
    try:
        served.put("Other", "1", datatype=types.DBR_STRING)
    except PutFailed:
        return True
    return served.get("Other") != "On"


def a_stalled_client_takes_memory_without_bound(served: Served) -> bool:
    """What a client does not read is kept: 100 MB/s."""
    with _stalled(served, "Array", ELEMENTS):
        before = served.memory()
        served.put("Flood", 2000, timeout=60)
        return served.memory() - before > 50


def a_stalled_client_freezes_all_others_for_ever(served: Served) -> bool:
    """After 10 000 updates that one client does not read, no client gets monitors any more, also when it has gone."""
    with served.watch("Clock") as watch:
        with _stalled(served, "Array", ELEMENTS):
            for _ in range(10):
                served.put("Flood", 2000, timeout=60)
        watch.clear()
        try:
            asked = time.time()
            watch.until("Clock", lambda value: value > asked, served.patience)
        except AssertionError:
            return True
    return False


@contextlib.contextmanager
def _stalled(served: Served, pv: str, elements: int) -> Iterator[None]:
    """A client that has subscribed to a PV and reads nothing."""
    message = struct.Struct(">HHHHII")
    name = f"{served.prefix}{pv}".encode()
    name += b"\0" * (8 - len(name) % 8)
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        [port] = [
            c.laddr.port
            for c in psutil.Process(served.process.pid).net_connections("tcp")
            if c.status == psutil.CONN_LISTEN
        ]
        sock.connect(("127.0.0.1", port))
        sock.sendall(message.pack(0, 0, 0, 13, 0, 0) + message.pack(20, 8, 0, 0, 0, 0) + b"stalled\0")
        sock.sendall(message.pack(21, 8, 0, 0, 0, 0) + b"host\0\0\0\0")
        sock.sendall(message.pack(18, len(name), 0, 0, 1, 13) + name)
        heard = b""
        while len(heard) < 48:
            heard += sock.recv(48 - len(heard))
        channel = int.from_bytes(heard[-4:])
        sock.sendall(message.pack(1, 16, 20, elements, channel, 1) + struct.pack(">12xHxx", 5))
        yield


HAZARDS: list[Callable[[Served], bool]] = [
    a_state_that_is_not_there_poisons_the_pv,
    all_pvs_share_one_alarm,
    a_refusal_leaves_an_alarm,
    limits_that_are_not_set_are_0,
    states_have_no_severity,
    deadbands_are_ignored,
    a_slow_put_overwrites_a_newer_one,
    a_value_is_not_posted_while_its_hook_waits,
    an_internal_write_runs_the_hook,
    rights_that_change_are_not_told,
    there_are_no_fields,
    an_integer_wraps,
    drive_limits_are_not_applied,
    an_index_as_text_is_refused,
    updates_stay_in_memory,
    a_stalled_client_takes_memory_without_bound,
    a_stalled_client_freezes_all_others_for_ever,  # the last one: nobody hears of stock caproto after it
]


def test_monitors_are_late_on_a_busy_circuit_of_caproto_and_not_here(ours: Served, stock: Served) -> None:
    """On the same computer at the same time: one that is busy makes all late."""
    here, there = how_late_monitors_are(ours, stock)
    assert here < there / 2


@pytest.mark.parametrize("hazard", HAZARDS, ids=lambda hazard: hazard.__name__)
def test_a_hazard_of_caproto_is_none_here(hazard: Callable[[Served], bool], ours: Served, stock: Served) -> None:
    assert not hazard(ours)
    assert hazard(stock)
