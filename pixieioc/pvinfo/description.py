"""An IOC as plain data: all that a server, a screen, an alarm tree, an archiver or a document needs to know of it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from pixieioc.config import Config
from pixieioc.pipeline.graph import Graph
from pixieioc.pvinfo.build import all_pvs
from pixieioc.pvinfo.model import LIMIT_SEVERITIES, SEVERITIES, PvInfo
from pixieioc.pvinfo.overview import FOR_SCREENS

#: When an archiver keeps a process variable: always, only during a run, never.
Archive = Literal["always", "running", ""]
#: The part of the operator's screens that a process variable belongs to.
Part = Literal["run", "files", "errors", "task", "channel", "ioc"]

#: What may be in alarm by more than its value says: the name behind the task's, and when.
OTHER_ALARMS: Mapping[str, str] = {
    "State_RBV": "MINOR: DYING for more than half of StopTimeout",
    "Rate_RBV": "MINOR while the task runs, items wait for it, and it has handled none for 2 s",
    "ErrorMessage_RBV": "MAJOR while ERROR is",
}
#: What is worth keeping between runs, too, and what is not worth keeping.
ALWAYS_ARCHIVED = ("RunId_RBV", "DiskFree_RBV", "ErrorCount_RBV")
NOT_ARCHIVED = ("HeartBeat", "IOC:HEARTBEAT", *FOR_SCREENS)
#: What a channel's or a module's name begins with, behind that of its task, if it has that.
_CHANNEL = re.compile(r"^M\d\d:(C\d\d:)?")


@dataclass(frozen=True)
class TaskInfo:
    """A task of the chain, with the process variables that are its own."""

    name: str
    doc: str
    pvs: tuple[PvInfo, ...]

    @property
    def parameters(self) -> Iterator[tuple[PvInfo | None, PvInfo | None]]:
        """Setpoint and readback of each parameter; a fixed one has no setpoint, a command no readback."""
        readbacks = {pv.source.name: pv for pv in self.pvs if pv.source.kind == "readback"}
        setpoints = {pv.source.name: pv for pv in self.pvs if pv.source.kind == "parameter"}
        for name in {**setpoints, **readbacks}:
            yield setpoints.get(name), readbacks.get(name)


@dataclass(frozen=True)
class Description:
    """All process variables of an IOC by their names without prefix, its tasks, and how they are linked."""

    prefix: str
    tasks: tuple[TaskInfo, ...]
    graph: Graph
    pvs: Mapping[str, PvInfo]

    @classmethod
    def of(cls, config: Config) -> Description:
        """The IOC that has this configuration."""
        pvs = all_pvs(config)
        tasks = tuple(
            TaskInfo(name, " ".join((task.__doc__ or "").split()), tuple(p for p in pvs.values() if task_of(p) == name))
            for name, task in config.tasks.items()
        )
        return cls(config.prefix, tasks, config.graph, pvs)

    def of_part(self, part: Part) -> list[PvInfo]:
        """The process variables of one part of the screens."""
        return [pv for pv in self.pvs.values() if part_of(pv) == part]


def task_of(pv: PvInfo) -> str:
    """The task whose name stands in the process variable's; empty for those of the pipeline, channels and the IOC."""
    return pv.source.task if _stands_behind_its_task(pv) and not is_channel(pv) else ""


def is_channel(pv: PvInfo) -> bool:
    """True for what exists once a channel, and for its arrays over the channels of a module."""
    return bool(_CHANNEL.match(_behind_the_task(pv)))


def module_of(pv: PvInfo) -> str:
    """The part of a channel's name that all channels of the module have: `M00`, or `Singles:M00`; otherwise empty."""
    return pv.name[: len(pv.name) - len(_behind_the_task(pv)) + len("M00")] if is_channel(pv) else ""


def _stands_behind_its_task(pv: PvInfo) -> bool:
    return bool(pv.source.task) and pv.name.startswith(f"{pv.source.task}:")


def _behind_the_task(pv: PvInfo) -> str:
    return pv.name.removeprefix(f"{pv.source.task}:") if pv.source.task else pv.name


def part_of(pv: PvInfo) -> Part:
    """The part of the screens that it belongs to."""
    if pv.name.startswith("IOC:"):
        return "ioc"
    if is_channel(pv):
        return "channel"
    if task_of(pv):
        return "task"
    if pv.name.startswith(("Error", "LastError", "SumSevr")):
        return "errors"
    if pv.name.startswith(("File", "FullFile", "Unfinished", "Auto", "CreateDir", "Write", "Bytes", "Disk")):
        return "files"
    return "run"


def is_command(pv: PvInfo) -> bool:
    """True for what does something when it is written, and reads 0 otherwise."""
    return pv.record == "bo" and bool(pv.access) and pv.labels[:1] == ("Done",)


def is_saved(pv: PvInfo) -> bool:
    """True for setpoints, whose values a save and restore of a set-up consists of; commands are none."""
    return pv.source.kind == "parameter" and bool(pv.access) and not is_command(pv)


def readback_of(pv: PvInfo, description: Description) -> PvInfo | None:
    """The readback of a setpoint."""
    return description.pvs.get(f"{pv.name}_RBV")


def archive_of(pv: PvInfo) -> Archive:
    """When it is archived: states and settings always, what a run counts during a run; arrays and commands never."""
    if pv.record in ("waveform", "stringin") or pv.access or own_name(pv) in NOT_ARCHIVED:
        return ""
    if pv.is_enum or pv.source.kind == "readback" or part_of(pv) == "ioc" or pv.name in ALWAYS_ARCHIVED:
        return "always"
    return "running"


def may_alarm(pv: PvInfo) -> bool:
    """True for what has a severity at times: by its value, or by circumstances."""
    return pv.has_alarm or bool(entry_of(OTHER_ALARMS, pv))


def alarms_of(pv: PvInfo) -> list[str]:
    """When it has which severity, as phrases: "MINOR from 75 % up", "MAJOR: Write error"."""
    unit = f" {pv.unit}" if pv.unit else ""
    phrases: list[str] = []
    for severity in SEVERITIES[1:]:
        labels = [label for label, of in zip(pv.labels, pv.severities, strict=False) if of == severity]
        phrases += [f"{severity}: {', '.join(labels)}"] if labels else []
    for limit, severity, word in zip(pv.limits, LIMIT_SEVERITIES, ("down", "down", "up", "up"), strict=True):
        phrases += [] if math.isnan(limit) else [f"{severity} from {limit:.10g}{unit} {word}"]
    other = entry_of(OTHER_ALARMS, pv)
    return [*phrases, other] if other else phrases


def entry_of(table: Mapping[str, str], pv: PvInfo) -> str:
    """What a table says of the pipeline's or a task's own; those of channels are nowhere."""
    return "" if is_channel(pv) else table.get(own_name(pv), "")


def own_name(pv: PvInfo) -> str:
    """The name without the task's, or without the module's and the channel's."""
    return _CHANNEL.sub("", _behind_the_task(pv))
