"""All process variables of an IOC, from its configuration and the declarations of its tasks."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from pixieioc.config import Config, ConfigError
from pixieioc.pipeline.declare import LONGEST_TEXT, Value
from pixieioc.pipeline.task import Task
from pixieioc.pvinfo.declared import as_pv, task_pvs
from pixieioc.pvinfo.ioc_stats import ioc_pvs
from pixieioc.pvinfo.model import LONGEST_NAME, PvInfo, Source
from pixieioc.pvinfo.overview import in_words
from pixieioc.pvinfo.run_control import run_control_pvs

#: Room in ConfigJSON for one value of one channel, on the average, in bytes.
_ROOM = 40


def all_pvs(config: Config) -> dict[str, PvInfo]:
    """Every process variable of an IOC with this configuration, by name without prefix.

    A shared name that several tasks declare is one process variable, the first task's; so is a channel's, if they have
    the declaration in common. Raises ConfigError if two
    declarations want the same name, or if one is too long with the prefix.
    """
    pvs: dict[str, PvInfo] = {}
    disk = (config.ioc.disk_lolo, config.ioc.disk_low)
    memory = (config.ioc.memory_high, config.ioc.memory_hihi)
    for pv in run_control_pvs(config.chain, config.run, disk):
        pvs[pv.name] = pv
    for name, cls in config.tasks.items():
        _refuse_long_lists(name, cls, config.settings[name])
        try:
            of_task = list(task_pvs(cls, config.settings[name], memory))
        except ValueError as error:  # a name that no process variable can have
            raise ConfigError(f"{name}: {error}") from None
        for pv in of_task:
            if pv.name in pvs and not _shared(config, pvs[pv.name].source, pv.source):
                raise ConfigError(f"{name}: the process variable {pv.name} is declared twice")
            pvs.setdefault(pv.name, pv)
            if (text := in_words(pv)) is not None:
                pvs.setdefault(text.name, text)
    for pv in ioc_pvs():
        if pv.name in pvs:
            raise ConfigError(f"{pvs[pv.name].source.task}: the process variable {pv.name} is the IOC's own")
        pvs[pv.name] = pv
    room = _ROOM * sum(bool(pv.source.index) and pv.source.kind == "parameter" for pv in pvs.values())
    for name in ("ConfigJSON", "ConfigJSON_RBV"):
        pvs[name] = dataclasses.replace(pvs[name], length=max(pvs[name].length, room))
    longest = max(pvs, key=len)
    if len(config.prefix) + len(longest) > LONGEST_NAME:
        raise ConfigError(
            f"prefix {config.prefix!r}: must have at most {LONGEST_NAME - len(longest)} characters, so that "
            f"{config.prefix}{longest} has at most {LONGEST_NAME}"
        )
    return pvs


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
    one, another = (config.tasks[source.task].reports().get(source.name) for source in (known, other))
    return one is not None and one is another
