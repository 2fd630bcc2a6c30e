"""The XML of Phoebus' display files: a display, its widgets and their properties."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping
from typing import Protocol

from pixieioc.export.screens import style
from pixieioc.export.screens.box import Box
from pixieioc.export.screens.style import Color, Font

Value = str | int | float | bool | Color | Font | ET.Element
#: Widgets whose present version is not 2.0.0; an older number would make Phoebus convert them.
_VERSIONS = {"action_button": "3.0.0", "xyplot": "3.0.0", "textentry": "3.0.0", "group": "3.0.0"}


class Adds(Protocol):
    """What widgets can be added to."""

    def add(self, *widgets: ET.Element) -> None:
        """Adds widgets."""


class Display:
    """A display file in the making."""

    def __init__(self, title: str, width: int, height: int, background: Color = style.PAPER) -> None:
        self.width, self.height = width, height
        self._root = ET.Element("display", version="2.0.0")
        self._names: dict[str, int] = {}
        for tag, value in (("name", title), ("width", width), ("height", height)):
            set_property(self._root, tag, value)
        set_property(self._root, "background_color", background)
        set_property(self._root, "grid_visible", False)

    def add(self, *widgets: ET.Element) -> None:
        """Adds widgets; each gets a name of its own, made of what it is and what it shows."""
        for widget in widgets:
            name = widget.find("name")
            assert name is not None
            base = name.text or ""
            number = self._names[base] = self._names.get(base, 0) + 1
            if number > 1:
                name.text = f"{base} {number}"
            self._root.append(widget)

    def text(self) -> str:
        """The file."""
        ET.indent(self._root)
        return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(self._root, encoding="unicode") + "\n"


def widget_of(kind: str, name: str, box: Box, **properties: Value) -> ET.Element:
    """A widget of this kind with these properties."""
    widget = ET.Element("widget", type=kind, version=_VERSIONS.get(kind, "2.0.0"))
    set_property(widget, "name", name)
    for tag in ("x", "y", "width", "height"):
        set_property(widget, tag, getattr(box, tag))
    for tag, of in properties.items():
        set_property(widget, tag, of)
    return widget


def set_property(parent: ET.Element, tag: str, of: Value) -> None:
    """Adds a property, as Phoebus writes a value of its type."""
    match of:
        case ET.Element():
            of.tag = tag
            parent.append(of)
        case Color():
            named = {"name": of.name} if of.name else {}
            rgb = {"red": str(of.red), "green": str(of.green), "blue": str(of.blue)}
            ET.SubElement(ET.SubElement(parent, tag), "color", named | rgb)
        case Font():
            weight = "BOLD" if of.bold else "REGULAR"
            ET.SubElement(ET.SubElement(parent, tag), "font", family=of.family, style=weight, size=f"{of.size}.0")
        case bool():
            ET.SubElement(parent, tag).text = "true" if of else "false"
        case _:
            ET.SubElement(parent, tag).text = str(of)


def element_of(tag: str, children: Iterable[ET.Element]) -> ET.Element:
    """An element with these children."""
    element = ET.Element(tag)
    element.extend(children)
    return element


def macros_of(macros: Mapping[str, str]) -> ET.Element:
    """Macros with their values."""
    element = ET.Element("macros")
    for name, text in macros.items():
        set_property(element, name, text)
    return element
