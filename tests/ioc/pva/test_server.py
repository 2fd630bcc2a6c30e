"""Records over PVAccess, with p4p's own client: what it reads, hears and writes, and what is left when it has gone."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from queue import SimpleQueue
from typing import Any

import numpy as np
import pytest
from p4p import Value
from p4p.client.thread import Context, Disconnected, RemoteError

from pixieioc.ioc.pva import admission, server, to_loop
from pixieioc.ioc.pva.server import Address, Limits, Server
from pixieioc.ioc.records import MINOR, Client, PutRefused, Record
from pixieioc.ioc.records.rights import ALL, READ_ONLY, Rights, Security, regroup
from pixieioc.ioc.records.told import Told
from pixieioc.ioc.records.written import Written
from pixieioc.pvinfo import PvInfo
from tests.ioc.ca.peer import conversation
from tests.ioc.pva.clients import LOOPBACK, client
from tests.ports import free_port

NOTHING = Rights(read=False, write=False, trap=False)


class _Gate:
    """Who may do what is in `given`, by group; all may do the rest. What is written is in `written`."""

    def __init__(self) -> None:
        self.given: dict[str, Rights] = {}
        self.written: list[Written] = []
        self.unconvertible: list[str] = []

    def rights_to(self, security: Security, client: Client) -> Rights:
        return self.given.get(security.writing, ALL)

    def told_of(self, name: str, record: Record, client: Client, *, trapped: bool) -> Told | None:
        return Told(self.written.append, name, record, client)

    def put_refused(self, record: Record, client: Client, why: str) -> None:
        self.unconvertible.append(f"{record.name}: {why}")


class _Served:
    """A server of the records, and a client of it."""

    def __init__(self, server: Server, gate: _Gate, context: Context, port: int) -> None:
        self.server, self.gate, self.context, self.port = server, gate, context, port

    async def ask(self, method: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        return await asyncio.to_thread(method, *arguments, timeout=60, **options)

    async def get(self, name: str) -> Any:
        return await self.ask(self.context.get, name)

    async def put(self, name: str, value: Any, **options: Any) -> None:
        await self.ask(self.context.put, name, value, **options)

    async def refusal(self, name: str, value: Any, **options: Any) -> str:
        with pytest.raises(RemoteError) as refused:
            await self.put(name, value, **options)
        return str(refused.value)

    async def until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def served(*records: Record, **limits: int) -> AsyncIterator[_Served]:
    gate, port = _Gate(), free_port()
    made = Server(records, gate, Address((LOOPBACK,), free_port(), port), Limits(**limits))
    await made.start()
    try:
        with client(port, nt=False) as context:
            yield _Served(made, gate, context, port)
    finally:
        await made.stop()


def _number(name: str = "x", value: float = 0.0, **more: Any) -> Record:
    record = Record(PvInfo(name, "ao", "A number.", value, access="OP", **more), name)
    record.put = lambda value, client: record.post(value)
    return record


@contextlib.contextmanager
def monitored(context: Context, name: str, request: str | None = None) -> Iterator[SimpleQueue[Any]]:
    heard: SimpleQueue[Any] = SimpleQueue()
    subscription = context.monitor(name, heard.put, request=request, notify_disconnect=True)
    try:
        yield heard
    finally:
        subscription.close()


async def next_of(heard: SimpleQueue[Any]) -> Any:
    return await asyncio.to_thread(heard.get, timeout=60)


async def connected(heard: SimpleQueue[Any]) -> Any:
    """The first value, behind the news that it is not connected yet."""
    while not isinstance(value := await next_of(heard), Value):
        pass
    return value


@conversation
async def test_a_client_reads_what_is_posted_before_and_after_it_came() -> None:
    record = _number(value=1.5)
    async with served(record) as it:
        with monitored(it.context, "x") as heard:
            assert (await connected(heard)).value == 1.5
            record.post(2.5, 1_700_000_000_000_000_001)
            change = await next_of(heard)
            assert (change.value, change.timeStamp.nanoseconds) == (2.5, 1)
            assert not change.changed("alarm")
            assert not change.changed("display")
            assert (await it.get("x")).value == 2.5


@conversation
async def test_a_monitor_with_a_pipeline_gets_each_post() -> None:
    record = _number()
    async with served(record) as it:
        with monitored(it.context, "x", "record[pipeline=true,queueSize=64]") as heard:
            await connected(heard)
            for i in range(1, 50):
                record.post(float(i))
            assert [(await next_of(heard)).value for _ in range(49)] == [float(i) for i in range(1, 50)]


def test_p4p_does_not_describe_its_server_whatever_the_level_of_the_log() -> None:
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.DEBUG)  # as [ioc.log] and IOC:LogLevel do
    try:
        # p4p asks this before it describes what it has just started, with Python's lock, for which pvxs may wait then.
        assert not logging.getLogger("p4p.server").isEnabledFor(logging.DEBUG)
    finally:
        root.setLevel(before)


@conversation
async def test_nothing_is_kept_of_what_nobody_looks_at() -> None:
    record = _number()
    async with served(record, _number("y")) as it:
        assert not it.server.served
        await it.get("x")
        assert [served.name for served in it.server.served.values()] == ["x"]
        it.context.disconnect()
        await it.until(lambda: not it.server.served)
        record.post(3.0)
        assert (await it.get("x")).value == 3.0


@conversation
async def test_what_a_client_comes_to_is_open_by_then() -> None:
    """Opened later, by another thread, it may never be, and p4p's thread with all of its clients waits for ever."""
    async with served(_number(value=2.0)) as it:
        asked: Any = it.server.asked
        pv = await asyncio.to_thread(asked.makeChannel, "x", f"{LOOPBACK}:1")
        assert pv.isOpen()
        assert pv.current().value == 2.0
        asked.drop("x", pv)
        await it.until(lambda: not it.server.served)


