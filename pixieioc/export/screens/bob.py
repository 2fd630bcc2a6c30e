"""Display files of Phoebus: boxes, widgets, and the XML that they become. Defaults are left out."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count

from pixieioc.export.screens import style
from pixieioc.export.screens.style import Color, Font

Value = str | int | float | bool | Color | Font | ET.Element
#: Horizontal and vertical alignment, as Phoebus counts them.
LEFT, CENTER, RIGHT = 0, 1, 2
MIDDLE = 1
#: Phoebus' formats for numbers with given places, and for arrays of characters, which are texts.
_DECIMAL, _STRING = 1, 6
#: Its types of curves.
_LINE, _STEPS = 1, 2
#: Widgets whose present version is not 2.0.0; an older number would make Phoebus convert them.
_VERSIONS = {"action_button": "3.0.0", "xyplot": "3.0.0", "textentry": "3.0.0", "group": "3.0.0"}


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels from the upper left corner of its display."""

    x: int
    y: int
    width: int
    height: int

    def inner(self, margin: int, top: int | None = None) -> Box:
        """What is left inside a margin; `top` is that above."""
        top = margin if top is None else top
        return Box(self.x + margin, self.y + top, self.width - 2 * margin, self.height - top - margin)

    def columns(self, *shares: float, gap: int = 8) -> list[Box]:
        """Side by side, with widths in these proportions."""
        room = self.width - gap * (len(shares) - 1)
        edges = [round(room * sum(shares[:i]) / sum(shares)) for i in range(len(shares) + 1)]
        return [replace(self, x=self.x + edges[i] + i * gap, width=edges[i + 1] - edges[i]) for i in range(len(shares))]

    def rows(self, height: int, gap: int = 6) -> Iterator[Box]:
        """One below the other, as many as are asked for."""
        return (replace(self, y=self.y + i * (height + gap), height=height) for i in count())

    def grid(self, columns: int, rows: int, gap: int = 8) -> list[Box]:
        """Equal cells, row by row."""
        width = (self.width - gap * (columns - 1)) // columns
        height = (self.height - gap * (rows - 1)) // rows
        return [
            Box(self.x + c * (width + gap), self.y + r * (height + gap), width, height)
            for r in range(rows)
            for c in range(columns)
        ]


class Display:
    """A display file in the making."""

    def __init__(self, title: str, width: int, height: int, background: Color = style.PAPER) -> None:
        self.width, self.height = width, height
        self._root = ET.Element("display", version="2.0.0")
        self._names: dict[str, int] = {}
        for tag, value in (("name", title), ("width", width), ("height", height)):
            _set(self._root, tag, value)
        _set(self._root, "background_color", background)
        _set(self._root, "grid_visible", False)

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


# -- what shows --------------------------------------------------------------------------------------------------------


def label(
    box: Box, text: str, font: Font = style.TEXT, color: Color = style.INK, align: int = LEFT, tip: str = "",
    background: Color | None = None,
) -> ET.Element:  # fmt: skip
    """A text that never changes; `tip` shows while the mouse is over it."""
    widget = _widget(
        "label", text, box, text=text, font=font, foreground_color=color, horizontal_alignment=align,
        vertical_alignment=MIDDLE, wrap_words=False,
    )  # fmt: skip
    if background is not None:
        _set(widget, "transparent", False)
        _set(widget, "background_color", background)
    if tip:
        _set(widget, "tooltip", tip)
    return widget


def rectangle(
    box: Box, fill: Color = style.PANEL, line: Color = style.RULE, width: int = 1, name: str = "panel"
) -> ET.Element:
    """An area behind what belongs together."""
    return _widget("rectangle", name, box, line_width=width, line_color=line, background_color=fill)


def value(
    box: Box, pv: str, font: Font = style.TEXT, align: int = LEFT, *, text: bool = False, wrap: bool = False,
    color: Color = style.INK, background: Color | None = style.READ, units: bool = True, precision: int = -1,
) -> ET.Element:  # fmt: skip
    """What a process variable reads, with its unit; `text` for long strings; `precision` other than its own."""
    widget = _widget(
        "textupdate", f"value {pv}", box, pv_name=pv, font=font, foreground_color=color, horizontal_alignment=align,
        vertical_alignment=0 if wrap else MIDDLE, wrap_words=wrap,
    )  # fmt: skip
    if text:
        _set(widget, "format", _STRING)
    if background is None:
        _set(widget, "transparent", True)
    else:
        _set(widget, "background_color", background)
    if not units:
        _set(widget, "show_units", False)
    if precision >= 0:
        _set(widget, "format", _DECIMAL)
        _set(widget, "precision", precision)
    return widget


def log_text(box: Box, pv: str, font: Font = style.FIXED, *, bottom: bool = False) -> ET.Element:
    """A long string with many lines, which can be scrolled; `bottom` keeps its end in sight."""
    return _widget(
        "textupdate", f"log {pv}", box, pv_name=pv, font=font, foreground_color=style.INK, format=_STRING,
        background_color=style.READ, interactive=True, vertical_alignment=2 if bottom else MIDDLE,
    )  # fmt: skip


