"""What the Display Builder Web Runtime makes of display files: says what it cannot show, or would fail with.

Read off its sources, github.com/ornl-epics/dbwr d9c0a5f (2026-02-09), and off PV Web Socket, github.com/ornl-epics/pvws
f9b2be0 (2026-07-24), and seen in them in Chromium: the types of widgets are those of `widget.properties`; what a widget
reads is in its class in `dbwr/widgets`, what it does with a value in `webapp/widgets/*.js`; rules are in
`dbwr/rules/RuleSupport.java`, macros in `dbwr/macros/MacroUtil.java`.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tests.export.described import parsed


@dataclass(frozen=True)
class Kind:
    """A type of widget: the properties that are read, those that are left out, and those that rules can change."""

    reads: frozenset[str]
    leaves: frozenset[str]
    rules: frozenset[str]


def _kind(reads: str = "", leaves: str = "", rules: str = "") -> Kind:
    everywhere = ("name", "x", "y", "width", "height", "visible", "enabled", "rules")
    return Kind(
        frozenset((*everywhere, *reads.split())), frozenset(leaves.split()), frozenset(("visible", "x", *rules.split()))
    )


_TEXT = "text font foreground_color horizontal_alignment vertical_alignment transparent background_color"
_PV_TEXT = f"pv_name format precision show_units border_alarm_sensitive {_TEXT}"
#: What the project's screens may be made of. What is left out must not be needed; the how-to on web clients tells.
KINDS: Mapping[str, Kind] = {
    "label": _kind(_TEXT, "wrap_words tooltip"),
    "rectangle": _kind("line_width line_color background_color", rules="background_color"),
    "polyline": _kind("line_width line_color points arrows", "arrow_length", rules="line_color"),
    "textupdate": _kind(_PV_TEXT, "wrap_words interactive", rules="background_color foreground_color"),
    # Of arrays of characters it shows the zeros behind the text.
    "textentry": _kind(_PV_TEXT, rules="background_color foreground_color"),
    "combo": _kind("pv_name", "font foreground_color background_color"),
    # The labels of states have one small size.
    "multi_state_led": _kind(
        "pv_name states square fallback_label fallback_color border_alarm_sensitive",
        "font foreground_color line_color",
    ),
    "progressbar": _kind("pv_name limits_from_pv minimum maximum", "fill_color background_color log_scale"),
    "action_button": _kind(
        "actions text font foreground_color background_color transparent horizontal_alignment",
        "tooltip show_confirm_dialog confirm_message",
        rules="background_color",
    ),
    "xyplot": _kind(
        "x_axis y_axes traces", "marker show_legend show_toolbar background_color foreground_color",
    ),
    "template": _kind("file instances horizontal gap wrap_count transparent"),
}  # fmt: skip
#: Of the parts of a plot.
PLOT: Mapping[str, Kind] = {
    "x_axis": _kind("title", "autoscale minimum maximum show_grid title_font scale_font"),
    "y_axis": _kind("title log_scale", "visible autoscale minimum maximum show_grid title_font scale_font"),
    "trace": _kind("x_pv y_pv color line_width", "trace_type"),
}
#: What rules do in Phoebus and not there; the screens say the same in another way, or less.
RULES_LEFT_OUT = {
    ("textentry", "enabled"), ("combo", "enabled"), ("combo", "background_color"), ("xyplot", "x_axis.maximum"),
    ("xyplot", "y_axes[0].maximum"),
}  # fmt: skip
#: Macros are replaced in these; in numbers and truth values they stay.
WITH_MACROS = {
    "name",
    "text",
    "pv_name",
    "x_pv",
    "y_pv",
    "title",
    "label",
    "fallback_label",
    "file",
    "value",
    "tooltip",
}
ACTIONS = {"write_pv", "open_display", "open_webpage"}
_MACRO = re.compile(r"\$[({]([^(){}=$]+)(?:=[^(){}]*)?[)}]")
#: What an expression may be made of: values, texts of values, numbers, texts, operators.
_TOKEN = re.compile(r'\s+|pv(?:Str)?\d+\b|\d+(?:\.\d+)?(?:e[+-]?\d+)?|"[^"]*"|==|!=|<=|>=|<|>|&&|\|\||!|\*|\+|-|\(|\)')


def web_runtime(files: Mapping[str, str]) -> Iterator[str]:
    """What is wrong with display files, by their name, for the runtime."""
    for file, text in files.items():
        root = parsed(text)
        for widget in root.iter("widget"):
            for problem in _widget(widget):
                yield f"{file}: {widget.findtext('name')}: {problem}"
        yield from (f"{file}: {problem}" for problem in _bars(root))


def _widget(widget: ET.Element) -> Iterator[str]:
    kind = KINDS.get(widget.get("type", ""))
    if kind is None:
        yield f"{widget.get('type')} is not among the widgets that it is known to show"
        return
    for element in widget:
        if element.tag not in kind.reads | kind.leaves:
            yield f"whether it reads {element.tag} of a {widget.get('type')} is not known"
    yield from _macros(widget)
    for part in widget.iter():
        if part.tag in PLOT:
            known = PLOT[part.tag].reads | PLOT[part.tag].leaves
            yield from (
                f"whether it reads {each.tag} of {part.tag} is not known" for each in part if each.tag not in known
            )
    for rule in widget.iterfind("rules/rule"):
        yield from _rule(widget.get("type", ""), kind, rule)
    for action in widget.iterfind("actions/action"):
        if action.get("type") not in ACTIONS:
            yield f"it does not do {action.get('type')}"


def _macros(widget: ET.Element) -> Iterator[str]:
    """Those in numbers and truth values, and those of copies that are looked for in themselves."""
    for instance in widget.iterfind("instances/instance"):
        given = {macro.tag: macro.text or "" for macro in instance.iterfind("macros/*")}
        for name, text in given.items():
            if used := {match[1] for match in _MACRO.finditer(text)} & given.keys():
                yield f"the server looks for ever for the macro {name} of a copy, which is made of {', '.join(used)}"
    inside = {element for macros in widget.iter("macros") for element in macros}
    for element in widget.iter():
        if "$(" in (element.text or "") and element.tag not in WITH_MACROS and element not in inside:
            yield f"the macro in {element.tag} is not replaced: {element.text}"


def _rule(type_: str, kind: Kind, rule: ET.Element) -> Iterator[str]:
    changes = rule.get("prop_id", "")
    if (type_, changes) in RULES_LEFT_OUT:
        return
    if changes not in kind.rules:
        yield f"no rule can change {changes} of a {type_}"
    for case in rule.findall("exp"):
        expression = case.get("bool_exp", "")
        if rest := _TOKEN.sub("", _MACRO.sub("", expression)):
            yield f"the expression {expression!r} has {rest!r}"
        for word in ("and", "or", "not"):
            if word in expression:
                yield f"in the expression {expression!r} it takes {word!r} for an operator"


def _bars(root: ET.Element) -> Iterator[str]:
    """A bar fails when the IOC goes: widgets behind it that show the same process variable do not hear of that."""
    bars: set[str] = set()
    for widget in root.iter("widget"):
        pvs = {element.text or "" for element in widget.iter("pv_name")}
        if late := pvs & bars:
            yield f"{widget.findtext('name')} comes behind a bar of {', '.join(late)}"
        if widget.get("type") == "progressbar":
            bars |= pvs
