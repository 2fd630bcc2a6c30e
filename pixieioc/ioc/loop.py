"""The event loop that an IOC runs on: libuv's, which has less Python between a request and its answer than asyncio's.

What is given to `add_reader` must be taken back before it is closed, or else libuv ends the process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import uvloop

from pixieioc.ioc.priority import real_time

T = TypeVar("T")


def run(main: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine to its end on a loop of its own, as `asyncio.run` does, with real-time priority if allowed."""
    with real_time(), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)
