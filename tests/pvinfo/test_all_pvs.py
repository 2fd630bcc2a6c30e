"""The process variables of a configuration: what the tables of the specification promise, and what EPICS allows."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
import pytest

from pixieioc.config import Config, ConfigError, IocTable, RunParameters
from pixieioc.pipeline import Parameter, Report, Task
from pixieioc.pipeline.declare import parameters_of
from pixieioc.pvinfo import PvInfo
from pixieioc.pvinfo.build import all_pvs
from pixieioc.pvinfo.model import NO_LIMITS
from tests.configs import config_of

EVERYTHING = (
    "TakeData", "DummyData", "LoadFiles", "GatherData", "ConvertToEvents", "SortEvents", "PickSingleModule",
    "GatherEvents", "FillSpectra", "SnapTraces", "PrintData",
)  # fmt: skip


def _config(*chain: str, prefix: str = "PX16:", ioc: IocTable | None = None, **tasks: dict[str, Any]) -> Config:
    return config_of(chain, tasks, prefix=prefix, ioc=ioc)


@pytest.fixture(scope="module")
def pvs() -> dict[str, PvInfo]:
    """Those of a chain with every task that there is."""
    ioc = IocTable(disk_low=20, disk_lolo=2, memory_high=500, memory_hihi=900)
    return all_pvs(_config(*EVERYTHING, ioc=ioc, FillSpectra={"modules": 2, "channels": 3, "bins": 64}))


# name; record; states, or unit and precision; severities of states, or limits; access group
RUN_CONTROL = """
Acquire              | bo           | Done, Acquire            |                             | OP
Acquire_RBV          | bi           | Done, Acquiring          |                             |
AcquireBusy          | bo           | Done, Acquiring          |                             |
EraseStart           | bo           | Done, Erase              |                             | OP
Erase                | bo           | Done, Erase              |                             | OP
Stop                 | bo           | Done, Stop               |                             | OP
Abort                | bo           | Done, Abort              |                             | OP
Configure            | bo           | Done, Configure          |                             | EX
Reset                | bo           | Done, Reset              |                             | EX
Quit                 | bo           | Done, Quit               |                             | EN
Kill                 | bo           | Done, Kill               |                             | EN
WaitForPipeline      | bo           | No, Yes                  |                             | EX
WaitForPipeline_RBV  | bi           | No, Yes                  |                             |
FailPutOnError       | bo           | No, Yes                  |                             | EX
State_RBV | mbbi | WAITING, RUNNING, DYING, PANICKING, UNKNOWN | PANICKING MAJOR, UNKNOWN INVALID |
DetectorState_RBV | mbbi \
  | Idle, Acquire, Readout, Correct, Saving, Aborting, Error, Waiting, Initializing, Disconnected, Aborted \
  | Aborting MINOR, Aborted MINOR, Error MAJOR, Disconnected INVALID |
StatusMessage_RBV    | CHAR 256     |                          |                             |
CmdStatus_RBV        | mbbi         | OK, Busy, Refused, Failed, Timeout | Failed MINOR, Timeout MAJOR |
CmdMessage_RBV       | CHAR 1024    |                          |                             |
CmdUser_RBV          | CHAR 256     |                          |                             |
RunEndReason_RBV | mbbi \
  | None, Preset, Operator stop, Abort, Source end, Task error, Task lost, Timeout, IOC restart \
  | Task error MAJOR, Task lost MAJOR, Timeout MAJOR, IOC restart MAJOR |
