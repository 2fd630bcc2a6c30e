"""`pixieioc doctor` on a host where something is really wrong: a taken port, rights, limits, libraries, a full disk."""

from __future__ import annotations

import json
import os
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pixieioc.config import load
from pixieioc.doctor import examine, gather
from pixieioc.doctor.examine import CHECKS
from pixieioc.doctor.finding import Level
from pixieioc.ioc.ca.environment import Environment
from tests.ports import free_port
from tests.running_ioc import ROOT, Ioc, running
from tests.tmpfs import tmpfs

CONFIG = """
[pipeline]
chain = ["{source}", "GatherData", "ConvertToEvents"]

[tasks.GatherData]
file_path = "{folder}/data"
create_directory = true

[ioc]
state_dir = "{folder}/state"
"""
NOBODY = 65534
#: A program before a program that takes rights from it which only root has.
UNPRIVILEGED = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search,-sys_nice")


#: With everything that an IOC may write, and may need packages for.
ALL = """
[pipeline]
chain = ["DummyData", "GatherData", "ConvertToEvents", "SortEvents", "WriteEvents", "PublishEvents"]
[ioc]
state_dir = "{folder}/state"
put_log = {{ file = "{folder}/logs/puts.json", collectors = ["tcp://no.such.invalid:7011"] }}
pva = {{ on = true }}
metrics = {{ on = true, port = {port} }}
[run.conditions]
pvs = ["ca://BEAM"]
[tasks.GatherData]
file_path = "{folder}/raw/"
create_directory = true
second_file_path = "{folder}/second/"
[tasks.WriteEvents]
file = "{folder}/events/run{{run}}.parquet"
[tasks.PublishEvents]
topic = "events"
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that other accounts may enter."""
    made = Path(tempfile.mkdtemp(prefix="doctor", dir="/tmp"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


def _config(folder: Path, source: str = "DummyData", more: str = "") -> Path:
    config = folder / "test.toml"
    config.write_text(CONFIG.format(folder=folder, source=source) + more)
    return config


def _doctor(
    config: Path,
    *options: str,
    before: Callable[[], None] | None = None,
    prefix: tuple[str, ...] = (),
    **environment: str,
) -> tuple[int, dict[str, list[dict[str, str]]]]:
    """The exit code, and the findings by their checks."""
    done = subprocess.run(
        [
            *prefix,
            sys.executable,
            "-m",
            "pixieioc",
            "doctor",
            str(config),
            "--json",
            "--interfaces=127.0.0.1",
            *options,
        ],
        env={**os.environ, "PYTHONPATH": str(ROOT), "EPICS_CAS_SERVER_PORT": str(free_port()), **environment},
        preexec_fn=before,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.stdout, done.stderr
    found: dict[str, list[dict[str, str]]] = {}
    for finding in json.loads(done.stdout):
        found.setdefault(finding["check"], []).append(finding)
    assert done.returncode == any(each["level"] == "bad" for several in found.values() for each in several)
    return done.returncode, found


def _bad(found: dict[str, list[dict[str, str]]]) -> set[str]:
    """The checks that found something bad, but for how fast the disk is while others write to it."""
    return {name for name, several in found.items() if any(each["level"] == "bad" for each in several)} - {"disk speed"}


def _one(found: dict[str, list[dict[str, str]]], check: str, says: str) -> dict[str, str]:
    [one] = [finding for finding in found[check] if says in finding["text"]]
    return one


def test_a_host_that_can_run_it(folder: Path) -> None:
    _, found = _doctor(_config(folder))
    assert not _bad(found), found
    assert {*found} == {*CHECKS}
    assert _one(found, "hardware", "no hardware")["level"] == "ok"
    assert list(folder.iterdir()) == [folder / "test.toml"]  # nothing is left, nothing is made


def test_ports_that_are_taken(folder: Path) -> None:
    with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        for sock in (tcp, udp):
            sock.bind(("127.0.0.1", tcp.getsockname()[1]))
        tcp.listen()
        port = str(tcp.getsockname()[1])
        code, found = _doctor(_config(folder), EPICS_CAS_SERVER_PORT=port)
    assert code == 1
    assert _one(found, "ports", f"TCP 127.0.0.1 port {port} is taken by process {os.getpid()}")["level"] == "advice"
    assert _one(found, "ports", f"UDP 127.0.0.1 port {port} is taken")["level"] == "bad"


def test_addresses_and_names_that_are_not_there(folder: Path) -> None:
    code, found = _doctor(_config(folder), "--interfaces", "192.0.2.7", EPICS_CAS_IGNORE_ADDR_LIST="no.such.invalid")
    assert code == 1
    assert _one(found, "ports", "TCP 192.0.2.7")["level"] == "bad"
    assert _one(found, "names", "no.such.invalid (EPICS_CAS_IGNORE_ADDR_LIST)")["level"] == "bad"


def test_a_variable_that_is_wrong_is_told_once(folder: Path) -> None:
    code, found = _doctor(_config(folder), EPICS_CAS_SERVER_PORT="many")
    assert code == 1
    assert _one(found, "names", "EPICS_CAS_SERVER_PORT=many")["level"] == "bad"
    assert "ports" not in found


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("setpriv") is None, reason="only root can give up rights")
def test_folders_without_rights(folder: Path) -> None:
    """Folders of another account, for one that has no right to everything."""
    for name in ("data", "state"):
        (folder / name).mkdir(mode=0o755)
        os.chown(folder / name, NOBODY, NOBODY)
    code, found = _doctor(_config(folder), "--set", "run.stop_timeout=9", prefix=UNPRIVILEGED)
    assert code == 1
    assert "Permission denied" in _one(found, "folders", "(state)")["text"]
    assert "Permission denied" in _one(found, "folders", "(raw files)")["text"]
    assert _one(found, "folders", "(sockets)")["level"] == "ok"
    assert _one(found, "real time", "no real-time priority")["level"] == "advice"


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("setpriv") is None, reason="only root can give up rights")
def test_files_of_somebody_else_who_has_run_the_ioc_here(folder: Path) -> None:
    (folder / "state").mkdir()
    for name, mode in (("state.lock", 0o644), ("state.json", 0o600), ("settings-1-000001.sav", 0o644)):
        (folder / "state" / name).write_text("{}")
        os.chown(folder / "state" / name, NOBODY, NOBODY)
        (folder / "state" / name).chmod(mode)
    code, found = _doctor(_config(folder), prefix=UNPRIVILEGED)
    assert code == 1
    finding = _one(found, "folders", "(state)")
    assert finding["text"].endswith("has files that this account may not use: state.json, state.lock")
    assert "chown" in finding["mend"]
    done = subprocess.run(
        [*UNPRIVILEGED, sys.executable, "-m", "pixieioc", "run", str(folder / "test.toml")],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert f"cannot be used: {folder}/state/state.lock: Permission denied" in done.stderr


def test_limits_of_this_process(folder: Path) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))

    code, found = _doctor(_config(folder), before=limit)
    assert code == 1
    assert _one(found, "limits", "64 files may be open")["level"] == "bad"


