"""Process variables as a client sees them: which there are, their types, alarms and limits."""

from __future__ import annotations

import math
import os
import re
from pathlib import Path

import aioca
import numpy as np
import pytest

from tests.ca_client import NoAnswer, PutFailed
from tests.running_ioc import Ioc

ECA_NOWTACCESS = 376

# What the pipeline's users rely on, by section; the text is that of the specification's tables.
RUN_CONTROL = """Acquire Acquire_RBV AcquireBusy EraseStart Erase Stop Abort Configure Reset Quit Kill WaitForPipeline
FailPutOnError State_RBV DetectorState_RBV StatusMessage_RBV CmdStatus_RBV CmdMessage_RBV CmdUser_RBV RunEndReason_RBV
RunId_RBV Ready_RBV ReadyBits_RBV ReadyMessage_RBV ConfigDirty_RBV ConfigLocked_RBV ConfigJSON ConfigJSON_RBV
StopTimeout StopTimeout_RBV SimMode_RBV Tasks_RBV TaskCount_RBV"""
PRESETS = """PresetMode PresetReal PresetLive PresetEvents ElapsedReal_RBV ElapsedLive_RBV TimeRemaining_RBV
Progress_RBV DeadTime_RBV"""
FILES = """FilePath FilePath_RBV FilePathExists_RBV FileName FileNumber AutoIncrement FileTemplate FullFileName_RBV
AutoSave CreateDirectory WriteStatus_RBV WriteMessage_RBV BytesWritten_RBV WriteRate_RBV DiskFree_RBV
DiskTimeLeft_RBV"""
ERRORS = """ErrorCount_RBV ErrorLatched_RBV ErrorAck ErrorFirst_RBV LastError_RBV LastErrorTask_RBV LastErrorTime_RBV
SumSevr_RBV"""
TASK = """Status HeartBeat HeartBeatAge_RBV BusyTime_RBV HangTimeout HangTimeout_RBV
ERROR ErrorMessage_RBV ErrorCount_RBV PRINT PrintLog_RBV QueueSize_RBV
QueueFree_RBV QueueUse_RBV Dropped_RBV Balance_RBV Counter_RBV Rate_RBV ByteRate_RBV ExecutionTime_RBV
ExecutionTimeMax_RBV ProcessId_RBV CpuLoad_RBV MemUsed_RBV REPORT:JSON_RBV"""
IOC = """HEARTBEAT STARTTOD TOD UPTIME START_CNT CA_CLNT_CNT CA_CONN_CNT RECORD_CNT FD_CNT FD_MAX FD_FREE SYS_CPU_LOAD
IOC_CPU_LOAD MEM_USED MEM_FREE PROCESS_ID HOSTNAME KERNEL_VERS SYSRESET ACCESS"""

NAMES = [
    *RUN_CONTROL.split(),
    *PRESETS.split(),
    *FILES.split(),
    *ERRORS.split(),
    *(f"{task}:{name}" for task in ("DummyData", "Brake", "FillSpectra") for name in TASK.split()),
    *(f"{task}:Events_RBV" for task in ("ConvertToEvents", "Brake", "SortEvents", "GatherEvents", "FillSpectra")),
    *(f"IOC:{name}" for name in IOC.split()),
    "Brake:Delay",
    "Brake:Delay_RBV",
    "Brake:REPORT:Temperature_RBV",
    "M00:C00:Spectrum_RBV",
    "M00:C01:Counts_RBV",
    "M00:OutputCountRates_RBV",
]


def test_all_names_are_there(ioc: Ioc) -> None:
    values = [ioc.get(name) for name in NAMES]
    assert len(values) == len(NAMES)
    assert ioc.get("IOC:RECORD_CNT") > len(NAMES)


@pytest.mark.parametrize("name", ["Events_RBV", "DummyData:Events_RBV", "Acquire_RBVX", "acquire", "", "Acquire.NOPE"])
def test_no_other_names_are_there(ioc: Ioc, name: str) -> None:
    with pytest.raises(NoAnswer):
        ioc.raw(name, timeout=0.3)


