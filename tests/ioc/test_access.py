"""Who may write, by access group."""

from __future__ import annotations

import re
import signal
import time
from pathlib import Path

import aioca
import pytest

from pixieioc.config import ConfigError
from pixieioc.ioc.access import AccessRules
from pixieioc.ioc.records import Client
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
        ("# Ours.\n\nXX = []", ":3: XX: no access group; there are: OP, EX, EN"),
        ('[EX]\nOP = ["*@wall"]', ":1: EX = {'OP': ['*@wall']}: must be lists of user@host, with * for any, by"),
        ('EX = ["jan"]', ":1: EX: 'jan': must be user@host, with * for any"),
        ('OP = ["jan@*"]\nEX = [\n  "a@b", # jan\n  "jan",\n]', ":4: EX: 'jan': must be user@host"),
        ('"EX" = ["*@*", 5]', ":1: EX: 5: must be user@host"),
        ("OP = []\nEX = 5", ":2: EX = 5: must be lists of user@host, with * for any, by access group (OP, EX, EN)"),
        ("OP = []\nEX", ":2:1: not TOML: Expected '=' after a key in a key/value pair"),
        ("OP = []\nEX = [a]", ":2:7: not TOML: Invalid value"),
        ("OP = []\nOP = []", ":2:1: not TOML: Cannot overwrite a value"),
    ],
)
def test_a_file_that_cannot_be_used(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "access.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=re.escape(f"{file}{says}")):
        AccessRules.read(file)


def test_all_that_is_wrong_with_a_file_is_said_at_once(tmp_path: Path) -> None:
    file = tmp_path / "access.toml"
    file.write_text('XX = []\nEX = ["jan", "a@b@c"]\n')
    with pytest.raises(ConfigError) as refused:
        AccessRules.read(file)
    assert re.findall(rf"{file}:(\d): (..)", str(refused.value)) == [("1", "XX"), ("2", "EX"), ("2", "EX")]


@pytest.mark.parametrize(
    ("rules", "text"),
    [
        ({}, "OP: everybody; EX: everybody; EN: everybody"),
        ({"EX": ["jan@*", "*@10.0.0.*"], "EN": []}, "OP: everybody; EX: jan@*, *@10.0.0.*; EN: nobody"),
    ],
)
def test_rules_as_an_operator_reads_them(rules: dict[str, list[str]], text: str) -> None:
    assert str(AccessRules(rules)) == text


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
            assert ioc.get("IOC:ACCESS") == "OP: everybody; EX: nobody; EN: everybody"
            assert not _may_write(ioc, "StopTimeout", False)
            assert not _may_write(ioc, "ElapsedReal_RBV.HIHI", False)
            with pytest.raises(PutFailed) as refused:
                ioc.put("StopTimeout", 5.0)
            assert refused.value.code == ECA_NOWTACCESS
            access.write_text("OP = []\n")
            ioc.process.send_signal(signal.SIGHUP)
            assert _may_write(ioc, "StopTimeout", True)
            assert not _may_write(ioc, "Stop", False)
            ioc.until("IOC:ACCESS", "OP: nobody; EX: everybody; EN: everybody")
            ioc.put("StopTimeout", 5.0)
            access.write_text("OP = nonsense\n")  # is logged, and changes nothing
            ioc.process.send_signal(signal.SIGHUP)
            assert not _may_write(ioc, "Stop", False)
            access.write_text("")
            ioc.process.send_signal(signal.SIGHUP)
            assert _may_write(ioc, "Stop", True)
