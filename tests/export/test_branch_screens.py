"""The Pipeline screen of a graph: a box a task, an arrow a link, what is missed, and rules that mean something."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from pixieioc.export.screens import screens
from tests.export.described import of_file
from tests.running_ioc import ROOT


def test_the_screen_follows_the_graph() -> None:
    description = of_file(ROOT / "examples" / "branches.toml")
    files = {name: ET.fromstring(text) for name, text in screens(description).items()}
    screen = files["pipeline.bob"]
    names = {widget.findtext("name") for widget in screen.iter("widget")}
    assert {f"task {name}" for name in description.graph.tasks} <= names
    assert {f"link {link.source} {link.target}" for link in description.graph.links} <= names
    shown = {element.text for element in screen.iter("pv_name")}
    assert {text for text in shown if text is not None and "Missed" in text} == {"$(P=PX16:)ConvertToEvents:Missed_RBV"}
    texts = {element.text for element in screen.iter("text")}
    assert {"sampling", "behind DummyData", "lossless", "behind SortEvents"} <= texts
    for name, root in files.items():
        assert all(case.get("bool_exp") for case in root.iter("exp")), name
