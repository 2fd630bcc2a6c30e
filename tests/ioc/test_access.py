"""Who may do what with an IOC: real clients of several users and hosts, an access file that changes, a log of puts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.ca_client import PutFailed
from tests.conftest import CA_PORTS
from tests.ioc.ca.libca import NO_WRITE_ACCESS, NORMAL, PUTFAIL
from tests.ioc.ca.stock_ioc import Definitions, stock_ioc
from tests.ioc.claiming import claiming
from tests.ioc.conftest import CONFIG
from tests.running_ioc import Ioc, ioc_folder, running

RULES = """
UAG(tests) {USER}
UAG(shift) {nobody}
HAG(hall) {Wall}
ASG(DEFAULT) {
    INPA($(P)StopTimeout)
    RULE(1, READ) {UAG(tests)}
    RULE(1, READ) {CALC("A<7")}
}
ASG(OP) {
    RULE(1, READ)
    RULE(1, WRITE, TRAPWRITE) {UAG(tests, shift)}
}
ASG(EX) {
    INPB(Stock:beam)
    RULE(1, READ)
    RULE(1, WRITE) {UAG(tests)}
    RULE(0, WRITE, TRAPWRITE) {UAG(shift) HAG(hall) CALC("B=0")}
}
"""


def _account() -> str:
    import pwd

    return pwd.getpwuid(os.getuid()).pw_name


@dataclass(frozen=True)
class Sides:
    """An IOC with these rules, and another one whose value they depend on."""

    ioc: Ioc
    stock: Definitions
    access: Path
    log: Path

    def lines(self, wanted: int) -> list[dict[str, Any]]:
        """The lines of the log of puts, once there are so many."""
        end, lines = time.monotonic() + 60, list[str]()
        while len(lines) < wanted and time.monotonic() < end:
            lines = self.log.read_text().splitlines() if self.log.is_file() else []
        return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sides]:
    database = 'record(ao, "Stock:beam") { field(VAL, "0") field(PINI, "YES") }\n'
    with ioc_folder() as folder, stock_ioc(database, tmp_path_factory.mktemp("stock"), CA_PORTS[1]) as stock:
        config, access = folder / "test.toml", folder / "access.acf"
        config.write_text(CONFIG + 'access_file = "access.acf"\nput_log = {file = "puts.log", size = 1}\n')
        access.write_text(RULES.replace("USER", _account()))
        ioc = Ioc(folder, "run", config)
        ioc.port = CA_PORTS[0]
        with running(ioc):
            yield Sides(ioc, stock, access, folder / "puts.log")


def test_a_client_may_what_its_user_and_its_host_may(sides: Sides) -> None:
    name = sides.ioc.prefix + "StopTimeout"
    sides.ioc.until("IOC:AccessState_RBV", "In force")
    with claiming("nobody", "wall") as client:
        assert client.rights(name, (True, True)) == (True, True)
        assert client.rights(name + ".HIHI", (True, False)) == (True, False)  # a field is of level 1
        assert client.put(name, 6.0) == NORMAL
        assert client.put(name + ".HIHI", 6.0) == NO_WRITE_ACCESS
    with claiming("nobody", "desk") as client:
        assert client.rights(name, (True, False)) == (True, False)
        assert client.rights(sides.ioc.prefix + "Stop", (True, True)) == (True, True)
    with claiming("daemon", "wall") as client:
        assert client.rights(sides.ioc.prefix + "Stop", (True, False)) == (True, False)


def test_rights_follow_a_value_of_this_ioc_and_one_of_another(sides: Sides) -> None:
    ioc = sides.ioc
    shown, setting = ioc.prefix + "ElapsedReal_RBV", ioc.prefix + "StopTimeout"
    with claiming("nobody", "WALL") as client:
        ioc.put("StopTimeout", 8.0)
        assert client.rights(shown, (False, False)) == (False, False)
        assert client.get(shown) == "ECA 368"  # ECA_NORDACCESS
        ioc.put("StopTimeout", 5.0)
        assert client.rights(shown, (True, False)) == (True, False)
        assert isinstance(client.get(shown), float)
        assert client.rights(setting, (True, True)) == (True, True)
        _beam(1.0)
        assert client.rights(setting, (True, False)) == (True, False)
        _beam(0.0)
        assert client.rights(setting, (True, True)) == (True, True)


def _beam(value: float) -> None:
    tools = Path(__file__).parents[1] / "epics_tools.py"
    subprocess.run([sys.executable, tools, "caput", "-c", "Stock:beam", str(value)], check=True, capture_output=True)


def test_the_file_is_read_again_and_a_wrong_one_changes_nothing_but_an_alarm(sides: Sides) -> None:
    ioc, text = sides.ioc, sides.access.read_text()
    assert f"EX: tests ({_account()}), or shift (nobody) on hall (wall) if B=0" in ioc.get("IOC:ACCESS")
    name = ioc.prefix + "Stop"
    with claiming("nobody", "desk") as client:
        assert client.rights(name, (True, True)) == (True, True)
        sides.access.write_text(text.replace("{nobody}", "{daemon}"))
        ioc.process.send_signal(signal.SIGHUP)
        assert client.rights(name, (True, False)) == (True, False)
        sides.access.write_text(text + "ASG(\n")
        ioc.process.send_signal(signal.SIGHUP)
        ioc.until("IOC:AccessState_RBV", "File wrong")
        assert ioc.severity("IOC:AccessState_RBV") == 2
        line = len(text.splitlines()) + 2
        assert ioc.get("IOC:AccessMessage_RBV").startswith(f"{sides.access}:{line}: a name should stand here")
        assert client.rights(name, (True, False)) == (True, False)
        sides.access.write_text(text + "ASG(EN) {RULE(1, WRITE)}\n")
        ioc.process.send_signal(signal.SIGHUP)
        ioc.until("IOC:AccessState_RBV", "In force")
        assert client.rights(name, (True, True)) == (True, True)
    sides.access.write_text(text + "ASG(\n")
    with pytest.raises(PutFailed):
        ioc.put("IOC:ReadAccess", 1)
    sides.access.write_text(text + "ASG(EN) {RULE(1, WRITE)}\n")
    ioc.put("IOC:ReadAccess", 1)
    assert (ioc.get("IOC:AccessState_RBV"), ioc.get("IOC:ReadAccess")) == ("In force", "Done")


def test_what_is_written_by_a_trapped_rule_is_logged_with_what_became_of_it(sides: Sides) -> None:
    ioc = sides.ioc
    ioc.put("StopTimeout", 5.0)  # not trapped: it is the tests' own
    before = len(sides.lines(1))
    name = ioc.prefix + "StopTimeout"
    with claiming("nobody", "wall") as client:
        assert client.put(name, 6.0) == NORMAL
        assert client.put(name, 4000.0) == PUTFAIL
        assert client.put(ioc.prefix + "PresetReal", 0.5) == NORMAL
        assert client.put(ioc.prefix + "PresetMode", 1) == NORMAL
        assert client.put(ioc.prefix + "Acquire", 1) == NORMAL
    lines = sides.lines(before + 5)[before:]
    assert [(line["pv"].removeprefix(ioc.prefix), line["new"], line["outcome"]) for line in lines] == [
        ("StopTimeout", 6.0, "accepted"),
        ("StopTimeout", 4000.0, "refused"),
        ("PresetReal", 0.5, "accepted"),
        ("PresetMode", 1, "accepted"),
        ("Acquire", 1, "accepted"),
    ] or [line["outcome"] for line in lines[4:]] == ["started", "completed"]
    assert lines[0]["old"] == 5.0
    assert {(line["user"], line["host"]) for line in lines} == {("nobody", "wall")}
    assert "3600" in lines[1]["why"]
    count = len(sides.lines(before + 5))
    ioc.until("IOC:PutLogCount_RBV", count)
    assert (ioc.get("IOC:PutLogState_RBV"), ioc.get("IOC:PutLogLost_RBV")) == ("OK", 0)


def test_a_record_is_given_another_group_and_the_rights_of_who_is_connected_follow(sides: Sides) -> None:
    ioc, text = sides.ioc, RULES.replace("USER", _account()) + "ASG(EN) {RULE(1, WRITE)}\n"
    sides.access.write_text(text)
    ioc.put("IOC:ReadAccess", 1)
    count = len(sides.lines(1))
    setting, preset = ioc.prefix + "StopTimeout", ioc.prefix + "PresetReal"
    with claiming("nobody", "wall") as client:
        assert client.rights(setting, (True, True)) == (True, True)
        assert client.put_text(setting + ".ASG", "OP") == NO_WRITE_ACCESS  # of the shift at level 0 only
        assert client.put_text(preset + ".ASG", "EN") == NORMAL  # of operators at level 1
        assert sides.lines(count + 1)[count].items() >= {
            "user": "nobody", "pv": preset + ".ASG", "old": "OP", "new": "EN", "outcome": "accepted"
        }.items()  # fmt: skip
        assert client.rights(preset, (True, True)) == (True, True)  # everybody may write EN
        assert client.put_text(preset + ".ASG", "OP") == NORMAL
        assert client.put_text(preset + ".ASG", "A" * 29) == PUTFAIL
        ioc.put("StopTimeout.ASG", "LOCKED")  # which the file does not define
        assert client.rights(setting, (True, False)) == (True, False)
        assert ioc.get("StopTimeout.ASG") == "LOCKED"
        assert "LOCKED: nobody" in ioc.get("IOC:ACCESS")
        with pytest.raises(PutFailed):  # nor may who has written it
            ioc.put("StopTimeout.ASG", "EX")
        sides.access.write_text(text + "ASG(LOCKED) {RULE(1, WRITE) {UAG(shift)}}\n")
        ioc.process.send_signal(signal.SIGHUP)
        assert client.rights(setting, (True, True)) == (True, True)
        assert client.put_text(setting + ".ASG", "EX") == NORMAL
    ioc.put("StopTimeout", 5.0)
    assert (
        "StopTimeout: its access group is LOCKED now, it was EX; the access file does not define LOCKED" in ioc.output()
    )


def test_an_access_file_whose_disk_is_silent_changes_nothing_and_holds_up_nobody(sides: Sides) -> None:
    ioc, text = sides.ioc, sides.access.read_text()
    sides.access.unlink()
    os.mkfifo(sides.access)  # opening one that nobody writes does not return
    try:
        answer = ioc.put_later("IOC:ReadAccess", 1)
        assert ioc.get("IOC:ReadAccess") == "Done"  # others are served
        assert isinstance(answer.exception(60), PutFailed)
        assert ioc.get("CmdMessage_RBV").endswith("access.acf: the file system has not answered for 3 s")
        assert "access.acf" in ioc.get("IOC:AccessMessage_RBV")
    finally:
        sides.access.write_bytes(b"")  # lets the thread go
        sides.access.unlink()
        sides.access.write_text(text)
    ioc.put("IOC:ReadAccess", 1)
    assert ioc.get("IOC:AccessMessage_RBV") == ""
