"""Whatever a task's process sends, the IOC goes on: a wrong message is that task's error, and nobody else's."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pixieioc.ioc.ca.view import View
from pixieioc.ioc.records import MAJOR, Pvs, faults
from pixieioc.ioc.run_control import RunControl
from pixieioc.ioc.state import State
from pixieioc.pipeline import Message, Status
from pixieioc.pipeline.frames import Packet, pack
from pixieioc.pipeline.procedure import Wait
from pixieioc.pvinfo.build import all_pvs
from tests.configs import config_of
from tests.ioc.ca.peer import conversation
from tests.soak import SOAK

CHAIN = ("DummyData", "FillSpectra")
REPORT, ANSWER, PRINT, ERROR = (m.emoji for m in (Message.REPORT, Message.ANSWER, Message.PRINT, Message.ERROR))

_arrays = st.sampled_from(
    [np.zeros(0), np.zeros((1, 2)), np.ones((1, 2, 16), np.int32), np.full((3, 4), np.nan), np.zeros((1, 2), "S3")]
)
_plain = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.text() | st.binary()
_values = st.recursive(
    _plain | _arrays, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=6
)
_names = st.sampled_from(
    ["status", "events", "counter", "rate", "queue_size", "spectrum", "counts", "roi_net", "ack", "time", "refused"]
) | st.text(max_size=70)
_report = st.fixed_dictionaries(
    {
        "status": st.sampled_from(["WAITING", "RUNNING", "PANICKING"]) | _values,
        "time": st.floats() | _values,
        "values": st.dictionaries(_names, _values, max_size=4) | _values,
    }
)
_payloads = _report | st.dictionaries(_names, _values, max_size=4) | _values


@contextlib.asynccontextmanager
async def _ioc(folder: Path) -> AsyncIterator[RunControl]:
    """An IOC whose tasks have no processes: their messages are made by the test."""
    config = config_of(CHAIN, {"FillSpectra": {"modules": 1, "channels": 2, "bins": 16}}, prefix="X:")
    state = State(Path(tempfile.mkdtemp(dir=folder)))
    control = RunControl(Pvs(all_pvs(config), "X:"), config, state)
    for name, cls in config.tasks.items():
        control.pipeline.processes.enrol(name, cls, config.settings[name])
    try:
        yield control
    finally:
        await control.pipeline.end()
        state.close()


def _hear(control: RunControl, task: str, kind: str, payload: Any, run: int = 0) -> None:
    """A message of a task, by the way that it takes from the socket."""
    control.pipeline.incoming.take(
        control.pipeline.processes[task], [bytes(f) for f in pack(Packet(kind, run, 0, payload))]
    )


@settings(max_examples=60 * SOAK, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(said=st.lists(st.tuples(st.sampled_from([REPORT, ANSWER, PRINT, ERROR, Message.FINISHED, "?"]), _payloads)))
def test_random_messages_are_the_error_of_their_task(tmp_path: Path, said: list[tuple[str, Any]]) -> None:
    async def story() -> None:
        async with _ioc(tmp_path) as control:
            for kind, payload in said:
                _hear(control, "FillSpectra", kind, payload)
                process = control.pipeline.processes["FillSpectra"]
                assert len(control.pipeline.errors) <= 1 + sum(k == ERROR for k, _ in said)
                assert (process.error is None) == (not control.pipeline.errors)
            # The other task's are as good as ever, and everything can be shown.
            fine = {"status": "WAITING", "time": 1e9, "values": {"events": 7}}
            _hear(control, "DummyData", REPORT, fine)
            pvs = control.errors._pvs
            assert control.pipeline.processes["DummyData"].reports["events"] == 7
            assert pvs["DummyData:ERROR"].value == 0
            for record in pvs.values():
                view = View(record)
                view.packed(view.native, 0)
            assert bool(control.pipeline.errors) == bool(pvs["FillSpectra:ERROR"].value)

    asyncio.run(story())


@pytest.mark.parametrize(
    ("payload", "says"),
    [
        ({"ack": 3, "refused": ""}, "FillSpectra: its REPORT message is wrong: Object"),
        (
            {"status": "WAITING", "time": 0.0, "values": {"counts": "many"}},
            "FillSpectra.counts = 'many': must be an arra",
        ),
        (
            {"status": "WAITING", "time": 0.0, "values": {"counts": np.zeros((9, 9))}},
            "modules 1, channels 2, not float64",
        ),
        ({"status": "WAITING", "time": float("nan"), "values": {}}, ""),
        ({"status": "SLEEPING", "time": 0.0, "values": {}}, "Invalid enum value 'SLEEPING'"),
    ],
)
@conversation
async def test_a_wrong_report_is_told_once(tmp_path: Path, payload: Any, says: str) -> None:
    async with _ioc(tmp_path) as control:
        for _ in range(3):
            _hear(control, "FillSpectra", REPORT, payload)
        if says:
            [error] = control.pipeline.errors
            assert says in str(error)
            assert control.pipeline.processes["FillSpectra"].status is Status.PANICKING


@conversation
async def test_one_bad_waiter_reaches_no_other(tmp_path: Path) -> None:
    def bad() -> bool:
        raise KeyError("a fault in whoever waits")

    async with _ioc(tmp_path) as control:
        seen: list[str] = []
        good = asyncio.ensure_future(control.pipeline.until(Wait(lambda: "now" in seen, 60)))
        with pytest.raises(KeyError, match="a fault in whoever waits"):
            await asyncio.gather(control.pipeline.until(Wait(_later(bad), 60)))
        seen.append("now")
        await good


def _later(condition: Any) -> Any:
    """A condition that is looked at for the first time without harm."""
    looks: list[int] = []

    def done() -> bool:
        looks.append(1)
        return len(looks) > 1 and condition()

    return done


@conversation
async def test_a_fault_in_what_a_client_asked_for_ends_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with _ioc(tmp_path) as control:
        ended: list[str] = []
        monkeypatch.setattr(control, "_driver", SimpleNamespace(fault=lambda what, _: ended.append(what)))
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(control.on_fault)
        faults.report("request 15 about X:Acquire could not be answered", ZeroDivisionError("broken"))
        assert control.errors._pvs["IOC:ERROR"].severity == MAJOR
        assert ended == []
        loop.call_exception_handler({"message": "a job has failed", "exception": KeyError("lost")})
        assert ended == ["a job has failed"]
