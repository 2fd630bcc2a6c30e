"""From p4p's threads to the event loop: to tell it something, or to ask it and wait. The loop never waits for them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from pixieioc.ioc.records import faults

#: Seconds that a thread waits for the event loop, which answers in ms unless the IOC ends.
_PATIENCE = 5.0
_FAILED = "a client over PVAccess could not be answered"

T = TypeVar("T")


class ToLoop:
    """The event loop that runs when this is made."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()

    def tell(self, function: Callable[..., object], *arguments: Any) -> None:
        """Has something done, in the order of telling and asking."""

        def do() -> None:
            try:
                function(*arguments)
            except Exception as error:
                faults.report(_FAILED, error)

        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(do)

    def ask(self, function: Callable[..., T], *arguments: Any) -> T:
        """What a function gives; TimeoutError if the loop does not come to it, CancelledError if it has failed."""
        answer: Future[T] = Future()

        def do() -> None:
            try:
                answer.set_result(function(*arguments))
            except Exception as error:
                answer.cancel()
                faults.report(_FAILED, error)

        try:
            self._loop.call_soon_threadsafe(do)
        except RuntimeError as error:
            raise TimeoutError("the event loop has ended") from error
        return answer.result(_PATIENCE)
