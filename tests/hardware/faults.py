"""Every fault in every call of XIA's library that TakeData makes, in a running IOC: what is shown, what works then.

    python -m tests.hardware.faults                      all of them, in some ten minutes
    python -m tests.hardware.faults boot hang            those whose name has both words
    python -m tests.hardware.faults --pypixie16 run      through pypixie16

The gate tries one of each kind, see `test_faults.py`.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from tests.ca_client import PutFailed, Watch
from tests.hardware.crate_ioc import RATE, Crate, running_crate
from tests.running_ioc import Ioc
from tests.stopwatch import Stopwatch

STOP_TIMEOUT = 2.0
#: How soon an error is shown, and tasks are killed; how much later than StopTimeout a run has ended (s).
_SHOWN, _KILLED, _ENDED = 2.0, 2.0, 2.0


@dataclass(frozen=True)
class Situation:
    """What is going on when a call fails, and the put that it fails."""

    prepare: Callable[[Ioc], None]
    put: str
    in_run: bool = False  #: whether a run is on, or is being started
    before: bool = False  #: whether the put comes before the fault
    refused: bool = False  #: whether an error is a refusal of the put and costs nothing else


@dataclass(frozen=True)
class Fault:
    """A trial: what is requested of a call (or of the modules) in a situation."""

    situation: str
    kind: str
    call: str = ""
    module: int | None = 1  #: None: of no module
    line: str = ""  #: instead of a call: what the modules do
    said: str = ""  #: what the error says then
    tolerated: bool = False  #: whether an error is printed and ends no run

    def __str__(self) -> str:
        return " ".join(part for part in (self.situation, self.kind, self.call or self.line.split()[0]) if part)


# -- situations --------------------------------------------------------------------------------------------------------


def _not_booted(ioc: Ioc) -> None:
    ioc.put("FastBoot", "No")  # otherwise modules that a library knows to be booted are taken over
    ioc.put("Kill", 1)
    ioc.put("Reset", 1)


def _booted(ioc: Ioc) -> None:
    ioc.put("Reset", 1)
    if ioc.get("BootState_RBV") != "Booted":
        ioc.put("Boot", 1)


def _running(ioc: Ioc) -> None:
    _booted(ioc)
    ioc.put("PresetMode", "No preset")


def _settings(pv: str) -> Situation:
    return Situation(_booted, pv, refused=True)


SITUATIONS = {
    "boot": Situation(_not_booted, "Boot"),
    "start": Situation(_running, "Acquire", in_run=True),
    "run": Situation(_running, "Acquire", in_run=True, before=True),
    "stop": Situation(_running, "Stop", in_run=True),
    "setting": _settings("M01:C03:EMIN"),
    "module-setting": _settings("M01:TrigConfig0"),
    **{
        name: _settings(name)
        for name in (
            "LoadSettings", "SaveSettings", "AcquireTraces", "AcquireBaselines", "FindTau", "FindBaselineCut",
            "AdjustOffsets", "ReadHistograms",
        )
    },
}  # fmt: skip
#: The calls in each situation, of the second module unless one is named; with a star, errors are only printed.
CALLS = {
    "boot": (
        "Pixie16InitSystem Pixie16ReadModuleInfo Pixie16BootModule Pixie16LoadDSPParametersFromFile "
        "Pixie16ReadSglChanPar Pixie16ReadSglModPar Pixie16WriteSglChanPar"
    ),
    "start": "Pixie16WriteSglModPar@0 Pixie16ReadSglModPar@0 Pixie16StartListModeRun",
    "run": (
        "Pixie16CheckExternalFIFOStatus Pixie16ReadDataFromExternalFIFO Pixie16CheckRunStatus PixieReadRunFifoStats* "
        "Pixie16ReadStatisticsFromModule* Pixie16ReadHistogramFromModule*"
    ),
    "stop": (
        "Pixie16EndRun Pixie16CheckRunStatus Pixie16CheckExternalFIFOStatus Pixie16ReadDataFromExternalFIFO "
        "PixieReadRunFifoStats Pixie16ReadStatisticsFromModule Pixie16ReadHistogramFromModule*"
    ),
    "setting": "Pixie16WriteSglChanPar Pixie16ReadSglChanPar",
    "module-setting": "Pixie16WriteSglModPar Pixie16ReadSglModPar",
    "LoadSettings": "Pixie16LoadDSPParametersFromFile Pixie16ReadSglChanPar Pixie16ReadSglModPar",
    "SaveSettings": "Pixie16SaveDSPParametersToFile",
    "AcquireTraces": "Pixie16AcquireADCTrace PixieGetTraceLength Pixie16ReadSglChanADCTrace",
    "AcquireBaselines": "Pixie16AcquireBaselines Pixie16ReadSglChanBaselines",
    "FindTau": "Pixie16TauFinder",
    "FindBaselineCut": "Pixie16BLcutFinder",
    "AdjustOffsets": "Pixie16AdjustOffsets",
    "ReadHistograms": "Pixie16ReadHistogramFromModule",
}
_OF_ALL = ("Pixie16InitSystem", "Pixie16LoadDSPParametersFromFile", "Pixie16SaveDSPParametersToFile")
KINDS = ("error", "crash", "hang-Kill", "hang-Stop")


def table() -> Iterator[Fault]:
    """All trials."""
    for situation, calls in CALLS.items():
        for call in calls.split():
            for kind in KINDS:
                if kind != "hang-Stop" or situation in ("boot", "start", "run", "stop"):
                    yield _fault(situation, kind, call)
    ended = "the run has ended by itself in module 1 (slot 3)"
    yield Fault("run", "error", line="end_after 0.1 module 1", said=ended)
    yield Fault("stop", "error", line="stuck module 1", said="Pixie16EndRun of module 1: module task timeout (-214)")
    yield Fault("stop", "hang-Stop", line="linger 60 module 1")


def _fault(situation: str, kind: str, call: str) -> Fault:
    name, _, module = call.rstrip("*").partition("@")
    where = None if name in _OF_ALL else int(module or 1)
    return Fault(situation, kind, name, where, tolerated=kind == "error" and call.endswith("*"))


# -- a trial -----------------------------------------------------------------------------------------------------------


def try_fault(crate: Crate, fault: Fault) -> None:
    """Requests a fault; AssertionError if not everything is as it must be, then and afterwards."""
    ioc, simulation = crate
    situation = SITUATIONS[fault.situation]
    simulation.control(RATE)
    _prepare(ioc, fault, situation)
    with ioc.watch("TakeData:PRINT") as printed:
        printed.clear()
        _try(crate, fault, situation, printed)
    simulation.control(RATE)
    _recover(ioc)


def _try(crate: Crate, fault: Fault, situation: Situation, printed: Watch) -> None:
    ioc, simulation = crate
    run = _start(ioc) if fault.situation in ("run", "stop") and not fault.line.startswith("end_after") else None
    kind = fault.kind.partition("-")[0]
    module = "" if fault.module is None else f" module {fault.module}"
    hangs = simulation.log.count("requested hang")
    requested = {"error": f"fail {fault.call} code 505{module}", "crash": f"crash {fault.call}{module}"}
    simulation.control(RATE, fault.line or requested.get(kind, f"hang {fault.call}{module}"))
    began = Stopwatch()
    pending = run if run is not None and situation.before else ioc.put_later(situation.put, _value(situation.put))
    if kind == "hang":
        if fault.call:
            _until(lambda: simulation.log.count("requested hang") > hangs)
        _end_hang(ioc, fault, situation, pending)
    elif fault.tolerated:
        printed.until("TakeData:PRINT", lambda text: f"{fault.call} of module {fault.module}" in text)
        assert fault.situation == "stop" or ioc.get("Acquire") == "Acquire"
        simulation.control(RATE)
        ioc.put("Stop", 1)
        pending.result()
    else:
        assert _failed(pending), "the put succeeds"
        took = began.taken
        assert took < _SHOWN + (1.0 if fault.line.startswith("stuck") else 0.0), f"the put fails after {took:.1f} s"
        _check_error(ioc, fault, situation)


def _prepare(ioc: Ioc, fault: Fault, situation: Situation) -> None:
    """Has everything there that such a call comes from."""
    if fault.situation == "boot" and fault.call == "Pixie16WriteSglChanPar":
        _booted(ioc)
        ioc.put("M01:C05:EMIN", _value("M01:C05:EMIN"))  # what was changed is written again by each boot
    situation.prepare(ioc)
    if situation.in_run and "Histogram" in fault.call:
        ioc.put("M01:C03:CaptureHistogram", "Yes")
        ioc.put("HistogramInterval", 0.1)


def _value(pv: str) -> Any:
    """Another one than before, so that it has to be written."""
    return time.time_ns() // 1000 % 1000 + 8 if ":" in pv else 1


def _start(ioc: Ioc) -> Future[None]:
    events = ioc.get("ConvertToEvents:Events_RBV")
    run = ioc.put_later("Acquire", 1)
    ioc.until("DetectorState_RBV", "Acquire")
    ioc.until("ConvertToEvents:Events_RBV", lambda now: now > 0 and now != events)
    return run


def _until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end, "nothing hangs"
        time.sleep(0.02)  # a file that the library writes: there is nothing that could be waited for


def _failed(pending: Future[None], seconds: float = 60.0) -> bool:
    try:
        pending.result(seconds)
    except PutFailed:
        return True
    return False


def _end_hang(ioc: Ioc, fault: Fault, situation: Situation, pending: Future[None]) -> None:
    """Ends what hangs by a command, in time; whoever waits for it hears of it."""
    command, began = fault.kind.partition("-")[2], Stopwatch()
    stopping = command == "Stop" and situation.put == "Stop"
    end = pending if stopping else ioc.put_later(command, 1)
    ended_badly = _failed(end)
    took = began.taken
    assert took < (_KILLED if command == "Kill" else STOP_TIMEOUT + _ENDED), f"{command} takes {took:.1f} s"
    if command == "Kill" or situation.in_run:
        assert ended_badly == (command == "Stop"), "a stop that has to kill fails, and a kill does not"
        assert _failed(pending) or situation.put == "Stop", "the put that hangs does not fail"
    if situation.in_run and command == "Stop":
        assert ioc.get("RunEndReason_RBV") == "Timeout"
        assert ioc.get("TakeData:ERROR") == "ERROR"
    if not (situation.in_run or command == "Kill"):  # nothing was to be stopped: the boot goes on
        assert not ended_badly
        assert ioc.get("BootState_RBV") == "Booting"
        ioc.put("Kill", 1)
        assert _failed(pending)
    if command == "Kill":
        assert ioc.get("BootState_RBV") == "Offline"
        assert ioc.get("SetupProgress_RBV") == ""


def _check_error(ioc: Ioc, fault: Fault, situation: Situation) -> None:
    """The error names call, module and the SDK's reason, where operators and scripts look for it."""
    if fault.kind == "crash":
        expected = ["was killed by signal 11"]
    elif fault.said:
        expected = [fault.said]
    else:
        where = "" if fault.module is None else f" of module {fault.module}"
        expected = [f"{fault.call}{where}", "device hardware failure", "(-505)", "requested failure 505"]
    names = ["CmdMessage_RBV"] + ["TakeData:ErrorMessage_RBV"] * (not situation.refused or fault.kind == "crash")
    for name in names:
        text = ioc.get(name)
        assert all(part in text for part in expected), f"{name} is {text!r}"
    if situation.refused and fault.kind == "error":
        assert (ioc.get("CmdStatus_RBV"), ioc.get("ErrorLatched_RBV")) == ("Refused", "OK")
        return
    assert ioc.get("TakeData:ERROR") == "ERROR"
    assert ioc.severity("TakeData:ERROR") == 2
    if fault.kind == "crash":
        assert ioc.get("BootState_RBV") == "Offline"
    elif fault.situation == "boot":
        assert ioc.get("BootState_RBV") == "Failed"
        assert "the boot of the crate has failed" in ioc.get("ReadyMessage_RBV")


