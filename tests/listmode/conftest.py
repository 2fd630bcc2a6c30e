"""Whatever the tests of this folder decode and sort, a task that has warmed up does not compile anything for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pixieioc.listmode import chain, fill, merge, order, picking, stream, survey, unixtime
from tests.compiling import nothing_more


@pytest.fixture(autouse=True, scope="module")
def warming_up_compiles_everything(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fails if a test of a module needs a loop for other types than those of the warm-ups."""
    if request.module.__name__ == "tests.listmode.test_merge":  # which calls loops that only loops call otherwise
        yield
        return
    for room in (stream, order, unixtime):
        room.warm_up()
    with nothing_more(chain, fill, merge, picking, survey, unixtime):
        yield