@conversation
async def test_an_ioc_that_does_not_answer_is_no_reason_to_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(to_loop, "_PATIENCE", 0.05)
    async with served(_number()) as it:
        asking = threading.Thread(target=lambda: pvs.append(it.server.asked.makeChannel("x", f"{LOOPBACK}:1")))
        pvs: list[Any] = []
        asking.start()
        asking.join(5)  # meanwhile the event loop does nothing
        assert pvs[0].current().alarm.message == "the IOC does not answer"
        await it.until(lambda: not it.server.served)


@conversation
async def test_what_is_not_there_is_not_found() -> None:
    async with served(_number()) as it:
        with pytest.raises(TimeoutError):
            await asyncio.to_thread(it.context.get, "y", timeout=0.5)


@conversation
async def test_a_put_is_told_of_and_its_refusal_is_an_exception_with_the_text() -> None:
    record = _number()

    def put(value: float, client: Client) -> None:
        if value > 1:
            raise PutRefused(f"{value} is too much for {client}")
        record.post(value)

    record.put = put
    async with served(record, Record(PvInfo("r", "ai", ""), "r")) as it:
        await it.put("x", 0.5)
        assert (await it.get("x")).value == 0.5
        assert "2.0 is too much for " in (why := await it.refusal("x", 2.0))
        assert why.endswith(f"@{LOOPBACK}")
        assert await it.refusal("r", 1.0) == "r cannot be written"
        assert [(put.name, put.new, put.old, put.outcome) for put in it.gate.written] == [
            ("x", 0.5, 0.0, "accepted"),
            ("x", 2.0, 0.5, "refused"),
            ("r", 1.0, 0.0, "refused"),
        ]
        assert await it.refusal("x", {"alarm.severity": 1}) == "alarm.severity cannot be written, only the value can"
        assert it.gate.unconvertible == ["x: alarm.severity cannot be written, only the value can"]


