"""Errors that latch: those of tasks, and those of the IOC itself."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from pixieioc.config import IocTable, PipelineTable, check
from pixieioc.ioc.board import Board
from pixieioc.ioc.ca import dbr
from pixieioc.ioc.errors import ErrorBoard
from pixieioc.ioc.run_log import RunLog
from pixieioc.pipeline import Error
from pixieioc.pvinfo import all_pvs

CHAIN = ("DummyData", "FillSpectra")


async def _board() -> tuple[Board, ErrorBoard]:
    config = check(PipelineTable(list(CHAIN)), {}, {}, IocTable(), Path("/data"), "X:", "test")
    board = Board(all_pvs(config), "X:")
    return board, ErrorBoard(board, CHAIN, RunLog(board))


def _states(board: Board) -> dict[str, str]:
    return {owner: board[f"{owner}:ERROR"].label for owner in (*CHAIN, "IOC")}


def test_an_exception_in_the_iocs_own_code_is_an_error_that_operators_see_and_acknowledge() -> None:
    async def story() -> None:
        board, errors = await _board()
        try:
            _ = {}["no such region"]
        except KeyError as error:
            errors.own("a job has ended with", error)
        assert _states(board) == {"DummyData": "OK", "FillSpectra": "OK", "IOC": "ERROR"}
        assert board["IOC:ERROR"].severity == dbr.MAJOR
        message = board["IOC:ErrorMessage_RBV"]
        assert message.value.startswith("a job has ended with: KeyError: 'no such region'\n")
        assert "test_errors.py" in message.value  # where
        assert (board["ErrorFirst_RBV"].value, board["ErrorLatched_RBV"].label) == ("IOC", "ERROR")
        assert board["LastErrorTask_RBV"].value == "IOC"
        errors.acknowledge()
        assert set(_states(board).values()) == {"OK"}
        assert (board["IOC:ErrorMessage_RBV"].value, board["ErrorLatched_RBV"].label) == ("", "OK")

    asyncio.run(story())


@pytest.mark.parametrize(("task", "owner"), [("FillSpectra", "FillSpectra"), ("", "IOC"), ("Unknown", "IOC")])
def test_an_error_that_no_task_owns_is_the_iocs(task: str, owner: str) -> None:
    async def story() -> None:
        board, errors = await _board()
        errors.record(task, Error("it broke", time=1.0))
        assert [name for name, state in _states(board).items() if state == "ERROR"] == [owner]
        assert board[f"{owner}:ErrorMessage_RBV"].value == "it broke"
        assert board["ErrorCount_RBV"].value == 1

    asyncio.run(story())


def test_one_acknowledge_of_a_task_leaves_the_others() -> None:
    async def story() -> None:
        board, errors = await _board()
        for task in CHAIN:
            errors.record(task, Error("it broke", time=1.0))
        errors.acknowledge("DummyData")
        assert _states(board) == {"DummyData": "OK", "FillSpectra": "ERROR", "IOC": "OK"}
        assert board["ErrorLatched_RBV"].label == "ERROR"

    asyncio.run(story())
