"""Clients of PVAccess for the tests: p4p's own, on loopback, and the ports of a server to connect them to."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from p4p.client.thread import Context

LOOPBACK = "127.0.0.1"


@contextlib.contextmanager
def client(broadcast_port: int, **options: Any) -> Iterator[Context]:
    """A client that looks for its names on this computer, at one UDP port; with `nt=False` it gets bare structures."""
    conf = {
        "EPICS_PVA_ADDR_LIST": LOOPBACK,
        "EPICS_PVA_AUTO_ADDR_LIST": "NO",
        "EPICS_PVA_BROADCAST_PORT": str(broadcast_port),
    }
    context = Context("pva", conf=conf, useenv=False, **options)
    try:
        yield context
    finally:
        context.close()
