"""The looks of display files as numbers: where widgets are, and which texts do not fit."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping

from tests.export.described import parsed

Files = Mapping[str, str]

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
    "Alarm1:Text_RBV": "ConvertToEvents:REPORT:CorruptRegions_RBV is 123456, since 11-25 18:48:12",
}


def widgets(text: str) -> Iterator[tuple[ET.Element, tuple[int, int, int, int]]]:
    """All widgets of a file, with x, y, width, height."""
    for widget in parsed(text).iter("widget"):
        x, y, width, height = (int(widget.findtext(tag, "-1")) for tag in ("x", "y", "width", "height"))
        yield widget, (x, y, width, height)


def size(text: str) -> tuple[int, int]:
    """Width and height of a screen."""
    root = parsed(text)
    return int(root.findtext("width", "")), int(root.findtext("height", ""))


def outside(files: Files) -> Iterator[str]:
    """The widgets that are not wholly on their screen."""
    for file, text in files.items():
        room = size(text)
        for widget, (x, y, width, height) in widgets(text):
            if min(x, y) < 0 or min(width, height) <= 0 or x + width > room[0] or y + height > room[1]:
                yield f"{file}: {widget.findtext('name')} at {x}, {y} of {width} x {height} on {room}"


def length(text: str, size: float, *, bold: bool) -> float:
    """About how long a text is in this font, in pixels."""
    wide = {**dict.fromkeys("iljtfI.,:;'|()[]- /", 0.28), **dict.fromkeys("mwMW%", 0.83)}
    widths = (wide.get(character, 0.68 if character.isupper() else 0.55) for character in text)
    return size * sum(widths) * (1.06 if bold else 1)


def too_long(files: Files) -> Iterator[str]:
    """The texts of labels and buttons that are larger than these."""
    for file, text in files.items():
        for widget, (_, _, width, height) in widgets(text):
            said, font = widget.findtext("text"), widget.find("font/font")
            if said and font is not None:
                size = float(font.get("size", ""))
                shown = re.sub(r"\$\(\w+=(.*?)\)", r"\1", said)
                needed = length(shown, size, bold=font.get("style") == "BOLD")
                if needed > width or size > height + 3:
                    yield f"{file}: {said} needs {needed:.0f} x {size:.0f} pixels, {width} x {height} are there"


def cut_off(files: Files, seen: set[str]) -> Iterator[str]:
    """Where the longest texts of process variables do not fit; names those that are shown at all in `seen`."""
    for file, text in files.items():
        for widget, (_, _, width, height) in widgets(text):
            pv = re.sub(r"^\$\(P=.*?\)", "", widget.findtext("pv_name", "")).replace("$(N=1)", "1")
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
            needed = length(LONGEST[pv], size, bold=font.get("style") == "BOLD")
            if needed > room:
                yield f"{file}: {pv} needs {needed:.0f} pixels, {room:.0f} are there"
