"""What an IOC offers besides Channel Access, and who uses it: a recceiver that is told, who reads the page."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from queue import Queue

from prometheus_client import parser

from tests.ioc.recsync.recceiver import Talk, announcement, recceiver, send


def page_at(port: int) -> dict[str, float]:
    """All samples of the page at a port, by name and labels as they stand there."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as page:
        families = parser.text_string_to_metric_families(page.read().decode())
        return {
            ",".join([sample.name, *(f"{key}={value}" for key, value in sorted(sample.labels.items()))]): sample.value
            for family in families
            for sample in family.samples
        }


def page_until(port: int, holds: Callable[[dict[str, float]], bool]) -> dict[str, float]:
    end = time.monotonic() + 60
    while not holds(page := page_at(port)):
        assert time.monotonic() < end, page
        time.sleep(0.2)
    return page


@contextlib.contextmanager
def stand_in(announcements: int) -> Iterator[Queue[Talk]]:
    """A recceiver that takes everything and pings; gives its connections when their pings were answered."""
    talks: Queue[Talk] = Queue()
    over = threading.Event()

    async def behave(talk: Talk) -> None:
        await talk.upload()
        talk.ping(7)
        await talk.message()
        talks.put(talk)
        with contextlib.suppress(asyncio.IncompleteReadError):
            await talk.message()

    async def serve() -> None:
        async with recceiver(behave) as port:
            while not over.is_set():
                send(announcement(port), announcements)
                await asyncio.sleep(0.1)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        yield talks
    finally:
        over.set()
        thread.join()
