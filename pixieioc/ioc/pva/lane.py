"""What would wait for p4p's threads, done one after the other in a thread that may wait: the event loop goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from pixieioc.ioc.records import faults
from pixieioc.ioc.worker import Worker

T = TypeVar("T")


class Lane(Worker):
    """The thread; what is handed over and fails is a fault of ours, which costs nothing else."""

    def __init__(self) -> None:
        super().__init__("pixieioc pva")

    def hand_over(self, function: Callable[[], T], what: str, then: Callable[[], None] | None = None) -> None:
        """Has something done, whose failure is reported as `what`; calls `then`, in the event loop, when it is done."""

        def done(future: asyncio.Future[T]) -> None:
            if future.cancelled():
                return
            if (error := future.exception()) is not None:
                faults.report(what, error)
            elif then is not None:
                then()

        self.do(function).add_done_callback(done)