def test_the_value_field_is_the_record(ioc: Ioc) -> None:
    assert ioc.get("StopTimeout.VAL") == 3


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("Brake:Delay.EGU", "s"),
        ("Brake:Delay.PREC", 2),
        ("Brake:Delay.RTYP", "ao"),
        ("Brake:Delay.DRVH", 60),
        ("Brake:Delay.SEVR", "NO_ALARM"),
        ("Brake:Delay.DTYP", "pixieioc parameter"),
        ("Brake:Delay.OUT", "@Brake delay"),
        ("Brake:Delay_RBV.INP", "@Brake delay"),
        ("Brake:Delay_RBV.DTYP", "pixieioc readback"),
        ("SortEvents:Events_RBV.INP", "@SortEvents events"),
        ("SortEvents:Events_RBV.DTYP", "pixieioc report"),
        ("M00:C01:Spectrum_RBV.INP", "@FillSpectra spectrum 0 1"),
        ("M00:C01:ROI2:Low.OUT", "@FillSpectra roi_low 0 1 1"),
        ("Acquire.OUT", "@IOC Acquire"),
        ("Acquire.FLNK", ""),
        ("Acquire.OMSL", "supervisory"),
        ("DeadTime_RBV.HIGH", 40),
        ("DeadTime_RBV.HIHI", 70),
        ("DeadTime_RBV.HYST", 2),
        ("DeadTime_RBV.HOPR", 100),
        ("SimMode_RBV.ZNAM", "Hardware"),
        ("SimMode_RBV.OSV", "MINOR"),
        ("SimMode_RBV.SEVR", "MINOR"),
        ("SimMode_RBV.STAT", "STATE"),
        ("State_RBV.THST", "PANICKING"),
        ("State_RBV.THSV", "MAJOR"),
        ("StatusMessage_RBV.NELM", 256),
        ("StatusMessage_RBV.FTVL", "CHAR"),
        ("Acquire.ASG", "OP"),
        ("Acquire.DESC$", "Starts a run; a put-callback ends with the run. 0 stops it."),
        ("Tasks_RBV.VAL$", "DummyData,GatherData,ConvertToEvents,Brake,SortEvents,GatherEvents,FillSpectra"),
        ("Tasks_RBV$", "DummyData,GatherData,ConvertToEvents,Brake,SortEvents,GatherEvents,FillSpectra"),
    ],
)
def test_fields(ioc: Ioc, field: str, value: object) -> None:
    assert ioc.get(field) == value


def test_processing_writes_the_present_value_once_more(ioc: Ioc) -> None:
    ioc.put("Stop.PROC", 1)  # is a Stop that is Done
    ioc.put("Brake:Delay.PROC", 1)
    assert ioc.get("DetectorState_RBV") == "Idle"
    done = ioc.put_later("Acquire", 1)
    ioc.until("DetectorState_RBV", "Acquire")
    assert (ioc.get("Acquire.PACT"), ioc.get("Stop.PACT")) == (1, 0)
    with pytest.raises(PutFailed):
        ioc.put("Acquire.PROC", 1)  # is a second start
    ioc.put("Stop", 1)
    done.result(60)
    assert ioc.get("Acquire.PACT") == 0


def test_what_is_disabled_cannot_be_started(ioc: Ioc) -> None:
    run = ioc.get("RunId_RBV")
    ioc.put("Acquire.DISP", 1)
    try:
        with pytest.raises(PutFailed):
            ioc.put("Acquire", 1)
        assert (ioc.get("RunId_RBV"), ioc.get("Acquire")) == (run, "Done")
    finally:
        ioc.put("Acquire.DISP", 0)


def test_filters_of_an_ioc(ioc: Ioc) -> None:
    assert len(ioc.get("M00:C00:Spectrum_RBV.[0:9]")) == 10
    assert ioc.get('DeadTime_RBV.{"dbnd":{"abs":0.5}}') == ioc.get("DeadTime_RBV")


