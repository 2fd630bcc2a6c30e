"""The boot of a crate in a running IOC, through XIA's interface alone: it may take long, hang, or be given up."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from pixieioc.pipeline import Error
from tests.ca_client import PutFailed
from tests.hardware.crate_ioc import RATE, Crate, running_crate
from tests.hardware.simulation import Simulation
from tests.recorder import Recorder
from tests.running_ioc import Ioc


@pytest.fixture(scope="module")
def crate() -> Iterator[Crate]:
    """An IOC whose crate boots by command only."""
    with running_crate(stop_timeout=2) as made:
        yield made


@pytest.fixture
def fresh(crate: Crate) -> Crate:
    """The same, with tasks that have just been made."""
    ioc, simulation = crate
    simulation.control(RATE)
    ioc.put("Kill", 1)
    ioc.put("Reset", 1)
    ioc.put("ErrorAck", 1)
    assert ioc.get("BootState_RBV") == "Offline"
    return ioc, simulation


def _took(seconds: float, action: Callable[[], object]) -> None:
    began = time.monotonic()
    action()
    assert time.monotonic() - began < seconds


def _run(ioc: Ioc) -> None:
    ioc.put("PresetMode", "Real time")
    ioc.put("PresetReal", 0.2)
    ioc.put("Acquire", 1)
    assert ioc.get("ConvertToEvents:Events_RBV") > 100


def test_a_slow_boot_shows_its_progress_and_is_no_alarm(fresh: Crate) -> None:
    ioc, simulation = fresh
    simulation.control(RATE, "boot_seconds 1.5")
    boot = ioc.put_later("Boot", 1)
    ioc.until("BootProgress_RBV", lambda progress: progress == 50)
    assert ioc.get("BootState_RBV") == "Booting"
    assert ioc.get("ReadyMessage_RBV") == "TakeData: the crate is booting: 1 of 2 modules"
    assert ioc.severity("Ready_RBV") == ioc.severity("TakeData:BusyTime_RBV") == 0
    with pytest.raises(PutFailed):
        ioc.put("Acquire", 1)  # the first point of a scan waits for no boot
    assert "the crate is booting" in ioc.get("CmdMessage_RBV")
    with pytest.raises(PutFailed):
        ioc.put("AcquireTraces", 1)
    assert "the crate is booting: 1 of 2 modules" in ioc.get("CmdMessage_RBV")
    _took(1.0, lambda: ioc.put("Synchronous", "No"))  # settings do not wait for it
    _took(1.0, lambda: ioc.put("Stop", 1))
    boot.result()
    assert ioc.get("BootState_RBV") == "Booted"
    ioc.until("Ready_RBV", lambda ready: ready == "Yes")
    _run(ioc)


def test_settings_are_loaded_again_without_another_boot(fresh: Crate) -> None:
    ioc, simulation = fresh
    ioc.put("Boot", 1)
    simulation.control(RATE, "fail Pixie16BootModule code 501")
    ioc.put("SettingsFile", str(simulation.default_settings()))
    ioc.put("Boot", 1)  # loads the settings only
    assert ioc.get("BootState_RBV") == "Booted"
    ioc.put("FastBoot", "No")
    with pytest.raises(PutFailed):
        ioc.put("Boot", 1)
    ioc.put("FastBoot", "Yes")
    ioc.put("SettingsFile", "")


def test_kill_and_the_signal_end_a_boot_that_hangs(fresh: Crate) -> None:
    ioc, simulation = fresh
    simulation.control(RATE, "hang Pixie16BootModule")
    boot = ioc.put_later("Boot", 1)
    ioc.until("BootState_RBV", lambda state: state == "Booting")
    for command in ("Stop", "Abort"):
        _took(1.0, lambda command=command: ioc.put(command, 1))  # there is no run
    _took(2.0, lambda: ioc.put("Kill", 1))
    with pytest.raises(PutFailed):
        boot.result()
    simulation.control(RATE)
    # Nobody has asked for a boot, but the start has to make the tasks: it boots, too.
    _run(ioc)


@pytest.mark.parametrize(("command", "state"), [("Stop", "Idle"), ("Abort", "Aborted")])
def test_a_start_that_boots_is_ended_while_the_boot_goes_on(fresh: Crate, command: str, state: str) -> None:
    ioc, simulation = fresh
    simulation.control(RATE, "hang Pixie16BootModule")
    ioc.put("Kill", 1)
    start = ioc.put_later("Acquire", 1)
    ioc.until("BootState_RBV", lambda state: state == "Booting")
    _took(2.0, lambda: ioc.put(command, 1))
    start.result()
    assert ioc.get("DetectorState_RBV") == state
    assert ioc.get("ErrorLatched_RBV") == "OK"
    simulation.control(RATE)
    ioc.until("BootState_RBV", lambda state: state == "Booted")
    ioc.until("Ready_RBV", lambda ready: ready == "Yes")
    _run(ioc)


def test_a_crash_in_the_boot_is_shown_and_the_next_works(fresh: Crate) -> None:
    ioc, simulation = fresh
    simulation.control(RATE, "crash Pixie16BootModule")
    with pytest.raises(PutFailed):
        ioc.put("Boot", 1)
    assert "was killed by signal 11" in ioc.get("TakeData:ErrorMessage_RBV")
    simulation.control(RATE)
    ioc.put("Boot", 1)
    ioc.put("ErrorAck", 1)
    _run(ioc)


def test_offsets_are_adjusted_by_command_only(fresh: Crate) -> None:
    ioc, simulation = fresh
    simulation.control(RATE, "fail Pixie16AdjustOffsets code 505 module 1")
    with pytest.raises(PutFailed):
        ioc.put("AdjustOffsets", 1)
    assert "the crate is not booted" in ioc.get("CmdMessage_RBV")
    ioc.put("Boot", 1)
    with pytest.raises(PutFailed):
        ioc.put("AdjustOffsets", 1)
    assert "Pixie16AdjustOffsets of module 1: device hardware failure (-505)" in ioc.get("CmdMessage_RBV")
    simulation.control(RATE)
    ioc.put("AdjustOffsets", 1)
    _run(ioc)


def test_another_library_needs_a_new_process_and_is_named_if_it_is_none(fresh: Crate) -> None:
    ioc, simulation = fresh
    ioc.put("Boot", 1)
    process = ioc.pid_of("TakeData")
    other = simulation.folder / "other.toml"
    other.write_text((simulation.folder / "crate.toml").read_text().replace("libPixie16Api.so", "nothing.so"))
    ioc.put("TakeData:CrateFile", str(other))
    assert ioc.pid_of("TakeData") != process
    with pytest.raises(PutFailed):
        ioc.put("Boot", 1)
    assert "XIA's library cannot be loaded: " in ioc.get("TakeData:ErrorMessage_RBV")
    assert f"{simulation.folder}/nothing.so" in ioc.get("TakeData:ErrorMessage_RBV")
    ioc.put("TakeData:CrateFile", str(simulation.folder / "crate.toml"))
    ioc.put("ErrorAck", 1)
    ioc.put("Boot", 1)
    _run(ioc)


def test_the_ioc_boots_when_it_starts() -> None:
    with running_crate(RATE, "boot_seconds 1", at_start=True) as (ioc, _):
        ioc.until("Ready_RBV", lambda ready: ready == "Yes")
        assert ioc.get("BootState_RBV") == "Booted"
        assert ioc.get("SimMode_RBV") == "Hardware"
        assert ioc.get("ErrorLatched_RBV") == "OK"


def test_a_boot_that_fails_when_the_ioc_starts_leaves_the_tasks_there() -> None:
    with running_crate(RATE, "fail Pixie16InitSystem code 215", at_start=True) as (ioc, simulation):
        ioc.until("TakeData:ERROR", lambda error: error == "ERROR")
        assert "Pixie16InitSystem: invalid module slot number (-215)" in ioc.get("TakeData:ErrorMessage_RBV")
        assert ioc.get("ConvertToEvents:Status") == "WAITING"
        simulation.control(RATE)
        ioc.put("Boot", 1)
        _run(ioc)


def test_a_signal_ends_an_ioc_whose_boot_hangs() -> None:
    with running_crate(RATE, "hang Pixie16InitSystem", at_start=True, stop_timeout=2) as (ioc, _):
        ioc.until("BootState_RBV", lambda state: state == "Booting")
        _took(4.0, ioc.end)


def test_a_script_that_starts_at_once_waits_for_the_boot(pipeline: Recorder, simulation: Simulation) -> None:
    file = simulation.crate_file(("F", 500, 14, 35207), ("H", 250, 14, 46541))
    simulation.control(RATE, "boot_seconds 1.5", "slot 3 H 250 14 46541")
    pipeline.task_kwargs = {"TakeData": {"implementation": "sdk", "crate_file": str(file), "run_time": 0.2}}
    pipeline.task_kwargs |= {"modules": 2, "channels": 32, "adc_mhz": [500, 250], "firmware_revision": [35207, 46541]}
    pipeline.chain_of("TakeData", "ConvertToEvents")
    pipeline.answer_timeout = 2.5  # which is shorter than the boot
    pipeline.start()
    pipeline.wait(10)
    assert pipeline.processes["ConvertToEvents"].reports["events"] > 100


def test_a_crate_file_that_is_wrong_fails_the_boot(pipeline: Recorder, simulation: Simulation) -> None:
    file = simulation.crate_file()
    file.write_text(file.read_text().replace("dsp_code", "dsp"))
    pipeline.task_kwargs = {"TakeData": {"implementation": "sdk", "crate_file": str(file)}}
    pipeline.chain_of("TakeData", "ConvertToEvents")
    with pytest.raises(Error, match=r"firmware.F-500-14.dsp: unknown key; there are system, fippi, dsp_code, dsp_var"):
        pipeline.start()
