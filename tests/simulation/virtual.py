"""An event loop whose clock jumps to the next timer, and the time that the program sees meanwhile."""

from __future__ import annotations

import asyncio
import selectors
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class _Selector(selectors.SelectSelector):
    """Has nothing to wait for: it lets the time pass instead."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise RuntimeError("the simulation waits for ever: no timer is set")
        self.now += max(0.0, timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """Runs as fast as it can; no file is ever ready."""

    def __init__(self) -> None:
        self._virtual = _Selector()
        self.steps = 0  #: callbacks so far
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.now

    def call_soon(self, callback: Callable[..., Any], *args: Any, context: Any = None) -> asyncio.Handle:
        self.steps += 1
        return super().call_soon(callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[..., Any], *args: Any, context: Any = None
    ) -> asyncio.TimerHandle:
        self.steps += 1
        return super().call_at(when, callback, *args, context=context)

    def add_reader(self, fd: Any, callback: Callable[..., Any], *args: Any) -> None:
        pass

    def remove_reader(self, fd: Any) -> bool:
        return False


class _Time:
    """The module `time`, with the loop's clock."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def monotonic(self) -> float:
        return self._loop.time()

    def time(self) -> float:
        return 1.7e9 + self._loop.time()

    def time_ns(self) -> int:
        return int(1e9 * self.time())

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)


@contextmanager
def virtual_time(loop: VirtualLoop) -> Iterator[None]:
    """Everything of this project sees the loop's time meanwhile."""
    modules = [
        m for name, m in list(sys.modules.items()) if name.startswith("pixieioc.") and vars(m).get("time") is time
    ]
    for module in modules:
        module.time = _Time(loop)  # pyright: ignore[reportAttributeAccessIssue]
    try:
        yield
    finally:
        for module in modules:
            module.time = time  # pyright: ignore[reportAttributeAccessIssue]
