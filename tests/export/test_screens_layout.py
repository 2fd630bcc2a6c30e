"""What must hold for the looks of the screens: everything inside, nothing cut off, one colour for one severity."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator

import pytest

from pixieioc.export.screens import screens
from tests.export.described import CASES, case, described, parsed

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


def _widgets(text: str) -> Iterator[tuple[ET.Element, tuple[int, int, int, int]]]:
    for widget in parsed(text).iter("widget"):
        x, y, width, height = (int(widget.findtext(tag, "-1")) for tag in ("x", "y", "width", "height"))
        yield widget, (x, y, width, height)


def _size(text: str) -> tuple[int, int]:
    root = parsed(text)
    return int(root.findtext("width", "")), int(root.findtext("height", ""))


@pytest.fixture(scope="module", params=ALL)
def files(request: pytest.FixtureRequest) -> dict[str, str]:
    """The screens of one IOC."""
    return ALL[request.param]()


def test_every_widget_is_inside_its_screen(files: dict[str, str]) -> None:
    for file, text in files.items():
        room = _size(text)
        for widget, (x, y, width, height) in _widgets(text):
            where = f"{file}: {widget.findtext('name')}"
            assert x >= 0, where
            assert y >= 0, where
            assert width > 0, where
            assert height > 0, where
            assert x + width <= room[0], where
            assert y + height <= room[1], where


def test_copies_of_a_part_have_the_room_that_they_need(files: dict[str, str]) -> None:
    for file, text in files.items():
        for widget, (_, _, width, height) in _widgets(text):
            if widget.get("type") == "template":
                part = _size(files[widget.findtext("file", "")])
                count, gap = len(widget.findall("instances/instance")), int(widget.findtext("gap", ""))
                columns = int(widget.findtext("wrap_count", ""))
                rows = -(-count // columns)
                assert min(count, columns) * (part[0] + gap) - gap <= width, file
                assert rows * (part[1] + gap) - gap <= height, file


def test_a_screen_is_as_wide_as_the_display_and_higher_only_for_a_long_list(files: dict[str, str]) -> None:
    for file, text in files.items():
        width, height = _size(text)
        assert width <= 1600
        assert height <= 1000 or file.startswith(("pipeline", "expert"))


def _length(text: str, size: float, *, bold: bool) -> float:
    """About how long a text is in this font, in pixels."""
    wide = {**dict.fromkeys("iljtfI.,:;'|()[]- /", 0.28), **dict.fromkeys("mwMW%", 0.83)}
    widths = (wide.get(character, 0.68 if character.isupper() else 0.55) for character in text)
    return size * sum(widths) * (1.06 if bold else 1)


def test_texts_fit(files: dict[str, str]) -> None:
    for file, text in files.items():
        for widget, (_, _, width, height) in _widgets(text):
            said, font = widget.findtext("text"), widget.find("font/font")
            if said and font is not None:
                size = float(font.get("size", ""))
                shown = re.sub(r"\$\(\w+=(.*?)\)", r"\1", said)
                assert _length(shown, size, bold=font.get("style") == "BOLD") <= width, f"{file}: {said}"
                assert size <= height + 3, f"{file}: {said}"


#: Texts as long as they get in the life of a beamline, by the process variable that has them.
FOLDER = "/data/beamlines/nuclear-structure/2026/proposal-20260417-smith/run-0042/raw"
PLACE = "there is no folder /data/beamlines/nuclear-structure/2026/proposal-20260417-smith/run-0042/raw"
LONGEST = {
    "StatusMessage_RBV": "run 12345 has ended: Task error: RuntimeError in ConvertToEvents: the header of the record "
    "at byte 123456789 of module 12 has a length of 131071 words",
    "StartMessage_RBV": f"Start would be refused: {PLACE}: 3 levels are missing, CreateDirectory = -2 makes 2; only "
    "0.9 GB are free there, 1 GB are the least; PresetMode Live time: no task of the chain knows the dead time.",
    "RunEndReason_RBV": "Operator stop",
    "FilePath_RBV": FOLDER,
    "FullFileName_RBV": f"{FOLDER}/pixie16_12345_run012345_mod12.bin",
    "WriteMessage_RBV": "No space left on device: /data/beamlines/nuclear-structure/raw",
    "ConfigWaiting_RBV": "GatherData.file_path, GatherData.file_name, SortEvents.window",
    "ElapsedRealText_RBV": "47 h 59 min",
    "ElapsedLiveText_RBV": "47 h 59 min",
    "BytesWrittenText_RBV": "999 GB",
    "ErrorFirstMessage_RBV": "ConvertToEvents: RuntimeError: the header of the record at byte 123456789 of module 12 "
    "has a length of 131071 words, and its channel 15 is not of those that the configuration names: 0 to 11",
    "ErrorFirst_RBV": "PickSingleModule",
    "ErrorFirstTime_RBV": "2026-11-25 18:48:12.057+00:00",
    "CmdMessage_RBV": "M12:C15:ROI4:Low: FillSpectra.roi_high of M12:C15:ROI4 = 16384: is below roi_low of "
    "M12:C15:ROI4 = 30000",
    "CmdUser_RBV": "operator@control-room-4",
    "EventRate_RBV": "12345678",
    "Alarm$(N=1):Text_RBV": "ConvertToEvents:REPORT:CorruptRegions_RBV is 123456, since 11-25 18:48:12",
}


def test_the_longest_texts_fit(files: dict[str, str]) -> None:
    seen: set[str] = set()
    cut: list[str] = []
    for file, text in files.items():
        for widget, (_, _, width, height) in _widgets(text):
            pv = re.sub(r"^\$\(P=.*?\)", "", widget.findtext("pv_name", ""))
            font = widget.find("font/font")
            if widget.get("type") != "textupdate" or pv not in LONGEST or font is None:
                continue
            seen.add(pv)
            size = float(font.get("size", ""))
            lines = 1.0
            if widget.findtext("wrap_words") == "true":
                lines = max(1, height // (1.17 * size))
            # A line that is broken between words is not full.
            room = width * lines * (0.92 if lines > 1 else 1)
            length = _length(LONGEST[pv], size, bold=font.get("style") == "BOLD")
            cut += [f"{file}: {pv} needs {length:.0f} pixels, {room:.0f} are there"] if length > room else []
    assert cut == []
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
    # spectra on a logarithmic scale.
    below = ("task_", "channel", "spectra_", "traces_", "log_")
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
        for widget, _ in _widgets(text):
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
