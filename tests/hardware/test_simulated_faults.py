"""Faults of the simulated SDK, on request: error codes, hangs, crashes, slow boots, modules that do as they like."""

from __future__ import annotations

import ctypes
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from pixieioc.hardware.crate import RUN_LEADER
from pixieioc.listmode.variant import variant
from tests.hardware.simulation import SOURCE, Sdk, Simulation, decoded
from tests.stopwatch import Stopwatch

LAYOUT = variant(500, 35207)
#: Boots a module, starts a run, and takes data until it is told to end by the fault.
PROGRAM = """
import sys
from pathlib import Path
from pixieioc.hardware.crate import RUN_LEADER
from tests.hardware.simulation import Sdk, Simulation
simulation = Simulation.__new__(Simulation)
object.__setattr__(simulation, "folder", Path(sys.argv[1]))
sdk = Sdk(simulation)
print("booted", flush=True)
sdk.start()
while True:
    sdk.take()
"""


def test_any_call_fails_with_any_code_as_often_as_is_asked_for(simulation: Simulation) -> None:
    sdk = Sdk(simulation, (2, 3))
    simulation.control("fail Pixie16CheckRunStatus code 506 module 1 count 2", "fail Pixie16StartListModeRun code 206")
    assert [sdk.api.Pixie16CheckRunStatus(0) for _ in range(2)] == [0, 0]
    assert [sdk.api.Pixie16CheckRunStatus(1) for _ in range(3)] == [-506, -506, 0]
    assert [sdk.start() for _ in range(2)] == [-206, -206]
    text = ctypes.create_string_buffer(100)
    assert sdk.api.PixieGetReturnCodeText(-506, text, 100) == 0
    assert text.value == b"device dma failure"
    assert "Pixie16CheckRunStatus: module: num=1: requested failure 506" in simulation.log
    simulation.control()
    assert len(decoded(sdk.run(0.05)[0], LAYOUT)["time"]) > 0


def test_every_call_of_the_interface_can_fail(simulation: Simulation) -> None:
    sdk = Sdk(simulation)
    names = [
        word.split("(")[0]
        for line in SOURCE.read_text().splitlines()
        if line.startswith("API int ")
        for word in line.split()[2:3]
    ]
    pure = {"PixieGetReturnCodeText", "PixieGetVersion", "Pixie16GetStatisticsSize"}
    calls = [name for name in names if name not in pure]
    assert len(calls) >= 30
    simulation.control(*(f"fail {name} code 505" for name in calls))
    buffer = ctypes.create_string_buffer(1 << 20)
    for name in calls:
        arguments = {
            "Pixie16StartListModeRun": (0, 0x100, 1),
            "Pixie16WriteSglChanPar": (b"EMIN", ctypes.c_double(), 0, 0),
        }
        call = getattr(sdk.api, name)
        assert call(*arguments.get(name, (0, *[buffer] * 7))) == -505, name


def test_a_call_hangs_until_it_is_let_go_and_others_do_not(simulation: Simulation) -> None:
    sdk = Sdk(simulation)
    simulation.control("hang Pixie16EndRun")
    assert sdk.start() == 0
    codes: list[int] = []
    caller = threading.Thread(target=lambda: codes.append(sdk.api.Pixie16EndRun(0)), daemon=True)
    caller.start()
    caller.join(0.2)
    assert caller.is_alive()
    assert sdk.api.Pixie16CheckRunStatus(0) == 1
    simulation.control()
    caller.join(60)
    assert codes == [0]


def test_a_crash_ends_the_process(simulation: Simulation) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(simulation.folder)],
        env={"PYTHONPATH": str(SOURCE.parents[2]), **simulation.environment},
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"booted\n"
        simulation.control("crash Pixie16ReadDataFromExternalFIFO")
        assert process.wait(60) == -signal.SIGSEGV


def test_a_slow_boot_takes_its_time_for_each_module(simulation: Simulation) -> None:
    simulation.control("boot_seconds 0.2")
    begin = Stopwatch()
    Sdk(simulation, (2, 3))
    assert begin.elapsed > 0.4
    other = Simulation(_other(simulation))
    other.control("boot_seconds 0.2", "fail Pixie16BootModule code 501 module 1")
    with pytest.raises(AssertionError):
        Sdk(other, (2, 3))


def _other(simulation: Simulation) -> Path:
    folder = simulation.folder / "other"
    folder.mkdir()
    return folder


