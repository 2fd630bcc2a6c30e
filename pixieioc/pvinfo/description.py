"""An IOC as plain data: all that a server, a screen, an alarm tree, an archiver or a document needs to know of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from pixieioc.config import Config
from pixieioc.pipeline.graph import Graph
from pixieioc.pvinfo.about import task_of
from pixieioc.pvinfo.build import all_pvs
from pixieioc.pvinfo.model import PvInfo, Section, Source


@dataclass(frozen=True)
class TaskInfo:
    """A task of the chain, with the process variables that are its own."""

    name: str
    doc: str
    pvs: tuple[PvInfo, ...]

    @property
    def parameters(self) -> Iterator[tuple[PvInfo | None, PvInfo | None]]:
        """Setpoint and readback of each parameter; a fixed one has no setpoint, a command no readback."""
        return pairs(self.pvs)


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
        return cls.of_pvs(
            config.prefix,
            config.graph,
            all_pvs(config),
            {name: task.__doc__ or "" for name, task in config.tasks.items()},
        )

    @classmethod
    def of_pvs(cls, prefix: str, graph: Graph, pvs: Mapping[str, PvInfo], tasks: Mapping[str, str]) -> Description:
        """The IOC that has these process variables; `tasks` are what is said of each task."""
        own: dict[str, list[PvInfo]] = {name: [] for name in tasks}
        for pv in pvs.values():
            if task := task_of(pv):
                own[task].append(pv)
        found = tuple(TaskInfo(name, " ".join(doc.split()), tuple(own[name])) for name, doc in tasks.items())
        return cls(prefix, found, graph, pvs)

    def of_section(self, section: Section) -> list[PvInfo]:
        """The process variables of one section."""
        return [pv for pv in self.pvs.values() if pv.section == section]

    def of_task(self, task: str) -> Sequence[PvInfo]:
        """The process variables that a task is the source of, in whatever section they are."""
        return self._by_task.get(task, ())

    def channels(self, own: str, owner: str = "") -> list[tuple[int, int]]:
        """Module and channel of all that have this; of those whose names begin with that of the task `owner`."""
        named = (pv for pv in self._by_own_name.get(own, ()) if pv.owner == owner)
        return [pv.source.index for pv in named if len(pv.source.index) == 2]

    def owners(self, own: str) -> list[str]:
        """The tasks whose channels have this; empty for the one whose channels are named without it."""
        return list(dict.fromkeys(pv.owner for pv in self._by_own_name.get(own, ())))

    @cached_property
    def _by_task(self) -> Mapping[str, Sequence[PvInfo]]:
        return _grouped(self.pvs.values(), lambda pv: pv.source.task)

    @cached_property
    def _by_own_name(self) -> Mapping[str, Sequence[PvInfo]]:
        """Those of channels, by what they are called in each channel."""
        return _grouped(self.of_section("channel"), lambda pv: pv.own_name)

    @cached_property
    def _readbacks(self) -> Mapping[Source, PvInfo]:
        return {pv.source: pv for pv in self.pvs.values() if pv.role == "readback"}

    @cached_property
    def _texts(self) -> Mapping[str, PvInfo]:
        texts = (pv for pv in self.pvs.values() if pv.text_of in self.pvs)
        return {self.pvs[text.text_of].name: text for text in texts}

    def readback_of(self, pv: PvInfo) -> PvInfo | None:
        """The readback of a setpoint."""
        return self._readbacks.get(replace(pv.source, kind="readback")) if pv.role == "setpoint" else None

    def text_of(self, pv: PvInfo) -> PvInfo | None:
        """The text that says in words the number that this process variable has."""
        return self._texts.get(pv.name)


def _grouped(pvs: Iterable[PvInfo], key: Callable[[PvInfo], str]) -> Mapping[str, Sequence[PvInfo]]:
    groups: dict[str, list[PvInfo]] = {}
    for pv in pvs:
        groups.setdefault(key(pv), []).append(pv)
    return groups


def pairs(pvs: Iterable[PvInfo]) -> Iterator[tuple[PvInfo | None, PvInfo | None]]:
    """Setpoints (or commands) and readbacks, by what they are of; what has no setpoint is last."""
    found: dict[Source, dict[str, PvInfo]] = {}
    for pv in pvs:
        if pv.source.kind in ("parameter", "readback"):
            found.setdefault(replace(pv.source, kind="parameter"), {})[pv.source.kind] = pv
    for pair in sorted(found.values(), key=lambda pair: "parameter" not in pair):
        yield pair.get("parameter"), pair.get("readback")
