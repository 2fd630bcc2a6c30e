"""The states that process variables show, each list once: their labels are types, so that a misspelt one is an error.

The statuses of a task are in `pixieioc/pipeline`, which knows no process variables.
"""

from __future__ import annotations

from typing import Literal, get_args

PipelineState = Literal["WAITING", "RUNNING", "DYING", "PANICKING", "UNKNOWN"]
#: The 11 of areaDetector's ADCore, in its order.
DetectorState = Literal[
    "Idle", "Acquire", "Readout", "Correct", "Saving", "Aborting", "Error", "Waiting", "Initializing", "Disconnected",
    "Aborted",
]  # fmt: skip
#: How a command went, or that it is being carried out.
Outcome = Literal["OK", "Busy", "Refused", "Failed", "Timeout"]
#: Why a run ended; the bad ones are last, the worst of them at the end.
EndReason = Literal[
    "None", "Preset", "Operator stop", "Abort", "Source end", "Task error", "Task lost", "Timeout", "IOC restart"
]
#: Severity levels of the Phoebus alarm server, by the numbers that its "severity PVs" get.
AlarmServerLevel = Literal[
    "OK", "MINOR_ACK", "MAJOR_ACK", "INVALID_ACK", "UNDEFINED_ACK", "MINOR", "MAJOR", "INVALID", "UNDEFINED"
]
#: What makes an IOC ready that is not: where that is changed, or what to press.
Cure = Literal["None", "Preset", "File", "Make folder", "Tasks", "Wait"]

PIPELINE_STATES: tuple[PipelineState, ...] = get_args(PipelineState)
DETECTOR_STATES: tuple[DetectorState, ...] = get_args(DetectorState)
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
END_REASONS: tuple[EndReason, ...] = get_args(EndReason)
ALARM_SERVER_LEVELS: tuple[AlarmServerLevel, ...] = get_args(AlarmServerLevel)
#: Those of an alarm that somebody has acknowledged.
ACKNOWLEDGED: tuple[AlarmServerLevel, ...] = ("MINOR_ACK", "MAJOR_ACK", "INVALID_ACK", "UNDEFINED_ACK")
CURES: tuple[Cure, ...] = get_args(Cure)
NO_YES = ("No", "Yes")
OK_ERROR = ("OK", "ERROR")
LOG_LEVELS = ("Debug", "Info", "Warning", "Error")
#: Of what does something when it is written: its second label says what.
DONE = "Done"