def test_a_disk_without_room(folder: Path) -> None:
    with tmpfs(folder / "data", "4m"):
        code, found = _doctor(_config(folder))
    assert code == 1
    assert _one(found, "folders", "(raw files) has 0.0 GB, a run needs 1")["level"] == "bad"
    assert _one(found, "disk speed", "No space left on device")["level"] == "bad"


def test_all_that_is_written_and_all_that_is_needed_is_looked_at(folder: Path) -> None:
    config = folder / "all.toml"
    taken = socket.create_server(("127.0.0.1", 0))
    config.write_text(ALL.format(folder=folder, port=taken.getsockname()[1]))
    loaded = load(config)
    found = {each.used_for: each for each in gather.folders(loaded)}
    assert [found[name].path for name in ("raw files", "files of events", "files that have no room elsewhere")] == [
        f"{folder}/raw", f"{folder}/events", f"{folder}/second",
    ]  # fmt: skip
    assert found["put log"].path == f"{folder}/logs"
    assert all(found[name].missing for name in ("files of events", "put log"))
    (folder / "logs").mkdir()
    (folder / "logs" / "puts.json").symlink_to("/dev/full")
    found = {each.used_for: each for each in gather.folders(loaded)}
    assert found["put log"].error == "puts.json is no ordinary file"
    environment = Environment.read({})
    names = {each.host: each for each in gather.names([], environment, loaded)}
    assert names["no.such.invalid"].error
    ports = {each.set_by: each for each in gather.ports([], environment, loaded, {})}
    assert list(ports) == ["port in [ioc.metrics]"]
    assert ports["port in [ioc.metrics]"].taken
    taken.close()
    port = free_port()
    pva = list(gather.ports(["127.0.0.1"], environment, loaded, {"EPICS_PVAS_SERVER_PORT": str(port)}))[-2]
    assert (pva.number, pva.set_by) == (port, "port in [ioc.pva]")
    needed = {package.name: package.source for package in gather.packages(loaded)}
    assert (needed["p4p"], needed["aioca"]) == ("pixieioc[pva]", "pixieioc[conditions]")
    assert (needed["pyarrow"], needed["confluent_kafka"]) == ("pixieioc[analysis]", "pixieioc[kafka]")