@conversation
async def test_who_waits_is_answered_at_the_end_and_who_does_not_when_it_is_decided() -> None:
    record, end = _number(), asyncio.Event()

    async def run(value: float) -> None:
        record.post(value)
        await end.wait()
        raise PutRefused("a task has failed")

    record.put = lambda value, client: run(value)
    async with served(record, puts=2) as it:
        await it.put("x", 1.0, wait=False)
        waiting = asyncio.ensure_future(it.refusal("x", 2.0, wait=True))
        await it.until(lambda: record.value == 2.0)
        assert await it.refusal("x", 3.0) == "2 puts of this client have not completed"
        assert not waiting.done()
        end.set()
        assert await waiting == "a task has failed"
        assert [put.outcome for put in it.gate.written] == ["refused"] * 3


@conversation
async def test_a_put_goes_on_when_its_client_has_gone() -> None:
    record, end = _number(), asyncio.Event()

    async def run(value: float) -> None:
        await end.wait()
        record.post(value)

    record.put = lambda value, client: run(value)
    async with served(record) as it:
        with pytest.raises(TimeoutError):
            await asyncio.to_thread(it.context.put, "x", 1.0, wait=True, timeout=0.3)
        it.context.disconnect()
        await it.until(lambda: not it.server.served)
        end.set()
        await it.until(lambda: record.value == 1.0)


@conversation
async def test_rights_are_those_of_the_access_group() -> None:
    record, open_one = _number(), _number("y")
    regroup(open_one, "EX")
    async with served(record, open_one) as it:
        it.gate.given["OP"] = READ_ONLY
        why = await it.refusal("x", 1.0)
        assert why.startswith("no write access to x for ")
        await it.put("y", 1.0)


@conversation
async def test_what_must_not_be_read_is_invalid_and_says_why_until_it_may() -> None:
    async with served(_number(value=7.0)) as it:
        it.gate.given["OP"] = NOTHING
        with monitored(it.context, "x") as heard:
            hidden = await connected(heard)
            assert (hidden.value, hidden.alarm.severity, hidden.alarm.message) == ("", 3, "no read access")


@conversation
async def test_clients_are_disconnected_when_they_must_not_read_any_longer() -> None:
    async with served(_number(value=7.0), _number("y")) as it:
        with monitored(it.context, "x") as heard:
            await connected(heard)
            it.gate.given["OP"] = NOTHING
            it.server.review_rights()
            assert isinstance(await next_of(heard), Disconnected)
            assert (await connected(heard)).alarm.message == "no read access"
            it.gate.given["OP"] = ALL
            it.server.review_rights()
            assert isinstance(await next_of(heard), Disconnected)
            assert (await connected(heard)).value == 7.0


@conversation
async def test_clients_are_disconnected_when_another_group_of_the_record_shows_them_nothing() -> None:
    record = _number(value=7.0)
    async with served(record, _number("y")) as it:
        it.gate.given["EN"] = NOTHING
        record.on_regroup = it.server.regrouped
        with monitored(it.context, "x") as heard, monitored(it.context, "y") as other:
            await connected(heard)
            await connected(other)
            regroup(record, "EX")  # whose rights are the same
            record.post(8.0)
            assert (await next_of(heard)).value == 8.0
            regroup(record, "EN")
            assert isinstance(await next_of(heard), Disconnected)
            assert (await connected(heard)).alarm.message == "no read access"
            assert other.empty()


@conversation
async def test_a_value_that_is_made_when_somebody_wants_it_is_up_to_date() -> None:
    record, made = _number(), []

    def make() -> None:
        made.append(None)
        record.post(float(len(made)))

    async with served(record) as it:
        record.outdate(make)
        assert (await it.get("x")).value == 1.0
        with monitored(it.context, "x") as heard:
            await connected(heard)
            record.outdate(make)
            assert (await next_of(heard)).value == 2.0


