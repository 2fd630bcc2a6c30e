"""The settings of a real IOC survive SIGKILL, a damaged file and an order to end; a lean form of `settings_survive`."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from tests.running_ioc import Ioc, ioc_folder, running
from tests.system.settings_survive import CONFIG, campaign


def test_none_is_older_than_a_second_after_a_kill() -> None:
    done = campaign(3, seed=7)
    assert done.wrong == []
    assert done.starts == 4


@pytest.fixture
def ioc() -> Iterator[Ioc]:
    with ioc_folder() as folder:
        (folder / "test.toml").write_text(CONFIG)
        with running(Ioc(folder, "run", folder / "test.toml")) as ioc:
            yield ioc


def _restart(ioc: Ioc, number: int = signal.SIGTERM) -> None:
    ioc.end(number)
    ioc.start()


def test_a_run_that_is_counted_and_a_limit_are_there_after_an_order_to_end(ioc: Ioc) -> None:
    ioc.put("FilePath", str(ioc.folder))
    ioc.put("AutoSave", 1)
    ioc.put("GatherData:Rate_RBV.HIHI", 1e6)
    ioc.put("GatherData:Rate_RBV.HHSV", "MAJOR")
    ioc.put("PresetMode", "Real time")
    ioc.put("PresetReal", 0.3)
    ioc.put("Acquire", 1)
    assert ioc.get("FileNumber") == 2
    _restart(ioc)  # at once
    assert ioc.get("FileNumber_RBV") == 2
    assert (ioc.get("GatherData:Rate_RBV.HIHI"), ioc.get("GatherData:Rate_RBV.HHSV")) == (1e6, "MAJOR")
    assert ioc.get("Acquire_RBV") == "Done"  # nothing that does something was restored
    assert ioc.get("SR_rebootStatus") == "Ok"
    newest = ioc.folder / "state" / ioc.get("SR_0_Name")
    ioc.put("Acquire", 1)
    assert ioc.get("FileNumber") == 3
    ioc.until("SR_recentlyStr", lambda text: text.startswith("Saved") and newest.name not in text)
    _damage(ioc)
    _restart(ioc, signal.SIGKILL)
    assert "is not used: it is damaged" in ioc.get("SR_rebootMessage_RBV")
    assert ioc.severity("SR_rebootStatus") == 1
    assert ioc.get("GatherData:Rate_RBV.HIHI") == 1e6


def _damage(ioc: Ioc) -> None:
    """Changes one bit of the newest file."""
    newest = max((ioc.folder / "state").glob("settings-*.sav"))
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    newest.write_bytes(content)