def test_compiled_code_that_cannot_be_kept(folder: Path) -> None:
    environment = dict.fromkeys(("NUMBA_CACHE_DIR", "CACHE_DIRECTORY", "XDG_RUNTIME_DIR"), "/proc/none")
    _, found = _doctor(_config(folder), PYTHONPYCACHEPREFIX=str(folder / "pyc"), **environment)
    assert not _bad(found), found
    assert _one(found, "compiled code", "compiled code cannot be kept")["level"] == "advice"


def test_a_library_and_firmware_that_are_not_there(folder: Path) -> None:
    crate = folder / "crate.toml"
    files = {name: f"{name}.bin" for name in ("system", "fippi", "dsp_code", "dsp_variables")}
    crate.write_text(
        'library = "libPixie16Api.so"\n[firmware.F-500-14]\n'
        + "".join(f'{name} = "{file}"\n' for name, file in files.items())
    )
    (folder / "system.bin").write_bytes(b"x")
    (folder / "fippi.bin").touch()
    more = f'[tasks.TakeData]\nimplementation = "sdk"\ncrate_file = "{crate}"\n'
    code, found = _doctor(_config(folder, "TakeData", more))
    assert code == 1
    assert _one(found, "hardware", "libPixie16Api.so: cannot open shared object file")["level"] == "bad"
    assert _one(found, "hardware", f"{folder}/fippi.bin is empty")["level"] == "bad"
    assert _one(found, "hardware", f"{folder}/dsp_code.bin: No such file")["level"] == "bad"
    assert not [finding for finding in found["hardware"] if "system.bin" in finding["text"]]


def test_an_ioc_that_runs_already_has_the_state(folder: Path) -> None:
    config = _config(folder)
    with running(Ioc(folder, "run", config)) as ioc:
        _, found = _doctor(config)
        assert not _bad(found), found
        said = _one(found, "state", f"another IOC (process {ioc.process.pid} on ")
        assert said["level"] == "advice"
        assert ioc.get("DetectorState_RBV") == "Idle"


def test_it_is_readable(folder: Path) -> None:
    environment: dict[str, Any] = {**os.environ, "PYTHONPATH": str(ROOT), "EPICS_CAS_SERVER_PORT": "many"}
    command = [sys.executable, "-m", "pixieioc", "doctor", str(_config(folder))]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 1
    assert "BAD     names          EPICS_CAS_SERVER_PORT=many: must be a port, 1 to 65535\n" in done.stdout
    assert "                         -> mend the variable\n" in done.stdout
    assert done.stdout.endswith(" bad\n")


def test_a_disk_that_does_not_answer_is_a_finding_and_the_other_checks_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe = tmp_path / "access.acf"
    os.mkfifo(pipe)  # opening one that nobody writes does not return
    monkeypatch.setattr(examine, "_PATIENCE", 0.3)
    monkeypatch.setattr(examine, "CHECKS", {name: CHECKS[name] for name in ("access", "clock")})
    config = load(_config(tmp_path, more='access_file = "access.acf"\n'))
    (name, silent), *others = examine.examined(config)
    assert (name, silent.level, silent.text) == (
        "access", Level.BAD, "a disk or file server has not answered for 0.3 s",
    )  # fmt: skip
    assert [name for name, _ in others] == ["clock"]
    pipe.write_bytes(b"")  # lets the thread go
