"""Faults of the IOC's own code that a client's request brings up: shown as an error, and names counted."""

from __future__ import annotations

import asyncio

from pixieioc.ioc.ca.server import Server
from pixieioc.ioc.ca.view import Views
from pixieioc.ioc.errors import ErrorPvs
from pixieioc.ioc.loop import run
from pixieioc.ioc.records import MAJOR, MINOR, NO_ALARM, Client, Pvs, Record, faults
from pixieioc.ioc.run_log import RunLog
from pixieioc.ioc.stats import Stats
from pixieioc.pvinfo.build import all_pvs
from tests.configs import config_of


class _Fragile(Views):
    """Records of which none can be looked up."""

    def record(self, name: str) -> Record | None:
        raise ZeroDivisionError(name)


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
    assert (count.value, count.severity) == (0, NO_ALARM)
    server.views = _Fragile(server.views.records)
    for _ in range(3):
        assert server.find("X:IOC:TOD.DESC") is None
        assert not server.knows("X:IOC:TOD.NAME")
    stats._post()
    assert (count.value, count.severity) == (6, MINOR)
    assert pvs["IOC:ERROR"].label == "OK"
    faults.report("the beacon could not be sent", ZeroDivisionError("broken"))
    assert pvs["IOC:ERROR"].severity == MAJOR
    assert pvs["IOC:ErrorMessage_RBV"].value.startswith("the beacon could not be sent: ZeroDivisionError: broken")


def test_names_that_fail_are_counted_and_other_faults_are_errors() -> None:
    run(_look())
