"""The alarm tree as plain data: which process variables an alarm handler watches, where, and what it says of each."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pixieioc.export.words import one_line
from pixieioc.pvinfo.description import (
    Description,
    Part,
    alarm_delay,
    alarms_of,
    in_alarm_tree,
    own_name,
    part_of,
    task_of,
)
from pixieioc.pvinfo.model import PvInfo

#: The screen that shows what is wrong; that of rates is there if channels have rates.
SCREENS: Mapping[Part, str] = {
    "run": "run.bob",
    "errors": "run.bob",
    "files": "run.bob",
    "task": "task_{task}.bob",
    "channel": "rates.bob",
    "ioc": "expert.bob",
}
CHANNEL_RATE = "OutputCountRate_RBV"


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
    #: What an acknowledge in the alarm handler has to write, so that the IOC hears of it.
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


def alarm_tree(description: Description) -> Component:
    """The tree: Run, Files, Tasks with one group a task, Channels with one a module, IOC."""
    watched = [pv for pv in description.pvs.values() if in_alarm_tree(pv)]

    def group(name: str, *parts: Part) -> Component:
        return Component(name, tuple(_alarm(pv, description) for pv in watched if part_of(pv) in parts))

    tasks = tuple(_task(task.name, watched, description) for task in description.chain)
    modules = sorted({pv.name.partition(":")[0] for pv in watched if part_of(pv) == "channel"})
    channels = tuple(
        Component(module, tuple(_alarm(pv, description) for pv in watched if pv.name.startswith(f"{module}:")))
        for module in modules
    )
    groups = (
        group("Run", "run", "errors"),
        group("Files", "files"),
        Component("Tasks", components=tasks),
        Component("Channels", components=channels),
        group("IOC", "ioc"),
    )
    return Component(config_name(description.prefix), components=tuple(each for each in groups if each))


def config_name(prefix: str) -> str:
    """The name of the whole tree: the prefix, as far as Kafka takes it for the name of a topic."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", prefix).strip("_.") or "pixieioc"


def _task(task: str, watched: list[PvInfo], description: Description) -> Component:
    """A task's group. ERROR has one of its own in it: the alarm server tells the severity of groups only."""
    own = [pv for pv in watched if task_of(pv) == task]
    return Component(
        task,
        tuple(_alarm(pv, description) for pv in own if own_name(pv) != "ERROR"),
        (
            Component(
                "Error",
                tuple(_alarm(pv, description) for pv in own if own_name(pv) == "ERROR"),
                severity_pv=f"{description.prefix}{task}:ErrorAlarm",
            ),
        ),
    )


def _alarm(pv: PvInfo, description: Description) -> Alarm:
    delay = alarm_delay(pv)
    serious = any(phrase.startswith(("MAJOR", "INVALID")) for phrase in alarms_of(pv))
    is_error = own_name(pv) == "ERROR" and bool(task_of(pv))
    return Alarm(
        pv=description.prefix + pv.name,
        description=_said(pv),
        guidance=guidance(pv),
        display=display(pv, description),
        latching=serious and not delay,
        annunciating=serious,
        delay=delay,
        acknowledge=f"{description.prefix}ErrorAck" if is_error else "",
    )


def guidance(pv: PvInfo) -> str:
    """What it is, when it is in alarm, and what to do then."""
    what_to_do = pv.guidance or "Its declaration says nothing of what to do: see the display."
    return one_line(f"{what_to_do} ({pv.doc.rstrip('.')}; {'; '.join(alarms_of(pv))}.)")


def display(pv: PvInfo, description: Description) -> str:
    """The screen that shows more, with its macros."""
    task, part = task_of(pv), part_of(pv)
    if part == "channel" and not any(own_name(other) == CHANNEL_RATE for other in description.of_part("channel")):
        part = "run"
    return f"{SCREENS[part].format(task=task)}?P={description.prefix}" + (f"&T={task}" if task else "")


def _said(pv: PvInfo) -> str:
    """A name to be read aloud: "TakeData queue use", "disk free"."""
    *where, name = pv.name.removesuffix("_RBV").replace(":REPORT:", ":").split(":")
    words = name if name.isupper() else re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return " ".join([*where, words.lower()])