def test_the_name_and_time_of_a_record(ioc: Ioc) -> None:
    assert ioc.get("Brake:Delay.NAME") == f"{ioc.prefix}Brake:Delay"
    assert re.fullmatch(r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}", ioc.get("Brake:Delay.TIME"))


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("Acquire", "Done Acquire"),
        ("Acquire_RBV", "Done Acquiring"),
        ("State_RBV", "WAITING RUNNING DYING PANICKING UNKNOWN"),
        (
            "DetectorState_RBV",
            "Idle Acquire Readout Correct Saving Aborting Error Waiting Initializing Disconnected Aborted",
        ),
        ("CmdStatus_RBV", "OK Busy Refused Failed Timeout"),
        ("Brake:Status", "WAITING RUNNING FINISHED DYING PANICKING LOST"),
        ("Brake:ERROR", "OK ERROR"),
        ("SimMode_RBV", "Hardware Simulation"),
        ("Brake:Mode", "soft hard"),
        ("WaitForPipeline", "No Yes"),
    ],
)
def test_enums_have_their_labels(ioc: Ioc, name: str, labels: str) -> None:
    assert list(ioc.raw(name, format=aioca.FORMAT_CTRL).enums) == labels.split()


def test_run_end_reasons(ioc: Ioc) -> None:
    reasons = "None,Preset,Operator stop,Abort,Source end,Task error,Task lost,Timeout,IOC restart"
    assert list(ioc.raw("RunEndReason_RBV", format=aioca.FORMAT_CTRL).enums) == reasons.split(",")


def test_units_precision_and_limits(ioc: Ioc) -> None:
    delay = ioc.raw("Brake:Delay", format=aioca.FORMAT_CTRL)
    assert (delay.units, delay.precision) == ("s", 2)
    assert (delay.lower_ctrl_limit, delay.upper_ctrl_limit) == (0, 60)
    dead = ioc.raw("DeadTime_RBV", format=aioca.FORMAT_CTRL)
    assert (dead.units, dead.upper_warning_limit, dead.upper_alarm_limit) == ("%", 40, 70)
    # What is not set is NaN, not 0: 0 would be an alarm.
    assert math.isnan(dead.lower_warning_limit)
    assert math.isnan(dead.lower_alarm_limit)
    assert ioc.severity("DeadTime_RBV") == 0


def test_counts_are_doubles_without_decimals(ioc: Ioc) -> None:
    for name in ("Brake:Events_RBV", "Brake:Counter_RBV", "BytesWritten_RBV", "PresetEvents"):
        value = ioc.raw(name, format=aioca.FORMAT_CTRL)
        assert value.dtype if hasattr(value, "dtype") else isinstance(value, float)
        assert value.precision == 0


def test_types_of_arrays_and_texts(ioc: Ioc) -> None:
    spectrum = ioc.raw("M00:C00:Spectrum_RBV")
    assert spectrum.dtype == np.int32
    assert ioc.raw("M00:Counts_RBV").dtype == np.float64
    assert ioc.raw("StatusMessage_RBV").dtype == np.uint8
    # As a string a text is readable too, as far as 39 characters go.
    assert str(ioc.raw("Tasks_RBV", datatype=str)[0]) == "DummyData,GatherData,ConvertToEvents,Br"
    assert ioc.get("Tasks_RBV") == "DummyData,GatherData,ConvertToEvents,Brake,SortEvents,GatherEvents,FillSpectra"


def test_limits_of_a_report_give_alarms_with_hysteresis(ioc: Ioc) -> None:
    name = "Brake:REPORT:Temperature_RBV"
    for delay, severity in ((29, 0), (30, 1), (29.5, 1), (28.9, 0), (40, 2), (39.5, 2), (38.5, 1), (0, 0)):
        ioc.put("Brake:Delay", delay)
        ioc.until(name, 20.0 + delay)
        assert ioc.severity(name) == severity, delay


