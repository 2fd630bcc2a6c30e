"""A small part of the campaign, and the command for sites: what a fault comes to, and who must not be drilled."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from types import SimpleNamespace
from typing import Any, cast

import pytest

from pixieioc.drill.drill import Drill, Unfit
from pixieioc.drill.files import Files
from tests.running_ioc import ROOT
from tests.system.campaign import campaign_ioc, sabotage

#: The tests' computer is busy with other tests, s.
SLACK = 10.0


def test_a_few_faults_at_random_moments_and_the_command_for_sites() -> None:
    with campaign_ioc() as ioc:
        drill = Drill(ioc, 1, SLACK)
        faults = {fault.name: fault for fault in sabotage(ioc)}
        task = random.Random(1).choice  # each gate the same; all of them are tried by the campaign
        with drill.prepared():
            for name, stop in (("exception", False), ("hang", True)):
                drill.round(faults[name], task(drill.tasks), stop=stop)
        assert drill.table.violations == []
        assert ioc.get("PresetMode") == "No preset"
        done = subprocess.run(
            [sys.executable, "-m", "pixieioc", "drill", ioc.prefix, "--task", task(drill.tasks),
             "--fault", "SIGSTOP, then SIGCONT", "--slack", str(SLACK)],
            env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=150, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        assert "| SIGSTOP, then SIGCONT, with a Stop | 1 | 0 |" in done.stdout
        assert [ioc.get(f"{name}:HangTimeout") for name in drill.tasks] == [60.0] * len(drill.tasks)


@pytest.mark.parametrize(
    ("differs", "why"),
    [
        ({"SimMode_RBV": "Hardware"}, "the source of this IOC is hardware"),
        ({"IOC:HOSTNAME": "elsewhere"}, "the IOC is on elsewhere: a drill must be on its computer"),
        ({"Acquire_RBV": "Acquiring", "StatusMessage_RBV": "run 3"}, "a run is in progress: run 3"),
    ],
)
def test_who_is_not_drilled(differs: dict[str, Any], why: str) -> None:
    values = {"SimMode_RBV": "Simulation", "IOC:HOSTNAME": os.uname().nodename, "Acquire_RBV": "Done"} | differs
    with pytest.raises(Unfit, match=why):
        Drill(cast("Any", SimpleNamespace(get=values.get)), 1)


def test_a_file_that_is_not_what_its_sidecar_says_is_found(tmp_path: Any) -> None:
    files = Files(tmp_path)
    (tmp_path / "a.bin").write_bytes(b"data")
    assert "a.bin has no sidecar" in next(files.wrong())
    (tmp_path / "b.bin").write_bytes(b"data")
    (tmp_path / "b.bin.json").write_text('{"bytes": 4, "sha256": "0"}')
    assert "that are not those of its sidecar" in next(files.wrong())
    assert list(files.wrong()) == []
