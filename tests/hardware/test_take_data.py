"""TakeData in a real chain of a real IOC, through pypixie16, on the simulated SDK: events, errors, and what follows."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator

import numpy as np
import pytest

from pixieioc.listmode.events import Events
from pixieioc.listmode.variant import variant
from tests.ca_client import PutFailed
from tests.hardware.crate_ioc import running_crate
from tests.hardware.simulation import Simulation, decoded
from tests.running_ioc import Ioc
from tests.stopwatch import Stopwatch

pytestmark = pytest.mark.skipif(importlib.util.find_spec("pixie16") is None, reason="pypixie16 is not installed")


@pytest.fixture(scope="module")
def crate() -> Iterator[tuple[Ioc, Simulation]]:
    """An IOC whose crate has not booted yet."""
    with running_crate("rate 500", pypixie16=True, save=True, statistics_interval=0.2) as made:
        yield made


def _take(ioc: Ioc, seconds: float) -> None:
    ioc.put("PresetMode", "Real time")
    ioc.put("PresetReal", seconds)
    ioc.put("Acquire", 1)


def _boot(ioc: Ioc) -> None:
    """Boots the crate, whatever there was before."""
    try:
        ioc.put("Boot", 1, timeout=60)
    except PutFailed:
        raise AssertionError(ioc.get("CmdMessage_RBV")) from None
    assert ioc.get("BootState_RBV") == "Booted"


def test_a_boot_that_fails_is_shown_and_the_next_works(crate: tuple[Ioc, Simulation]) -> None:
    ioc, simulation = crate  # in which nothing has booted yet: this test is the first
    assert ioc.get("BootState_RBV") == "Offline"
    assert ioc.get("Ready_RBV") == "No"
    assert "TakeData: the crate is not booted: write 1 to Boot" in ioc.get("ReadyMessage_RBV")
    with pytest.raises(PutFailed):
        _take(ioc, 0.3)  # the first point of a scan does not boot
    simulation.control("rate 500", "fail Pixie16BootModule code 501 module 1")
    with pytest.raises(PutFailed):
        ioc.put("Boot", 1)
    assert ioc.get("BootState_RBV") == "Failed"
    assert ioc.severity("BootState_RBV") == 2
    assert "Pixie16BootModule of module 1: device failed to boot (-501)" in ioc.get("TakeData:ErrorMessage_RBV")
    assert "the boot of the crate has failed" in ioc.get("ReadyMessage_RBV")
    assert "requested failure 501" in ioc.get("SdkLog_RBV")
    simulation.control("rate 500")
    ioc.put("ErrorAck", 1)
    _boot(ioc)
    assert ioc.get("Ready_RBV") == "Yes"
    assert (ioc.get("BootProgress_RBV"), ioc.severity("BootState_RBV")) == (100, 0)
    assert "libPixie16Api.so (SDK 5 or later), pypixie16 3" in ioc.get("SdkVersion_RBV")
    _take(ioc, 0.3)
    assert ioc.get("ConvertToEvents:Events_RBV") > 1000


def test_a_run_has_every_event_that_the_modules_took(crate: tuple[Ioc, Simulation]) -> None:
    ioc, simulation = crate
    _take(ioc, 1.0)
    assert ioc.get("DetectorState_RBV") == "Idle"
    run = int(ioc.get("RunId_RBV"))
    files = sorted(simulation.folder.glob(f"data/*_run{run:06}_mod*.bin"))
    assert len(files) == 2
    events = [decoded(np.fromfile(path, "<u4"), variant(500, 35207)) for path in files]
    total = sum(len(each["time"]) for each in events)
    assert total == ioc.get("ConvertToEvents:Events_RBV") > 10_000
    assert ioc.get("TakeData:REPORT:WordsRead_RBV") == 4 * total
    # To its end, in each channel; the clocks have begun with it.
    for each in events:
        assert np.bincount(each["channel"], minlength=16).min() > 300
        assert each["time"].max() == pytest.approx(1e9 * ioc.get("ElapsedReal_RBV"), abs=0.5e9)
    assert ioc.get("M00:C00:OutputCountRate_RBV") == 0  # the run is over


@pytest.mark.parametrize("call", ["Pixie16StartListModeRun", "Pixie16ReadDataFromExternalFIFO", "Pixie16EndRun"])
def test_an_error_of_the_sdk_is_shown_and_the_next_start_works(crate: tuple[Ioc, Simulation], call: str) -> None:
    ioc, simulation = crate
    simulation.control("rate 500", f"fail {call} code 506 module 1")
    with pytest.raises(PutFailed):
        _take(ioc, 0.5)
    assert ioc.get("TakeData:ERROR") == "ERROR"
    message = ioc.get("TakeData:ErrorMessage_RBV")
    assert message.startswith(f"{call} of module 1: device dma failure (-506); the SDK's log: ")
    assert f"[ERROR] {call}: module: num=1: requested failure 506" in message
    simulation.control("rate 500")
    ioc.put("ErrorAck", 1)
    _take(ioc, 0.3)
    assert ioc.get("DetectorState_RBV") == "Idle"
    assert ioc.get("ConvertToEvents:Events_RBV") > 1000
    assert ioc.get("TakeData:ERROR") == "OK"


def test_a_crash_of_the_library_is_shown_and_the_next_start_works(crate: tuple[Ioc, Simulation]) -> None:
    ioc, simulation = crate
    ioc.put("PresetMode", "No preset")
    ioc.put_and_forget("Acquire", 1)
    ioc.until("ConvertToEvents:Events_RBV", lambda events: events > 100)
    simulation.control("rate 500", "crash Pixie16ReadDataFromExternalFIFO")
    ioc.until("TakeData:ERROR", lambda error: error == "ERROR")
    ioc.until("Acquire", lambda acquire: acquire == "Done")
    simulation.control("rate 500")
    ioc.put("ErrorAck", 1)
    _take(ioc, 0.3)
    assert ioc.get("ConvertToEvents:Events_RBV") > 1000


def _events_of(ioc: Ioc, simulation: Simulation) -> list[Events]:
    """The events of each module in the raw files of the last run."""
    files = sorted(simulation.folder.glob(f"data/*_run{int(ioc.get('RunId_RBV')):06}_mod*.bin"))
    return [decoded(np.fromfile(path, "<u4"), variant(500, 35207)) for path in files]


def test_an_end_that_fails_loses_no_data(crate: tuple[Ioc, Simulation]) -> None:
    ioc, simulation = crate
    simulation.control("rate 500", "fail Pixie16EndRun code 506 module 1 count 1")
    with pytest.raises(PutFailed):
        _take(ioc, 0.5)
    simulation.control("rate 500")
    ioc.put("ErrorAck", 1)
    for events in _events_of(ioc, simulation):
        assert events["time"].max() > 0.45e9
        assert np.bincount(events["channel"], minlength=16).min() > 100


def test_a_module_that_ends_by_itself_ends_the_run_with_its_data(crate: tuple[Ioc, Simulation]) -> None:
    ioc, simulation = crate
    simulation.control("rate 500", "end_after 0.2 module 1")
    with pytest.raises(PutFailed):
        _take(ioc, 10.0)
    assert "the run has ended by itself in module 1 (slot 3)" in ioc.get("TakeData:ErrorMessage_RBV")
    simulation.control("rate 500")
    ioc.put("ErrorAck", 1)
    first, second = _events_of(ioc, simulation)
    assert second["time"].max() == pytest.approx(0.2e9, abs=0.02e9)
    assert first["time"].max() > 0.5e9


def _conserved(ioc: Ioc) -> int:
    """How many hits were lost in the last run, which are all that its modules counted and that did not arrive."""
    counted = sum(float(np.sum(ioc.get(f"M{module:02}:OutputCounts_RBV"))) for module in range(2))
    lost = [ioc.get(f"M{module:02}:Lost_RBV") for module in range(2)]
    assert counted == ioc.get("ConvertToEvents:Events_RBV") + sum(lost)
    assert ioc.get("Lost_RBV") == sum(lost)
    return int(sum(lost))


def test_synchronous_is_applied_at_the_next_start_and_losses_stay_shown(crate: tuple[Ioc, Simulation]) -> None:
    ioc, simulation = crate
    _boot(ioc)
    ioc.put("M01:ChassisMaster", "Yes")
    ioc.put("Synchronous", "Yes")
    # Too small for what comes: the FIFO runs over between two looks.
    simulation.control("rate 12000", "fifo_words 2048", "buffers 1", "end_after 0.4 module 1")
    with pytest.raises(PutFailed):
        _take(ioc, 10.0)
    assert "in module 0 (slot 2), 1 (slot 3)" in ioc.get("TakeData:ErrorMessage_RBV")  # both ended together
    assert _conserved(ioc) > 0
    assert ioc.get("M01:Overflows_RBV") > 0
    assert ioc.severity("Lost_RBV") == ioc.severity("M01:Lost_RBV") == 2
    simulation.control("rate 500")
    ioc.put("ErrorAck", 1)
    assert ioc.severity("Lost_RBV") == 2  # until the next run
    ioc.put("Synchronous", "No")
    _take(ioc, 0.3)
    assert _conserved(ioc) == ioc.severity("Lost_RBV") == 0


def test_what_the_modules_are_is_shown_and_recorded(crate: tuple[Ioc, Simulation]) -> None:
    ioc, simulation = crate
    clock = Stopwatch()
    _take(ioc, 0.3)
    shown = {name: ioc.get(f"M01:{name}_RBV") for name in ("Slot", "Revision", "SerialNumber", "AdcBits", "AdcMsps")}
    assert shown == {"Slot": 3, "Revision": "F", "SerialNumber": 1003, "AdcBits": 14, "AdcMsps": 500}
    assert (ioc.get("M01:Channels_RBV"), ioc.get("M01:Firmware_RBV"), ioc.get("M01:Running_RBV")) == (16, 35207, "No")
    assert ioc.get("M01:RealTime_RBV") == pytest.approx(ioc.get("ElapsedReal_RBV"), abs=1e-3)
    assert 0.3 - 1e-6 <= ioc.get("ElapsedReal_RBV") <= 0.36 + clock.busy
    assert len(ioc.get("M01:LiveTimes_RBV")) == 16
    (about,) = (
        json.loads(p.read_text()) for p in simulation.folder.glob(f"data/*_run{ioc.get('RunId_RBV'):06}_mod01*.json")
    )
    assert (about["adc_mhz"], about["firmware_revision"]) == (500, 35207)
    assert about["clock_zero"] == pytest.approx(about["start_time"], abs=2 + clock.busy)


def test_a_layout_that_is_not_that_of_the_modules_is_refused(crate: tuple[Ioc, Simulation]) -> None:
    ioc, _ = crate
    ioc.put("FirmwareRevision", "[29500]")
    with pytest.raises(PutFailed):
        _take(ioc, 0.3)
    message = ioc.get("TakeData:ErrorMessage_RBV")
    assert (
        "module 0 (slot 2) is F-500-14 with firmware revision 35207, but its records would be read as those" in message
    )
    ioc.put("FirmwareRevision", "[35207]")
    ioc.put("ErrorAck", 1)
    _take(ioc, 0.3)
    assert ioc.get("ConvertToEvents:Events_RBV") > 1000


def test_other_slots_are_opened_by_a_new_process(crate: tuple[Ioc, Simulation]) -> None:
    ioc, simulation = crate
    process = ioc.pid_of("TakeData")
    ioc.put("TakeData:Slots", "[5, 6]")
    assert ioc.pid_of("TakeData") != process
    assert ioc.get("Ready_RBV") == "No"
    assert ioc.get("BootState_RBV") == "Offline"
    _boot(ioc)
    _take(ioc, 0.3)
    assert [set(events["slot"]) for events in _events_of(ioc, simulation)] == [{5}, {6}]