RunId_RBV            | longin       |                          |                             |
Ready_RBV            | bi           | No, Yes                  | No MINOR                    |
ReadyBits_RBV        | longin       |                          |                             |
ReadyMessage_RBV     | CHAR 1024    |                          |                             |
ConfigDirty_RBV      | bi           | No, Yes                  |                             |
ConfigLocked_RBV     | bi           | No, Yes                  |                             |
ConfigJSON           | CHAR 65536   |                          |                             | EX
ConfigJSON_RBV       | CHAR 65536   |                          |                             |
StopTimeout          | ao           | s 3                      |                             | EX
StopTimeout_RBV      | ai           | s 3                      |                             |
SimMode_RBV          | bi           | Hardware, Simulation     | Simulation MINOR            |
Tasks_RBV            | CHAR 1024    |                          |                             |
TaskCount_RBV        | longin       |                          |                             |
PresetMode           | mbbo         | No preset, Real time, Live time, Events, Triggers |    | OP
PresetMode_RBV       | mbbi         | No preset, Real time, Live time, Events, Triggers |    |
PresetReal           | ao           | s 3                      |                             | OP
PresetLive           | ao           | s 3                      |                             | OP
PresetEvents         | int64out     |                          |                             | OP
PresetEvents_RBV     | int64in      |                          |                             |
ElapsedReal_RBV      | ai           | s 2                      |                             |
ElapsedLive_RBV      | ai           | s 2                      |                             |
TimeRemaining_RBV    | ai           | s 1                      |                             |
Progress_RBV         | ai           | % 1                      |                             |
DeadTime_RBV         | ai           | % 1                      | HIGH 40, HIHI 70, HYST 2    |
FilePath             | CHAR 4097    |                          |                             | EX
FilePath_RBV         | CHAR 4097    |                          |                             |
FilePathExists_RBV   | bi           | No, Yes                  | No MAJOR                    |
FileName             | CHAR 4097    |                          |                             | EX
FileNumber           | longout      |                          |                             | EX
AutoIncrement        | bo           | No, Yes                  |                             | EX
FileTemplate         | CHAR 4097    |                          |                             | EX
FullFileName_RBV     | CHAR 512     |                          |                             |
AutoSave             | bo           | No, Yes                  |                             | EX
CreateDirectory      | longout      |                          |                             | EX
WriteStatus_RBV      | mbbi         | Write OK, Write error    | Write error MAJOR           |
WriteMessage_RBV     | CHAR 512     |                          |                             |
BytesWritten_RBV     | ai           | B 0                      |                             |
WriteRate_RBV        | ai           | MB/s 3                   |                             |
DiskFree_RBV         | ai           | GB 1                     | LOLO 2, LOW 20              |
DiskTimeLeft_RBV     | ai           | h 1                      |                             |
ErrorCount_RBV       | longin       |                          |                             |
ErrorLatched_RBV     | bi           | OK, ERROR                | ERROR MAJOR                 |
ErrorAck             | bo           | Done, Acknowledge        |                             | OP
ErrorFirst_RBV       | CHAR 256     |                          |                             |
LastError_RBV        | CHAR 512     |                          |                             |
LastErrorTask_RBV    | CHAR 256     |                          |                             |
LastErrorTime_RBV    | CHAR 256     |                          |                             |
SumSevr_RBV | mbbi | NO_ALARM, MINOR, MAJOR, INVALID | MINOR MINOR, MAJOR MAJOR, INVALID INVALID |
"""
OF_A_TASK = """
Status | mbbi | WAITING, RUNNING, FINISHED, DYING, PANICKING, LOST | PANICKING MAJOR, LOST INVALID |
HeartBeat            | longin       |                          |                             |
HeartBeatAge_RBV     | ai           | s 1                      | HIGH 3, HIHI 10             |
BusyTime_RBV         | ai           | s 1                      | HIGH 3, HIHI 10, HYST 1     |
ERROR                | bi           | OK, ERROR                | ERROR MAJOR                 |
ErrorAlarm | mbbo | OK, MINOR_ACK, MAJOR_ACK, INVALID_ACK, UNDEFINED_ACK, MINOR, MAJOR, INVALID, UNDEFINED | | OP
ErrorMessage_RBV     | CHAR 512     |                          |                             |
ErrorCount_RBV       | longin       |                          |                             |
PRINT                | CHAR 512     |                          |                             |
PrintLog_RBV         | CHAR 4096    |                          |                             |
QueueSize_RBV        | longin       |                          |                             |
QueueFree_RBV        | longin       |                          |                             |
QueueUse_RBV         | ai           | % 0                      | HIGH 75, HIHI 100, HYST 1   |
Dropped_RBV          | ai           | 0                        | HIHI 1                      |
Balance_RBV          | ai           | 0                        | LOLO -1, HIHI 1             |
Counter_RBV          | ai           | 0                        |                             |
Events_RBV           | ai           | 0                        |                             |
Rate_RBV             | ai           | 1/s 3                    |                             |
ByteRate_RBV         | ai           | MB/s 3                   |                             |
ExecutionTime_RBV    | ai           | ms 3                     |                             |
ExecutionTimeMax_RBV | ai           | ms 3                     |                             |
ProcessId_RBV        | longin       |                          |                             |
CpuLoad_RBV          | ai           | % 1                      |                             |
MemUsed_RBV          | ai           | MB 1                     | HIGH 500, HIHI 900          |
REPORT:JSON_RBV      | CHAR 4096    |                          |                             |
"""
OF_THE_CHAIN = """
SortEvents:TimeMode                | mbbo       | now, start times, estimated gap | | EX
SortEvents:TimeMode_RBV            | mbbi       | now, start times, estimated gap | |
SortEvents:Window                  | ao         | us 3                       |    | EX
SortEvents:MaxEvents               | longout    |                            |    | EX
SortEvents:StartTimes              | CHAR 4097  |                            |    | EX
SortEvents:REPORT:LateEvents_RBV   | ai         | 0                          | HIHI 1 |
Synchronous                        | bo         | No, Yes                    |    | EX
Boot                               | bo         | Done, Boot                 |    | EX
BootState_RBV                      | mbbi       | Offline, Booting, Booted, Failed | Failed MAJOR |
TakeData:REPORT:NotReady_RBV       | CHAR 512   |                            |    |
LoadFiles:REPORT:Progress_RBV      | ai         | % 1                        |    |
LoadFiles:REPORT:CurrentFile_RBV   | CHAR 512   |                            |    |
FillSpectra:Erase                  | bo         | Done, Erase                |    | OP
FillSpectra:Bins_RBV               | longin     |                            |    |
M00:C00:Spectrum_RBV               | LONG 64    |                            |    |
M01:C02:OutputCountRate_RBV        | ai         | 1/s 1                      |    |
M01:C02:Counts_RBV                 | ai         | 0                          |    |
M01:OutputCountRates_RBV           | DOUBLE 3   | 1/s 1                      |    |
M00:Counts_RBV                     | DOUBLE 3   | 0                          |    |
IOC:SYSRESET                       | bo         | Done, Reset                |    | EN
IOC:FD_FREE                        | longin     |                            | LOLO 20, LOW 100 |
IOC:HEARTBEAT                      | longin     |                            |    |
IOC:UPTIME                         | CHAR 40    |                            |    |
"""


def _rows(table: str, prefix: str = "") -> list[list[str]]:
    rows = ([cell.strip() for cell in line.split("|")] for line in table.strip().split("\n"))
    return [[prefix + name, *cells] for name, *cells in rows]


def _row(pv: PvInfo) -> list[str]:
    """A process variable as a row of the tables."""
    record = f"{pv.element} {pv.length}" if pv.record == "waveform" else pv.record
    precision = str(pv.precision) if pv.record in ("ai", "ao") or record.startswith("DOUBLE") else ""
    about = ", ".join(pv.labels) or f"{pv.unit} {precision}".strip()
    alarms = [f"{label} {s}" for label, s in zip(pv.labels, pv.severities, strict=False) if s != "NO_ALARM"]
    limits = zip(("LOLO", "LOW", "HIGH", "HIHI"), pv.limits, strict=True)
    alarms += [f"{name} {limit:g}" for name, limit in limits if not math.isnan(limit)]
    alarms += [f"HYST {pv.hysteresis:g}"] if pv.hysteresis else []
    return [pv.name, record, about, ", ".join(sorted(alarms)), pv.access]


@pytest.mark.parametrize(
    "row",
    [*_rows(RUN_CONTROL), *_rows(OF_A_TASK, "ConvertToEvents:"), *_rows(OF_THE_CHAIN)],
    ids=lambda row: row[0],
)
def test_the_tables(pvs: dict[str, PvInfo], row: list[str]) -> None:
    name, record, about, alarms, access = row
    assert _row(pvs[name]) == [name, record, about, ", ".join(sorted(filter(None, alarms.split(", ")))), access]


#: What can be in alarm by its value alone, besides the tasks' own reports; nothing else is, also not at 0.
ALARMS = """Status ERROR HeartBeatAge_RBV BusyTime_RBV QueueUse_RBV Dropped_RBV Balance_RBV MemUsed_RBV State_RBV
DetectorState_RBV CmdStatus_RBV RunEndReason_RBV Ready_RBV SimMode_RBV DeadTime_RBV FilePathExists_RBV WriteStatus_RBV
DiskFree_RBV DiskFull_RBV BootState_RBV
ErrorLatched_RBV SumSevr_RBV FD_FREE ALIVE NAME_ERROR_CNT LogLost_RBV SR_status SR_rebootStatus
FifoLevel_RBV Lost_RBV SettingsLost_RBV AccessState_RBV PutLogState_RBV PutLogLost_RBV"""


def test_what_has_no_limit_has_nan_and_never_an_alarm(pvs: dict[str, PvInfo]) -> None:
    alarms = {name.rpartition(":")[2] for name, pv in pvs.items() if pv.has_alarm and ":REPORT:" not in name}
    assert alarms == set(ALARMS.split())
    assert all(map(math.isnan, NO_LIMITS))
    for name, pv in pvs.items():
        assert len(pv.severities) in (0, len(pv.labels)), name


def test_behind_report_stand_the_reports_that_a_task_declares_and_no_texts_of_them(pvs: dict[str, PvInfo]) -> None:
    behind = {name: pv for name, pv in pvs.items() if ":REPORT:" in name}
    assert {name for name, pv in behind.items() if pv.source.kind != "report"} == {
        name for name in behind if name.endswith(":REPORT:JSON_RBV")
    }
    assert pvs["SortEvents:BytesInText_RBV"].text_of == "SortEvents:REPORT:BytesIn_RBV"


def test_what_channel_access_can_carry(pvs: dict[str, PvInfo]) -> None:
    for name, pv in pvs.items():
        assert name == pv.name
        assert len(pv.labels) <= 16
        assert max((len(label.encode()) for label in pv.labels), default=0) <= 25, name
        assert len(pv.unit.encode()) <= 7, name
        assert pv.doc.endswith("."), name
        assert pv.name.isascii()
        assert pv.doc.isascii()


def test_counts_that_can_pass_two_to_the_31_are_doubles() -> None:
    class _Wide:
        far = Parameter(0, low=0, high=2**31, doc="Passes.")
        near = Parameter(0, low=0, high=2**31 - 1, doc="Fits.")

    assert [_setpoint(parameter).record for parameter in parameters_of(_Wide).values()] == ["int64out", "longout"]
    for cls in _classes():
        for report in cls.reports().values():
            if isinstance(report.initial, int) and not isinstance(report.initial, bool):
                record = ("longin", 0) if report.small else ("ai", 0)
                assert {(pv.record, pv.precision) for pv in _reported(cls, report)} <= {record}, report.name
            elif isinstance(report.initial, np.ndarray) and not report.length:
                assert {pv.element for pv in _reported(cls, report)} == {"DOUBLE"}


def _classes() -> list[type[Task]]:
    return [Task.class_registry[name] for name in EVERYTHING]


@functools.cache
def _of_task(cls: type[Task]) -> dict[str, PvInfo]:
    """The process variables of a chain with one task."""
    return all_pvs(_config(cls.__name__))


def _reported(cls: type[Task], report: Report[Any]) -> list[PvInfo]:
    wanted = ("report", cls.__name__, report.name)
    return [pv for pv in _of_task(cls).values() if (pv.source.kind, pv.source.task, pv.source.name) == wanted]


def _setpoint(parameter: Parameter[Any]) -> PvInfo:
    from pixieioc.pvinfo.declared import parameter_pvs

    return next(parameter_pvs("T", parameter, parameter.default, {}))


@pytest.mark.parametrize("cls", [*_classes(), RunParameters], ids=lambda cls: cls.__name__)
def test_every_parameter_has_a_setpoint_and_a_readback(cls: type) -> None:
    task = cls.__name__ if issubclass(cls, Task) else ""
    found = _of_task(cls) if issubclass(cls, Task) else all_pvs(_config("DummyData"))
    for name, parameter in parameters_of(cls).items():
        if parameter.per != "task":
            continue
        pvs = {pv.source.kind: pv for pv in found.values() if (pv.source.task, pv.source.name) == (task, name)}
        kinds = ["parameter"] * (not parameter.fixed) + ["readback"] * (not parameter.command)
        assert list(pvs) == kinds, name
        base = parameter.pv if parameter.shared or not task else f"{task}:{parameter.pv}"
        for kind, pv in pvs.items():
            assert pv.name == base + ("_RBV" if kind == "readback" else "")
            assert bool(pv.access) == (kind == "parameter"), name
            if parameter.kind in ("int", "float"):
                assert (pv.unit, pv.drive) == (parameter.unit, parameter.span)


@pytest.mark.parametrize("cls", _classes(), ids=lambda cls: cls.__name__)
def test_every_report_is_a_process_variable(cls: type[Task]) -> None:
    for report in cls.reports().values():
        found = _reported(cls, report)
        if report.name not in ("missed", "missed_bytes"):  # those of the first task of a sampling branch
            assert bool(found) == (report.name != "events" or cls.events_known), report.name
        assert all(not pv.access for pv in found)


def test_channels_have_two_digits_and_modules_an_array(pvs: dict[str, PvInfo]) -> None:
    for name, base, plural in (
        ("counts", "Counts", "Counts"),
        ("spectrum", "Spectrum", ""),
    ):
        wanted = {f"M{m:02}:C{c:02}:{base}_RBV": (m, c) for m in (0, 1) for c in (0, 1, 2)}
        wanted |= {f"M{m:02}:{plural}_RBV": (m,) for m in (0, 1) if plural}
        assert {pv.name: pv.source.index for pv in pvs.values() if pv.source.name == name} == wanted


def test_an_output_rate_comes_with_the_input_rate_where_there_is_one() -> None:
    names = [f"M{m:02}:{name}_RBV" for m in (0, 1) for name in ("C00:OutputCountRate", "OutputCountRates")]
    for chain, sources in (
        (("DummyData", "FillSpectra"), ["DummyData", "DummyData", "FillSpectra", "FillSpectra"]),
        (("LoadFiles", "FillSpectra"), ["FillSpectra"] * 4),
    ):
        known = all_pvs(_config(*chain, FillSpectra={"modules": 2, "channels": 2}))
        assert [known[name].source.task for name in names] == sources


def test_several_values_of_a_channel_are_numbered_from_1(pvs: dict[str, PvInfo]) -> None:
    found = {pv.name: pv.source.place for pv in pvs.values() if pv.source.name == "roi_counts"}
    wanted = {
        f"M{m:02}:C{c:02}:ROI{n + 1}:Counts_RBV": (m, c, n) for m in (0, 1) for c in (0, 1, 2) for n in (0, 1, 2, 3)
    }
    assert found == wanted | {f"M{m:02}:ROI{n + 1}:Counts_RBV": (m, n) for m in (0, 1) for n in (0, 1, 2, 3)}
    assert pvs["M01:ROI4:Counts_RBV"].length == 3


@pytest.mark.parametrize(
    ("name", "record", "unit", "drive"),
    [("Low", "longout", "bin", (0, 65535)), ("High", "longout", "bin", (-1, 65535)), ("Name", "stringout", "", None)],
)
def test_a_parameter_per_channel_has_a_setpoint_for_each(
    pvs: dict[str, PvInfo], name: str, record: str, unit: str, drive: tuple[float, float] | None
) -> None:
    setpoints = [f"M{m:02}:C{c:02}:ROI{n}:{name}" for m in (0, 1) for c in (0, 1, 2) for n in (1, 2, 3, 4)]
    parameter = f"roi_{name.lower()}"
    assert [pv.name for pv in pvs.values() if pv.source.name == parameter and pv.access] == setpoints
    for setpoint in setpoints:
        pv, readback = pvs[setpoint], pvs[f"{setpoint}_RBV"]
        assert (pv.record, pv.unit, pv.access) == (record, unit, "OP")
        assert drive is None or pv.drive == drive
        assert (readback.record, readback.access) == (record.replace("out", "in"), "")
        assert readback.source.place == pv.source.place
        assert (pv.source.kind, readback.source.kind) == ("parameter", "readback")


def test_configured_windows_are_initial_values() -> None:
    roi_low = {"*": [5], "M00:C01": [7, 8]}
    pvs = all_pvs(_config("FillSpectra", FillSpectra={"channels": 2, "roi_low": roi_low}))
    assert [pvs[f"M00:C0{c}:ROI{n}:Low"].initial for c in (0, 1) for n in (1, 2)] == [5, 0, 7, 8]
    with pytest.raises(ConfigError, match="tasks.FillSpectra.roi_low = .*: M00:C02: channels are 0 to 1"):
        _config("FillSpectra", FillSpectra={"channels": 2, "roi_low": {"M00:C02": [1]}})


def test_what_two_sources_declare_in_common_is_the_first_ones() -> None:
    pvs = all_pvs(_config("TakeData", "DummyData"))
    assert {pv.source.task for pv in pvs.values() if pv.name.endswith("C00:InputCountRate_RBV")} == {"TakeData"}


@pytest.mark.parametrize("chain", [("SortEvents",), EVERYTHING])
def test_a_name_has_at_most_60_characters_with_its_prefix(chain: tuple[str, ...]) -> None:
    fits = 60 - max(map(len, all_pvs(_config(*chain, prefix="P"))))
    assert 15 < fits <= 30
    assert max(map(len, all_pvs(_config(*chain, prefix="P" * fits)))) + fits == 60
    with pytest.raises(ConfigError, match=f"prefix 'P+': must have at most {fits} characters"):
        all_pvs(_config(*chain, prefix="P" * (fits + 1)))


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"name": "N" * 61}, "at most 60 characters and no slash"),
        ({"name": "A/B"}, "at most 60 characters and no slash"),
        ({"record": "bi"}, "an enum has 2 to 16 labels, not 0"),
        ({"record": "bi", "labels": ("One",)}, "an enum has 2 to 16 labels, not 1"),
        ({"record": "mbbi", "labels": tuple(map(str, range(17)))}, "an enum has 2 to 16 labels, not 17"),
        ({"record": "mbbi", "labels": ("A", "B" * 26)}, "labels of Channel Access have at most 25"),
        ({"record": "mbbi", "labels": ("A", "Ä" * 13)}, "labels of Channel Access have at most 25"),
    ],
)
def test_what_cannot_be_a_process_variable(more: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        PvInfo(**{"name": "Name", "record": "ai", "doc": "", **more})


def _define(monkeypatch: pytest.MonkeyPatch, **declared: dict[str, Any]) -> None:
    """Task classes for the length of a test."""
    monkeypatch.setattr(Task.class_registry, "_classes", {})
    for name, attributes in declared.items():
        type(name, (Task,), {"__doc__": "For a test.", **attributes})


@pytest.mark.parametrize(
    "declared",
    [
        {"knob": Parameter(1, doc="", pv="PRINT")},
        {"knob": Parameter(1, doc="", pv="Status")},
        {"knob": Parameter(1, doc=""), "other": Parameter(1, doc="", pv="Knob")},
        {"knob": Parameter(1, doc="", pv="Acquire", shared=True)},
        {"knob": Report(1, doc="", pv="RunId_RBV", shared=True)},
        {"stop_timeout": Parameter(1.0, doc="", shared=True)},
        {"knob": Report(1, doc="", pv="FilePath", shared=True)},
        {"folder": Parameter("", doc="", pv="FilePath", shared=True)},
    ],
)
def test_two_declarations_of_one_name(monkeypatch: pytest.MonkeyPatch, declared: dict[str, Any]) -> None:
    _define(monkeypatch, Clash=declared)
    with pytest.raises(ConfigError, match="Clash: the process variable .* is declared twice"):
        all_pvs(_config("GatherData", "Clash"))


def test_a_shared_name_is_one_process_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    _define(
        monkeypatch,
        First={"folder": Parameter("a", doc="The first's.", shared=True)},
        Second={"folder": Parameter("b", doc="The second's.", shared=True)},
    )
    pvs = all_pvs(_config("First", "Second"))
    assert (pvs["Folder"].doc, pvs["Folder"].initial, pvs["Folder"].source.task) == ("The first's.", "a", "First")
    assert not [name for name in pvs if name.endswith(":Folder")]


def test_a_list_that_its_process_variable_cannot_show_is_refused() -> None:
    files = [f"a_rather_long_name_{number}.bin" for number in range(200)]
    with pytest.raises(ConfigError, match=r"LoadFiles.files: the list has \d+ bytes, its process variable takes 4096"):
        all_pvs(_config("LoadFiles", LoadFiles={"files": files}))


def test_initial_values_are_those_of_the_configuration() -> None:
    pvs = all_pvs(_config("LoadFiles", "SortEvents", LoadFiles={"files": ["ä.bin", "/b"]}, SortEvents={"window": 7}))
    assert pvs["LoadFiles:Files"].initial == pvs["LoadFiles:Files_RBV"].initial == '["/data/ä.bin", "/b"]'
    assert pvs["SortEvents:Window"].initial == 7.0
    assert pvs["SortEvents:TimeMode"].initial == 0
    assert pvs["Tasks_RBV"].initial == "LoadFiles,SortEvents"
