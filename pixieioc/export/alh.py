"""The alarm tree for ALH, the alarm handler before Phoebus."""

from __future__ import annotations

from collections.abc import Iterator

from pixieioc.export.alarms import Alarm, AlarmSite, Component, alarm_tree
from pixieioc.export.text import GENERATED
from pixieioc.pvinfo.description import Description


def alh(description: Description, site: AlarmSite) -> str:
    """`pixieioc.alhConfig`."""
    tree = alarm_tree(description, site)
    lines = [f"# {GENERATED}", *_group("NULL", tree)]
    return "\n".join(lines) + "\n"


def _group(parent: str, group: Component) -> Iterator[str]:
    """A group of ALH is found by its name alone, so ERROR, which has one for Phoebus, stands with its task."""
    yield f"GROUP {parent} {group.name}"
    for component in group.components:
        for alarm in component.alarms if component.severity_pv else ():
            yield from _channel(group.name, alarm)
    for alarm in group.alarms:
        yield from _channel(group.name, alarm)
    for component in group.components:
        if not component.severity_pv:
            yield from _group(group.name, component)


def _channel(group: str, alarm: Alarm) -> Iterator[str]:
    """The mask's letters switch off: Cancel, Disable, no Ack, no ack of Transient alarms, no Log."""
    yield f"CHANNEL {group} {alarm.pv} {'-----' if alarm.latching else '---T-'}"
    yield f"$ALIAS {alarm.description}"
    if alarm.delay:
        yield f"$ALARMCOUNTFILTER -1 {alarm.delay}"
    if alarm.acknowledge:
        yield f"$ACKPV {alarm.acknowledge} 1"
    yield "$GUIDANCE"
    yield alarm.guidance
    yield f"Screen: {alarm.display}"
    yield "$END"