def lamp(
    box: Box, pv: str, states: Sequence[tuple[str, Color]], font: Font = style.TEXT_BOLD, *, border: bool = True
) -> ET.Element:
    """The label of an enum's state on its colour; `states` are those of the values 0, 1, 2 ..."""
    listed = ET.Element("states")
    for number, (text, fill) in enumerate(states):
        state = ET.SubElement(listed, "state")
        for tag, of in (("value", number), ("label", text), ("color", fill)):
            _set(state, tag, of)
    widget = _widget(
        "multi_state_led", f"lamp {pv}", box, pv_name=pv, states=listed, font=font, foreground_color=style.INK,
        line_color=style.RULE, square=True, fallback_label="?",
    )  # fmt: skip
    if not border:
        _set(widget, "border_alarm_sensitive", False)
    return widget


def bar(
    box: Box, pv: str, low: float = 0, high: float = 100, color: Color = style.BAR, *, log: bool = False
) -> ET.Element:
    """A number as a filled bar."""
    widget = _widget(
        "progressbar", f"bar {pv}", box, pv_name=pv, limits_from_pv=False, minimum=low, maximum=high, fill_color=color,
        background_color=style.READ,
    )  # fmt: skip
    if log:
        _set(widget, "log_scale", True)
    return widget


def polyline(points: Sequence[tuple[int, int]], *rules: ET.Element, name: str, arrow: bool = True) -> ET.Element:
    """A line through these points of the display, with an arrow's head at its end."""
    left, top = min(x for x, _ in points), min(y for _, y in points)
    box = Box(left, top, max(x for x, _ in points) - left + 1, max(y for _, y in points) - top + 1)
    listed = ET.Element("points")
    for x, y in points:
        ET.SubElement(listed, "point", x=f"{x - left}.0", y=f"{y - top}.0")
    widget = _widget("polyline", name, box, line_width=6, line_color=style.FAINT, points=listed)
    if arrow:
        _set(widget, "arrows", 2)
        _set(widget, "arrow_length", 26)
    if rules:
        _set(widget, "rules", _element("rules", rules))
    return widget


def rule(
    name: str, prop: str, pvs: Sequence[str], cases: Sequence[tuple[str, Value]], *, computed: bool = False
) -> ET.Element:
    """A property that follows process variables: the first case that holds gives it; pv0, pv1 ... are the values.

    What it gives is an expression, too, if it is `computed`.
    """
    element = ET.Element("rule", name=name, prop_id=prop, out_exp="true" if computed else "false")
    for expression, then in cases:
        case = ET.SubElement(element, "exp", bool_exp=expression)
        _set(case, "expression" if computed else "value", then)
    for pv in pvs:
        _set(element, "pv_name", pv)
    return element


def ruled(widget: ET.Element, *rules: ET.Element) -> ET.Element:
    """The widget, with rules, besides those that it has already."""
    listed = widget.find("rules")
    if listed is None:
        listed = ET.SubElement(widget, "rules")
    listed.extend(rules)
    return widget


def hidden_while(widget: ET.Element, expression: str, *pvs: str) -> ET.Element:
    """The widget, not to be seen while what it shows means nothing."""
    return ruled(widget, rule("meaningless", "visible", pvs, [(expression, False)]))


def shown_while(widget: ET.Element, expression: str, *pvs: str) -> ET.Element:
    """The widget, to be seen only while this holds, and not before that is known."""
    _set(widget, "visible", False)
    return ruled(widget, rule("needed", "visible", pvs, [(expression, True)]))


def literal(text: str) -> str:
    """A text in the expression of a rule.

    Web clients replace `or`, `and` and `not` in an expression wherever they stand: a letter of each is written by its
    code.
    """
    for word in ("or", "and", "not"):
        text = text.replace(word, f"\\x{ord(word[0]):02x}{word[1:]}")
    return f'"{text}"'


def copies(box: Box, file: str, macros: Sequence[Mapping[str, str]], columns: int, gap: int = 8) -> ET.Element:
    """Another display file, once for each of these macros, row by row."""
    instances = ET.Element("instances")
    for each in macros:
        _set(ET.SubElement(instances, "instance"), "macros", _macros(each))
    return _widget(
        "template", file, box, file=file, instances=instances, horizontal=True, gap=gap, wrap_count=columns,
        transparent=True,
    )  # fmt: skip


# -- what can be operated ----------------------------------------------------------------------------------------------


def entry(box: Box, pv: str, font: Font = style.TEXT, *, text: bool = False, units: bool = True) -> ET.Element:
    """A number or a text that can be typed."""
    widget = _widget(
        "textentry", f"entry {pv}", box, pv_name=pv, font=font, foreground_color=style.INK,
        background_color=style.WRITE,
    )  # fmt: skip
    if text:
        _set(widget, "format", _STRING)
    if not units:
        _set(widget, "show_units", False)
    return widget


