"""Every hit that a module counts arrives or is counted as lost, also when a task behind stands still for a while."""

from __future__ import annotations

import os
import signal
import time

import pytest

from pixieioc.hardware import Firmware
from pixieioc.hardware.sdk import SdkCrate
from tests.hardware.simulation import Simulation
from tests.recorder import Recorder

_TRACE = 1 << 8


def _with_traces(simulation: Simulation) -> str:
    """A settings file by which all channels have traces of 1 us."""
    crate = SdkCrate(simulation.library)
    crate.open((2,))
    system, fippi, code, variables = simulation.firmware()
    crate.boot([Firmware(system, fippi, code, variables)])
    for channel in range(16):
        bits = int(crate.read_channel(0, channel, "CHANNEL_CSRA"))
        crate.write_channel(0, channel, "CHANNEL_CSRA", bits | _TRACE)
        crate.write_channel(0, channel, "TRACE_LENGTH", 1.0)
    path = simulation.folder / "traces.json"
    crate.save_settings(path)
    return str(path)


def _stall(pipeline: Recorder, task: str, seconds: float) -> None:
    """A task does nothing for a while; the pipeline goes on to listen."""
    pid = pipeline.told(task, "process_id")
    os.kill(pid, signal.SIGSTOP)
    try:
        pipeline.wait(seconds)
    finally:
        os.kill(pid, signal.SIGCONT)


def _began(pipeline: Recorder) -> None:
    end = time.monotonic() + 10
    while not pipeline.told("ConvertToEvents", "events"):
        pipeline.wait(0.05)
        assert time.monotonic() < end


@pytest.mark.parametrize("stalled", ["GatherData", "ConvertToEvents"])
@pytest.mark.parametrize(("rate", "traces"), [(12000, False), (1000, True)], ids=["headers", "traces"])
def test_what_does_not_fit_is_counted(
    pipeline: Recorder, simulation: Simulation, rate: int, traces: bool, stalled: str
) -> None:
    # The buffers hold a fifth of a second, so that they run over soon.
    simulation.control(f"rate {rate}", "buffers 100" if traces else "buffers 15")
    source = {"implementation": "sdk", "crate_file": str(simulation.crate_file()), "max_delay": 0.01}
    source |= {"settings_file": _with_traces(simulation)} if traces else {}
    pipeline.task_kwargs = {
        "TakeData": source,
        "GatherData": {"auto_save": True, "file_path": str(simulation.folder), "max_delay": 0.05},
        "firmware_revision": [35207],
    }
    pipeline.chain_of("TakeData", "GatherData", "ConvertToEvents")
    pipeline.start()
    _began(pipeline)
    for _ in range(2):
        before = pipeline.told("TakeData", "module_overflows").sum()
        end = time.monotonic() + 10
        while pipeline.told("TakeData", "module_overflows").sum() == before:
            assert time.monotonic() < end, "nothing is lost"
            _stall(pipeline, stalled, 1.0)
        assert pipeline.told("TakeData", "hits_lost") > 0  # which is in alarm from here on
        pipeline.wait(0.3)
    pipeline.stop()
    pipeline.wait(20)
    assert [str(error) for error in pipeline.errors] == []
    counted = pipeline.told("TakeData", "output_counts").sum()
    lost = pipeline.told("TakeData", "hits_lost")
    assert counted == pipeline.told("ConvertToEvents", "events") + lost
    assert 0 < lost < counted
    assert pipeline.told("ConvertToEvents", "corrupt_regions") == 0
    assert pipeline.told("GatherData", "bytes_written") == 4 * pipeline.told("TakeData", "words_read")
    simulation.control("rate 100")
    pipeline.start()  # what was lost belongs to that run
    pipeline.wait(0.5)
    pipeline.stop()
    pipeline.wait(20)
    assert pipeline.told("TakeData", "hits_lost") == 0
    assert pipeline.told("TakeData", "output_counts").sum() == pipeline.told("ConvertToEvents", "events") > 0
