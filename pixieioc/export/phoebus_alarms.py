"""The alarm tree as the import tool of Phoebus reads it."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from pixieioc.export.alarms import Alarm, Component, alarm_tree
from pixieioc.export.words import GENERATED
from pixieioc.pvinfo.description import Description


def phoebus_alarms(description: Description) -> str:
    """`pixieioc-alarms.xml`."""
    tree = alarm_tree(description)
    root = ET.Element("config", name=tree.name)
    root.append(ET.Comment(f" {GENERATED} "))
    _fill(root, tree)
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _fill(element: ET.Element, group: Component) -> None:
    """A group's own process variables stand before the groups in it: the reader keeps the first of two of a name."""
    if group.severity_pv:
        _titled(element, "automated_action", "Tells the IOC", f"sevrpv:{group.severity_pv}", delay=0)
    for alarm in group.alarms:
        _pv(element, alarm)
    for component in group.components:
        _fill(ET.SubElement(element, "component", name=component.name), component)


def _pv(parent: ET.Element, alarm: Alarm) -> None:
    # Everything is said: the reader's defaults have changed between versions.
    element = ET.SubElement(parent, "pv", name=alarm.pv)
    ET.SubElement(element, "description").text = alarm.description
    ET.SubElement(element, "enabled").text = "true"
    ET.SubElement(element, "latching").text = _word(alarm.latching)
    ET.SubElement(element, "annunciating").text = _word(alarm.annunciating)
    ET.SubElement(element, "delay").text = str(alarm.delay)
    _titled(element, "guidance", "What to do", alarm.guidance)
    _titled(element, "display", alarm.display.partition("?")[0], alarm.display)


def _titled(parent: ET.Element, tag: str, title: str, details: str, delay: int | None = None) -> None:
    element = ET.SubElement(parent, tag)
    ET.SubElement(element, "title").text = title
    ET.SubElement(element, "details").text = details
    if delay is not None:
        ET.SubElement(element, "delay").text = str(delay)


def _word(value: bool) -> str:
    return "true" if value else "false"
