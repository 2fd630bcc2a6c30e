"""An areaDetector-like IOC that keeps few of the rules, in simulation: what a test of the rules must find out.

python -m tests.system.wrong_ioc PREFIX: its puts of Acquire complete at once, starts are queued, nothing is refused,
settings are used at the next start, and the time of a run is that of a wall clock that is off.
"""
# caproto declares its groups in ways that no checker follows.
# pyright: reportGeneralTypeIssues=false, reportArgumentType=false, reportCallIssue=false

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

from caproto import ChannelType
from caproto.server import PVGroup, pvproperty
from caproto.server import run as serve

NO_YES, DONE = ["No", "Yes"], ["Done", "Acquire"]


def _text(value: str, name: str, length: int = 1000) -> Any:
    return pvproperty(value=value, name=name, dtype=ChannelType.CHAR, string_encoding="utf-8", max_length=length)


def _enum(value: str, name: str, labels: list[str], **options: Any) -> Any:
    return pvproperty(value=value, name=name, dtype=ChannelType.ENUM, enum_strings=labels, **options)


class WrongIoc(PVGroup):
    """What clients see of it."""

    sim_mode = _enum("Simulation", "SimMode_RBV", ["Hardware", "Simulation"])
    acquire = _enum("Done", "Acquire", DONE)
    acquire_rbv = _enum("Done", "Acquire_RBV", ["Done", "Acquiring"])
    busy = _enum("Done", "AcquireBusy", ["Done", "Acquiring"])
    erase_start = _enum("Done", "EraseStart", DONE)
    stop = _enum("Done", "Stop", ["Done", "Stop"])
    abort = _enum("Done", "Abort", ["Done", "Abort"])
    reset = _enum("Done", "Reset", ["Done", "Reset"])
    configure = _enum("Done", "Configure", ["Done", "Configure"])
    quit = _enum("Done", "Quit", ["Done", "Quit"])
    kill = _enum("Done", "Kill", ["Done", "Kill"])
    state = _enum("WAITING", "State_RBV", ["WAITING", "RUNNING", "DYING", "PANICKING", "UNKNOWN"])
    detector = _enum("Idle", "DetectorState_RBV", ["Idle", "Acquire", "Aborted"])
    reason = _enum("None", "RunEndReason_RBV", ["None", "Preset", "Operator stop", "Abort"])
    status = _enum("OK", "CmdStatus_RBV", ["OK", "Busy", "Refused", "Failed", "Timeout"])
    message = _text("nothing", "CmdMessage_RBV")
    status_message = _text("idle", "StatusMessage_RBV")
    user = _text("", "CmdUser_RBV")
    ready = _enum("Yes", "Ready_RBV", NO_YES)
    ready_message = _text("", "ReadyMessage_RBV")
    latched = _enum("OK", "ErrorLatched_RBV", ["OK", "ERROR"])
    tasks = _text("Source", "Tasks_RBV")
    json_rbv = _text(json.dumps({"run": {"preset_real": 1.0}}), "ConfigJSON_RBV", 5000)
    json = _text("", "ConfigJSON", 5000)
    dirty = _enum("No", "ConfigDirty_RBV", NO_YES)
    locked = _enum("No", "ConfigLocked_RBV", NO_YES)
    run_id = pvproperty(value=1, name="RunId_RBV")
    stop_timeout = pvproperty(value=1.0, name="StopTimeout")
    stop_timeout_rbv = pvproperty(value=1.0, name="StopTimeout_RBV")
    elapsed = pvproperty(value=0.0, name="ElapsedReal_RBV")
    preset_mode = _enum("No preset", "PresetMode", ["No preset", "Real time"])
    preset_real = pvproperty(value=1.0, name="PresetReal")
    wait = _enum("Yes", "WaitForPipeline", NO_YES)
    fail = _enum("Yes", "FailPutOnError", NO_YES)
    file_name = pvproperty(value="name", name="FileName", dtype=str)
    own_error = _enum("OK", "IOC:ERROR", ["OK", "ERROR"])
    task_status = _enum("WAITING", "Source:Status", ["WAITING", "RUNNING"])
    counter = pvproperty(value=0.0, name="Source:Counter_RBV")
    events = pvproperty(value=0.0, name="Source:Events_RBV")
    bytes_in = pvproperty(value=0.0, name="Source:REPORT:BytesIn_RBV")
    queue = pvproperty(value=0, name="Source:QueueSize_RBV")
    dropped = pvproperty(value=0.0, name="Source:Dropped_RBV")
    balance = pvproperty(value=0.0, name="Source:Balance_RBV")
    busy_time = pvproperty(value=0.0, name="Source:BusyTime_RBV")
    hang = pvproperty(value=60.0, name="Source:HangTimeout")
    hang_rbv = pvproperty(value=60.0, name="Source:HangTimeout_RBV")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._runs: set[asyncio.Task[None]] = set()

    @acquire.putter
    async def acquire(self, instance: Any, value: Any) -> None:
        if str(value) in ("Acquire", "1"):
            self._runs.add(asyncio.get_running_loop().create_task(self._run()))
        else:
            await self._end("Operator stop")

    @stop.putter
    async def stop(self, instance: Any, value: Any) -> None:
        await self._end("Operator stop")

    @abort.putter
    async def abort(self, instance: Any, value: Any) -> None:
        await self._end("Operator stop")

    async def _end(self, reason: str) -> None:
        for run in self._runs:
            run.cancel()
        self._runs.clear()
        await self._finish(reason)

    async def _run(self) -> None:
        began = time.monotonic()
        await self.acquire_rbv.write("Acquiring")
        await self.busy.write("Acquiring")
        await self.detector.write("Acquire")
        await self.state.write("RUNNING")
        while str(self.preset_mode.value) == "No preset" or time.monotonic() - began < self.preset_real.value:
            await asyncio.sleep(0.05)
            await self.counter.write(self.counter.value + 1)
            await asyncio.sleep(0.001)
            await self.bytes_in.write(self.bytes_in.value + 100)
            await self.events.write(self.events.value + 500)
        await self._finish("Preset")

    async def _finish(self, reason: str) -> None:
        await self.acquire_rbv.write("Done")
        await self.busy.write("Done")
        await self.acquire.write("Done", verify_value=False)
        await self.detector.write("Idle")
        await self.state.write("WAITING")
        await self.reason.write(reason)
        await self.elapsed.write(2 + time.monotonic() % 10)  # never what it must be, by chance


async def _say_so(_: object) -> None:
    print("serves", flush=True)


if __name__ == "__main__":
    ioc = WrongIoc(prefix=sys.argv[1])
    if "--hardware" in sys.argv:
        ioc.sim_mode._data["value"] = "Hardware"
    serve(ioc.pvdb, interfaces=["127.0.0.1"], log_pv_names=False, startup_hook=_say_so)
