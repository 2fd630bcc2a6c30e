"""What is shown of commands: the outcome of the last one, whoever carries it out."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from pixieioc.ioc.command_status import CommandStatus, show_outcomes
from pixieioc.ioc.records import Client, PutRefused, Pvs
from pixieioc.pvinfo.build import all_pvs
from tests.configs import config_of
from tests.ioc.ca.peer import conversation

ANN, BEN = Client("ann", "desk"), Client("ben", "hut")


@pytest.fixture
def pvs() -> Pvs:
    """Those of an IOC."""
    return Pvs(all_pvs(config_of(("DummyData", "FillSpectra"), {}, prefix="X:")), "X:")


def _shown(pvs: Pvs) -> tuple[str, str]:
    return pvs["CmdStatus_RBV"].label, pvs["CmdMessage_RBV"].value


@conversation
async def test_a_run_that_was_started_after_a_command_is_the_last_one_however_late_that_ends(pvs: Pvs) -> None:
    status = CommandStatus(pvs)
    status.command("Busy", "Boot is in progress", ANN, "Boot")
    assert _shown(pvs) == ("Busy", "Boot is in progress")
    status.command("Busy", "run 4 is being started", BEN, "Acquire", 4)
    status.command("OK", "Boot done", ANN, "Boot")
    assert _shown(pvs) == ("Busy", "run 4 is being started")
    assert "Boot done" in pvs["CmdLog_RBV"].value
    status.of_run(4, "OK", "run 4 has started", BEN)
    assert _shown(pvs) == ("OK", "run 4 has started")
    status.of_run(4, "Failed", "run 4 has ended: Task error")
    assert _shown(pvs) == ("Failed", "run 4 has ended: Task error")


@conversation
async def test_a_command_within_a_run_is_the_last_one(pvs: Pvs) -> None:
    status = CommandStatus(pvs)
    status.command("Busy", "Boot is in progress", ANN, "Boot")
    status.command("OK", "Boot done", ANN, "Boot")
    status.command("Busy", "run 4 is being started", BEN, "Acquire", 4)
    status.command("Busy", "ReadHistograms is in progress", ANN, "ReadHistograms")
    status.command("OK", "ReadHistograms done", ANN, "ReadHistograms")
    assert _shown(pvs) == ("OK", "ReadHistograms done")
    status.of_run(4, "OK", "run 4 has ended: Preset")
    assert _shown(pvs) == ("OK", "ReadHistograms done")


@pytest.mark.parametrize("later", [False, True])
@pytest.mark.parametrize("refusal", ["", "there is no such file"])
def test_what_others_carry_out_is_shown_as_a_command(pvs: Pvs, refusal: str, *, later: bool) -> None:
    async def going_on() -> None:
        if refusal:
            raise PutRefused(refusal)

    def put(value: Any, client: Client) -> Any:
        if later:
            return going_on()
        if refusal:
            raise PutRefused(refusal)
        return None

    async def write() -> None:
        written = pvs["SR_save"].put
        assert written is not None
        if (waits := written(1, ANN)) is not None:
            assert _shown(pvs) == ("Busy", "SR_save is in progress")
            await waits

    pvs.on_put("SR_save", put)
    show_outcomes(CommandStatus(pvs), pvs, "SR_save")
    if refusal:
        with pytest.raises(PutRefused, match=refusal):
            asyncio.run(write())
        assert _shown(pvs) == ("Refused", "SR_save: there is no such file")
    else:
        asyncio.run(write())
        assert _shown(pvs) == ("OK", "SR_save done")
    assert pvs["CmdUser_RBV"].value == "ann@desk"
