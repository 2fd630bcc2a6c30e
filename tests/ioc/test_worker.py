"""Threads that the system does not start, and answers that come when nobody waits for them any more."""

from __future__ import annotations

import asyncio
import gc
import threading
from typing import Any

import pytest

from pixieioc.ioc.worker import Worker, waited_for_no_longer
from tests.ioc.ca.peer import conversation


@conversation
async def test_without_threads_each_call_fails_until_there_are_some_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    worker = Worker("test")
    with monkeypatch.context() as without:
        without.setattr(threading.Thread, "start", start)
        for _ in range(2):
            with pytest.raises(OSError, match="starts no more threads") as refused:
                await worker.do(lambda: 1)
            assert refused.value.strerror
    assert worker.waiting == 0.0
    assert await worker.do(lambda: 1) == 1
    worker.close()


@conversation
async def test_what_fails_after_all_that_took_too_long_is_in_the_log_and_no_fault_of_the_program(
    caplog: pytest.LogCaptureFixture,
) -> None:
    faults: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
    answers, worker = threading.Event(), Worker("test")

    def fail() -> None:
        answers.wait(60)
        raise OSError("no such disk")

    late = worker.do(fail)
    await asyncio.wait([late], timeout=0.01)
    waited_for_no_longer(late, "the record of run 3")
    answers.set()
    await asyncio.wait([late])
    del late
    gc.collect()
    await asyncio.sleep(0)
    worker.close()
    assert not faults
    assert "the record of run 3 has failed, later than it was waited for: no such disk" in caplog.text
