"""The command line: what each command prints, and that what cannot be done is one line and exit code 1."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import pixieioc
from pixieioc.cli import app
from pixieioc.cli_exit import ExitCode
from pixieioc.config import ConfigError, load
from pixieioc.pipeline import Task
from pixieioc.pvinfo.build import all_pvs
from tests.compiling import without_compiling
from tests.conftest import CA_PORTS, DATA
from tests.running_ioc import ROOT, ioc_folder

DEMO = DATA.parent / "demo.toml"
GOOD = """
[pipeline]
chain = ["ToySource", "FillSpectra"]
prefix = "G:"
imports = ["tests.pipeline.toys"]
[ioc]
state_dir = "state"
"""


def _run(*arguments: str | Path) -> Result:
    """What a command prints, in this process."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def _printed(*arguments: str | Path) -> list[str]:
    result = _run(*arguments)
    assert result.exception is None
    assert result.exit_code == 0
    return result.stdout.splitlines()


def _program(folder: Path, *arguments: str | Path, **environment: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of the program itself, in a folder; it leaves nothing temporary."""
    with ioc_folder() as temporary:
        done = subprocess.run(
            [sys.executable, "-m", "pixieioc", *arguments],
            capture_output=True,
            text=True,
            timeout=240,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(temporary), **environment},
        )
        assert list(temporary.iterdir()) == []
    return done.returncode, done.stdout, without_compiling(done.stderr)


@pytest.fixture
def good(tmp_path: Path) -> Path:
    """A configuration that can be used."""
    file = tmp_path / "good.toml"
    file.write_text(GOOD)
    return file


def test_a_bad_file_is_a_line_for_each_problem_and_an_exit_code(good: Path) -> None:
    good.write_text(GOOD + "[tasks.ToySource]\nlength = -1\nnonsense = 1\n")
    code, out, err = _program(good.parent, "run", "good.toml")
    assert (code, out) == (78, "")
    one, other = r"tasks.ToySource.length = -1: must be .* from 0 to 10000000", r"tasks.ToySource.nonsense: .*"
    assert re.fullmatch(rf"pixieioc: good.toml:9: {one}\npixieioc: good.toml:10: {other}\n", err)


@pytest.mark.parametrize("command", ["check", "run"])
def test_a_bad_access_file_is_one_line_with_file_line_and_what_is_allowed(good: Path, command: str) -> None:
    access = good.parent / "who may.toml"
    good.write_text(GOOD + f'access_file = "{access.name}"\n')
    for text, says in (
        (None, ": No such file or directory"),
        ("ASG(OP) {\nRULE(1, READ)\n", ":3: INPA to INPU, or RULE, should stand here, not the end of the file"),
        ("ASG(OP)\nASG(OP)\n", ":2: ASG(OP) is there twice"),
    ):
        if text is not None:
            access.write_text(text)
        code, out, err = _program(good.parent, command, "good.toml", EPICS_CAS_SERVER_PORT=str(CA_PORTS[0]))
        if text is None and command == "check":
            assert (code, out, err) == (1, "", f"pixieioc: good.toml:8: ioc.access_file: there is no {access}\n")
        else:
            assert (code, out, err) == (78 if command == "run" else 1, "", f"pixieioc: {access}{says}\n")
    access.write_text("ASG(OP) {RULE(1, WRITE)}\nNEW(x)\n")
    code, _, err = _program(good.parent, "check", "good.toml")
    assert (code, err) == (0, f"pixieioc: note: {access}:2: NEW is not known, and has no effect\n")


def test_every_problem_of_an_access_file_is_a_line(good: Path) -> None:
    access = good.parent / "hall.acf"
    good.write_text(GOOD + 'access_file = "hall.acf"\naccess_macros = ["WHO=jan"]\n')
    access.write_text('UAG(a) {$(WHO)}\nASG(OP) {\nINPA($(P)Acquire)\nRULE(1, WRITE) {UAG(b) CALC("A+")}\n}\n')
    code, _, err = _program(good.parent, "check", "good.toml")
    assert code == 1
    assert err.splitlines() == [
        f"pixieioc: {access}:4: UAG(b): there is no such UAG above; there are: a",
        f'pixieioc: {access}:4: CALC("A+"): a value is missing at its end',
    ]


def test_what_is_wrong_with_the_log_of_puts_and_with_macros_is_told_with_its_line(good: Path) -> None:
    good.write_text(GOOD + 'access_macros = ["WHO"]\nput_log = {collectors = ["http://log"]}\n')
    code, _, err = _program(good.parent, "check", "good.toml")
    assert code == 1
    one, other = err.splitlines()
    assert one == "pixieioc: good.toml:8: ioc.access_macros: 'WHO': must be NAME=value"
    assert other == (
        "pixieioc: good.toml:9: ioc.put_log.collectors: 'http://log': must be host:port, tcp://host:port or "
        "udp://host:port, the port from 1 to 65535 or missing"
    )


def test_a_folder_that_cannot_be_made_is_told_as_file_and_reason(good: Path) -> None:
    code, out, err = _program(good.parent, "generate", "good.toml", "--out", "good.toml")
    assert (code, out, err) == (1, "", "pixieioc: good.toml/db: Not a directory\n")


def test_an_address_that_is_not_here(good: Path) -> None:
    code, out, err = _program(good.parent, "run", good, "--interfaces", "127.0.0.1,192.0.2.1")
    assert (code, out) == (69, "")
    assert err == "pixieioc: cannot listen for clients on TCP 127.0.0.1, 192.0.2.1: Cannot assign requested address\n"


def test_a_host_that_is_not_known_is_told_once(good: Path) -> None:
    code, out, err = _program(good.parent, "run", good, "--interfaces", "300.1.1.1")
    assert (code, out) == (69, "")
    assert re.fullmatch("pixieioc: cannot listen for clients on TCP: '300.1.1.1': .*\n", err)


def test_an_address_that_is_in_use(good: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = str(taken.getsockname()[1])
        code, out, err = _program(good.parent, "run", good, EPICS_CAS_SERVER_PORT=port)
    assert (code, out) == (69, "")
    assert re.fullmatch(f"pixieioc: cannot listen for searches on UDP 127.0.0.1.* port {port}: .* in use\n", err)


def test_a_state_that_cannot_be_read(good: Path) -> None:
    state = good.parent / "state" / "state.json"
    state.parent.mkdir()
    state.write_text("{")
    code, out, err = _program(good.parent, "run", good, EPICS_CAS_SERVER_PORT=str(CA_PORTS[0]))
    assert (code, out) == (73, "")
    assert re.fullmatch(f'pixieioc: {state}: .*write \\{{"run_id": N\\}} into it.*\n', err)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("run", "missing.toml"), "missing.toml: No such file or directory"),
        (("check", "missing.toml"), "missing.toml: No such file or directory"),
        (("run", DEMO, "--set", "crate.channels=0"), "crate.channels = 0: must be"),
        (("check", DEMO, "--set", "nonsense"), "--set nonsense: must be task.parameter=value"),
        (("check", DEMO, "--prefix", "A B"), "^--prefix A B: prefix 'A B': must have"),
        (("check", DEMO, "--prefix", "P" * 29), r"^.*demo.toml: prefix 'P{29}': must have at most .. characters"),
        (("run", DEMO, "--list-pvs", "--prefix", "P" * 29), "prefix 'P{29}': must have at most .. characters"),
        (("demo", "--prefix", ""), "prefix '': must have"),
        (("tasks", "DumyData"), r"no task 'DumyData'; did you mean DummyData\?"),
        (("tasks", "Sort"), r"no task 'Sort'; did you mean SortEvents\?"),
        (("tasks", "Xyz"), "no task 'Xyz'; there are: .*DummyData"),
    ],
)
def test_what_cannot_be_done(arguments: tuple[str | Path, ...], says: str) -> None:
    result = _run(*arguments)
    if arguments[0] in ("run", "demo"):  # which say by their exit code what is wrong
        assert result.exit_code == ExitCode.BAD_CONFIG
        assert re.search(says, result.stderr)
    else:
        assert isinstance(result.exception, ConfigError)
        assert re.search(says, str(result.exception))
    assert result.stdout == ""


@pytest.mark.parametrize(
    "arguments",
    [("run",), ("nonsense",), ("run", DEMO, "--nonsense"), ("tasks", "A", "B"), ("replay", "x.bin", "--format", "npy")],
)
def test_what_cannot_be_understood(arguments: tuple[str | Path, ...]) -> None:
    result = _run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Usage: " in result.stderr


def test_help_names_the_commands() -> None:
    text = "\n".join(_printed("--help"))
    for command in ("run", "check", "generate", "demo", "replay", "tasks"):
        assert re.search(rf"^  {command}  +\w", text, re.M), command


def test_the_list_of_process_variables_has_one_line_for_each() -> None:
    lines = _printed("run", DEMO, "--list-pvs", "--prefix", "X:")
    pvs = all_pvs(load(DEMO))
    assert [line.split()[0] for line in lines] == [f"X:{name}" for name in pvs]
    for name, *words in (
        ("X:Acquire", "bo", "OP", "run", "-", "Done,", "Acquire"),
        ("X:M00:C03:Spectrum_RBV", "waveform", "LONG[2048]", "-", "channel"),
        ("X:DummyData:ChannelRate", "ao", "EX", "task", "saved", "1/s"),
        ("X:DiskFree_RBV", "ai", "-", "files", "always", "GB", "MAJOR", "from", "1", "GB", "down;"),
    ):
        [line] = [line for line in lines if line.startswith(name + " ")]
        assert line.split()[1 : 1 + len(words)] == words
        assert line.endswith(pvs[name.removeprefix("X:")].doc)


def test_the_list_of_process_variables_is_there_for_programs() -> None:
    [line] = _printed("run", DEMO, "--list-pvs", "--json", "--prefix", "X:")
    listed = json.loads(line, parse_constant=pytest.fail)  # JSON has no NaN
    pvs = all_pvs(load(DEMO))
    assert (listed["prefix"], listed["chain"][0]) == ("X:", "DummyData")
    assert [pv["name"] for pv in listed["pvs"]] == list(pvs)
    by_name = {pv["name"]: pv for pv in listed["pvs"]}
    assert by_name["DeadTime_RBV"] == {
        "name": "DeadTime_RBV",
        "record": "ai",
        "section": "run",
        "role": "reading",
        "task": "",
        "doc": pvs["DeadTime_RBV"].doc,
        "unit": "%",
        "precision": 1,
        "labels": [],
        "severities": [],
        "alarm_limits": {"LOLO": None, "LOW": None, "HIGH": 40, "HIHI": 70},
        "hysteresis": 2,
        "alarm_delay": 10,
        "alarms": ["MINOR from 40 % up", "MAJOR from 70 % up"],
        "guidance": pvs["DeadTime_RBV"].guidance,
        "drive_limits": [None, None],
        "access": "",
        "archive": "running",
        "saved": False,
    }
    assert by_name["M00:C03:Spectrum_RBV"]["length"] == 2048
    assert (by_name["StopTimeout"]["saved"], by_name["StopTimeout"]["drive_limits"]) == (True, [0.5, 3600])
    assert (by_name["SortEvents:ERROR"]["task"], by_name["SortEvents:ERROR"]["alarm_delay"]) == ("SortEvents", 1)
    refused = _run("run", DEMO, "--json")
    assert (refused.exit_code, refused.stdout) == (2, "")


def test_a_check_says_what_a_file_describes(good: Path) -> None:
    count = len(all_pvs(load(good)))
    assert _printed("check", good) == [
        f"{good}: ToySource > FillSpectra, prefix G:, {count} process variables",
    ]
    more = _printed("check", good, "--prefix", "H:", "--set", "crate.channels=15")
    per_channel = 3 + 14 + 4 * (8 + 2)  # spectrum and so on, its calibration, and four regions, also in keV
    assert more == [f"{good}: ToySource > FillSpectra, prefix H:, {count - per_channel} process variables"]


def test_tasks_are_listed_with_what_they_can_be_told_and_tell() -> None:
    lines = _printed("tasks")
    names = [line.partition(":")[0] for line in lines if not line.startswith(" ")]
    assert names == sorted(Task.class_registry)
    [one] = [i for i, line in enumerate(lines) if line.startswith("GatherEvents: ")]
    described = _printed("tasks", "GatherEvents")
    assert lines[one : one + len(described)] == described
    assert (
        "    max_delay = 0.5 [live]: a number from 0 to 3600 (s). Longest time that an event is held here." in described
    )
    assert "    > events_held: Events held here." in described
    assert not [line for line in described if "cpu_load" in line]  # what every task reports is not repeated


def test_the_version_and_completion() -> None:
    assert _printed("--version") == [f"pixieioc {pixieioc.__version__}"]
    assert "--install-completion" in "\n".join(_printed("--help"))
