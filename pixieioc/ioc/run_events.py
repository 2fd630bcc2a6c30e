"""What happens to run control and what it orders, as plain data: the rules between them are in `run_machine.py`."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from math import inf
from typing import Any

from pixieioc.ioc.run import Run
from pixieioc.pipeline.error import Error
from pixieioc.pvinfo.states import DetectorState, Outcome


class Command(Enum):
    """What clients can order; the value is the name of the process variable."""

    START = "Acquire"
    STOP = "Stop"
    ABORT = "Abort"
    ERASE = "Erase"
    CONFIGURE = "Configure"
    RESET = "Reset"
    BOOT = "Boot"
    QUIT = "Quit"
    KILL = "Kill"


class Step(Enum):
    """Work that takes time; the value says what is going on."""

    SAVE_RUN = "saving the number of the run"
    MAKE = "making the tasks"
    APPLY = "configuring the tasks"
    SETTLE = "bringing the tasks the settings that fit"
    ERASE = "clearing the spectra"
    START = "starting the tasks"
    BOOT = "booting the crate"
    REPLACE = "replacing the tasks that have failed"
    QUIT = "shutting the tasks down"
    COUNT = "counting FileNumber up"
    KILL = "killing the tasks"


# -- events ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Begin:
    """The IOC has started; `start`: a run is wanted as soon as the tasks are there."""

    start: bool = False


@dataclass(frozen=True)
class Put:
    """A client has given a command; `number` is what its answer will carry, 0 if nobody waits for one.

    `pv` is what was written; `not_ready` is what else than a run keeps one from being started.
    """

    number: int
    command: Command
    client: object
    pv: str
    not_ready: str = ""


@dataclass(frozen=True)
class Done:
    """A step has been carried out."""

    job: int


@dataclass(frozen=True)
class Failed:
    """A step could not be carried out."""

    job: int
    error: Error


@dataclass(frozen=True)
class SourceDone:
    """The first task of the chain makes no more data in this run; `saving`: the others write files.

    `preset`: it has taken what the run was preset to have.
    """

    run: int
    saving: bool = False
    preset: bool = False


@dataclass(frozen=True)
class AtRest:
    """No task does anything for this run any more; `error` is the first of the pipeline's in it."""

    run: int
    error: Error | None = None


@dataclass(frozen=True)
class PresetReached:
    """The run has what it was to have."""

    run: int


@dataclass(frozen=True)
class TaskFailed:
    """A task has failed, or was lost."""

    task: str
    error: Error


@dataclass(frozen=True)
class OwnFault:
    """An exception in the IOC's own code."""

    text: str


@dataclass(frozen=True)
class Signal:
    """The IOC is to end; the second one ends it at once."""


@dataclass(frozen=True)
class Tick:
    """Time has passed: a deadline may be over."""


@dataclass(frozen=True)
class Options:
    """The run parameters that run control itself follows."""

    stop_timeout: float = 8.0
    wait_for_pipeline: bool = True
    fail_put_on_error: bool = True


Event = (
    Begin | Put | Done | Failed | SourceDone | AtRest | PresetReached | TaskFailed | OwnFault | Signal | Tick | Options
)

# -- instructions ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Perform:
    """Carry out a step; it ends with `Done` or `Failed`, and with neither once it is cancelled."""

    job: int
    step: Step
    run: int = 0
    limit: float = inf  #: after this many seconds it is cancelled


@dataclass(frozen=True)
class Cancel:
    """Give a step up."""

    job: int


@dataclass(frozen=True)
class EndRun:
    """Have the tasks end the run; what they hold is handed on, or discarded."""

    discard: bool


@dataclass(frozen=True)
class Answer:
    """A put is complete; `failure` says why it has failed, if it has."""

    put: int
    failure: str = ""


@dataclass(frozen=True)
class Post:
    """A process variable has a new value."""

    pv: str
    value: Any
    force: bool = False


@dataclass(frozen=True)
class ShowState:
    """What is going on: one of areaDetector's states and a sentence."""

    state: DetectorState
    message: str


@dataclass(frozen=True)
class ShowCommand:
    """The outcome of a command so far; `run` is the run whose end will be its outcome."""

    status: Outcome
    message: str
    client: object
    pv: str
    run: int = 0


@dataclass(frozen=True)
class ShowRunCommand:
    """News of a run is the outcome of the last command, if that was about this run (and, if given, by this client)."""

    run: int
    status: Outcome
    message: str
    client: object | None = None


@dataclass(frozen=True)
class RunAccepted:
    """A run has been accepted: times and counters are at their beginning."""

    run: Run = field(repr=False)


@dataclass(frozen=True)
class RunEnded:
    """A run is over: its times and its end are recorded."""

    run: Run = field(repr=False)
    message: str = ""


@dataclass(frozen=True)
class ShowReadiness:
    """What keeps a run from being started may have changed."""


@dataclass(frozen=True)
class TasksGone:
    """There are no tasks any more, and that was wanted."""


@dataclass(frozen=True)
class RecordError:
    """A failure of run control is to be shown and latched, unless a task has reported it."""

    error: Error


@dataclass(frozen=True)
class Log:
    """A line for the log of runs."""

    text: str


@dataclass(frozen=True)
class StartNow:
    """The tasks are there and a run was wanted as soon as they are."""


@dataclass(frozen=True)
class Leave:
    """The IOC ends; `at_once`: without closing anything properly."""

    at_once: bool = False


Instruction = (
    Perform | Cancel | EndRun | Answer | Post | ShowState | ShowCommand | ShowRunCommand | RunAccepted | RunEnded
    | ShowReadiness | TasksGone | RecordError | Log | StartNow | Leave
)  # fmt: skip