def test_each_pv_has_an_alarm_of_its_own(ioc: Ioc) -> None:
    ioc.put("Brake:Delay", 45)
    ioc.until("Brake:REPORT:Temperature_RBV", 65.0)
    assert ioc.severity("Brake:REPORT:Temperature_RBV") == 2
    for name in ("Brake:Delay_RBV", "Brake:Status", "Brake:REPORT:Blocks_RBV", "Brake:Events_RBV", "ElapsedReal_RBV"):
        assert ioc.severity(name) == 0
    assert ioc.get("SumSevr_RBV") == "MAJOR"


def test_an_alarm_tree_is_empty_while_running_normally(ioc: Ioc) -> None:
    done = ioc.put_later("Acquire", 1)
    ioc.until("FillSpectra:Events_RBV", lambda events: events > 1000)
    assert ioc.get("SumSevr_RBV") == "MINOR"  # of SimMode_RBV alone
    assert ioc.severity("SimMode_RBV") == 1
    assert ioc.severity("Acquire") == ioc.severity("Acquire_RBV") == 0
    ioc.put("Stop", 1)
    done.result(60)


@pytest.mark.parametrize("value", ["1", "Acquire", 1, 1.0, " 1"])
def test_a_bo_takes_label_and_index_also_as_text(ioc: Ioc, value: object) -> None:
    ioc.put("PresetMode", "Real time")
    ioc.put("PresetReal", 0.2)
    run = ioc.get("RunId_RBV")
    ioc.put("Acquire", value)
    assert ioc.get("RunId_RBV") == run + 1


@pytest.mark.parametrize("value", ["acquire", "2", "-1", "", "1.5", "Acquire ", 7])
def test_an_enum_refuses_the_rest_and_stays_readable(ioc: Ioc, value: object) -> None:
    run = ioc.get("RunId_RBV")
    with pytest.raises(PutFailed):
        ioc.put("Acquire", value)
    assert "is none of: 0 Done, 1 Acquire" in ioc.get("CmdMessage_RBV")
    assert (ioc.get("Acquire"), ioc.get("RunId_RBV"), ioc.severity("Acquire")) == ("Done", run, 0)


def test_readbacks_cannot_be_written(ioc: Ioc) -> None:
    for name in ("State_RBV", "AcquireBusy", "Brake:Delay_RBV", "IOC:HEARTBEAT", "Brake:ERROR"):
        with pytest.raises(PutFailed) as caught:
            ioc.put(name, 1)
        assert caught.value.code == ECA_NOWTACCESS


def test_undeclared_reports_are_shown_as_json(ioc: Ioc) -> None:
    done = ioc.put_later("Acquire", 1)
    ioc.until("Brake:REPORT:JSON_RBV", lambda text: re.fullmatch(r'\{"undeclared":\d+\}', text))
    ioc.put("Stop", 1)
    done.result(60)


def test_heart_beats_and_ages(ioc: Ioc) -> None:
    beat = ioc.get("Brake:HeartBeat")
    ioc.until("Brake:HeartBeat", lambda now: now > beat + 1)
    ioc.until("Brake:HeartBeatAge_RBV", lambda age: age < 2)
    assert ioc.get("Brake:MemUsed_RBV") > 10


def test_the_ioc_tells_about_itself(ioc: Ioc) -> None:
    beat = ioc.get("IOC:HEARTBEAT")
    ioc.until("IOC:HEARTBEAT", lambda now: now > beat + 1)
    assert ioc.get("IOC:PROCESS_ID") == ioc.process.pid
    assert ioc.get("IOC:FD_CNT") == pytest.approx(len(list(Path(f"/proc/{ioc.process.pid}/fd").iterdir())), abs=3)
    assert ioc.get("IOC:CA_CLNT_CNT") >= 1
    assert ioc.get("IOC:START_CNT") == 1
    assert ioc.get("IOC:HOSTNAME") == os.uname().nodename


