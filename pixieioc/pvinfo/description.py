"""An IOC as plain data: all that a server, a screen, an alarm tree, an archiver or a document needs to know of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from pixieioc.config import Config
from pixieioc.pvinfo import all_pvs
from pixieioc.pvinfo.model import PvInfo

#: When an archiver keeps a process variable: always, only while a run is on, never.
Archive = Literal["always", "running", ""]
#: The part of the operator's screens that a process variable belongs to.
Part = Literal["run", "files", "errors", "task", "channel", "ioc"]

#: What an alarm tree leaves out although it has a severity, and why.
NOT_IN_ALARM_TREE: Mapping[str, str] = {
    "Ready_RBV": "not ready is what an IOC is while a run is on",
    "CmdStatus_RBV": "the answer to whoever gave the command",
    "SumSevr_RBV": "the sum of all others",
    "SimMode_RBV": "known to whoever has chosen a simulated source",
    "DetectorState_RBV": "its causes are in the tree: errors of the tasks, and the reason why a run has ended",
}


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
    """All process variables of an IOC by their names without prefix, and the chain of its tasks."""

    prefix: str
    chain: tuple[TaskInfo, ...]
    pvs: Mapping[str, PvInfo]

    @classmethod
    def of(cls, config: Config) -> Description:
        """The IOC that has this configuration."""
        pvs = all_pvs(config)
        chain = tuple(
            TaskInfo(name, " ".join((task.__doc__ or "").split()), tuple(p for p in pvs.values() if task_of(p) == name))
            for name, task in config.tasks.items()
        )
        return cls(config.prefix, chain, pvs)

    def of_part(self, part: Part) -> list[PvInfo]:
        """The process variables of one part of the screens."""
        return [pv for pv in self.pvs.values() if part_of(pv) == part]


def task_of(pv: PvInfo) -> str:
    """The task whose name stands in the process variable's; empty for those of the pipeline, channels and the IOC."""
    return pv.source.task if pv.source.task and pv.name.startswith(f"{pv.source.task}:") else ""


def is_channel(pv: PvInfo) -> bool:
    """True for what exists once a channel, and for its arrays over the channels of a module."""
    return pv.name[:1] == "M" and pv.name[1:3].isdigit() and pv.name[3:4] == ":"


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
    if pv.name.startswith(("File", "FullFile", "Auto", "CreateDir", "Write", "Bytes", "Disk")):
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
    """When it is archived: states and settings always, what a run counts while one is on; arrays and commands never."""
    if pv.record in ("waveform", "stringin") or is_command(pv) or pv.access:
        return ""
    if pv.is_enum or pv.source.kind == "readback" or part_of(pv) == "ioc" or pv.name == "RunId_RBV":
        return "always"
    return "running"


def in_alarm_tree(pv: PvInfo) -> bool:
    """True for what an alarm handler must hear of."""
    return pv.has_alarm and pv.name not in NOT_IN_ALARM_TREE
