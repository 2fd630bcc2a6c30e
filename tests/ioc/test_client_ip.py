"""Hosts by the address that a client comes from: looked up off the loop, and once more if no name server knows them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from pixieioc.config import IocTable, PipelineTable, check
from pixieioc.ioc import access as module
from pixieioc.ioc.access import AccessSecurity
from pixieioc.ioc.ca import hosts
from pixieioc.ioc.records import Client, Pvs
from pixieioc.ioc.records.rights import Security
from pixieioc.pvinfo.build import all_pvs
from tests.ioc.ca.peer import conversation

OP = Security("OP", "OP", 0)
RULES = "HAG(hall) {Wall}\nASG(OP) {RULE(1, READ)\nRULE(1, WRITE) {HAG(hall)}}\n"


@pytest.mark.parametrize("by_address", [True, False])
@conversation
async def test_a_host_is_its_address_or_what_it_says(
    by_address: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known: dict[str, list[str]] = {}

    def look_up(name: str) -> list[str]:
        if name not in known:
            raise OSError(2, "Name or service not known")
        return known[name]

    monkeypatch.setattr(hosts, "look_up", look_up)
    monkeypatch.setattr(module, "_AGAIN", 0.01)
    (tmp_path / "a.acf").write_text(RULES)
    ioc = IocTable(access_file="a.acf", check_client_ip=by_address)
    config = check(PipelineTable(["DummyData", "PrintData"]), {}, {}, ioc, tmp_path, "X:", "here")
    pvs, changed = Pvs(all_pvs(config), config.prefix), asyncio.Event()
    security = AccessSecurity(config, pvs, lambda _: None, changed.set, lambda *_: None)
    liar, honest = Client("eve", "wall", "10.0.0.9:1"), Client("jan", "desk", "10.0.0.7:1")
    if by_address:
        assert (pvs["IOC:AccessState_RBV"].label, pvs["IOC:AccessMessage_RBV"].value) == (
            "Host unknown",
            "no address is known of wall",
        )
        known["wall"] = ["10.0.0.7", "10.1.0.7"]
        await asyncio.wait_for(changed.wait(), 60)
    assert pvs["IOC:AccessState_RBV"].label == "In force"
    assert security.rights(OP, liar).write is not by_address
    assert security.rights(OP, honest).write is by_address
    security.close()
    await asyncio.sleep(0)
