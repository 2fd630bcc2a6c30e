"""A server of ours in a thread, for clients that are called one after the other."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TypeVar

import pytest

from pixieioc.ioc.ca.server import Server
from pixieioc.ioc.loop import run
from pixieioc.ioc.records import Record

T = TypeVar("T")


class Serving:
    """A server, and the loop in which it works."""

    def __init__(self, server: Server, loop: asyncio.AbstractEventLoop) -> None:
        self.server = server
        self._loop = loop

    def __getitem__(self, name: str) -> Record:
        record = self.server.views.record(name)
        assert record is not None
        return record

    def do(self, function: Callable[[], T]) -> T:
        """Has something done in the server's thread."""
        done: Future[T] = Future()
        self._loop.call_soon_threadsafe(lambda: done.set_result(function()))
        return done.result(60)


@contextmanager
def serving(records: Iterable[Record], port: int) -> Iterator[Serving]:
    """Serves these records; nothing may go wrong in the loop unnoticed."""
    ready: Future[Serving] = Future()
    faults: list[object] = []
    end = asyncio.Event()

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: faults.append(context))
        async with Server(records, ["127.0.0.1"]) as server:
            ready.set_result(Serving(server, loop))
            await end.wait()

    def work() -> None:
        try:
            run(serve())
        except BaseException as error:
            if ready.done():
                faults.append(error)
            else:
                ready.set_exception(error)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EPICS_CAS_SERVER_PORT", str(port))
        thread = threading.Thread(target=work, name="server")
        thread.start()
        try:
            served = ready.result(60)
            yield served
            served.do(end.set)
        finally:
            thread.join(10)
    assert not faults, faults