@conversation
async def test_fields_are_there_for_who_asks() -> None:
    limits = (float("nan"), 1.0, 10.0, 20.0)
    record = _number(value=12.0, unit="mm", precision=3, limits=limits)
    async with served(record) as it:
        assert (await it.get("x.DESC")).value == "A number."
        assert (await it.get("x.EGU")).value == "mm"
        assert ((await it.get("x.PREC")).value, (await it.get("x.PREC")).type()["value"]) == (3, "h")
        hihi = await it.get("x.HIHI")
        assert (hihi.value, hihi.display.units, hihi.alarm.severity) == (20.0, "mm", MINOR)
        severity = await it.get("x.SEVR")
        assert severity.value.choices[severity.value.index] == "MINOR"
        assert (await it.get("x.VAL")).value == 12.0
        for name in ("x.NONE", "x.", "x.DESC.DESC", "x$"):
            with pytest.raises(TimeoutError):
                await asyncio.to_thread(it.context.get, name, timeout=0.1)


@conversation
async def test_a_field_follows_its_record_and_is_written_by_the_same_rules() -> None:
    record = _number(value=5.0, limits=(float("nan"), 1.0, 10.0, 20.0))
    async with served(record) as it:
        with monitored(it.context, "x.SEVR") as severity, monitored(it.context, "x.HIGH") as high:
            assert (await connected(severity)).value.index == 0
            assert (await connected(high)).value == 10.0
            await it.put("x.HIGH", 4.0)
            assert (await next_of(high)).value == 4.0
            assert (await next_of(severity)).value.index == MINOR
            assert record.info.limits[2] == 4.0
        assert [(put.name, put.new, put.old) for put in it.gate.written] == [("x.HIGH", 4.0, 10.0)]
        assert await it.refusal("x.RTYP", "ai") == "x.RTYP cannot be written"
        await it.put("x.DISP", 1)
        assert "its DISP is 1" in await it.refusal("x.HIGH", 5.0)
        await it.put("x.DISP", 0)
        it.gate.given["OP"] = READ_ONLY
        assert "no write access to x.HIGH for " in await it.refusal("x.HIGH", 5.0)
        it.context.disconnect()
        await it.until(lambda: not it.server.served)


@conversation
async def test_more_clients_than_may_be_are_told_so_and_come_in_when_there_is_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module, name in ((server, "_AGAIN"), (admission, "_AGAIN")):
        monkeypatch.setattr(module, name, 0.05)
    async with served(_number(value=7.0), _number("y"), _number("z"), clients=1, channels=2) as it:
        assert (await it.get("x")).value == 7.0
        with client(it.port, nt=False) as second, monitored(second, "x") as heard:
            refused = await connected(heard)
            assert (refused.alarm.severity, refused.alarm.message) == (3, "no more than 1 client may be connected")
            with pytest.raises(RemoteError, match="no more than 1 client"):
                await asyncio.to_thread(second.put, "x", 1.0, timeout=60)
            it.context.disconnect()
            while (value := await connected(heard)).alarm.severity:
                pass
            assert value.value == 7.0
            await asyncio.to_thread(second.get, "y", timeout=60)
            third: Any = await asyncio.to_thread(second.get, "z", timeout=60)
            assert third.alarm.message == "no more than 2 channels may be open from this client"


@conversation
async def test_arrays_come_and_go() -> None:
    record = Record(PvInfo("a", "waveform", "", [0.0], access="OP", length=1000), "a")
    record.put = lambda value, client: record.post(value)
    async with served(record) as it:
        await it.put("a", np.arange(1000.0))
        assert np.array_equal((await it.get("a")).value, np.arange(1000.0))
        assert await it.refusal("a", np.arange(1001.0)) == "1001 elements, 1000 fit"


@conversation
async def test_the_end_of_the_server_disconnects_clients_at_once() -> None:
    gone = threading.Event()
    async with served(_number()) as it:
        subscription = it.context.monitor(
            "x", lambda value: gone.set() if isinstance(value, Disconnected) else None, notify_disconnect=True
        )
        await it.get("x")
        gone.clear()
        await it.server.stop()
        assert await asyncio.to_thread(gone.wait, 5)
        subscription.close()
