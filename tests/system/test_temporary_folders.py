"""An IOC whose temporary folder has a long path, and one in whose temporary folder somebody tidies up."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import psutil

from tests.running_ioc import Ioc, ioc_folder, running


def _folders(ioc: Ioc) -> set[Path]:
    """The folders of the IOC's own sockets in the file system."""
    sockets = psutil.Process(ioc.process.pid).net_connections("unix")
    control = {Path(str(each.laddr)).parent for each in sockets if str(each.laddr).endswith("/control")}
    return control | {path for path in Path(os.environ["TMPDIR"]).glob("pymp-*") if _is_of(ioc, path)}


def _is_of(ioc: Ioc, folder: Path) -> bool:
    """Whether a folder is open in the IOC, which locks it."""
    return str(folder) in {str(each.readlink()) for each in Path(f"/proc/{ioc.process.pid}/fd").iterdir()}


def _run(ioc: Ioc) -> None:
    ioc.put("Acquire", 1)
    assert ioc.get("RunEndReason_RBV") == "Preset"
    assert ioc.get("FillSpectra:Events_RBV") == ioc.get("ConvertToEvents:Events_RBV") > 0


def test_what_is_tidied_away_while_an_ioc_is_idle_does_not_matter() -> None:
    with ioc_folder() as folder, running(Ioc(folder, "demo")) as ioc:
        ioc.put("PresetMode", "Real time")
        ioc.put("PresetReal", 0.3)
        folders = _folders(ioc)
        assert len(folders) == 2
        for each in folders:
            shutil.rmtree(each)
        _run(ioc)
        ioc.put("Kill", 1)
        _run(ioc)
        for each in folders:
            shutil.rmtree(each)
        ioc.kill_task("SortEvents")
        ioc.until("State_RBV", "PANICKING")
        _run(ioc)
        assert ioc.end() == 0
        assert not any(each.exists() for each in folders)


def test_a_temporary_folder_with_a_long_path() -> None:
    with ioc_folder() as folder:
        deep = folder / ("x" * 200)
        deep.mkdir()
        ioc = Ioc(folder, "demo")
        ioc.environment = {"TMPDIR": str(deep)}
        with running(ioc):
            ioc.put("PresetMode", "Real time")
            ioc.put("PresetReal", 0.3)
            _run(ioc)
        assert list(deep.iterdir()) == []
