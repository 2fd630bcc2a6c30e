"""Faults of XIA's library in a running IOC: one of each kind; `python -m tests.hardware.faults` tries all."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.ca_client import PutFailed
from tests.hardware.crate_ioc import RATE, Crate, running_crate
from tests.hardware.faults import STOP_TIMEOUT, Fault, begin, table, try_fault
from tests.stopwatch import Stopwatch

#: Some of the table: each situation, and each kind of fault in what a boot, a run and a command do.
CHOSEN = (
    "boot error Pixie16ReadSglChanPar", "boot hang-Kill Pixie16BootModule", "boot crash Pixie16InitSystem",
    "start error Pixie16StartListModeRun", "start hang-Stop Pixie16WriteSglModPar",
    "run error Pixie16CheckRunStatus", "run error PixieReadRunFifoStats",
    "run hang-Stop Pixie16ReadDataFromExternalFIFO", "stop crash Pixie16EndRun", "stop error stuck",
    "stop hang-Kill Pixie16ReadStatisticsFromModule", "setting crash Pixie16WriteSglChanPar",
    "LoadSettings error Pixie16ReadSglChanPar", "FindBaselineCut hang-Kill Pixie16BLcutFinder",
)  # fmt: skip
FAULTS = {str(fault): fault for fault in table()}


@pytest.fixture(scope="module")
def crate() -> Iterator[Crate]:
    """An IOC with two modules, which are booted by command."""
    with running_crate(stop_timeout=STOP_TIMEOUT) as made:
        begin(made)
        yield made


@pytest.mark.parametrize("fault", [FAULTS[name] for name in CHOSEN], ids=str)
def test_a_fault_is_shown_and_the_next_start_works(crate: Crate, fault: Fault) -> None:
    try_fault(crate, fault)


def test_whoever_has_booted_finds_everything_that_the_boot_has_given(crate: Crate) -> None:
    ioc, simulation = crate
    ioc.put("M01:C15:TRIGGER_RISETIME", 0.3)
    for command in ("Kill", "Reset"):
        ioc.put(command, 1)
    simulation.control(RATE)
    with ioc.watch("BootState_RBV") as watch:
        watch.clear()
        boot = ioc.put_later("Boot", 1)
        watch.until("BootState_RBV", "Booted")
        assert ioc.get("M01:C15:TRIGGER_RISETIME_RBV") == ioc.get("M01:C15:TRIGGER_RISETIME") == 0.3
        boot.result()
    assert (ioc.get("Ready_RBV"), ioc.get("SettingsChanged_RBV")) == ("Yes", "Yes")
    assert (ioc.get("M01:Slot_RBV"), ioc.get("M01:AdcMsps_RBV")) == (3, 500)
    # Also when it was the settings that were changed, and nothing else.
    ioc.put("FastBoot", "Yes")
    simulation.control(RATE, "fail Pixie16BootModule code 501")
    ioc.put("LoadSettings", 1)
    assert ioc.get("SettingsChanged_RBV") == "No"
    before = ioc.get("M01:C15:TRIGGER_RISETIME_RBV")
    ioc.put("M01:C15:TRIGGER_RISETIME", 0.5)
    ioc.put("Boot", 1)
    assert ioc.get("M01:C15:TRIGGER_RISETIME_RBV") == 0.5 != before


def test_a_start_is_refused_while_a_command_keeps_the_crate_busy(crate: Crate) -> None:
    ioc, simulation = crate
    simulation.control(RATE, "hang Pixie16LoadDSPParametersFromFile")
    load = ioc.put_later("LoadSettings", 1)
    message = ioc.until("ReadyMessage_RBV", lambda text: text.startswith("TakeData: LoadSettings has been in progress"))
    assert message.endswith(" s")
    assert ioc.get("Ready_RBV") == "No"
    assert ioc.severity("Ready_RBV") == 1
    began = Stopwatch()
    with pytest.raises(PutFailed):
        ioc.put("Acquire", 1)
    assert began.taken < 1
    assert "LoadSettings has been in progress" in ioc.get("CmdMessage_RBV")
    simulation.control(RATE)
    load.result()
    ioc.until("Ready_RBV", "Yes")
    assert ioc.severity("Ready_RBV") == 0
