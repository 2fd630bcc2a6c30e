"""Ports for servers of the tests: of those that run beside each other, no two are given the same."""

from __future__ import annotations

import os

from pixieioc.testing import ioc

#: More than there are workers; which of them this one is, and 0 where there is no other.
_WORKERS = 16
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _WORKERS
_given: set[int] = set()


def free_port() -> int:
    """A port of this computer that is free, and that no other worker of the tests is given, nor this one again.

    That it is free now is not enough: a server is started at it later, or again and again.
    """
    while (port := ioc.free_port()) % _WORKERS != _WORKER or port in _given:
        pass
    _given.add(port)
    return port
