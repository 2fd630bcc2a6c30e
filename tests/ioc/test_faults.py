"""Faults of the IOC's own code that a client's request brings up: shown as an error, and names counted."""

from __future__ import annotations

import asyncio
from typing import Any

from pixieioc.ioc.ca import dbr, faults
from pixieioc.ioc.ca.record import Client, Record
from pixieioc.ioc.ca.server import Server
from pixieioc.ioc.errors import ErrorPvs
from pixieioc.ioc.loop import run
from pixieioc.ioc.pvs import Pvs
from pixieioc.ioc.run_log import RunLog
from pixieioc.ioc.stats import Stats
from pixieioc.pvinfo import all_pvs
from tests.configs import config_of


class _Fragile(dict[str, Record]):
    """Records of which none can be looked up."""

    def get(self, key: str, default: Any = None) -> Any:
        raise ZeroDivisionError(key)


async def _look() -> None:
    loop = asyncio.get_running_loop()
    config = config_of(("DummyData", "FillSpectra"), {}, prefix="X:")
    pvs = Pvs(all_pvs(config), "X:")
    errors = ErrorPvs(pvs, config.chain, RunLog(pvs))
    loop.set_exception_handler(lambda _, context: errors.own(context["message"], context["exception"]))
    server = Server(pvs.values())

    def reset(_: Client) -> None:
        raise AssertionError

    stats = Stats(pvs, server, 1, reset)
    stats._post()
    count = pvs["IOC:NAME_ERROR_CNT"]
    assert (count.value, count.severity) == (0, dbr.NO_ALARM)
    server.records = _Fragile(server.records)
    for _ in range(3):
        assert server.find("X:IOC:TOD.DESC") is None
        assert not server.knows("X:IOC:TOD.NAME")
    stats._post()
    assert (count.value, count.severity) == (6, dbr.MINOR)
    assert pvs["IOC:ERROR"].label == "OK"
    faults.report("the beacon could not be sent", ZeroDivisionError("broken"))
    assert pvs["IOC:ERROR"].severity == dbr.MAJOR
    assert pvs["IOC:ErrorMessage_RBV"].value.startswith("the beacon could not be sent: ZeroDivisionError: broken")


def test_names_that_fail_are_counted_and_other_faults_are_errors() -> None:
    run(_look())
