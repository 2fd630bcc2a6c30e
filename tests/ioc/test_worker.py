"""A thread that the system does not start: who asked for it hears why, and the next call tries again."""

from __future__ import annotations

import threading

import pytest

from pixieioc.ioc.worker import Worker
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
