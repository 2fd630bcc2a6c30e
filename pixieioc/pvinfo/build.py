"""All process variables of an IOC, from its configuration and the declarations of its tasks."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pixieioc.config import Config, ConfigError
from pixieioc.pipeline.declare import LONGEST_TEXT, Value
from pixieioc.pipeline.graph import Graph
from pixieioc.pvinfo.conditions import condition_pvs
from pixieioc.pvinfo.declared import as_pv, task_pvs
from pixieioc.pvinfo.energies import energy_pvs, version_pvs
from pixieioc.pvinfo.ioc_stats import ioc_pvs
from pixieioc.pvinfo.model import LONGEST_NAME, NO_LIMITS, PvInfo, Section, Source
from pixieioc.pvinfo.overview import in_words
from pixieioc.pvinfo.recsync import recsync_pvs
from pixieioc.pvinfo.run_control import run_control_pvs
from pixieioc.pvinfo.save_restore import save_restore_pvs

if TYPE_CHECKING:
    from pixieioc.pipeline.task import Task

#: Room in ConfigJSON for one value of one channel, on the average, in bytes.
_ROOM = 40


def all_pvs(config: Config) -> dict[str, PvInfo]:
    """Every process variable of an IOC with this configuration, by name without prefix.

    A shared name that several tasks declare is one process variable, the first task's; so is a channel's, if they have
    the declaration in common. Of several tasks of one class the first has the channels' names and the shared reports;
    those of the others stand behind their own names: `M00:C00:Spectrum_RBV` and `Singles:M00:C00:Spectrum_RBV`.
    Raises ConfigError if two declarations want the same name, or if one is too long with the prefix.
    """
    pvs: dict[str, PvInfo] = {}
    disk = (config.ioc.disk_lolo, config.ioc.disk_low)
    memory = (config.ioc.memory_high, config.ioc.memory_hihi)
    of_run = run_control_pvs(tuple(config.tasks), config.run, disk)
    for pv in (*of_run, *condition_pvs(len(config.conditions.pvs))):
        pvs[pv.name] = pv
    texts = {pv.text_of for pv in pvs.values()}
    taken = {name.partition(":")[0] for name in pvs}
    for name, cls in config.tasks.items():
        if name in taken:
            raise ConfigError(f"a task cannot be named {name}: process variables of the pipeline have this name")
        _refuse_long_lists(name, cls, config.settings[name])
        try:
            of_task = [
                *task_pvs(name, cls, config.settings[name], memory),
                *energy_pvs(name, cls, config.settings[name]),
            ]
            of_task = [pv for each in of_task if (pv := _of_its_links(each, config.graph)) is not None]
            if _has_elder(name, config):
                of_task = [_behind_its_name(pv, cls) for pv in of_task]
        except ValueError as error:  # a name that no process variable can have
            raise ConfigError(f"{name}: {error}") from None
        for pv in of_task:
            if pv.name in pvs and not _shared(config, pvs[pv.name].source, pv.source):
                raise ConfigError(f"{name}: the process variable {pv.name} is declared twice")
            pvs.setdefault(pv.name, pv)
            if pv.name not in texts and (text := in_words(pv)) is not None:
                pvs.setdefault(text.name, text)
    recsync = recsync_pvs() if config.ioc.recsync.on else ()
    for pv in (*ioc_pvs(), *save_restore_pvs(), *version_pvs(config.tasks), *recsync):
        if pv.name in pvs:
            raise ConfigError(f"{pvs[pv.name].source.task}: the process variable {pv.name} is the IOC's own")
        pvs[pv.name] = pv
    room = _ROOM * sum(bool(pv.source.index) and pv.role == "setpoint" for pv in pvs.values())
    for name in ("ConfigJSON", "ConfigJSON_RBV"):
        pvs[name] = dataclasses.replace(pvs[name], length=max(pvs[name].length, room))
    longest = max(pvs, key=len)
    if len(config.prefix) + len(longest) > LONGEST_NAME:
        task = pvs[longest].source.task
        shorter = f", or give the task {task} a shorter name" if task else ""
        raise ConfigError(
            f"prefix {config.prefix!r}: must have at most {LONGEST_NAME - len(longest)} characters, so that "
            f"{config.prefix}{longest} has at most {LONGEST_NAME}{shorter}"
        )
    return pvs


def _of_its_links(pv: PvInfo, graph: Graph) -> PvInfo | None:
    """What a task's place in the graph makes of one of its reports: only the first task of a branch misses items.

    On a sampling branch a full queue is no alarm: nobody waits for it, and what it misses is counted.
    """
    task, link = pv.source.task, graph.before(pv.source.task)
    if pv.source.kind == "report" and pv.source.name in ("missed", "missed_bytes"):
        return pv if link is not None and link.mode == "sampling" else None
    if pv.source == Source("report", task, "queue_use") and graph.sampled_by(task) is not None:
        return dataclasses.replace(pv, limits=NO_LIMITS, hysteresis=0.0, guidance="")
    return pv


def _has_elder(name: str, config: Config) -> bool:
    """Whether a task before this one is of its class, or one of the two classes derives from the other."""
    cls, names = config.tasks[name], list(config.tasks)
    others = (config.tasks[other] for other in names[: names.index(name)])
    return any(issubclass(cls, other) or issubclass(other, cls) for other in others)


def _behind_its_name(pv: PvInfo, cls: type[Task]) -> PvInfo:
    """What would have the same name for each task of a class has the task's own before it; shared parameters stay."""
    source = pv.source
    shared = source.kind == "report" and cls.reports()[source.name].shared
    said_once = source.kind in ("parameter", "readback") and cls.parameters()[source.name].shared
    if said_once or not (source.index or shared):
        return pv
    section: Section = "channel" if source.index else "task"
    return dataclasses.replace(pv, name=f"{source.task}:{pv.name}", owner=source.task, section=section)


def _refuse_long_lists(task: str, cls: type[Task], settings: Mapping[str, Value]) -> None:
    """A list of texts that its process variable could not show would come back cut off from a saved set of settings."""
    for name, parameter in cls.parameters().items():
        if parameter.kind == "strings" and (size := len(as_pv(settings[name]).encode(errors="replace"))) > LONGEST_TEXT:
            raise ConfigError(
                f"{task}.{name}: the list has {size} bytes, its process variable takes {LONGEST_TEXT}: "
                "give patterns instead of names"
            )


def _shared(config: Config, known: Source, other: Source) -> bool:
    """Whether two tasks have declared the same thing; what is the run control's own is nobody else's."""
    if not known.task or (known.kind, known.name) != (other.kind, other.name):
        return False
    if not known.index:
        return True
    declared = [
        (cls.reports() if source.kind == "report" else cls.parameters()).get(source.name)
        for source, cls in ((source, config.tasks[source.task]) for source in (known, other))
    ]
    return declared[0] is not None and declared[0] is declared[1]
