"""An IOC on the crate that XIA's SDK simulates itself: no data, but everything else. Also with XIA's own library."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator

import pytest

from tests.hardware.simulation import Offline, Simulation
from tests.running_ioc import Ioc, ioc_folder, running

XIA = os.environ.get("PIXIEIOC_XIA_SDK", "")
CONFIGURATION = """
[pipeline]
chain = ["TakeData", "GatherData", "ConvertToEvents"]
[crate]
modules = 4
channels = 32
adc_mhz = [250, 500, 250, 250]
firmware_revision = [34688, 34688, 34688, 46540]
[tasks.TakeData]
implementation = "sdk"
crate_file = "crate.toml"
statistics_interval = 0.2
[tasks.GatherData]
auto_save = true
file_path = "data"
create_directory = true
[ioc]
state_dir = "state"
"""


@pytest.fixture(
    scope="module",
    params=["simulated", pytest.param("xia", marks=pytest.mark.skipif(not XIA, reason="no SDK of XIA's"))],
)
def ioc(request: pytest.FixtureRequest) -> Iterator[Ioc]:
    with ioc_folder() as folder:
        simulation = Simulation(folder)
        # Modules into which nothing was ever loaded have 0 everywhere, with XIA's library.
        begin = folder / "begin.json"
        assert Offline(simulation.library).api.Pixie16SaveDSPParametersToFile(str(begin).encode()) == 0
        if request.param == "xia":
            simulation.library.unlink()
            shutil.copy(XIA, simulation.library)
        (folder / "crate.toml").write_text(
            f'library = "{simulation.library.name}"\noffline = true\nsettings = "begin.json"\n'
        )
        (folder / "ioc.toml").write_text(CONFIGURATION)
        ioc = Ioc(folder, "run", folder / "ioc.toml")
        ioc.environment.update(simulation.environment)
        with running(ioc):
            ioc.until("BootState_RBV", "Booted", 60)
            ioc.until("Ready_RBV", lambda ready: ready == "Yes", 60)
            yield ioc


def test_modules_of_four_kinds_are_there(ioc: Ioc) -> None:
    assert ioc.get("BootState_RBV") == "Booted"
    assert [ioc.get(f"M0{m}:Revision_RBV") for m in range(4)] == ["F", "F", "F", "H"]
    assert [ioc.get(f"M0{m}:AdcMsps_RBV") for m in range(4)] == [250, 500, 250, 250]
    assert [ioc.get(f"M0{m}:Channels_RBV") for m in range(4)] == [16, 16, 16, 32]
    assert ioc.get("TakeData:ERROR") == "OK"


def test_settings_are_what_the_modules_make_of_them(ioc: Ioc) -> None:
    ioc.put("M03:C31:TRIGGER_RISETIME", 0.1)
    assert ioc.get("M03:C31:TRIGGER_RISETIME_RBV") == pytest.approx(0.104)
    ioc.put("M01:C03:TRACE_LENGTH", 4.02)
    assert ioc.get("M01:C03:TRACE_LENGTH_RBV") == pytest.approx(4.02)
    ioc.put("M00:C00:VOFFSET", -1.0)
    assert ioc.get("M00:C00:VOFFSET_RBV") == pytest.approx(-1.0, abs=5e-5)
    ioc.put("SettingsFile", str(ioc.folder / "saved.json"))
    ioc.put("SaveSettings", 1)
    assert len(json.loads((ioc.folder / "saved.json").read_text())) == 4
    ioc.put("M03:C31:TRIGGER_RISETIME", 0.2)
    ioc.put("LoadSettings", 1, timeout=60)
    assert ioc.get("M03:C31:TRIGGER_RISETIME_RBV") == pytest.approx(0.104)


def test_a_run_ends_at_its_time_though_nothing_comes(ioc: Ioc) -> None:
    ioc.put("PresetMode", "Real time")
    ioc.put("PresetReal", 1.0)
    ioc.put("Acquire", 1, timeout=60)
    assert ioc.get("RunEndReason_RBV") == "Preset"
    assert ioc.get("DetectorState_RBV") == "Idle"
    assert ioc.get("TakeData:ERROR") == "OK"
    assert ioc.get("Lost_RBV") == 0


def test_the_next_process_only_loads_the_settings(ioc: Ioc) -> None:
    ioc.put("Kill", 1)
    ioc.put("Boot", 1, timeout=60)
    ioc.until("BootState_RBV", lambda state: state == "Booted", 60)
    assert ioc.get("M03:C31:TRIGGER_RISETIME_RBV") == pytest.approx(0.104)
