"""A site's process variables over PVAccess, from a server of p4p."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest

from pixieioc.site_pvs import Reading, SiteClient, Tally

pytestmark = pytest.mark.skipif(importlib.util.find_spec("p4p") is None, reason="needs p4p: pip install pixieioc[pva]")

NAMES = ["pva://SITE:FIELD", "pva://SITE:PROFILE", "pva://SITE:SHUTTER", "pva://SITE:NOT:THERE"]


async def _follow(serve: Callable[[], Any], change: Callable[[], None]) -> tuple[list[Reading], list[Reading]]:
    """What is read at first, and after a change and the end of the server."""
    news = asyncio.Event()

    def heard(readings: dict[int, Reading], tallies: dict[int, Tally]) -> None:
        news.set()

    async def until(count: int, value: float | None = None) -> list[Reading]:
        async with asyncio.timeout(60):
            while True:
                there = [each for each in client.latest if each.state == "ok"]
                if len(there) == count and (value is None or client.latest[0].value == value):
                    return list(client.latest)
                news.clear()
                await news.wait()

    server = serve()
    client = SiteClient(NAMES, 0.1, 10, heard)
    client.begin()
    try:
        first = await until(3)
        change()
        await until(3, 9.0)
        answers: dict[int, Reading] = {}
        client.ask(5.0, answers.__setitem__)
        async with asyncio.timeout(60):
            while len(answers) < len(NAMES):
                news.clear()
                await news.wait()
        assert answers[0].value == 9.0
        server.stop()
        return first, await until(0)
    finally:
        await client.end()


def test_values_units_alarms_and_that_the_server_has_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    from p4p.nt import NTEnum, NTScalar
    from p4p.server import Server
    from p4p.server.thread import SharedPV

    field = SharedPV(nt=NTScalar("d", display=True), initial={"value": 4.5, "display.units": "T", "alarm.severity": 2})
    profile = SharedPV(nt=NTScalar("ad"), initial=[float(i) for i in range(500)])
    shutter = SharedPV(nt=NTEnum(), initial={"choices": ["closed", "open"], "index": 1})
    server = Server(providers=[{"SITE:FIELD": field, "SITE:PROFILE": profile, "SITE:SHUTTER": shutter}], isolate=True)
    for name, value in server.conf().items():
        if name.startswith("EPICS_PVA_"):
            monkeypatch.setenv(name, value)
    first, last = asyncio.run(_follow(lambda: server, lambda: field.post(9.0, timestamp=1e9)))
    assert (first[0].value, first[0].unit, first[0].severity) == (4.5, "T", "MAJOR")
    assert (first[1].value, first[1].elements) == ([float(i) for i in range(10)], 500)
    assert first[2].value == "open"
    assert first[0].time is not None
    assert (time.time() - first[0].time < 60, first[0].time_of_arrival) == (True, True)
    assert {each.state for each in last[:3]} == {"not connected"}
    assert (first[3].state, first[3].why) == ("no answer", "nothing has been read yet")


def test_only_sigkill_ends_the_process_that_reads_from_its_beginning_on_and_what_was_known_is_kept(
    caplog: pytest.LogCaptureFixture,
) -> None:
    asyncio.run(_end(caplog))


async def _end(caplog: pytest.LogCaptureFixture) -> None:
    news: asyncio.Queue[None] = asyncio.Queue()
    client = SiteClient(["pva://SITE:NOT:THERE"], 0.05, 1, lambda *_: news.put_nowait(None))
    client.begin()
    try:
        while client.process_id is None:
            await asyncio.sleep(0)
        for number in (signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR1):
            os.kill(client.process_id, number)
        async with asyncio.timeout(60):
            await news.get()
            os.kill(client.process_id, signal.SIGTERM)
            for _ in range(3):
                await news.get()
            first = client.latest[0]
            os.kill(client.process_id, signal.SIGKILL)
            while not caplog.messages:
                await news.get()
    finally:
        await client.end()
    assert first.state == "no answer"
    assert client.latest[0] == first
    assert caplog.messages == [
        "the process that reads the conditions of runs has to be replaced: it was ended by SIGKILL"
    ]
