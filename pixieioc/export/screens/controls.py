"""Widgets that an operator uses: entries, choices and buttons."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping

from pixieioc.export.screens import style
from pixieioc.export.screens.bob_xml import element_of, macros_of, set_property, widget_of
from pixieioc.export.screens.box import Box
from pixieioc.export.screens.style import CENTER, STRING, Color, Font

#: Phoebus' format for numbers as 1.1E-8.
_EXPONENTIAL = 2


def entry(box: Box, pv: str, font: Font = style.TEXT, *, text: bool = False, units: bool = True) -> ET.Element:
    """A number or a text that can be typed."""
    widget = widget_of(
        "textentry", f"entry {pv}", box, pv_name=pv, font=font, foreground_color=style.INK,
        background_color=style.WRITE,
    )  # fmt: skip
    if text:
        set_property(widget, "format", STRING)
    if not units:
        set_property(widget, "show_units", False)
    return widget


def exponential(widget: ET.Element, precision: int) -> ET.Element:
    """The widget, with its number as 1.1E-8."""
    set_property(widget, "format", _EXPONENTIAL)
    set_property(widget, "precision", precision)
    return widget


def choice(box: Box, pv: str, font: Font = style.TEXT) -> ET.Element:
    """A choice among an enum's labels."""
    return widget_of(
        "combo", f"choice {pv}", box, pv_name=pv, font=font, foreground_color=style.INK, background_color=style.WRITE
    )


def command(
    box: Box, text: str, pv: str, font: Font = style.TEXT_BOLD, color: Color = style.INK, *, confirm: str = ""
) -> ET.Element:
    """A button that writes 1; `confirm` is asked first."""
    action = ET.Element("action", type="write_pv")
    for tag, of in (("pv_name", pv), ("value", 1), ("description", text)):
        set_property(action, tag, of)
    widget = _button(box, f"command {pv}", text, action, font, color, style.BUTTON)
    if confirm:
        set_property(widget, "show_confirm_dialog", True)
        set_property(widget, "confirm_message", confirm)
    return widget


def opener(
    box: Box, text: str, file: str, macros: Mapping[str, str] | None = None, font: Font = style.TEXT_BOLD,
    color: Color = style.INK, background: Color | None = style.BUTTON, align: int = CENTER,
) -> ET.Element:  # fmt: skip
    """A button that shows another screen in the place of this one; it gets this one's macros, and `macros`.

    Without `background` what is behind it is seen.
    """
    action = ET.Element("action", type="open_display")
    set_property(action, "file", file)
    if macros:
        set_property(action, "macros", macros_of(macros))
    set_property(action, "target", "replace")
    set_property(action, "description", f"Open {file}")
    widget = _button(box, f"open {file} {text}", text, action, font, color, background)
    if align != CENTER:
        set_property(widget, "horizontal_alignment", align)
    return widget


def _button(
    box: Box, name: str, text: str, action: ET.Element, font: Font, color: Color, background: Color | None
) -> ET.Element:
    widget = widget_of(
        "action_button", name, box, actions=element_of("actions", [action]), text=text, font=font,
        foreground_color=color, background_color=background or style.BUTTON, tooltip="$(actions)",
    )  # fmt: skip
    if background is None:
        set_property(widget, "transparent", True)
    return widget
