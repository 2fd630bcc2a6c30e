"""The examples in `examples/ops` do what they say: a systemd unit, procServ, and what a container has and has not."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from pixieioc.cli_exit import ExitCode
from tests.ca_client import CaClient
from tests.conftest import CA_PORTS
from tests.running_ioc import ROOT, forget_channels, until_printed

OPS = ROOT / "examples" / "ops"
PROGRAM = Path(sys.executable).parent / "pixieioc"
CONFIG = """
[pipeline]
chain = ["DummyData", "GatherData", "ConvertToEvents", "FillSpectra"]
prefix = "{prefix}"

[tasks.GatherData]
file_path = "{data}/"
auto_save = true

[ioc]
interfaces = ["127.0.0.1"]
disk_lolo = 0.001
"""
ROOT_ONLY = pytest.mark.skipif(
    os.geteuid() != 0 or not (shutil.which("unshare") and shutil.which("setpriv")), reason="only root makes a root"
)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that other accounts may enter, not below /tmp, which containers have of their own."""
    made = Path(tempfile.mkdtemp(prefix="ops", dir="/var/tmp"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze")
def test_the_unit_is_right_and_confined(folder: Path) -> None:
    unit = folder / "pixieioc@PX16.service"
    text = (OPS / "pixieioc@.service").read_text()
    unit.write_text(text.replace("/opt/pixieioc/bin/pixieioc", str(PROGRAM)))
    environment = {**os.environ, "SYSTEMD_LOG_LEVEL": "warning"}
    command = ["systemd-analyze", "verify", "--man=no", str(unit)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert (done.returncode, [line for line in done.stderr.splitlines() if "pixieioc" in line]) == (0, [])
    command = ["systemd-analyze", "security", "--offline=true", "--threshold=20", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout[-200:]


def _containerfile() -> tuple[dict[str, str], int, list[str]]:
    """Environment, account and command of the container."""
    text = (OPS / "Containerfile").read_text().replace("\\\n", " ")
    last = text.rpartition("\nFROM ")[2]
    pairs = re.findall(r"(\w+)=(\S+)", " ".join(re.findall(r"^ENV (.*)$", last, re.MULTILINE)))
    account = re.search(r"--uid (\d+)", last)
    entry = re.search(r"^ENTRYPOINT (.*)$", last, re.MULTILINE)
    assert account is not None
    assert entry is not None
    assert "\nUSER pixieioc\n" in last
    return dict(pairs), int(account[1]), json.loads(entry[1])


@ROOT_ONLY
def test_an_ioc_in_the_conditions_of_the_container(folder: Path) -> None:
    """A read-only root, another account without rights, an empty /tmp, and two folders to write to."""
    environment, account, command = _containerfile()
    assert command == ["pixieioc", "run", "/etc/pixieioc.toml"]
    prefix = f"C{os.getpid()}:"
    for name in ("state", "data"):
        (folder / name).mkdir()
        os.chown(folder / name, account, account)
    (folder / "ioc.toml").write_text(CONFIG.format(prefix=prefix, data="/mnt"))
    # A tmpfs would hide a project that lies there.
    own = "/opt" if any(path.is_relative_to("/tmp") for path in (ROOT, Path(sys.prefix))) else "/tmp"
    # /state and /data are /srv and /mnt here, which every computer has.
    environment = {name: value.replace("/state", "/srv") for name, value in environment.items() if name != "PATH"}
    script = f"""
        set -e
        mount --make-rprivate /
        mount --bind {folder}/state /srv
        mount --bind {folder}/data /mnt
        mount --bind {folder} /media
        mount -t tmpfs -o size=64m,nosuid,nodev none {own}
        mount -t tmpfs -o ro none /dev/shm
        mount -t proc -o hidepid=invisible none /proc
        mount -o remount,bind,ro /
        mount -o remount,bind,ro /media
        cd /srv
        exec setpriv --reuid={account} --regid={account} --clear-groups --no-new-privs \
            --inh-caps=-all,+dac_read_search --ambient-caps=-all,+dac_read_search \
            --bounding-set=-all,+dac_read_search {sys.executable} -m pixieioc run /media/ioc.toml
    """
    # Without the right to read everything the Python of a developer's home cannot be reached; it gives none to write.
    clean = {
        **environment,
        "PATH": os.defpath,
        "TMPDIR": own,
        "PYTHONPATH": str(ROOT),
        "EPICS_CAS_SERVER_PORT": str(CA_PORTS[0]),
    }
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            ["unshare", "--mount", "sh", "-c", script], env=clean, stdout=log, stderr=log, start_new_session=True
        )
    ioc = CaClient(prefix)
    try:
        until_printed(folder / "log", process)
        ioc.until("DetectorState_RBV", "Idle", 120)
        found = psutil.Process(int(ioc.get("IOC:PROCESS_ID")))
        assert found.uids().effective == account
        ioc.put("PresetMode", "Events")
        ioc.put("PresetEvents", 2000)
        ioc.put("Acquire", 1, 30)
        assert ioc.get("RunEndReason_RBV") == "Preset"
        assert ioc.get("FillSpectra:Events_RBV") >= 2000
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0, (folder / "log").read_text()
    finally:
        print((folder / "log").read_text())  # is shown if the test fails
        if process.poll() is None:
            process.kill()
            process.wait(60)
    assert len(list((folder / "data").glob("*.bin"))) == 1
    assert list((folder / "state").rglob("state.json"))
    # What it cannot keep is said in a line; here compiled code has its place.
    assert "cannot be kept" not in (folder / "log").read_text()
    assert list((folder / "state" / "cache").rglob("*.nbi"))


@pytest.mark.skipif(shutil.which("procServ") is None, reason="there is no procServ")
def test_an_ioc_under_procserv(folder: Path) -> None:
    prefix = f"P{os.getpid()}:"
    (folder / "PX16.toml").write_text(CONFIG.format(prefix=prefix, data=folder))
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "PIXIEIOC": str(PROGRAM),
        "CONFIG": str(folder / "PX16.toml"),
        "XDG_STATE_HOME": str(folder),
        "EPICS_CAS_SERVER_PORT": str(CA_PORTS[1]),
        **dict.fromkeys(("HOME_DIR", "RUN", "LOG"), str(folder)),
    }
    with (folder / "out").open("wb") as out:
        process = subprocess.Popen([OPS / "procserv-pixieioc", "PX16"], env=environment, stdout=out, stderr=out)
    below: list[psutil.Process] = []
    ioc, console = CaClient(prefix), folder / "PX16.console"
    try:
        until_printed(console, process)
        ioc.until("DetectorState_RBV", "Idle", 60)
        ioc.put_and_forget("Acquire", 1)
        ioc.until("FillSpectra:Events_RBV", lambda events: events > 100)
        first = ioc.get("IOC:PROCESS_ID")
        below = [psutil.Process(first), *psutil.Process(first).children(recursive=True)]
        with socket.socket(socket.AF_UNIX) as keys:
            keys.connect(str(folder / "PX16.sock"))
            keys.sendall(b"\x03\x04")  # ^C and ^D are ignored
            ioc.until("FillSpectra:Events_RBV", lambda events: events > 1000)
            before = console.stat().st_size
            keys.sendall(b"\x18")  # ^X has it started again
            _, alive = psutil.wait_procs(below, timeout=60)
            assert not alive
            # The run has ended as by Stop.
            assert [file.suffix for file in sorted(folder.glob("*_run*"))] == [".bin", ".json"]
            until_printed(console, process, begin=before)
            forget_channels(ioc)
            assert ioc.get("IOC:PROCESS_ID") != first
        ioc.until("DetectorState_RBV", "Idle", 60)
        assert ioc.get("IOC:START_CNT") == 2
        second = ioc.get("IOC:PROCESS_ID")
        below = [psutil.Process(second), *psutil.Process(second).children(recursive=True)]
        assert "The IOC" not in (folder / "out").read_text()
        assert f"{prefix} serves" in console.read_text()
    finally:
        process.terminate()
        process.wait(60)
        _, alive = psutil.wait_procs(below, timeout=60)
        for each in alive:
            each.kill()
    assert not alive


def test_what_a_unit_does_not_start_again_are_exit_codes_that_stay() -> None:
    found = re.search(r"^RestartPreventExitStatus=(.*)$", (OPS / "pixieioc@.service").read_text(), re.MULTILINE)
    assert found is not None
    assert set(map(int, found[1].split())) == {ExitCode.USAGE, ExitCode.BAD_CONFIG}
