"""Whatever crates the tests of this folder simulate, a task that has warmed up does not compile anything for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pixieioc.detector import hits, records, simulation
from tests.compiling import nothing_more


@pytest.fixture(autouse=True, scope="module")
def warming_up_compiles_everything() -> Iterator[None]:
    """Fails if a test of a module needs a loop for other types than those of the warm-up."""
    simulation.warm_up()
    with nothing_more(hits, records):
        yield
