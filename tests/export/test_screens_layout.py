"""What must hold for the looks of the screens: everything inside, nothing cut off, one colour for one severity."""

from __future__ import annotations

import re

import pytest

from pixieioc.export.screens import screens
from tests.export.described import CASES, case, described, parsed
from tests.export.looks import LONGEST, cut_off, outside, size, too_long, widgets

CHAIN = ("DummyData", "GatherData", "ConvertToEvents", "SortEvents", "GatherEvents", "FillSpectra", "SnapTraces")
SIZE = {"modules": 13, "channels": 16}


def _crate() -> dict[str, str]:
    """A full crate."""
    return screens(described(*CHAIN, DummyData=SIZE, FillSpectra=SIZE, SnapTraces=SIZE))


def _modules(modules: int, channels: int) -> dict[str, str]:
    """A crate that is set up, with all screens that there can be."""
    size = {"modules": modules, "channels": channels}
    return screens(described("TakeData", *CHAIN[1:], TakeData=size, FillSpectra=size, SnapTraces=size))


ALL = {name: lambda name=name: screens(case(name)[1]) for name in CASES} | {
    "crate": _crate,
    "modules": lambda: _modules(13, 16),
    "wide modules": lambda: _modules(2, 32),
}


@pytest.fixture(scope="module", params=ALL)
def files(request: pytest.FixtureRequest) -> dict[str, str]:
    """The screens of one IOC."""
    return ALL[request.param]()


def test_every_widget_is_inside_its_screen(files: dict[str, str]) -> None:
    assert list(outside(files)) == []


def test_copies_of_a_part_have_the_room_that_they_need(files: dict[str, str]) -> None:
    for file, text in files.items():
        for widget, (_, _, width, height) in widgets(text):
            if widget.get("type") == "template":
                part = size(files[widget.findtext("file", "")])
                count, gap = len(widget.findall("instances/instance")), int(widget.findtext("gap", ""))
                columns = int(widget.findtext("wrap_count", ""))
                rows = -(-count // columns)
                assert min(count, columns) * (part[0] + gap) - gap <= width, file
                assert rows * (part[1] + gap) - gap <= height, file


def test_a_screen_is_as_wide_as_the_display_and_higher_only_for_a_long_list(files: dict[str, str]) -> None:
    for file, text in files.items():
        width, height = size(text)
        assert width <= 1600
        assert height <= 1000 or file.startswith(("pipeline", "expert"))


def test_texts_fit(files: dict[str, str]) -> None:
    assert list(too_long(files)) == []


def test_the_longest_texts_fit(files: dict[str, str]) -> None:
    seen: set[str] = set()
    assert list(cut_off(files, seen)) == []
    assert seen >= set(LONGEST) - {pv for pv in LONGEST if pv.startswith(("File", "FullFile", "Write", "BytesW"))}


def test_a_severity_has_one_colour(files: dict[str, str]) -> None:
    colours: dict[str, set[tuple[str | None, ...]]] = {}
    for text in files.values():
        for colour in parsed(text).iter("color"):
            if name := colour.get("name"):
                colours.setdefault(name, set()).add(tuple(colour.get(part) for part in ("red", "green", "blue")))
    assert set(colours) == {"MINOR", "MAJOR", "INVALID"}
    assert all(len(found) == 1 for found in colours.values())


def test_from_every_screen_a_button_leads_to_all_others(files: dict[str, str]) -> None:
    parts = {file for file in files if "_cell" in file or "_row" in file or file.startswith("rates_")}
    # A channel is opened from its module, the spectra and traces of further tasks from those of the first, and so are
    # spectra on a logarithmic scale and the calibrations of all channels.
    below = ("task_", "channel", "spectra_", "traces_", "log_", "calibration")
    places = {file for file in files if file not in parts and not file.startswith(below)}
    for file, text in files.items():
        if file not in parts:
            opened = {action.findtext("file") for action in parsed(text).iter("action")}
            assert places <= opened, file


def test_no_screen_defines_the_prefix_itself(files: dict[str, str]) -> None:
    assert not any(parsed(text).find("macros") for text in files.values())


def test_what_hurts_asks_first(files: dict[str, str]) -> None:
    asks = {}
    for text in files.values():
        for widget, _ in widgets(text):
            for action in widget.findall("actions/action[@type='write_pv']"):
                name = re.sub(r"\$\(P=.*?\)", "", action.findtext("pv_name", ""))
                asks[name] = widget.findtext("show_confirm_dialog") == "true"
    of_tasks = {name for name in asks if ":" in name and not name.startswith("IOC:")}
    of_modules = {name for name in asks if name.startswith("Copy")}
    of_modules |= asks.keys() & {
        "AdjustOffsets", "ApplyTau", "FindBaselineCut", "Boot", "LoadSettings", "SaveSettings",
    }  # fmt: skip
    assert {name for name, asked in asks.items() if asked} == {
        "Abort", "Erase", "EraseStart", "Reset", "Quit", "Kill", "IOC:SYSRESET", *of_tasks, *of_modules,
    }  # fmt: skip
    assert all(name.endswith((":Erase", ":ResetCounters")) for name in of_tasks)
    assert {"Acquire", "Stop", "Configure", "ErrorAck"} <= set(asks)
