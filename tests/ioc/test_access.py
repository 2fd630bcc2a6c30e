"""Who may write, by access group."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import aioca
import pytest

from pixieioc.config import ConfigError
from pixieioc.ioc.access import AccessRules
from pixieioc.ioc.ca.record import Client
from tests.ca_client import PutFailed
from tests.ioc.conftest import CONFIG
from tests.running_ioc import Ioc, ioc_folder, running

ECA_NOWTACCESS = 376
RULES = AccessRules({"EX": ["jan@*", "*@10.0.0.*"], "EN": []})


@pytest.mark.parametrize(
    ("group", "client", "may"),
    [
        ("EX", Client("jan", "wall", "10.1.0.1:5000"), True),
        ("EX", Client("eve", "wall", "10.1.0.1:5000"), False),
        ("EX", Client("eve", "wall", "10.0.0.7:5000"), True),
        ("EX", Client("", "", "10.1.0.1:5000"), False),
        ("EX", Client("jan", ""), True),
        ("EN", Client("jan", "wall"), False),
        ("OP", Client("eve", "wall"), True),
    ],
)
def test_rules(group: str, client: Client, may: bool) -> None:
    assert RULES.may_write(group, client) is may


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("XX = []", "XX: no access group; there are: OP, EX, EN"),
        ('EX = ["jan"]', "EX: 'jan': must be user@host"),
        ("EX = 5", "Expected `array`, got `int` - at `"),
        ("EX", "Expected '='"),
    ],
)
def test_a_file_that_cannot_be_used(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "access.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=f"{file}: .*{says}"):
        AccessRules.read(file)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file or directory"):
        AccessRules.read(tmp_path / "access.toml")


def _may_write(ioc: Ioc, name: str, wanted: bool) -> bool:
    """What libca knows of the right to write, once it is `wanted`, or after a while."""
    end = time.monotonic() + 5
    while True:
        may = ioc._start(aioca.cainfo(ioc.prefix + name)).result().write
        if may == wanted or time.monotonic() > end:
            return may


def test_an_ioc_reads_its_rules_again_and_tells_its_clients() -> None:
    with ioc_folder() as folder:
        config, access = folder / "test.toml", folder / "access.toml"
        config.write_text(CONFIG + 'access_file = "access.toml"\n')
        access.write_text("EX = []\n")
        with running(Ioc(folder, "run", config)) as ioc:
            assert _may_write(ioc, "Stop", True)
            assert not _may_write(ioc, "StopTimeout", False)
            assert not _may_write(ioc, "ElapsedReal_RBV.HIHI", False)
            with pytest.raises(PutFailed) as refused:
                ioc.put("StopTimeout", 5.0)
            assert refused.value.code == ECA_NOWTACCESS
            access.write_text("OP = []\n")
            ioc.process.send_signal(signal.SIGHUP)
            assert _may_write(ioc, "StopTimeout", True)
            assert not _may_write(ioc, "Stop", False)
            ioc.put("StopTimeout", 5.0)
            access.write_text("OP = nonsense\n")  # is logged, and changes nothing
            ioc.process.send_signal(signal.SIGHUP)
            assert not _may_write(ioc, "Stop", False)
            access.write_text("")
            ioc.process.send_signal(signal.SIGHUP)
            assert _may_write(ioc, "Stop", True)
