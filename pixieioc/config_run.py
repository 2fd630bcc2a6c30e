"""What can be set about runs themselves, `[run]`, and what a run can be preset to have."""

from __future__ import annotations

from dataclasses import dataclass

from pixieioc.pipeline.declare import Parameter
from pixieioc.pipeline.presets import LIVE_TIME, REAL_TIME

#: The name of the run control's own parameters in a configuration.
RUN = "run"
NO_PRESET = "No preset"


@dataclass(frozen=True)
class Preset:
    """What ends a run automatically: which parameter says how much of it, and what is counted."""

    parameter: str
    #: REAL_TIME or LIVE_TIME in seconds, or the name of a report that counts.
    counts: str


#: By the mode that selects it.
PRESETS = {
    "Real time": Preset("preset_real", REAL_TIME),
    "Live time": Preset("preset_live", LIVE_TIME),
    "Events": Preset("preset_events", "events"),
    "Triggers": Preset("preset_triggers", "triggers"),
}


#: Those that are kept with the data of a run: the values at its end count.
REMARKS = ("title", "experiment", "operator", "comment")


class RunParameters:
    """What can be set about runs themselves, declared like a task's parameters."""

    preset_mode = Parameter(
        NO_PRESET,
        choices=(NO_PRESET, *PRESETS),
        live=True,
        access="OP",
        doc="What ends a run automatically.",
    )
    preset_real = Parameter(
        60.0, unit="s", low=0.1, high=1e7, live=True, access="OP", doc="Real time of a run with that preset."
    )
    preset_live = Parameter(
        60.0, unit="s", low=0.1, high=1e7, live=True, access="OP", doc="Live time of a run with that preset."
    )
    preset_events = Parameter(
        100_000, low=1, high=2**53, live=True, access="OP", doc="Events of a run with that preset, at least."
    )
    preset_triggers = Parameter(
        100_000, low=1, high=2**53, live=True, access="OP", doc="Triggers of a run with that preset, at least."
    )
    title = Parameter("", longest=255, live=True, access="OP", doc="What this run is, in a line.")
    experiment = Parameter("", longest=255, live=True, access="OP", doc="The experiment that the run belongs to.")
    operator = Parameter("", longest=255, live=True, access="OP", doc="Who takes the data.")
    comment = Parameter("", longest=4095, live=True, access="OP", doc="Remarks on the run.")
    stop_timeout = Parameter(
        8.0, unit="s", low=0.5, high=3600, live=True, doc="Time allowed for a stop to drain the chain."
    )
    wait_for_pipeline = Parameter(
        True, live=True, doc="Whether a put to Acquire also waits for the tasks behind the source."
    )
    fail_put_on_error = Parameter(True, live=True, doc="Whether a put to Acquire fails when its run ends badly.")
