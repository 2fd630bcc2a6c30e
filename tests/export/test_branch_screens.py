"""The Pipeline screen of a graph: a box a task, an arrow a link, what is missed, and rules that mean something."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from pixieioc.pvinfo.description import Description
from tests.export.described import case, parsed


def _screens() -> tuple[Description, dict[str, ET.Element]]:
    files, description = case("branches.toml")
    return description, {
        path.removeprefix("opi/"): parsed(text) for path, text in files.items() if path.startswith("opi/")
    }


def test_the_screen_follows_the_graph() -> None:
    description, files = _screens()
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


def test_each_task_with_spectra_has_a_screen_for_them_and_all_are_gone_to_from_each() -> None:
    _, files = _screens()
    for file, before, cell in (
        ("spectra.bob", "", "spectra_cell.bob"),
        ("spectra_Coarse.bob", "Coarse:", "spectra_cell_Coarse.bob"),
    ):
        spectrum = f"$(P=PX16:){before}M$(M=00):C$(C=00):Spectrum_RBV"
        for name in (file, cell):
            assert spectrum in {element.text for element in files[name].iter("y_pv")}
        opened = {element.text for element in files[file].iter("file")}
        assert {"spectra.bob", "spectra_Coarse.bob", cell, "rates.bob"} <= opened
        assert opened - {"traces.bob"} <= set(files)
        regions = {element.text for element in files[file].iter("pv_name") if "ROI1" in (element.text or "")}
        assert regions
        assert all(f":){before}M$(M=00)" in (name or "") for name in regions)
