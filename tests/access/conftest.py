"""EPICS Base's libCom, to compare with."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.access.libcom import Base, libcom


@pytest.fixture(scope="module")
def base() -> Iterator[Base]:
    """It runs for as long as a module's tests."""
    with libcom() as found:
        yield found
