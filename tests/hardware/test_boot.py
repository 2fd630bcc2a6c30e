"""The boot of a crate in a running IOC, through XIA's interface alone: it may take long, hang, or be given up."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from pixieioc.pipeline import Error
from tests.ca_client import PutFailed
from tests.hardware.crate_ioc import RATE, Crate, running_crate
from tests.hardware.simulation import Simulation
from tests.recorder import Recorder
from tests.running_ioc import Ioc
from tests.stopwatch import Stopwatch

#: However modules are booted, it fails; loading settings does not.
NO_BOOT = ("fail Pixie16BootModule code 501", "fail boot code 501")


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
    began = Stopwatch()
    action()
    assert began.taken < seconds


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
    simulation.control(RATE, *NO_BOOT)
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
    simulation.control(RATE, "hang boot")
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
    simulation.control(RATE, "hang boot")
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
    simulation.control(RATE, "crash boot")
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
    pipeline.wait(60)
    assert pipeline.processes["ConvertToEvents"].reports["events"] > 100


def test_a_crate_file_that_is_wrong_fails_the_boot(pipeline: Recorder, simulation: Simulation) -> None:
    file = simulation.crate_file()
    file.write_text(file.read_text().replace("dsp_code", "dsp"))
    pipeline.task_kwargs = {"TakeData": {"implementation": "sdk", "crate_file": str(file)}}
    pipeline.chain_of("TakeData", "ConvertToEvents")
    with pytest.raises(Error, match=r"firmware.F-500-14.dsp: unknown key; there are system, fippi, dsp_code, dsp_var"):
        pipeline.start()


@pytest.mark.parametrize("firmware", ["preset", ""], ids=["ends by itself", "goes on"])
def test_a_preset_is_the_modules_time_whoever_ends_the_run(fresh: Crate, firmware: str) -> None:
    ioc, simulation = fresh
    simulation.control(RATE, firmware)
    ioc.put("Boot", 1, timeout=60)
    ioc.put("PresetMode", "Real time")
    for seconds in (0.2, 0.7):  # before it is looked whether the modules still take data, and after
        ioc.put("PresetReal", seconds)
        clock = Stopwatch()
        ioc.put("Acquire", 1)
        late = 1e-6 if firmware else 0.1 + clock.busy
        assert ioc.get("RunEndReason_RBV") == "Preset"
        assert seconds - 1e-6 <= ioc.get("ElapsedReal_RBV") <= seconds + late
        assert seconds - 1e-6 <= ioc.get("M01:RealTime_RBV") <= seconds + late
        assert ioc.get("TakeData:ERROR") == "OK"
        assert ioc.get("Lost_RBV") == 0
    ioc.put("PresetMode", "No preset")
    run = ioc.put_later("Acquire", 1)
    ioc.until("ElapsedReal_RBV", lambda real: real > 1)  # the last preset is forgotten
    ioc.put("Stop", 1)
    run.result()
    assert ioc.get("RunEndReason_RBV") == "Operator stop"


def test_a_synchronous_run_says_what_it_needs(fresh: Crate) -> None:
    ioc, _ = fresh
    ioc.put("Boot", 1)
    ioc.put("Synchronous", "Yes")
    with pytest.raises(PutFailed):
        _run(ioc)
    assert "set ChassisMaster of one module to Yes" in ioc.get("TakeData:ErrorMessage_RBV")
    ioc.put("Boot", 1)
    ioc.put("M01:ChassisMaster", "Yes")
    _run(ioc)
    ioc.put("M01:ChassisMaster", "No")
    ioc.put("Synchronous", "No")


def test_a_new_process_need_not_boot_modules_that_keep_their_firmware(fresh: Crate) -> None:
    ioc, simulation = fresh
    memory = f"memory {simulation.folder / 'modules'}"

    def boots(*more: str) -> bool:
        """Whether the modules are really booted by a new process, which takes a run."""
        ioc.put("Kill", 1)
        simulation.control(RATE, memory, *more)
        log = simulation.folder / "Pixie16Msg.log"
        log.unlink(missing_ok=True)
        try:
            ioc.put("Boot", 1, timeout=60)
        except PutFailed:
            raise AssertionError(ioc.get("CmdMessage_RBV")) from None
        assert ioc.get("M01:Firmware_RBV") == 35207
        ioc.put("ErrorAck", 1)
        return log.exists() and "fast boot not available" in log.read_text()

    ioc.put("SettingsFile", str(simulation.default_settings()))
    boots()
    ioc.put("M01:C03:TRIGGER_THRESHOLD", 77)
    assert not boots(*NO_BOOT)
    assert ioc.get("M01:C03:TRIGGER_THRESHOLD_RBV") == pytest.approx(77)
    _run(ioc)
    assert not boots(*NO_BOOT)
    assert ioc.get("M01:C03:TRIGGER_THRESHOLD_RBV") == pytest.approx(77)
    (simulation.folder / "modules").unlink()  # their power was off
    assert boots()
    ioc.put("FastBoot", "No")
    ioc.put("Kill", 1)
    simulation.control(RATE, memory, *NO_BOOT)
    with pytest.raises(PutFailed):
        ioc.put("Boot", 1, timeout=60)
    ioc.put("FastBoot", "Yes")
