"""The IOC that the tests of this folder share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.running_ioc import Ioc, ioc_folder, running

CONFIG = """
[pipeline]
chain = ["DummyData", "GatherData", "ConvertToEvents", "Brake", "SortEvents", "GatherEvents", "FillSpectra"]
imports = ["tests.ioc.brake"]

[run]
stop_timeout = 3

[crate]
channels = 2

[tasks.DummyData]
channel_rate = 1000

[tasks.GatherData]
max_delay = 0.05

[tasks.FillSpectra]
bins = 256

[ioc]
state_dir = "state"
"""


@pytest.fixture(scope="module")
def shared_ioc(request: pytest.FixtureRequest) -> Iterator[tuple[Ioc, str]]:
    """An IOC with the module's CONFIG, if it has one of its own, and its whole configuration as JSON."""
    with ioc_folder() as folder:
        config = folder / "test.toml"
        config.write_text(getattr(request.module, "CONFIG", CONFIG))
        with running(Ioc(folder, "run", config)) as ioc:
            yield ioc, ioc.get("ConfigJSON_RBV")


@pytest.fixture
def ioc(shared_ioc: tuple[Ioc, str]) -> Iterator[Ioc]:
    """The module's IOC, idle and with its own settings."""
    ioc, configuration = shared_ioc
    yield ioc
    ioc.recover(configuration)