def choice(box: Box, pv: str, font: Font = style.TEXT) -> ET.Element:
    """A choice among an enum's labels."""
    return _widget(
        "combo", f"choice {pv}", box, pv_name=pv, font=font, foreground_color=style.INK, background_color=style.WRITE
    )


def command(
    box: Box, text: str, pv: str, font: Font = style.TEXT_BOLD, color: Color = style.INK, *, confirm: str = ""
) -> ET.Element:
    """A button that writes 1; `confirm` is asked first."""
    action = ET.Element("action", type="write_pv")
    for tag, of in (("pv_name", pv), ("value", 1), ("description", text)):
        _set(action, tag, of)
    widget = _button(box, f"command {pv}", text, action, font, color, style.BUTTON)
    if confirm:
        _set(widget, "show_confirm_dialog", True)
        _set(widget, "confirm_message", confirm)
    return widget


def opener(
    box: Box, text: str, file: str, macros: Mapping[str, str] | None = None, font: Font = style.TEXT_BOLD,
    color: Color = style.INK, background: Color | None = style.BUTTON, align: int = CENTER,
) -> ET.Element:  # fmt: skip
    """A button that shows another screen in the place of this one; it gets this one's macros, and `macros`.

    Without `background` what is behind it is seen.
    """
    action = ET.Element("action", type="open_display")
    _set(action, "file", file)
    if macros:
        _set(action, "macros", _macros(macros))
    _set(action, "target", "replace")
    _set(action, "description", f"Open {file}")
    widget = _button(box, f"open {file} {text}", text, action, font, color, background)
    if align != CENTER:
        _set(widget, "horizontal_alignment", align)
    return widget


def _button(
    box: Box, name: str, text: str, action: ET.Element, font: Font, color: Color, background: Color | None
) -> ET.Element:
    widget = _widget(
        "action_button", name, box, actions=_element("actions", [action]), text=text, font=font,
        foreground_color=color, background_color=background or style.BUTTON, tooltip="$(actions)",
    )  # fmt: skip
    if background is None:
        _set(widget, "transparent", True)
    return widget


# -- plots -------------------------------------------------------------------------------------------------------------


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
) -> ET.Element:  # fmt: skip
    """An array as a curve over its index or over `x_pv`, or as a histogram with `steps`.

    `markers` are cursors that show and write a number. The axis of y ends at `top_pv`, if there is one.
    """
    trace = ET.Element("trace")
    for tag, of in (("name", ""), ("x_pv", x_pv), ("y_pv", pv), ("color", style.CURVE), ("line_width", 2)):
        _set(trace, tag, of)
    _set(trace, "trace_type", _STEPS if steps else _LINE)
    listed = ET.Element("marker")
    for cursor, fill in markers:
        marker = ET.SubElement(listed, "marker")
        for tag, of in (("color", fill), ("pv_name", cursor), ("interactive", True)):
            _set(marker, tag, of)
    widget = _widget(
        "xyplot", f"plot {pv}", box, show_legend=False, x_axis=_axis("x_axis", x, font),
        y_axes=_element("y_axes", [_axis("y_axis", y, font)]), traces=_element("traces", [trace]),
        background_color=style.PANEL, foreground_color=style.INK,
    )  # fmt: skip
    if markers:
        _set(widget, "marker", listed)
    if toolbar:
        _set(widget, "show_toolbar", True)
    if top_pv:
        ruled(widget, rule("top", "y_axes[0].maximum", [top_pv], [("pv0 > 0", "pv0")], computed=True))
    return widget


def _axis(tag: str, axis: Axis, font: Font) -> ET.Element:
    element = ET.Element(tag)
    _set(element, "title", axis.title)
    for name, of in (("autoscale", axis.auto), ("log_scale", axis.log)):
        if of != "false":
            _set(element, name, of)
    _set(element, "minimum", float(axis.limits[0]))
    _set(element, "maximum", float(axis.limits[1]))
    if axis.shown:
        _set(element, "show_grid", True)
        for name in ("title_font", "scale_font"):
            _set(element, name, font)
    else:
        _set(element, "visible", False)
    return element


# -- XML ---------------------------------------------------------------------------------------------------------------


def _widget(kind: str, name: str, box: Box, **properties: Value) -> ET.Element:
    widget = ET.Element("widget", type=kind, version=_VERSIONS.get(kind, "2.0.0"))
    _set(widget, "name", name)
    for tag in ("x", "y", "width", "height"):
        _set(widget, tag, getattr(box, tag))
    for tag, of in properties.items():
        _set(widget, tag, of)
    return widget


def _set(parent: ET.Element, tag: str, of: Value) -> None:
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


def _element(tag: str, children: Iterable[ET.Element]) -> ET.Element:
    element = ET.Element(tag)
    element.extend(children)
    return element


def _macros(macros: Mapping[str, str]) -> ET.Element:
    element = ET.Element("macros")
    for name, text in macros.items():
        _set(element, name, text)
    return element
