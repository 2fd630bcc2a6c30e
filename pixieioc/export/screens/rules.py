"""Rules of widgets: properties that follow process variables."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence

from pixieioc.export.screens.bob_xml import Value, set_property


def rule(
    name: str, prop: str, pvs: Sequence[str], cases: Sequence[tuple[str, Value]], *, computed: bool = False
) -> ET.Element:
    """A property that follows process variables: the first case that holds gives it; pv0, pv1 ... are the values.

    What it gives is an expression, too, if it is `computed`.
    """
    element = ET.Element("rule", name=name, prop_id=prop, out_exp="true" if computed else "false")
    for expression, then in cases:
        case = ET.SubElement(element, "exp", bool_exp=expression)
        set_property(case, "expression" if computed else "value", then)
    for pv in pvs:
        set_property(element, "pv_name", pv)
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
    set_property(widget, "visible", False)
    return ruled(widget, rule("needed", "visible", pvs, [(expression, True)]))


def literal(text: str) -> str:
    """A text in the expression of a rule.

    Web clients replace `or`, `and` and `not` in an expression wherever they stand: a letter of each is written by its
    code.
    """
    for word in ("or", "and", "not"):
        text = text.replace(word, f"\\x{ord(word[0]):02x}{word[1:]}")
    return f'"{text}"'
