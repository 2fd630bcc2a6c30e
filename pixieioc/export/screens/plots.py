"""Plots of arrays."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass

from pixieioc.export.screens import style
from pixieioc.export.screens.bob_xml import element_of, set_property, widget_of
from pixieioc.export.screens.box import Box
from pixieioc.export.screens.rules import rule, ruled
from pixieioc.export.screens.style import Color, Font

#: Phoebus' types of curves.
_LINE, _STEPS = 1, 2


@dataclass(frozen=True)
class Axis:
    """An axis of a plot. It scales itself if `auto` says so, and is logarithmic if `log` does; both may be macros."""

    title: str = ""
    limits: tuple[float, float] = (0, 10)
    auto: str = "true"
    log: str = "false"
    shown: bool = True


def plot(
    box: Box, pv: str, x: Axis, y: Axis, *, x_pv: str = "", steps: bool = False,
    markers: Sequence[tuple[str, Color]] = (), font: Font = style.SMALL, toolbar: bool = False, top_pv: str = "",
    step_pv: str = "", steps_shown: int = 0,
) -> ET.Element:  # fmt: skip
    """An array as a curve over its index or over `x_pv`, or as a histogram with `steps`.

    `markers` are cursors that show and write a number. The axis of y ends at `top_pv`, if there is one, that of x at
    `steps_shown` times `step_pv`.
    """
    trace = ET.Element("trace")
    for tag, of in (("name", ""), ("x_pv", x_pv), ("y_pv", pv), ("color", style.CURVE), ("line_width", 2)):
        set_property(trace, tag, of)
    set_property(trace, "trace_type", _STEPS if steps else _LINE)
    listed = ET.Element("marker")
    for cursor, fill in markers:
        marker = ET.SubElement(listed, "marker")
        for tag, of in (("color", fill), ("pv_name", cursor), ("interactive", True)):
            set_property(marker, tag, of)
    widget = widget_of(
        "xyplot", f"plot {pv}", box, show_legend=False, x_axis=_axis("x_axis", x, font),
        y_axes=element_of("y_axes", [_axis("y_axis", y, font)]), traces=element_of("traces", [trace]),
        background_color=style.PANEL, foreground_color=style.INK,
    )  # fmt: skip
    if markers:
        set_property(widget, "marker", listed)
    if toolbar:
        set_property(widget, "show_toolbar", True)
    if top_pv:
        ruled(widget, rule("top", "y_axes[0].maximum", [top_pv], [("pv0 > 0", "pv0")], computed=True))
    if step_pv:
        ruled(widget, rule("end", "x_axis.maximum", [step_pv], [("pv0 > 0", f"pv0 * {steps_shown}")], computed=True))
    return widget


def _axis(tag: str, axis: Axis, font: Font) -> ET.Element:
    element = ET.Element(tag)
    set_property(element, "title", axis.title)
    for name, of in (("autoscale", axis.auto), ("log_scale", axis.log)):
        if of != "false":
            set_property(element, name, of)
    set_property(element, "minimum", float(axis.limits[0]))
    set_property(element, "maximum", float(axis.limits[1]))
    if axis.shown:
        set_property(element, "show_grid", True)
        for name in ("title_font", "scale_font"):
            set_property(element, name, font)
    else:
        set_property(element, "visible", False)
    return element
