"""The alarm tree as plain data: which process variables an alarm handler watches, where, and what it says of each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from pixieioc.export.text import caption, one_line
from pixieioc.pvinfo.about import alarms_of, module_of, task_of
from pixieioc.pvinfo.description import Description
from pixieioc.pvinfo.model import PvInfo, Section
from pixieioc.pvinfo.watching import Condition, is_error, watching_of

#: The screen that shows what is wrong; that of rates is there if channels have rates.
SCREENS: Mapping[Section, str] = {
    "run": "run.bob",
    "errors": "run.bob",
    "files": "run.bob",
    "task": "task_{task}.bob",
    "channel": "rates.bob",
    "ioc": "expert.bob",
    "crate": "modules.bob",
    "modules": "modules.bob",
}
CHANNEL_RATE = "OutputCountRate_RBV"


@dataclass(frozen=True)
class AlarmSite:
    """Where the tree stands among those of other IOCs.

    `name`: the IOC's in the tree, and in what is announced (the prefix, if it is empty). `parents`: the configuration
    of the alarm server and the groups in it that the tree stands in, from the top; empty: it is a configuration of its
    own. `folder`: where the screens are, as seen from where Phoebus is started, with a slash at its end.
    """

    name: str = ""
    parents: tuple[str, ...] = ()
    folder: str = ""


def alarm_site(name: str, parent: str, folder: str) -> AlarmSite:
    """The site from three texts, such as those of a command line; `parent` is a path with slashes.

    Raises ValueError if the alarm server could not have such names.
    """
    parents = tuple(parent.split("/")) if parent else ()
    if "/" in name or (name and not name.strip()):
        raise ValueError(f"alarm name {name!r}: must have no slash, which separates the groups of the alarm tree")
    if not all(each.strip() for each in parents):
        raise ValueError(f"alarm parent {parent!r}: must be a configuration and groups, as in SITE/Detectors")
    if parents and not re.fullmatch(r"[A-Za-z0-9._-]+", parents[0]):
        raise ValueError(f"alarm parent {parent!r}: a configuration is named with letters, digits and . _ - alone")
    return AlarmSite(name, parents, f"{folder.rstrip('/')}/" if folder else "")


@dataclass(frozen=True)
class Alarm:
    """A process variable in the alarm tree; its name has the prefix, `delay` is in seconds."""

    pv: str
    description: str
    guidance: str
    display: str
    latching: bool
    annunciating: bool
    delay: int
    #: The alarm counts only while all of these are true.
    only_while: tuple[Condition, ...] = ()
    #: What an acknowledgement in the alarm handler has to write, so that the IOC hears of it.
    acknowledge: str = ""


@dataclass(frozen=True)
class Component:
    """A group of the tree. `severity_pv` gets the group's severity, as the alarm server's number."""

    name: str
    alarms: tuple[Alarm, ...] = ()
    components: tuple[Component, ...] = ()
    severity_pv: str = ""

    def __bool__(self) -> bool:
        return bool(self.alarms or any(self.components))

    def all_alarms(self) -> Iterator[Alarm]:
        """Those of the group and of all groups in it."""
        yield from self.alarms
        for component in self.components:
            yield from component.all_alarms()


def alarm_tree(description: Description, site: AlarmSite) -> Component:
    """The tree: that the IOC is there; Disk full, Run, Crate, Files, Tasks, Channels, IOC.

    Tasks has one group per task, Channels one per module.
    """
    name = site.name or config_name(description.prefix)
    watched = [pv for pv in description.pvs.values() if watching_of(pv)]

    def alarms(pvs: Iterable[PvInfo]) -> tuple[Alarm, ...]:
        return tuple(_alarm(pv, description, name, site.folder) for pv in pvs)

    def group(title: str, *sections: Section) -> Component:
        return Component(title, alarms(pv for pv in watched if pv.section in sections and not _has_own_row(pv)))

    def task_group(task: str) -> Component:
        """A task's group. ERROR has a group to itself: the alarm server writes the severity of groups only."""
        own = [pv for pv in watched if task_of(pv) == task]
        error = Component("Error", alarms(filter(is_error, own)), severity_pv=f"{description.prefix}{task}:ErrorAlarm")
        return Component(task, alarms(pv for pv in own if not is_error(pv)), (error,))

    modules = sorted({module_of(pv) for pv in watched} - {""}, key=lambda module: (":" in module, module))
    channels = tuple(
        Component(module.replace(":", " "), alarms(pv for pv in watched if module_of(pv) == module))
        for module in modules
    )
    full_disk = alarms(filter(_is_full_disk, watched))
    groups = (
        Component("Disk full", full_disk, severity_pv=f"{description.prefix}DiskFullAlarm"),
        group("Run", "run", "errors"),
        group("Crate", "crate", "modules"),
        group("Files", "files"),
        Component("Tasks", components=tuple(task_group(task.name) for task in description.tasks)),
        Component("Channels", components=channels),
        group("IOC", "ioc"),
    )
    above = alarms(filter(_is_above_all, watched))
    return Component(name, above, tuple(each for each in groups if each))


def _is_above_all(pv: PvInfo) -> bool:
    return pv.alarm.rank == "alive"


def _is_full_disk(pv: PvInfo) -> bool:
    return pv.alarm.rank == "disk"


def _has_own_row(pv: PvInfo) -> bool:
    return _is_above_all(pv) or _is_full_disk(pv)


def config_name(prefix: str) -> str:
    """The name of the whole tree: the prefix, as far as Kafka takes it for the name of a topic."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", prefix).strip("_.") or "pixieioc"


def _alarm(pv: PvInfo, description: Description, ioc: str, folder: str) -> Alarm:
    watching = watching_of(pv, description.graph)
    assert watching is not None
    return Alarm(
        pv=description.prefix + pv.name,
        description=_said(pv, ioc),
        guidance=guidance(pv),
        display=folder + display(pv, description),
        latching=watching.latching,
        annunciating=watching.announced,
        delay=watching.delay,
        only_while=watching.only_while,
        acknowledge=f"{description.prefix}ErrorAck" if is_error(pv) or _is_full_disk(pv) else "",
    )


def guidance(pv: PvInfo) -> str:
    """What it is, when it is in alarm, and what to do then."""
    what_to_do = pv.guidance or "Its declaration says nothing of what to do: see the display."
    return one_line(f"{what_to_do} ({pv.doc.rstrip('.')}; {'; '.join(alarms_of(pv))}.)")


def display(pv: PvInfo, description: Description) -> str:
    """The screen that shows more, with its macros."""
    task, section = task_of(pv), pv.section
    if section == "channel" and not description.channels(CHANNEL_RATE):
        section = "run"
    return f"{SCREENS[section].format(task=task)}?P={description.prefix}" + (f"&T={task}" if task else "")


def _said(pv: PvInfo, ioc: str) -> str:
    """What is announced: "PX16: the IOC is gone", "PX16 TakeData has failed", "PX16 disk free".

    With an asterisk at its beginning, the alarm server says it without the severity.
    """
    if _is_above_all(pv):
        return f"*{ioc}: the IOC is gone"
    channel = (module_of(pv), *(f"C{number:02d}" for number in pv.source.index[1:])) if module_of(pv) else ()
    *where, name = ":".join([task_of(pv), *channel, caption(pv)]).removeprefix(":").split(":")
    words = name if name.isupper() else re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).lower()
    return " ".join([ioc, *where, "has failed" if is_error(pv) else words])
