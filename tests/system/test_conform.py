"""`pixieioc conform` finds out an IOC that does not keep the rules, and leaves alone what is not simulated."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from tests.ca_client import CaClient
from tests.conftest import CA_PORTS
from tests.ports import free_port
from tests.running_ioc import ROOT

#: What it must find wrong, by rule, as `wrong_ioc.py` says of itself.
WRONG = {
    1: ("put_ends_with_the_run", "the run lasts 1 s"),
    4: ("second_start_is_refused_and_disturbs_nothing", "the put of Acquire was answered as good, it must fail"),
    12: ("outcome_of_a_command_is_always_told", "CmdStatus_RBV reads 'OK' after 2 s, must be 'Refused'"),
    13: ("every_run_has_a_number", "RunId_RBV reads 1, must be 2"),
    17: ("times_are_those_of_the_source", ", must be "),
}


@contextlib.contextmanager
def _wrong_ioc(prefix: str, *options: str) -> Iterator[CaClient]:
    """An IOC that is not ours, on one of the ports at which the clients of the tests look."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "EPICS_CA_SERVER_PORT": str(CA_PORTS[0])}
    environment["EPICS_CAS_SERVER_PORT"] = str(CA_PORTS[0])
    command = [sys.executable, "-W", "ignore", "-m", "tests.system.wrong_ioc", prefix, *options]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"serves\n"
            client = CaClient(prefix)
            client.until("Acquire", "Done", 60)
            yield client
        finally:
            process.kill()


def _conform(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pixieioc", "conform", *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_an_ioc_that_does_not_keep_the_rules_is_found_out(tmp_path: Path) -> None:
    prefix = f"W{free_port()}:"
    with _wrong_ioc(prefix):
        done = _conform(prefix, *(f"--rule={rule}" for rule in WRONG), "--junit", tmp_path / "report.xml")
    assert done.returncode == 1, done.stderr
    cases = {case.get("name"): case for case in ElementTree.parse(tmp_path / "report.xml").getroot()[0]}
    for rule, (name, why) in WRONG.items():
        failure = cases[name].find("failure")
        assert failure is not None, name
        assert cases[name].get("classname") == f"rule{rule:02d}"
        assert why in str(failure.get("message"))
        assert why in done.stdout
    # It cannot be brought back to what it was, because it does not take its own configuration.
    assert "NOT AS IT WAS: the settings could not be restored" in done.stdout
    kept = Path(done.stdout.partition("as they were are in ")[2].partition(": caput")[0])
    assert kept.read_text() == '{"run": {"preset_real": 1.0}}'
    kept.unlink()


def test_what_is_not_in_simulation_is_left_alone() -> None:
    prefix = f"W{free_port()}:"
    with _wrong_ioc(prefix, "--hardware") as client, client.watch("Acquire", "PresetMode", "Reset", "Abort") as watch:
        done = _conform(prefix)
        assert (done.returncode, done.stdout) == (3, "")
        why = f"pixieioc: {prefix} is not in simulation (SimMode_RBV is Hardware): nothing was written\n"
        assert done.stderr == why
        assert len(watch.posts) == 4  # what they were at the beginning
