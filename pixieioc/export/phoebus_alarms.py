"""The alarm tree as the import tool of Phoebus reads it."""

from __future__ import annotations

import functools
import xml.etree.ElementTree as ET

from pixieioc.export.alarms import Alarm, AlarmSite, Component, alarm_tree
from pixieioc.export.text import GENERATED
from pixieioc.pvinfo.description import Description
from pixieioc.pvinfo.watching import Condition

#: A value that is always there: with it a filter is evaluated as soon as the alarm server starts, also while none of
#: the IOC's process variables is connected.
_ALWAYS = "'loc://pixieioc(1)' > 0"


def phoebus_alarms(description: Description, site: AlarmSite) -> str:
    """`pixieioc-alarms.xml`: a whole configuration of the alarm server, to be imported."""
    tree = alarm_tree(description, site)
    config, *groups = site.parents or (tree.name,)
    root = ET.Element("config", name=config)
    root.append(ET.Comment(f" {GENERATED} "))
    if site.parents:
        inner = functools.reduce(lambda parent, name: ET.SubElement(parent, "component", name=name), groups, root)
        _fill(ET.SubElement(inner, "component", name=tree.name), tree, description)
    else:
        _fill(root, tree, description)
    return _text(root)


def phoebus_component(description: Description, site: AlarmSite) -> str:
    """`pixieioc-alarms-component.xml`: the tree as one group, to be included in a site's own configuration."""
    tree = alarm_tree(description, site)
    root = ET.Element("component", name=tree.name)
    root.append(ET.Comment(f" {GENERATED} "))
    _fill(root, tree, description)
    return _text(root)


def _text(root: ET.Element) -> str:
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _fill(element: ET.Element, group: Component, description: Description) -> None:
    """A group's own process variables stand before the groups in it: the reader keeps the first of two of a name."""
    if group.severity_pv:
        _titled(element, "automated_action", "Tells the IOC", f"sevrpv:{group.severity_pv}", delay=0)
    for alarm in group.alarms:
        _pv(element, alarm, description)
    for component in group.components:
        _fill(ET.SubElement(element, "component", name=component.name), component, description)


def _pv(parent: ET.Element, alarm: Alarm, description: Description) -> None:
    # Everything is said: the reader's defaults have changed between versions.
    element = ET.SubElement(parent, "pv", name=alarm.pv)
    ET.SubElement(element, "description").text = alarm.description
    ET.SubElement(element, "enabled").text = "true"
    ET.SubElement(element, "latching").text = _word(alarm.latching)
    ET.SubElement(element, "annunciating").text = _word(alarm.annunciating)
    ET.SubElement(element, "delay").text = str(alarm.delay)
    if alarm.only_while:
        ET.SubElement(element, "filter").text = _filter(alarm.only_while, description)
    _titled(element, "guidance", "What to do", alarm.guidance)
    _titled(element, "display", alarm.display.partition("?")[0], alarm.display)


def _filter(conditions: tuple[Condition, ...], description: Description) -> str:
    """A formula of the alarm server: what is disconnected is NaN there, for which no comparison is true."""
    named = [(f"'{description.prefix}{description.pvs[each.name].name}'", each) for each in conditions]
    return " & ".join([_ALWAYS, *(_formula(pv, each) for pv, each in named)])


def _formula(value: str, condition: Condition) -> str:
    if condition.inside:
        return f"{value} >= {condition.low} & {value} < {condition.high}"
    return f"({value} < {condition.low} | {value} >= {condition.high})"


def _titled(parent: ET.Element, tag: str, title: str, details: str, delay: int | None = None) -> None:
    element = ET.SubElement(parent, tag)
    ET.SubElement(element, "title").text = title
    ET.SubElement(element, "details").text = details
    if delay is not None:
        ET.SubElement(element, "delay").text = str(delay)


def _word(value: bool) -> str:
    return "true" if value else "false"
