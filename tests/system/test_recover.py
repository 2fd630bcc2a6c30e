"""An IOC whose processes are all killed in the middle of a run, and what becomes of its raw files."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil

from pixieioc.offline.job import Job
from pixieioc.offline.replay import replay
from tests.running_ioc import ROOT, Ioc, ioc_folder, running

CHAIN = """
[pipeline]
chain = ["DummyData", "GatherData", "ConvertToEvents", "FillSpectra"]
[tasks.GatherData]
auto_save = true
file_path = "{0}/"
"""


def _recover(*files: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "pixieioc", "recover", "--json", *map(str, files)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
    told = json.loads(done.stdout)
    assert done.returncode == bool(told["refused"]), done.stderr
    return told


def test_whole_records_of_a_killed_ioc_are_recovered_and_replayed() -> None:
    with ioc_folder() as folder:
        config = folder / "saving.toml"
        config.write_text(CHAIN.format(folder))
        ioc = Ioc(folder, "run", config)
        with running(ioc):
            ioc.put_and_forget("Acquire", 1)
            ioc.until("BytesWritten_RBV", lambda size: size > 50_000)
            run, below = ioc.get("RunId_RBV"), ioc.processes()[1:]
            parts = list(folder.glob("*.bin.part"))
            [refused] = _recover(*parts)["refused"]
            assert refused["why"] == f"{parts[0]} is still being written: its run has not ended"
            for process in (*below, psutil.Process(ioc.process.pid)):  # as a power cut does
                if process.name() != "sh":  # which removes the folder of sockets
                    process.kill()
            psutil.wait_procs(below, timeout=60)
            ioc.process.wait(60)
            content = parts[0].read_bytes()
            ioc.log.close()
            ioc.start()
            named = ioc.until("UnfinishedFiles_RBV", lambda text: parts[0].name in text)
            assert "pixieioc recover" in named
        [found] = _recover(*folder.glob("*.part"))["recovered"]
        assert (found["run_id"], found["bytes"], found["corrupt_regions"]) == (run, len(content), 0)
        assert found["records"] > 1000
        raw = Path(found["file"])
        assert raw.read_bytes() == content
        about = json.loads(raw.with_name(raw.name + ".json").read_text())
        assert (about["run_id"], about["recovered"]["records"]) == (run, found["records"])
        assert about["configuration"]["GatherData"]["file_path"] == f"{folder}/"
        assert about["start_time"] < about["end_time"]
        settings = about["configuration"]["ConvertToEvents"]
        job = Job((str(raw),), adc_mhz=tuple(settings["adc_mhz"]), firmware=tuple(settings["firmware_revision"]))
        summary = replay(job)
        assert (summary.events, summary.corrupt_regions) == (found["records"], 0)
        assert not list(folder.glob("*.part"))