def test_sysreset_is_refused_while_a_run_is_on(ioc: Ioc) -> None:
    done = ioc.put_later("Acquire", 1)
    ioc.until("DetectorState_RBV", "Acquire")
    with pytest.raises(PutFailed):
        ioc.put("IOC:SYSRESET", 1)
    ioc.put("Stop", 1)
    done.result(60)


def test_readiness_names_what_is_missing(ioc: Ioc) -> None:
    assert (ioc.get("Ready_RBV"), ioc.get("ReadyBits_RBV"), ioc.get("ReadyMessage_RBV")) == ("Yes", 127, "")
    ioc.put("AutoSave", 1)
    ioc.put("FilePath", "/nowhere/at/all")
    assert (ioc.get("Ready_RBV"), ioc.get("ReadyBits_RBV")) == ("No", 127 - 16)
    ioc.put("PresetMode", "Triggers")
    assert ioc.get("ReadyBits_RBV") == 127 - 4 - 16
    with pytest.raises(PutFailed):
        ioc.put("Acquire", 1)
    message = ioc.get("CmdMessage_RBV")
    assert "PresetMode Triggers: no task of the chain counts triggers" in message
    assert "there is no folder /nowhere/at/all" in message
    assert (ioc.get("Ready_RBV"), ioc.severity("Ready_RBV")) == ("No", 1)
    assert ioc.get("ReadyMessage_RBV") == message
    assert ioc.get("FilePathExists_RBV") == "No"
    assert ioc.severity("FilePathExists_RBV") == 2
    assert ioc.get("DiskFree_RBV") > 0


def test_what_is_impossible_is_refused_before_a_run(ioc: Ioc) -> None:
    errors, before = ioc.get("ErrorCount_RBV"), ioc.get("FileTemplate")
    with pytest.raises(PutFailed):
        ioc.put("FileTemplate", "%n%s%s")
    assert "GatherData.file_template = '%n%s%s': " in ioc.get("CmdMessage_RBV")
    assert "only %s and %d" in ioc.get("CmdMessage_RBV")
    assert (ioc.get("FileTemplate"), ioc.get("Ready_RBV"), ioc.get("ErrorCount_RBV")) == (before, "Yes", errors)


def test_erase_clears_the_spectra(ioc: Ioc) -> None:
    ioc.put("PresetMode", "Real time")
    ioc.put("PresetReal", 0.3)
    ioc.put("FillSpectra:Keep", "Yes")
    ioc.put("Acquire", 1)
    first = ioc.get("M00:Counts_RBV").sum()
    assert first == ioc.raw("M00:C00:Spectrum_RBV").sum() + ioc.raw("M00:C01:Spectrum_RBV").sum() > 0
    ioc.put("Acquire", 1)
    assert ioc.get("M00:Counts_RBV").sum() > first
    ioc.put("EraseStart", 1)
    assert ioc.get("EraseStart") == "Done"
    assert 0 < ioc.get("M00:Counts_RBV").sum() < 1.7 * first
    ioc.put("Erase", 1)
    ioc.until("M00:Counts_RBV", lambda counts: counts.sum() == 0)
    ioc.put("FillSpectra:Erase", 1)
    assert ioc.get("CmdMessage_RBV") == "FillSpectra:Erase done"


@pytest.mark.parametrize(
    ("mode", "preset", "value", "counter"),
    [("Events", "PresetEvents", 800, "FillSpectra:Events_RBV"), ("Live time", "PresetLive", 0.5, "ElapsedLive_RBV")],
)
def test_presets(ioc: Ioc, mode: str, preset: str, value: float, counter: str) -> None:
    ioc.put("PresetMode", mode)
    ioc.put(preset, value)
    ioc.put("Acquire", 1)
    assert ioc.get("RunEndReason_RBV") == "Preset"
    assert ioc.get(counter) >= value
    assert ioc.get("Progress_RBV") == 100
    assert ioc.get("TimeRemaining_RBV") == 0


def test_the_demo_of_a_folder_is_private(ioc: Ioc) -> None:
    assert (Path(ioc.folder) / "state").is_dir()
