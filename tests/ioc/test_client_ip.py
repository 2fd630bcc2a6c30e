"""Hosts by the address that a client comes from: looked up off the loop, and once more if no name server knows them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from pixieioc.config import IocTable, PipelineTable, check
from pixieioc.ioc import access as module
from pixieioc.ioc.access import AccessSecurity
from pixieioc.ioc.ca import hosts
from pixieioc.ioc.records import Client, Pvs
from pixieioc.ioc.records.rights import Security
from pixieioc.pvinfo.build import all_pvs
from tests.ca_client import PutFailed
from tests.ioc.ca.peer import conversation
from tests.running_ioc import Ioc, ioc_folder, running

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


#: Each group of the access file has another way to name this computer.
HERE = """
HAG(number) {127.0.0.1}
HAG(name) {LocalHost}
HAG(other) {10.255.255.1}
ASG(DEFAULT) {RULE(1, READ)}
ASG(OP) {RULE(1, READ)
RULE(1, WRITE, TRAPWRITE) {HAG(number)}}
ASG(EX) {RULE(1, READ)
RULE(1, WRITE, TRAPWRITE) {HAG(name)}}
ASG(EN) {RULE(1, READ)
RULE(1, WRITE, TRAPWRITE) {HAG(other)}}
"""
CONFIG = """
[pipeline]
chain = ["DummyData", "GatherData"]
[ioc]
access_file = "a.acf"
check_client_ip = true
state_dir = "state"
[ioc.put_log]
file = "puts.log"
"""


def test_a_client_of_epics_base_is_on_the_address_that_it_comes_from() -> None:
    with ioc_folder() as folder:
        (folder / "a.acf").write_text(HERE)
        (folder / "test.toml").write_text(CONFIG)
        with running(Ioc(folder, "run", folder / "test.toml")) as ioc:
            ioc.put("PresetReal", 5.0)
            ioc.put("StopTimeout", 7.0)
            assert ioc.get("CmdUser_RBV").endswith("@127.0.0.1")
            with pytest.raises(PutFailed):
                ioc.put("IOC:ReadAccess", 1)
        lines = [json.loads(line) for line in (folder / "puts.log").read_text().splitlines()]
        assert {line["host"] for line in lines} == {"127.0.0.1"}
        assert [line["pv"].partition(":")[2] for line in lines] == ["PresetReal", "StopTimeout"]
