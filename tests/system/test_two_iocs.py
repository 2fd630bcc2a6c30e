"""Two IOCs on one computer: what they must not share, and what they can."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from pixieioc.cli_exit import ExitCode
from tests.conftest import CA_PORTS
from tests.running_ioc import ROOT, Ioc, ioc_folder, running


def _second(folder: Path, *arguments: str) -> tuple[int, str]:
    """Another IOC with the same home: its exit code and what it said."""
    done = subprocess.run(
        [sys.executable, "-m", "pixieioc", *arguments],
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "HOME": str(folder),
            "XDG_STATE_HOME": str(folder / "state"),
        },
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    return done.returncode, done.stderr


def test_a_second_ioc_with_the_same_prefix_says_so_and_ends() -> None:
    with ioc_folder() as folder, running(Ioc(folder, "demo")) as first:
        state = folder / "state" / "pixieioc" / first.prefix.strip(":")
        before = {path.name: path.read_bytes() for path in state.iterdir()}
        code, said = _second(folder, "demo", "--prefix", first.prefix)
        assert code == ExitCode.STATE_IN_USE
        assert re.fullmatch(
            rf"pixieioc: another IOC \(process {first.process.pid} on \S+\) uses the state folder {state}: stop it, or "
            r"give this one another prefix or state_dir in \[ioc\]\n",
            said,
        )
        assert {path.name: path.read_bytes() for path in state.iterdir()} == before
        first.put("PresetMode", "Real time")
        first.put("PresetReal", 0.2)
        first.put("Acquire", 1)
        assert first.get("RunId_RBV") == 1
        # The lock ends with the process, also by SIGKILL.
        first.process.kill()
        first.process.wait(60)
        first.log.close()
        first.start()
        assert first.get("RunId_RBV") == 2  # which might have been shown for the next run


def test_a_second_ioc_on_the_same_port_says_which_one_it_uses() -> None:
    with ioc_folder() as folder, ioc_folder() as another, running(Ioc(folder, "demo")) as first:
        [port] = {c.laddr.port for c in first.processes()[0].net_connections("tcp") if c.status == "LISTEN"}
        assert port in CA_PORTS
        second = Ioc(another, "demo")
        second.port = port
        with running(second) as ioc:
            [other] = {c.laddr.port for c in ioc.processes()[0].net_connections("tcp") if c.status == "LISTEN"}
            said = (
                f"WARNING pixieioc.ioc.ca.server: TCP port {port} is taken by another server on this computer, this one"
            )
            assert f"{said} uses port {other}; they share the UDP port" in ioc.output()
            assert other != port
            assert ioc.get("DetectorState_RBV") == "Idle"
            assert first.get("DetectorState_RBV") == "Idle"