def test_a_module_ends_its_run_by_itself(simulation: Simulation) -> None:
    sdk = Sdk(simulation, (2, 3))
    simulation.control("end_after 0.05 module 1")
    assert sdk.start() == 0
    end = time.monotonic() + 60
    while sdk.api.Pixie16CheckRunStatus(1):
        assert time.monotonic() < end
        time.sleep(0.005)  # the library has nothing that could be waited for
    assert sdk.api.Pixie16CheckRunStatus(0) == 1
    assert "module: num=1,slot=3: run not active" in simulation.log
    assert sdk.statistics(1)["RealTime"] == pytest.approx(0.05)
    assert len(decoded(sdk.take(1), LAYOUT)["time"]) == sdk.statistics(1)["RawOutputCount"].sum()
    assert sdk.api.Pixie16EndRun(2) == 0
    # In synchronous mode it takes the others with it.
    sdk.write_module("SYNCH_WAIT", 1)
    sdk.write_module("MODULE_CSRB", RUN_LEADER)
    assert sdk.start() == 0
    while sdk.api.Pixie16CheckRunStatus(0):
        assert time.monotonic() < end
        time.sleep(0.005)  # as above
    assert sdk.statistics(0)["RealTime"] == sdk.statistics(1)["RealTime"] == pytest.approx(0.05)


def test_a_run_that_does_not_end(simulation: Simulation) -> None:
    sdk = Sdk(simulation, (2, 3))
    assert sdk.start() == 0
    simulation.control("stuck module 1")
    assert [sdk.api.Pixie16EndRun(module) for module in (0, 1)] == [0, -214]
    assert [sdk.api.Pixie16CheckRunStatus(module) for module in (0, 1)] == [0, 1]
    simulation.control()
    assert sdk.api.Pixie16EndRun(1) == 0


def test_words_that_the_host_drops_are_counted(simulation: Simulation) -> None:
    sdk = Sdk(simulation)
    simulation.control("discard 1000")
    [words] = sdk.run(0.2)
    losses = sdk.losses()
    assert losses["dropped"] == 1000
    assert losses["dma_in"] == losses["in"] + 1000 == len(words) + 1000
    assert 4 * sdk.statistics()["RawOutputCount"].sum() == len(words) + 1000


def test_a_process_has_one_crate(simulation: Simulation) -> None:
    sdk = Sdk(simulation)
    slots = (ctypes.c_ushort * 1)(2)
    assert sdk.api.Pixie16InitSystem(1, slots, 0) == -100
    assert sdk.api.Pixie16CheckRunStatus(0) == -204  # it is shut down by that
    assert sdk.api.Pixie16InitSystem(1, slots, 0) == -100


def test_a_closed_crate_stays_closed(simulation: Simulation) -> None:
    sdk = Sdk(simulation)
    assert sdk.api.Pixie16ExitSystem(1) == 0
    assert sdk.api.Pixie16CheckRunStatus(0) == -204
    assert sdk.api.Pixie16InitSystem(1, (ctypes.c_ushort * 1)(2), 0) == -100


@pytest.mark.parametrize(("slots", "code"), [((9,), -200), ((1,), -200), ((15,), -200), ((), -201)])
def test_crates_that_cannot_be(simulation: Simulation, slots: tuple[int, ...], code: int) -> None:
    simulation.control("slot 9")
    api = ctypes.CDLL(str(simulation.library))
    assert api.Pixie16CheckRunStatus(0) == -101
    assert api.Pixie16InitSystem(len(slots), (ctypes.c_ushort * 13)(*slots), 0) == code
    # Where the modules were looked for, a process cannot try again.
    assert api.Pixie16InitSystem(1, (ctypes.c_ushort * 1)(2), 0) == (-100 if slots else 0)


def test_firmware_must_be_there_and_fit(simulation: Simulation) -> None:
    sdk = Sdk(simulation, boot=False)
    assert sdk.api.Pixie16CheckRunStatus(0) == -204
    settings = str(simulation.default_settings()).encode()
    for kind, code in ((("f", 250, 14), -207), (("h", 500, 14), -207), (("f", 500, 14), 0)):
        files = [str(path).encode() for path in simulation.firmware(*kind)]
        assert sdk.api.Pixie16BootModule(files[0], files[1], b" ", files[2], settings, files[3], 0, 0x7F) == code
        assert sdk.api.Pixie16BootModule(b"/nix", files[1], b" ", files[2], settings, files[3], 0, 0x7F) == -700
    assert sdk.api.Pixie16BootModule(files[0], files[1], b" ", files[2], b"/nix", files[3], 0, 0x7F) == -701


def test_settings_are_left_alone_while_a_run_is_on(simulation: Simulation) -> None:
    sdk = Sdk(simulation)
    assert sdk.start() == 0
    assert sdk.write("EMIN", 1) == -218
    assert sdk.api.Pixie16AdjustOffsets(0) == -218
    assert sdk.api.Pixie16LoadDSPParametersFromFile(b"x.json") == -218
    assert sdk.read_module("SYNCH_WAIT") == -218
    assert sdk.level() >= 0
    assert sdk.statistics()["RealTime"] > 0
    simulation.control("unchecked")  # as the SDK of 2022
    assert sdk.write("EMIN", 1) == 0
    assert np.array(sdk.take()).dtype == np.uint32
