"""The process variables of the pipeline as a whole: run control, presets and times, files, errors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from pixieioc.config import RunParameters
from pixieioc.config_run import PRESETS
from pixieioc.pipeline.declare import Value, parameters_of, reports_of
from pixieioc.pvinfo.declared import parameter_pvs
from pixieioc.pvinfo.model import (
    NO_LIMITS,
    SEVERITIES,
    Access,
    AlarmHandling,
    PvInfo,
    Section,
    Severity,
    text_pv,
)
from pixieioc.pvinfo.overview import overview_pvs
from pixieioc.pvinfo.states import (
    ALARM_SERVER_LEVELS,
    DETECTOR_STATES,
    DONE,
    END_REASONS,
    NO_YES,
    OK_ERROR,
    OUTCOMES,
    PIPELINE_STATES,
)
from pixieioc.tasks.channel_rates import ChannelRates

_NAN = NO_LIMITS[0]
#: Lines of CmdLog_RBV.
COMMANDS_KEPT = 20
#: Seconds of which EventRate_RBV is the mean, and of which RateHistory_RBV tells.
RATE_MEAN, RATES_KEPT = 3, 600
#: By label of PresetMode, the setpoint that says how much a run is preset to have.
PRESET_SETPOINTS = {mode: parameters_of(RunParameters)[preset.parameter].pv for mode, preset in PRESETS.items()}


def _severities(labels: tuple[str, ...], **of: Severity) -> tuple[Severity, ...]:
    """The severity of each label; spaces in labels are underscores here."""
    assert all(name.replace("_", " ") in labels for name in of)
    return tuple(of.get(label.replace(" ", "_"), "NO_ALARM") for label in labels)


def _command(name: str, label: str, access: Access, doc: str) -> PvInfo:
    return PvInfo(name, "bo", doc, labels=(DONE, label), access=access, role="command")


#: Commands: writing 1 (or the label) does it; the PV reads 1 until it is done.
COMMANDS: tuple[PvInfo, ...] = (
    _command("Acquire", "Acquire", "OP", "Starts a run; a put-callback ends with the run. 0 stops it."),
    _command("EraseStart", "Erase", "OP", "Clears the spectra, then starts a run."),
    _command("Erase", "Erase", "OP", "Clears the spectra."),
    _command("Stop", "Stop", "OP", "Ends the run; all data that were read are kept."),
    _command("Abort", "Abort", "OP", "Ends the run at once; data still in the chain are discarded."),
    _command("Configure", "Configure", "EX", "Applies pending settings, or reports why it cannot."),
    _command("Reset", "Reset", "EX", "Replaces tasks that have failed."),
    _command("Quit", "Quit", "EN", "Shuts down all tasks; the next start makes new ones."),
    _command("Kill", "Kill", "EN", "Kills all tasks at once; data in the chain are lost."),
    replace(_command("ErrorAck", "Acknowledge", "OP", "Acknowledges all errors."), section="errors"),
)


def run_control_pvs(tasks: tuple[str, ...], run: Mapping[str, Value], disk: tuple[float, float]) -> Iterator[PvInfo]:
    """All of them. `run` are the run parameters' values, `disk` the limits (GB) of DiskFree's LOLO and LOW."""
    yield from COMMANDS
    yield from _state()
    yield from _readiness(tasks)
    for name, parameter in parameters_of(RunParameters).items():
        yield from parameter_pvs("", parameter, run[name], run)
    yield from _times()
    yield from _in_section("files", _files(disk))
    yield from _in_section("errors", _errors())
    yield from overview_pvs()


def _in_section(section: Section, pvs: Iterable[PvInfo]) -> Iterator[PvInfo]:
    return (replace(pv, section=section) for pv in pvs)


def _state() -> Iterator[PvInfo]:
    yield PvInfo("Acquire_RBV", "bi", "Whether a run is in progress.", labels=("Done", "Acquiring"))
    yield PvInfo(
        "AcquireBusy", "bo", "Whether a run is in progress or still being ended.", labels=("Done", "Acquiring")
    )
    yield PvInfo(
        "State_RBV", "mbbi", "State of the pipeline.", labels=PIPELINE_STATES,
        severities=_severities(PIPELINE_STATES, PANICKING="MAJOR", UNKNOWN="INVALID"),
        alarm=AlarmHandling(
            omitted="follows from the error of a task, which is in the tree",
            besides=("MINOR", "while it is DYING for more than half of StopTimeout"), explains=True,
        ),
        guidance="PANICKING: a task has failed, see ErrorFirst_RBV; the next start, or Reset, replaces it. "
        "UNKNOWN: there are no tasks; the next start, or Reset, makes them.",
    )  # fmt: skip
    yield PvInfo(
        "DetectorState_RBV", "mbbi", "State of the run, as areaDetector names it.", labels=DETECTOR_STATES,
        severities=_severities(
            DETECTOR_STATES, Aborting="MINOR", Aborted="MINOR", Error="MAJOR", Disconnected="INVALID"
        ),
        alarm=AlarmHandling(omitted="its causes are in the tree: errors of the tasks and of the IOC"),
        guidance="Error: the last run ended badly, see RunEndReason_RBV and LastError_RBV.",
    )  # fmt: skip
    yield text_pv("StatusMessage_RBV", "What is going on, in one sentence.")
    yield PvInfo(
        "CmdStatus_RBV", "mbbi", "Outcome of the last command.", labels=OUTCOMES,
        severities=_severities(OUTCOMES, Failed="MINOR", Timeout="MAJOR"),
        alarm=AlarmHandling(omitted="the answer to whoever gave the command"),
        guidance="See CmdMessage_RBV.",
    )  # fmt: skip
    yield text_pv("CmdMessage_RBV", "Why the last command had this outcome.", 1024)
    yield text_pv("CmdUser_RBV", "Who gave the last command: user@host.")
    yield text_pv(
        "CmdLog_RBV", f"The last {COMMANDS_KEPT} commands, the latest first: time, outcome, user, message.", 8192
    )
    yield PvInfo(
        "RunEndReason_RBV", "mbbi", "Why the last run ended.", labels=END_REASONS,
        severities=_severities(
            END_REASONS, Task_error="MAJOR", Task_lost="MAJOR", Timeout="MAJOR", IOC_restart="MAJOR"
        ),
        alarm=AlarmHandling(
            omitted="its causes are in the tree: errors of the tasks and of the IOC, and that the IOC is gone"
        ),
        guidance="The run ended badly: its data may be incomplete. See LastError_RBV.",
    )  # fmt: skip
    yield text_pv(
        "RecordMessage_RBV",
        "Where the records of runs are that could not be written to their files, as by a disk that does not answer; "
        "empty: all are with them. They are brought there as soon as that is possible.",
        2048,
    )
    yield PvInfo("RunId_RBV", "longin", "Number of the current or last run; never repeats.", archive="always")
    yield PvInfo(
        "SimMode_RBV", "bi", "Whether the source is the hardware.", labels=("Hardware", "Simulation"),
        severities=("NO_ALARM", "MINOR"), guidance="The data are not those of the detectors.",
        alarm=AlarmHandling(omitted="known to whoever has chosen a simulated source"),
    )  # fmt: skip
    yield PvInfo(
        "ConfigDirty_RBV", "bi", "Whether settings are pending because they do not fit others yet.", labels=NO_YES
    )
    yield PvInfo("ConfigLocked_RBV", "bi", "Whether settings cannot be changed now.", labels=NO_YES)
    yield text_pv(
        "ConfigJSON", "The whole configuration, or a part of it, all or nothing.", 65536, access="EX", role="input"
    )
    yield text_pv("ConfigJSON_RBV", "The configuration in use.", 65536)


def _readiness(tasks: tuple[str, ...]) -> Iterator[PvInfo]:
    yield PvInfo(
        "Ready_RBV", "bi", "Whether a run can be started.", labels=NO_YES, severities=("MINOR", "NO_ALARM"), initial=1,
        guidance="See ReadyMessage_RBV for what is missing.",
        alarm=AlarmHandling(omitted="shown to whoever wants to start a run"),
    )  # fmt: skip
    yield PvInfo(
        "ReadyBits_RBV",
        "longin",
        "Sum of 1 no run in progress, 2 links empty, 4 settings valid, 8 disk space, 16 file path, 32 tasks started, "
        "64 state folder.",
    )
    yield text_pv("ReadyMessage_RBV", "What prevents a run from being started.", 1024)
    yield text_pv("Tasks_RBV", "Names of the tasks, in the order of the chain.", 1024, initial=",".join(tasks))
    yield PvInfo("TaskCount_RBV", "longin", "Number of tasks.", len(tasks))


def _times() -> Iterator[PvInfo]:
    yield PvInfo("ElapsedReal_RBV", "ai", "Real time of the run.", 0.0, unit="s", precision=2)
    yield PvInfo(
        "ElapsedLive_RBV",
        "ai",
        "Live time of the run, mean of the channels with hits; NaN: not known.",
        0.0,
        unit="s",
        precision=2,
    )
    yield PvInfo(
        "TimeRemaining_RBV", "ai", "Time until the preset ends the run; 0 without one.", 0.0, unit="s", precision=1
    )
    yield PvInfo("Progress_RBV", "ai", "Share of the run that is done; 0 if not known.", 0.0, unit="%", precision=1)
    of_channel = reports_of(ChannelRates)["channel_dead_time"]
    yield PvInfo(
        "DeadTime_RBV", "ai", "Dead time, mean of the channels with hits; NaN: not known.", 0.0, unit="%", precision=1,
        limits=of_channel.limits, hysteresis=of_channel.hysteresis, guidance=of_channel.guidance,
    )  # fmt: skip
    yield PvInfo(
        "EventRate_RBV", "ai", f"Events per second at the end of the chain, mean of {RATE_MEAN} s.", 0.0, unit="1/s",
        precision=0,
    )  # fmt: skip
    yield PvInfo(
        "RateHistory_RBV", "waveform", "EventRate second by second; NaN: not known.",
        [0.0], unit="1/s", precision=0, length=RATES_KEPT,
    )  # fmt: skip
    yield PvInfo(
        "RateHistoryTime_RBV", "waveform", "The times of RateHistory; 0 is now.", [0.0], unit="s", precision=0,
        length=RATES_KEPT,
    )  # fmt: skip


def _files(disk: tuple[float, float]) -> Iterator[PvInfo]:
    yield PvInfo(
        "FilePathExists_RBV", "bi", "Whether the folder for raw files exists.", labels=NO_YES,
        severities=("MAJOR", "NO_ALARM"), initial=1,
        guidance="Make the folder or correct FilePath; CreateDirectory makes it at the next start.",
    )  # fmt: skip
    yield PvInfo(
        "DiskFree_RBV", "ai", "Free space where raw files are written.", 0.0, unit="GB", precision=1,
        limits=(disk[0], disk[1], _NAN, _NAN), guidance="Delete or move old data.", archive="always",
        alarm=AlarmHandling(passes=True),
    )  # fmt: skip
    yield PvInfo(
        "DiskTimeLeft_RBV",
        "ai",
        "Time until the disk is full at the present rate; 0 if nothing is written.",
        0.0,
        unit="h",
        precision=1,
    )


def _errors() -> Iterator[PvInfo]:
    yield PvInfo("ErrorCount_RBV", "longin", "Errors of all tasks since the IOC was started.", archive="always")
    yield PvInfo(
        "ErrorLatched_RBV", "bi", "Whether there are errors that nobody has acknowledged.", labels=OK_ERROR,
        severities=("NO_ALARM", "MAJOR"), guidance="See ErrorFirst_RBV and LastError_RBV; acknowledge with ErrorAck.",
        alarm=AlarmHandling(omitted="the sum of all tasks' ERROR"),
    )  # fmt: skip
    yield PvInfo(
        "DiskFull_RBV", "bi", "Whether an error that nobody has acknowledged was caused by a full disk.", labels=NO_YES,
        severities=("NO_ALARM", "MAJOR"), alarm=AlarmHandling(rank="disk", explains=True),
        guidance="A run was ended because its data could not be written: delete or move old data, see DiskFree_RBV and "
        "LastError_RBV for where. Acknowledge in the alarm handler, or with ErrorAck.",
    )  # fmt: skip
    yield PvInfo(
        "DiskFullAlarm", "mbbo", "State of DiskFull in the alarm server; an acknowledgement there counts here, too.",
        labels=ALARM_SERVER_LEVELS, access="OP", role="input",
    )  # fmt: skip
    yield text_pv("ErrorFirst_RBV", "The task that failed first since the last acknowledgement.")
    yield text_pv("LastError_RBV", "The last error.", 512)
    yield text_pv("LastErrorTask_RBV", "The task of the last error.")
    yield text_pv("LastErrorTime_RBV", "When the last error occurred.")
    yield PvInfo(
        "SumSevr_RBV", "mbbi", "Worst severity of all process variables.", labels=SEVERITIES, severities=SEVERITIES,
        alarm=AlarmHandling(omitted="the sum of all others", repeats=True),
    )  # fmt: skip