def _recover(ioc: Ioc) -> None:
    """The next start works, whatever there was, and nothing is left of it."""
    ioc.put("ErrorAck", 1)
    ioc.put("HistogramInterval", 0)
    ioc.put("PresetMode", "Real time")
    ioc.put("PresetReal", 0.1)
    if ioc.get("BootState_RBV") == "Failed":
        ioc.put("Boot", 1)
    try:
        ioc.put("Acquire", 1)
    except PutFailed:
        raise AssertionError(f"the next start fails: {ioc.get('CmdMessage_RBV')}") from None
    assert ioc.get("ConvertToEvents:Events_RBV") > 10
    assert ioc.get("BootState_RBV") == "Booted"
    assert ioc.get("ErrorLatched_RBV") == "OK"
    assert ioc.get("Ready_RBV") == "Yes"


# -- all of them -------------------------------------------------------------------------------------------------------


def begin(crate: Crate) -> None:
    """What the boots of all trials find: a file of settings."""
    ioc, simulation = crate
    ioc.put("Boot", 1)
    ioc.put("SettingsFile", str(simulation.folder / "settings.json"))
    ioc.put("SaveSettings", 1)


def main() -> None:
    """Tries them, and says which fail."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*")
    parser.add_argument("--pypixie16", action="store_true")
    chosen = parser.parse_args()
    faults = [fault for fault in table() if all(word in str(fault).split() for word in chosen.words)]
    failed = 0
    with running_crate(stop_timeout=STOP_TIMEOUT, pypixie16=chosen.pypixie16) as crate:
        begin(crate)
        for fault in faults:
            began = time.monotonic()
            try:
                try_fault(crate, fault)
                outcome = "ok"
            except Exception as error:  # the others are tried all the same
                outcome, failed = f"FAILED: {type(error).__name__}: {error}", failed + 1
                crate[1].control(RATE)
                crate[0].put("Kill", 1)
                crate[0].put("ErrorAck", 1)
            print(f"{fault!s:60} {time.monotonic() - began:5.1f} s  {outcome}", flush=True)
    print(f"{len(faults)} faults, {failed} failed")
    raise SystemExit(bool(failed))


if __name__ == "__main__":
    main()
