"""Widgets that show something, and the face of all modules that make display files of Phoebus."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence

from pixieioc.export.screens import style
from pixieioc.export.screens.bob_xml import Adds, Display, Value, element_of, macros_of, set_property, widget_of
from pixieioc.export.screens.box import Box
from pixieioc.export.screens.controls import choice, command, entry, exponential, opener
from pixieioc.export.screens.plots import Axis, plot
from pixieioc.export.screens.rules import hidden_while, literal, rule, ruled, shown_while
from pixieioc.export.screens.style import CENTER, LEFT, MIDDLE, RIGHT, STRING, Color, Font

__all__ = [
    "CENTER", "LEFT", "MIDDLE", "RIGHT", "Adds", "Axis", "Box", "Display", "Value", "bar", "choice", "command",
    "copies", "entry", "exponential", "hidden_while", "label", "lamp", "literal", "log_text", "opener", "plot",
    "polyline", "rectangle", "rule", "ruled", "shown_while", "value",
]  # fmt: skip

#: Phoebus' format for numbers with given places.
_DECIMAL = 1


def label(
    box: Box, text: str, font: Font = style.TEXT, color: Color = style.INK, align: int = LEFT, tip: str = "",
    background: Color | None = None,
) -> ET.Element:  # fmt: skip
    """A text that never changes; `tip` shows while the mouse is over it."""
    widget = widget_of(
        "label", text, box, text=text, font=font, foreground_color=color, horizontal_alignment=align,
        vertical_alignment=MIDDLE, wrap_words=False,
    )  # fmt: skip
    if background is not None:
        set_property(widget, "transparent", False)
        set_property(widget, "background_color", background)
    if tip:
        set_property(widget, "tooltip", tip)
    return widget


def rectangle(
    box: Box, fill: Color = style.PANEL, line: Color = style.RULE, width: int = 1, name: str = "panel"
) -> ET.Element:
    """An area behind what belongs together."""
    return widget_of("rectangle", name, box, line_width=width, line_color=line, background_color=fill)


def value(
    box: Box, pv: str, font: Font = style.TEXT, align: int = LEFT, *, text: bool = False, wrap: bool = False,
    color: Color = style.INK, background: Color | None = style.READ, units: bool = True, precision: int = -1,
) -> ET.Element:  # fmt: skip
    """What a process variable reads, with its unit; `text` for long strings; `precision` other than its own."""
    widget = widget_of(
        "textupdate", f"value {pv}", box, pv_name=pv, font=font, foreground_color=color, horizontal_alignment=align,
        vertical_alignment=0 if wrap else MIDDLE, wrap_words=wrap,
    )  # fmt: skip
    if text:
        set_property(widget, "format", STRING)
    if background is None:
        set_property(widget, "transparent", True)
    else:
        set_property(widget, "background_color", background)
    if not units:
        set_property(widget, "show_units", False)
    if precision >= 0:
        set_property(widget, "format", _DECIMAL)
        set_property(widget, "precision", precision)
    return widget


def log_text(box: Box, pv: str, font: Font = style.FIXED, *, bottom: bool = False) -> ET.Element:
    """A long string with many lines, which can be scrolled; `bottom` keeps its end in sight."""
    return widget_of(
        "textupdate", f"log {pv}", box, pv_name=pv, font=font, foreground_color=style.INK, format=STRING,
        background_color=style.READ, interactive=True, vertical_alignment=2 if bottom else MIDDLE,
    )  # fmt: skip


def lamp(
    box: Box, pv: str, states: Sequence[tuple[str, Color]], font: Font = style.TEXT_BOLD, *, border: bool = True,
    unknown: str = "?",
) -> ET.Element:  # fmt: skip
    """The label of an enum's state on its colour; `states` are those of the values 0, 1, 2 ...

    `unknown` is its text while nothing is known, which is while the IOC is not connected.
    """
    listed = ET.Element("states")
    for number, (text, fill) in enumerate(states):
        state = ET.SubElement(listed, "state")
        for tag, of in (("value", number), ("label", text), ("color", fill)):
            set_property(state, tag, of)
    widget = widget_of(
        "multi_state_led", f"lamp {pv}", box, pv_name=pv, states=listed, font=font, foreground_color=style.INK,
        line_color=style.RULE, square=True, fallback_label=unknown,
    )  # fmt: skip
    if not border:
        set_property(widget, "border_alarm_sensitive", False)
    return widget


def bar(
    box: Box, pv: str, low: float = 0, high: float = 100, color: Color = style.BAR, *, log: bool = False
) -> ET.Element:
    """A number as a filled bar; it comes after all others that show the same.

    Web clients fail with a bar when its IOC goes, and leave what comes after it as it was.
    """
    widget = widget_of(
        "progressbar", f"bar {pv}", box, pv_name=pv, limits_from_pv=False, minimum=low, maximum=high, fill_color=color,
        background_color=style.READ,
    )  # fmt: skip
    if log:
        set_property(widget, "log_scale", True)
    return widget


def polyline(points: Sequence[tuple[int, int]], *rules: ET.Element, name: str, arrow: bool = True) -> ET.Element:
    """A line through these points of the display, with an arrow's head at its end."""
    left, top = min(x for x, _ in points), min(y for _, y in points)
    box = Box(left, top, max(x for x, _ in points) - left + 1, max(y for _, y in points) - top + 1)
    listed = ET.Element("points")
    for x, y in points:
        ET.SubElement(listed, "point", x=f"{x - left}.0", y=f"{y - top}.0")
    widget = widget_of("polyline", name, box, line_width=6, line_color=style.FAINT, points=listed)
    if arrow:
        set_property(widget, "arrows", 2)
        set_property(widget, "arrow_length", 26)
    if rules:
        set_property(widget, "rules", element_of("rules", rules))
    return widget


def copies(box: Box, file: str, macros: Sequence[Mapping[str, str]], columns: int, gap: int = 8) -> ET.Element:
    """Another display file, once for each of these macros, row by row."""
    instances = ET.Element("instances")
    for each in macros:
        set_property(ET.SubElement(instances, "instance"), "macros", macros_of(each))
    return widget_of(
        "template", file, box, file=file, instances=instances, horizontal=True, gap=gap, wrap_count=columns,
        transparent=True,
    )  # fmt: skip
