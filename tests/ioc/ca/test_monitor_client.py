"""The small client, with a server of ours and with one of EPICS Base."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from pixieioc.ioc.ca.monitor_client import MonitorClient
from pixieioc.ioc.ca.server import Server
from pixieioc.ioc.records import INVALID, Client, Record
from pixieioc.ioc.records.rights import ALL, Rights, Security
from pixieioc.pvinfo import PvInfo
from tests.conftest import CA_PORTS
from tests.ioc.ca.peer import conversation, number
from tests.ioc.ca.stock_ioc import stock_ioc


class _Heard:
    """What has come, and the wish to see something of it."""

    def __init__(self) -> None:
        self.values: dict[str, float | None] = {}
        self._news = asyncio.Event()

    def __call__(self, name: str, value: float | None) -> None:
        self.values[name] = value
        self._news.set()

    async def until(self, name: str, value: float | None) -> None:
        async with asyncio.timeout(60):
            while self.values.get(name, "nothing") != value:
                self._news.clear()
                await self._news.wait()


class _Closable(Server):
    open = True

    def rights(self, security: Security, client: Client) -> Rights:
        return ALL if self.open else Rights(read=False, write=False, trap=False)


@conversation
async def test_a_value_is_heard_of_whatever_happens_to_its_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EPICS_CAS_SERVER_PORT", str(CA_PORTS[0]))
    heard, record = _Heard(), number("beam")
    client = MonitorClient(heard)
    client.want(["beam", "never there"])
    async with _Closable([record], ["127.0.0.1"]) as server:
        await heard.until("beam", 0.0)
        record.post(2.5)
        await heard.until("beam", 2.5)
        record.post(3.5, severity=INVALID)
        await heard.until("beam", None)
        record.post(3.5, severity=0)
        await heard.until("beam", 3.5)
        server.open = False
        server.review_rights()
        await heard.until("beam", None)
        server.open = True
        server.review_rights()
        await heard.until("beam", 3.5)
    await heard.until("beam", None)
    async with Server([Record(PvInfo("beam", "bi", "", 1, labels=("Off", "On")), "beam")], ["127.0.0.1"]):
        await heard.until("beam", 1.0)
        client.close()
        await asyncio.sleep(0)
    assert "never there" not in {name for name, value in heard.values.items() if value is not None}


@conversation
async def test_a_value_of_a_server_of_base(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder: Path = tmp_path_factory.mktemp("stock")
    with stock_ioc('record(ao, "Stock:gate") { field(VAL, "7") field(PINI, "YES") }\n', folder, CA_PORTS[1]):
        heard = _Heard()
        client = MonitorClient(heard)
        client.want(["Stock:gate", "Stock:gate.PREC"])
        await heard.until("Stock:gate", 7.0)
        await heard.until("Stock:gate.PREC", 0.0)
        client.want(["Stock:gate"])
        client.close()
        await asyncio.sleep(0)
