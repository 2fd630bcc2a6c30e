"""Faults of the IOC's own code: logged once each, counted, and shown with an alarm."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from pixieioc.ioc.board import Board
from pixieioc.ioc.ca import faults
from pixieioc.ioc.ca.record import Record
from pixieioc.ioc.ca.server import Server
from pixieioc.ioc.faults import Faults
from pixieioc.ioc.loop import run
from pixieioc.ioc.stats import Stats
from pixieioc.pvinfo import PvInfo
from pixieioc.pvinfo.ioc_stats import ioc_pvs

NO_ALARM, MINOR, MAJOR = 0, 1, 2


def _break(*_: object) -> None:
    raise ZeroDivisionError("broken")


class _Fragile(dict[str, Record]):
    """Records of which none can be looked up."""

    def get(self, key: str, default: Any = None) -> Any:
        raise ZeroDivisionError(key)


async def _look(caplog: pytest.LogCaptureFixture) -> None:
    loop = asyncio.get_running_loop()
    heard = Faults(loop)
    summary = PvInfo("SumSevr_RBV", "mbbi", "", labels=("NO_ALARM", "MINOR", "MAJOR", "INVALID"))
    board = Board({pv.name: pv for pv in (*ioc_pvs(), summary)}, "P:")
    server = Server(board.values())
    stats = Stats(board, server, heard, 1, _break)

    def shown() -> list[tuple[float, int]]:
        stats._post()
        return [(board[name].value, board[name].severity) for name in ("IOC:NAME_ERROR_CNT", "IOC:FAULT_CNT")]

    assert shown() == [(0, NO_ALARM), (0, NO_ALARM)]
    server.records = _Fragile(server.records)
    for _ in range(3):
        assert server.find("P:IOC:TOD.DESC") is None
        assert not server.knows("P:IOC:TOD.NAME")
        faults.report("something", ZeroDivisionError("broken"))
    loop.call_soon(_break)  # what nobody catches is heard of, too
    await asyncio.sleep(0)
    assert shown() == [(6, MINOR), (4, MAJOR)]
    logged = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert sum("something; this is a fault of the IOC, please report it" in line for line in logged) == 1
    assert len([line for line in logged if "fault of the IOC" in line]) == 2


def test_faults_are_counted_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    run(_look(caplog))
